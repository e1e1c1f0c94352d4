/* Eight channels side by side: what nearly every packet goes through.
 *
 * Packets are put in the order of their lengths and taken eight at a time, a channel a lane. A block of samples is
 * turned (the eight of one time lie together) and run through the loop of lanes.h with the lanes' state in registers.
 * Lanes that end leave while the others go on. A lane in which a threshold was crossed, a channel is or was dead, or a
 * sample is no number is left as it was, and run_channel goes through its block sample by sample.
 */
#include <math.h>
#include <string.h>

#include "bank.h"

#if defined(__clang__)
#define PICK(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PICK(a, b, ...) __builtin_shuffle(a, b, (NAME(words)){__VA_ARGS__})
#endif

#define WIDTH 2
#define NAME(f) f##_plain
#define TARGET
#include "lanes.h"

#if defined(__x86_64__)
#define WIDTH 4
#define NAME(f) f##_avx2
#define TARGET __attribute__((target("avx2")))
#include "lanes.h"

#define WIDTH 8
#define NAME(f) f##_avx512
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl")))
#include "lanes.h"
#endif

static struct kind {
    const char *name;
    void (*turn)(struct lanes *);
    void (*run)(struct lanes *, int64_t begin, int64_t end);
} kind = {"plain", turn_plain, run_plain};

const char *vector_name(void) { return kind.name; }

/* The widest vectors this processor has, or those of a name; returns 0 if it hasn't. */
int choose_vectors(const char *name)
{
    const struct kind plain = {"plain", turn_plain, run_plain};
    const struct kind *best = &plain;
#if defined(__x86_64__)
    const struct kind avx2 = {"avx2", turn_avx2, run_avx2}, avx512 = {"avx512", turn_avx512, run_avx512};
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && (!name || !strcmp(name, avx2.name))) best = &avx2;
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        (!name || !strcmp(name, avx512.name)))
        best = &avx512;
#endif
    if (name && strcmp(name, best->name)) return 0;
    kind = *best;
    return 1;
}

/* ---- Lanes filled and emptied --------------------------------------------------------------------------- */

enum {
    WINDOW = 512, /* packets put in order at a time: their samples fit the second-level cache */
    SPOT = 32,    /* of so many samples one is held against the one before; a dead channel has 33 equal ones at least */
};
/* An average above this held a sample that is no number (its NaN or infinity stays), or near enough to one. */
static const double SUSPECT = 1e29;

static void fill_lane(struct bank *bank, int lane, int32_t channel)
{
    struct lanes *lanes = bank->lanes;
    const struct filter *filter = &bank->channels.filter[channel];
    const int32_t class = bank->channels.clock[channel].rate;
    const struct rate *rate = &bank->rates[class];
    if (lanes->rate[lane] != class) {
        lanes->rate[lane] = class;
        for (int k = 0; k < 4; k++) lanes->minus_a1[k][lane] = -rate->a1[k], lanes->minus_a2[k][lane] = -rate->a2[k];
        lanes->sta_keep[lane] = rate->sta_keep;
        lanes->lta_keep[lane] = rate->lta_keep;
    }
    const int is_on = bank->channels.trigger[channel].on_at >= 0;
    lanes->level[lane] = is_on ? rate->off_level : rate->on_level;
    lanes->is_on[lane] = -is_on;
    lanes->crossed[lane] = 0;
    for (int k = 0; k < STATE; k++) lanes->state[k][lane] = filter->state[k];
}

/* Does the same value come so often in the lane's block, or did it before, that the channel is or was dead? */
static int is_or_was_dead(const double (*x)[LANES], int lane, int64_t n, double last, int64_t run, int64_t dead)
{
    if (run >= dead || (run + n >= dead && x[0][lane] == last)) return 1;
    for (int64_t i = SPOT - 1; i < n; i += SPOT) {
        if (x[i][lane] != x[i - 1][lane]) continue;
        int64_t from = i - 1, to = i;
        while (from > 0 && x[from - 1][lane] == x[from][lane]) from--;
        while (to + 1 < n && x[to + 1][lane] == x[to][lane]) to++;
        if (to - from >= dead) return 1;
    }
    return 0;
}

/* How often the last value of the lane's block was repeated. */
static int64_t run_at_end(const double (*x)[LANES], int lane, int64_t n, double last, int64_t run)
{
    int64_t repeats = 0, i = n - 1;
    while (i > 0 && x[i][lane] == x[i - 1][lane]) repeats++, i--;
    return i == 0 && x[0][lane] == last ? repeats + 1 + run : repeats;
}

static int64_t count_clipped(const char *samples, int64_t n)
{
    int64_t clipped = 0;
    for (int64_t i = 0; i < n; i++) clipped += fabs(sample_of(samples, INT32, i)) >= FULL_SCALE;
    return clipped;
}

/* A lane's block has been run: its channel takes over the state, or goes through it sample by sample. */
static void empty_lane(struct bank *bank, int lane)
{
    struct lanes *lanes = bank->lanes;
    const struct packet *packet = lanes->packet[lane];
    const int32_t c = packet->channel;
    const int64_t n = lanes->length[lane];
    struct filter *filter = &bank->channels.filter[c];
    struct trigger *trigger = &bank->channels.trigger[c];
    struct clock *clock = &bank->channels.clock[c];
    if (packet->form == INT32) bank->counts.clipped += count_clipped(lanes->samples[lane], n);
    const int has_crossed = lanes->crossed[lane] < 0 && clock->seen + n > trigger->ready;
    const int64_t dead = bank->rates[clock->rate].dead;
    if (has_crossed || !(lanes->state[LTA][lane] < SUSPECT) ||
        is_or_was_dead(lanes->x, lane, n, filter->last, trigger->run, dead)) {
        run_channel(bank, c, lanes->samples[lane], packet->form, n);
        return;
    }
    trigger->run = run_at_end(lanes->x, lane, n, filter->last, trigger->run);
    for (int k = 0; k < STATE; k++) {
        const double z = lanes->state[k][lane];
        filter->state[k] = fabs(z) > TINY ? z : 0;
    }
    filter->last = lanes->x[n - 1][lane];
    keep_samples(bank, c, lanes->samples[lane], packet->form, n);
    clock->seen += n;
}

