/* Filter, STA/LTA and trigger of eight channels side by side: the way of nearly every packet.
 *
 * Packets are ordered by length and taken eight at a time, a channel a lane. A block of samples is
 * interleaved (the eight of one time lie together) and filtered by the loop of vector_loop.h with
 * the lanes' state in registers. Lanes that end leave while the others go on. A lane in which a
 * threshold was crossed, a channel is or was dead, or a sample is not a number is left as it was,
 * and run_samples goes through its block sample by sample.
 */
#include <math.h>
#include <string.h>

#include "bank.h"

/* ---- Vector instructions, chosen when the module is loaded ----------------------------------- */

#if defined(__clang__)
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (NAME(words)){__VA_ARGS__})
#endif

#define WIDTH 2
#define NAME(f) f##_plain
#define TARGET
#include "vector_loop.h"

#if defined(__x86_64__)
#define WIDTH 4
#define NAME(f) f##_avx2
#define TARGET __attribute__((target("avx2")))
#include "vector_loop.h"

#define WIDTH 8
#define NAME(f) f##_avx512
#define TARGET __attribute__((target("avx512f,avx512dq,avx512vl")))
#include "vector_loop.h"
#endif

static struct vectors {
    const char *name;
    void (*interleave)(struct lanes *);
    void (*filter)(struct lanes *, int64_t begin, int64_t end);
} vectors = {"plain", interleave_plain, filter_plain};

const char *vector_name(void) { return vectors.name; }

/* The widest vectors this processor has, or those of a name; returns 0 if it has none such. */
int choose_vectors(const char *name)
{
    const struct vectors plain = {"plain", interleave_plain, filter_plain};
    const struct vectors *best = &plain;
#if defined(__x86_64__)
    const struct vectors avx2 = {"avx2", interleave_avx2, filter_avx2};
    const struct vectors avx512 = {"avx512", interleave_avx512, filter_avx512};
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && (!name || !strcmp(name, avx2.name))) best = &avx2;
    if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        (!name || !strcmp(name, avx512.name)))
        best = &avx512;
#endif
    if (name && strcmp(name, best->name)) return 0;
    vectors = *best;
    return 1;
}

/* ---- A channel's state into its lane and back ------------------------------------------------ */

enum {
    WINDOW = 512, /* packets ordered at a time: their samples fit the L2 cache */
    SPOT = 32,    /* one of so many samples is compared to the one before it; dead takes 33 equal */
};
/* An LTA above this, or NaN, met a sample that is not a number, or near enough to one. */
static const double SUSPECT = 1e29;

static void load_lane(struct bank *bank, int lane, int32_t channel)
{
    struct lanes *lanes = bank->lanes;
    const struct filter *filter = &bank->channels.filter[channel];
    const int32_t index = bank->channels.clock[channel].rate;
    const struct rate *rate = &bank->rates[index];
    if (lanes->rate[lane] != index) {
        lanes->rate[lane] = index;
        for (int k = 0; k < 4; k++) {
            lanes->minus_a1[k][lane] = -rate->a1[k];
            lanes->minus_a2[k][lane] = -rate->a2[k];
        }
        lanes->sta_keep[lane] = rate->sta_keep;
        lanes->lta_keep[lane] = rate->lta_keep;
    }
    const int is_on = bank->channels.trigger[channel].on_at >= 0;
    lanes->level[lane] = is_on ? rate->off_level : rate->on_level;
    lanes->is_on[lane] = -is_on;
    lanes->crossed[lane] = 0;
    for (int k = 0; k < STATE; k++) lanes->state[k][lane] = filter->state[k];
}

/* Is the channel dead within the lane's block, or was it before? x: the lane's column. */
static int is_or_was_dead(
    const double (*x)[LANES], int lane, int64_t n, double last, int64_t repeats, int64_t dead)
{
    if (repeats >= dead || (repeats + n >= dead && x[0][lane] == last)) return 1;
    for (int64_t i = SPOT - 1; i < n; i += SPOT) {
        if (x[i][lane] != x[i - 1][lane]) continue;
        int64_t from = i - 1, to = i;
        while (from > 0 && x[from - 1][lane] == x[from][lane]) from--;
        while (to + 1 < n && x[to + 1][lane] == x[to][lane]) to++;
        if (to - from >= dead) return 1;
    }
    return 0;
}

/* How often in a row the block's last value was repeated. */
static int64_t repeats_at_end(
    const double (*x)[LANES], int lane, int64_t n, double last, int64_t before)
{
    int64_t repeats = 0, i = n - 1;
    while (i > 0 && x[i][lane] == x[i - 1][lane]) repeats++, i--;
    return i == 0 && x[0][lane] == last ? repeats + 1 + before : repeats;
}

static int64_t count_clipped(const char *samples, int64_t n)
{
    int64_t clipped = 0;
    for (int64_t i = 0; i < n; i++) clipped += fabs(sample_of(samples, INT32, i)) >= FULL_SCALE;
    return clipped;
}

