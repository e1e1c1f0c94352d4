/* One channel, sample by sample: filter, STA/LTA and trigger.
 *
 * Per sample x, sections k = 1..4 in transposed direct form II with b = 1, 0, -1, then energy as
 * the characteristic function (Allen 1978) and recursive averages (Withers et al. 1998, eq. 3):
 *
 *     v = x;   for each section:  u = v + z1;  z1 = -a1 u + z2;  z2 = -a2 u - v;  v = u
 *     y = v;   S = (1 - 1/nsta) S + y^2;   L = (1 - 1/nlta) L + y^2
 *     sta = S / nsta;   lta = L / nlta
 *     on when sta / lta > on ratio;   off after the last sample with sta / lta > off ratio
 *
 * The filter begins as if the first sample had been there for ever: z1 = z2 = -x in the first
 * section. The gain is left out: the ratio is the same without it.
 *
 * vector.c does the same eight channels at a time. It leaves one or two of a hundred packets to
 * this file: those in which a threshold is crossed, a channel is dead, or a sample is not a number.
 */
#include <math.h>
#include <string.h>

#include "bank.h"

static void end_trigger(struct bank *bank, int32_t channel, int64_t last)
{
    struct trigger *trigger = &bank->channels.trigger[channel];
    const struct clock *clock = &bank->channels.clock[channel];
    bank->windows =
        with_room(bank->windows, bank->window_count, &bank->window_room, sizeof *bank->windows);
    bank->windows[bank->window_count++] = (struct window){
        channel, time_of(clock, (double)trigger->on_at), time_of(clock, (double)last)};
    for (int64_t i = 0; i < bank->candidate_count; i++) {
        struct candidate *candidate = &bank->candidates[i];
        if (candidate->channel == channel && candidate->trigger == trigger->on_at)
            candidate->off = last;
    }
    trigger->on_at = -1;
}

static void begin_trigger(
    struct bank *bank, int32_t channel, int64_t sample, const struct rate *rate)
{
    bank->channels.trigger[channel].on_at = sample;
    bank->counts.triggers++;
    bank->candidates = with_room(bank->candidates, bank->candidate_count, &bank->candidate_room,
        sizeof *bank->candidates);
    bank->candidates[bank->candidate_count++] =
        (struct candidate){channel, sample, sample + rate->wait, NEVER};
}

static double first_finite(const struct packet *packet)
{
    for (int64_t i = 0; i < least(packet->length, BLOCK); i++) {
        const double x = sample_of(packet->samples, packet->type, i);
        if (fabs(x) < HUGE_SAMPLE) return x;
    }
    return 0;
}

/* A gap was bridged: the filter starts from rest, and no trigger until it has settled. */
static void bridge(
    struct filter *filter, struct trigger *trigger, const struct rate *rate, int64_t seen)
{
    filter->state[STA] = filter->state[LTA] * (double)rate->nsta / (double)rate->nlta;
    if (trigger->ready == NEVER) trigger->ready = seen + rate->nlta;
    trigger->ready = most(trigger->ready, seen + rate->hold);
}

/* Bring a channel's filter and trigger into the state that a packet's action asks for. */
void begin_packet(struct bank *bank, const struct packet *packet)
{
    if (packet->action == CONTINUE) return;
    const int32_t c = packet->channel;
    struct filter *filter = &bank->channels.filter[c];
    struct trigger *trigger = &bank->channels.trigger[c];
    const struct rate *rate = &bank->rates[bank->channels.clock[c].rate];
    const int64_t seen = bank->channels.clock[c].seen;
    memset(filter->state, 0, DELAYS * sizeof(double));
    filter->offset = first_finite(packet);
    filter->state[0] = filter->state[1] = -filter->offset;
    filter->last = NAN;
    trigger->repeats = 0;
    trigger->segment = seen;
    if (trigger->on_at >= 0) end_trigger(bank, c, seen - 1);
    if (packet->action == RESTART) {
        filter->state[STA] = filter->state[LTA] = 0;
        trigger->ready = seen + rate->nlta;
    } else {
        bridge(filter, trigger, rate, seen);
    }
    trigger->type = packet->type;
}

/* ---- Filter, STA/LTA and trigger ------------------------------------------------------------- */

static void filter_sample(const struct rate *rate, double *state, double x)
{
    double v = x;
    for (int k = 0; k < 4; k++) {
        const double u = v + state[2 * k];
        state[2 * k] = -rate->a1[k] * u + state[2 * k + 1];
        state[2 * k + 1] = -rate->a2[k] * u - v;
        v = u;
    }
    state[STA] = rate->sta_keep * state[STA] + v * v;
    state[LTA] = rate->lta_keep * state[LTA] + v * v;
}

/* A channel that repeats one value is dead, and warms up anew once its value changes. */
static void check_dead(struct bank *bank, struct trigger *trigger, const struct rate *rate,
    int64_t sample, int is_equal)
{
    if (!is_equal) {
        if (trigger->repeats >= rate->dead) trigger->ready = sample + rate->nlta;
        trigger->repeats = 0;
    } else if (++trigger->repeats == rate->dead) {
        trigger->ready = NEVER;
        bank->counts.dead++;
    }
}

void run_samples(struct bank *bank, int32_t channel, const char *samples, enum type type, int64_t n)
{
    struct clock *clock = &bank->channels.clock[channel];
    struct filter *filter = &bank->channels.filter[channel];
    struct trigger *trigger = &bank->channels.trigger[channel];
    const struct rate *rate = &bank->rates[clock->rate];
    agree_on_type(bank, channel, type);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = clock->seen;
        double x = sample_of(samples, type, i);
        if (!(fabs(x) < HUGE_SAMPLE)) { /* the last good sample stands in: no step is made */
            bank->counts.not_finite++;
            x = isnan(filter->last) ? filter->offset : filter->last;
        }
        keep_one(bank, channel, x);
        filter_sample(rate, filter->state, x);
        check_dead(bank, trigger, rate, at, x == filter->last);
        filter->last = x;
        const double sta = filter->state[STA], lta = filter->state[LTA];
        if (trigger->on_at < 0) {
            if (at >= trigger->ready && sta > rate->on_level * lta)
                begin_trigger(bank, channel, at, rate);
        } else if (trigger->repeats == rate->dead || sta < rate->off_level * lta) {
            end_trigger(bank, channel, at - 1);
        }
        clock->seen++;
    }
    for (int k = 0; k < STATE; k++)
        if (!(fabs(filter->state[k]) > TINY)) filter->state[k] = 0;
}