static void want(struct lanes *lanes, const void *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes && lanes->wanted_count < WANTED; at += 64)
        lanes->wanted[lanes->wanted_count++] = (const char *)memory + at;
}

/* List the memory that the next packets need: run asks for a line or two in each step, since what is asked for at once
 * holds up all else. Samples and state lie in memory that was last used a second and more ago. */
static void look_ahead(struct bank *bank, const int32_t *order, int64_t count, int64_t first)
{
    struct lanes *lanes = bank->lanes;
    lanes->wanted_count = lanes->asked = 0;
    for (int64_t i = 0; i < count; i++) {
        const struct packet *p = &bank->packets[order[i]];
        const int32_t c = p->channel;
        want(lanes, &bank->channels.filter[c], sizeof(struct filter));
        want(lanes, &bank->channels.trigger[c], sizeof(struct trigger));
        want(lanes, &bank->channels.tail[c], sizeof *bank->channels.tail);
    }
    for (int64_t i = 0; i < count; i++) {
        const struct packet *p = &bank->packets[order[i]];
        const size_t n = (size_t)least(p->length - first, BLOCK);
        want(lanes, p->samples + first * size_of(p->form), n * (size_t)size_of(p->form) + 63);
    }
}

static void ask_for_the_rest(struct lanes *lanes)
{
    for (; lanes->asked < lanes->wanted_count; lanes->asked++) __builtin_prefetch(lanes->wanted[lanes->asked]);
}

/* Up to eight packets, no one longer than the next, from sample first on. */
static void run_group(struct bank *bank, const int32_t *order, int count, int64_t first)
{
    struct lanes *lanes = bank->lanes;
    const struct packet *packets[LANES];
    for (int lane = 0; lane < LANES; lane++) {
        packets[lane] = &bank->packets[order[least(lane, count - 1)]]; /* unused lanes follow the last, to no effect */
        const struct packet *p = packets[lane];
        if (lane >= count) continue;
        if (first == 0) begin_packet(bank, p);
        struct filter *filter = &bank->channels.filter[p->channel];
        if (isnan(filter->offset)) {
            const int64_t n = least(p->length - first, BLOCK);
            filter->offset = first_good(p->samples + first * size_of(p->form), p->form, n);
            filter->state[0] = filter->state[1] = -filter->offset;
        }
    }
    const int64_t end = least(packets[count - 1]->length, first + LIMIT);
    for (int64_t base = first; base < end; base += BLOCK) {
        for (int lane = 0; lane < LANES; lane++) {
            const struct packet *p = packets[lane];
            const int64_t left = least(least(p->length, end) - base, BLOCK);
            lanes->packet[lane] = p;
            lanes->samples[lane] = p->samples + base * size_of(p->form);
            lanes->length[lane] = most(left, 0);
            fill_lane(bank, lane, p->channel);
        }
        kind.turn(lanes);
        int64_t done = 0;
        for (int lane = 0; lane < count; lane++) {
            const int64_t n = lanes->length[lane];
            if (n > done) kind.run(lanes, done, n);
            if (lane == 0) ask_for_the_rest(lanes);
            if (n > 0) empty_lane(bank, lane);
            done = most(done, n);
        }
    }
}

/* Put packets with samples left in the order of their number, a window at a time; returns how many. */
static int64_t put_in_order(struct bank *bank, int64_t begin, int64_t end, int64_t first)
{
    int64_t used = 0;
    int is_uniform = 1;
    for (int64_t p = begin; p < end; p++) {
        if (bank->packets[p].length <= first) continue;
        bank->order[used++] = (int32_t)p;
        is_uniform &= bank->packets[p].length == bank->packets[bank->order[0]].length;
    }
    for (int64_t from = 0; from < used && !is_uniform; from += WINDOW) {
        const int64_t size = least(WINDOW, used - from);
        int32_t some[WINDOW], number[LIMIT + 2] = {0}; /* a counting sort */
        memcpy(some, bank->order + from, sizeof(int32_t) * (size_t)size);
        for (int64_t i = 0; i < size; i++) number[least(bank->packets[some[i]].length - first, LIMIT) + 1]++;
        for (int n = 0; n <= LIMIT; n++) number[n + 1] += number[n];
        for (int64_t i = 0; i < size; i++)
            bank->order[from + number[least(bank->packets[some[i]].length - first, LIMIT)]++] = some[i];
    }
    return used;
}

void run_lanes(struct bank *bank, int64_t begin, int64_t end, int64_t first)
{
    const int64_t used = put_in_order(bank, begin, end, first);
    for (int64_t group = 0; group < used; group += LANES) {
        const int64_t next = group + LANES;
        look_ahead(bank, bank->order + next, least(LANES, most(used - next, 0)), first);
        run_group(bank, bank->order + group, (int)least(LANES, used - group), first);
    }
}