/* The lane's channel takes over the state after the block, or goes through it sample by sample. */
static void store_lane(struct bank *bank, int lane)
{
    struct lanes *lanes = bank->lanes;
    const struct packet *packet = lanes->packet[lane];
    const int32_t c = packet->channel;
    const int64_t n = lanes->length[lane];
    struct filter *filter = &bank->channels.filter[c];
    struct trigger *trigger = &bank->channels.trigger[c];
    struct clock *clock = &bank->channels.clock[c];
    const int64_t dead = bank->rates[clock->rate].dead;
    if (packet->type == INT32) bank->counts.clipped += count_clipped(lanes->samples[lane], n);
    const int has_crossed = lanes->crossed[lane] < 0 && clock->seen + n > trigger->ready;
    if (has_crossed || !(lanes->state[LTA][lane] < SUSPECT) ||
        is_or_was_dead(lanes->x, lane, n, filter->last, trigger->repeats, dead)) {
        run_samples(bank, c, lanes->samples[lane], packet->type, n);
        return;
    }
    trigger->repeats = repeats_at_end(lanes->x, lane, n, filter->last, trigger->repeats);
    for (int k = 0; k < STATE; k++) {
        const double z = lanes->state[k][lane];
        filter->state[k] = fabs(z) > TINY ? z : 0;
    }
    filter->last = lanes->x[n - 1][lane];
    keep_samples(bank, c, lanes->samples[lane], packet->type, n);
    clock->seen += n;
}

/* ---- Prefetching ----------------------------------------------------------------------------- */

static void prefetch_later(struct lanes *lanes, const void *memory, size_t bytes)
{
    for (size_t at = 0; at < bytes && lanes->prefetch_count < PREFETCHES; at += 64)
        lanes->prefetch[lanes->prefetch_count++] = (const char *)memory + at;
}

/* List the memory that the next packets need: state and samples last used a second and more ago.
 *
 * The filter prefetches a line or two in each step: all at once would hold up everything else. It
 * takes 8 % of a packet's time away where all lies in the L3 cache, 20 % where it does not. */
static void list_prefetches(struct bank *bank, const int32_t *order, int64_t count, int64_t first)
{
    struct lanes *lanes = bank->lanes;
    lanes->prefetch_count = lanes->prefetched = 0;
    for (int64_t i = 0; i < count; i++) {
        const int32_t c = bank->packets[order[i]].channel;
        prefetch_later(lanes, &bank->channels.filter[c], sizeof(struct filter));
        prefetch_later(lanes, &bank->channels.trigger[c], sizeof(struct trigger));
        prefetch_later(lanes, &bank->channels.tail[c], sizeof *bank->channels.tail);
    }
    for (int64_t i = 0; i < count; i++) {
        const struct packet *p = &bank->packets[order[i]];
        const int64_t n = least(p->length - first, BLOCK), size = size_of(p->type);
        prefetch_later(lanes, p->samples + first * size, (size_t)(n * size) + 63);
    }
}

static void prefetch_rest(struct lanes *lanes)
{
    for (; lanes->prefetched < lanes->prefetch_count; lanes->prefetched++)
        __builtin_prefetch(lanes->prefetch[lanes->prefetched]);
}

/* ---- Eight packets at a time ----------------------------------------------------------------- */

/* Up to eight packets, none longer than the next, from sample first on. */
static void run_group(struct bank *bank, const int32_t *order, int count, int64_t first)
{
    struct lanes *lanes = bank->lanes;
    for (int lane = 0; lane < LANES; lane++) /* unused lanes follow the last one, to no effect */
        lanes->packet[lane] = &bank->packets[order[least(lane, count - 1)]];
    for (int lane = 0; lane < count && first == 0; lane++) begin_packet(bank, lanes->packet[lane]);
    const int64_t end = least(lanes->packet[count - 1]->length, first + LIMIT);
    for (int64_t base = first; base < end; base += BLOCK) {
        for (int lane = 0; lane < LANES; lane++) {
            const struct packet *p = lanes->packet[lane];
            lanes->samples[lane] = p->samples + base * size_of(p->type);
            lanes->length[lane] = most(least(least(p->length, end) - base, BLOCK), 0);
            load_lane(bank, lane, p->channel);
        }
        vectors.interleave(lanes);
        int64_t done = 0;
        for (int lane = 0; lane < count; lane++) {
            const int64_t n = lanes->length[lane];
            if (n > done) vectors.filter(lanes, done, n);
            if (lane == 0) prefetch_rest(lanes);
            if (n > 0) store_lane(bank, lane);
            done = most(done, n);
        }
    }
}

/* A counting sort by the samples left; packets of equal length stay in their order. */
static void sort_by_length(const struct bank *bank, int32_t *order, int64_t size, int64_t first)
{
    int32_t unsorted[WINDOW], place[LIMIT + 2] = {0};
    memcpy(unsorted, order, sizeof(int32_t) * (size_t)size);
    for (int64_t i = 0; i < size; i++)
        place[least(bank->packets[unsorted[i]].length - first, LIMIT) + 1]++;
    for (int n = 0; n <= LIMIT; n++) place[n + 1] += place[n];
    for (int64_t i = 0; i < size; i++)
        order[place[least(bank->packets[unsorted[i]].length - first, LIMIT)]++] = unsorted[i];
}

/* List packets with samples left, ordered by length within windows; returns their number. */
static int64_t list_packets(struct bank *bank, int64_t begin, int64_t end, int64_t first)
{
    int64_t used = 0;
    int is_uniform = 1;
    for (int64_t p = begin; p < end; p++) {
        if (bank->packets[p].length <= first) continue;
        bank->order[used++] = (int32_t)p;
        is_uniform &= bank->packets[p].length == bank->packets[bank->order[0]].length;
    }
    for (int64_t from = 0; from < used && !is_uniform; from += WINDOW)
        sort_by_length(bank, bank->order + from, least(WINDOW, used - from), first);
    return used;
}

void run_packets(struct bank *bank, int64_t begin, int64_t end, int64_t first)
{
    const int64_t used = list_packets(bank, begin, end, first);
    for (int64_t group = 0; group < used; group += LANES) {
        const int64_t next = least(group + LANES, used);
        list_prefetches(bank, bank->order + next, least(LANES, used - next), first);
        run_group(bank, bank->order + group, (int)(next - group), first);
    }
}
