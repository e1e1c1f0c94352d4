/* One channel, sample by sample: what filter, STA/LTA and trigger are.
 *
 * Per sample x, sections k = 1..4 in transposed direct form II with b = 1, 0, -1, then energy as the characteristic
 * function (Allen 1978) and the recursive averages (Withers et al. 1998, eq. 3):
 *
 *     v = x;   for each section:  u = v + z1;  z1 = -a1 u + z2;  z2 = -a2 u - v;  v = u
 *     y = v;   S = (1 - 1/nsta) S + y^2;   L = (1 - 1/nlta) L + y^2       (sta = S / nsta, lta = L / nlta)
 *     on when sta / lta > on ratio;   off after the last sample with sta / lta > off ratio
 *
 * The filter begins as if the channel's first sample had come for ever: z1 = z2 = -x in the first section. The gain is
 * left out, since the ratio is the same without it.
 *
 * Of a hundred packets lanes.c hands over one or two: those in which a threshold is crossed, a channel is dead, or a
 * sample is no number. All others do the same in vectors.
 */
#include <math.h>
#include <string.h>

#include "bank.h"

static void end_trigger(struct bank *bank, int32_t channel, int64_t last)
{
    struct trigger *trigger = &bank->channels.trigger[channel];
    const struct clock *clock = &bank->channels.clock[channel];
    bank->windows = with_room(bank->windows, bank->window_count, &bank->window_room, sizeof *bank->windows);
    bank->windows[bank->window_count++] = (struct window){
        channel, time_of(clock, (double)trigger->on_at), time_of(clock, (double)last)};
    for (int64_t i = 0; i < bank->candidate_count; i++) {
        struct candidate *candidate = &bank->candidates[i];
        if (candidate->channel == channel && candidate->trigger == trigger->on_at) candidate->off = last;
    }
    trigger->on_at = -1;
}

static void begin_trigger(struct bank *bank, int32_t channel, int64_t sample, const struct rate *rate)
{
    bank->channels.trigger[channel].on_at = sample;
    bank->counts.triggers++;
    bank->candidates = with_room(
        bank->candidates, bank->candidate_count, &bank->candidate_room, sizeof *bank->candidates);
    bank->candidates[bank->candidate_count++] = (struct candidate){channel, sample, sample + rate->wait, NEVER};
}

void begin_packet(struct bank *bank, const struct packet *packet)
{
    const int32_t c = packet->channel;
    struct filter *filter = &bank->channels.filter[c];
    struct trigger *trigger = &bank->channels.trigger[c];
    if (packet->action != CONTINUE) {
        const struct rate *rate = &bank->rates[bank->channels.clock[c].rate];
        const int64_t seen = bank->channels.clock[c].seen;
        memset(filter->state, 0, DELAYS * sizeof(double));
        filter->offset = filter->last = NAN;
        trigger->run = 0;
        trigger->segment = seen;
        if (trigger->on_at >= 0) end_trigger(bank, c, seen - 1);
        if (packet->action == RESTART) {
            filter->state[STA] = filter->state[LTA] = 0;
            trigger->ready = seen + rate->nlta;
        } else { /* the filter starts again from rest: no trigger until it has settled, but the LTA stands */
            filter->state[STA] = filter->state[LTA] * (double)rate->nsta / (double)rate->nlta;
            if (trigger->ready == NEVER) trigger->ready = seen + rate->nlta;
            trigger->ready = most(trigger->ready, seen + rate->hold);
        }
        trigger->form = packet->form;
    }
}

double first_good(const char *samples, enum form form, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        const double x = sample_of(samples, form, i);
        if (fabs(x) < HUGE_SAMPLE) return x;
    }
    return 0;
}

/* ---- Filter, STA/LTA and trigger ------------------------------------------------------------------------- */

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

/* How often the same value has come: so often on end the channel is dead, and warms up anew once it lives. */
static void count_equal(struct bank *bank, struct trigger *trigger, const struct rate *rate, int64_t sample, int is_equal)
{
    if (!is_equal) {
        if (trigger->run >= rate->dead) trigger->ready = sample + rate->nlta;
        trigger->run = 0;
    } else if (++trigger->run == rate->dead) {
        trigger->ready = NEVER;
        bank->counts.dead++;
    }
}

void run_channel(struct bank *bank, int32_t channel, const char *samples, enum form form, int64_t n)
{
    struct clock *clock = &bank->channels.clock[channel];
    struct filter *filter = &bank->channels.filter[channel];
    struct trigger *trigger = &bank->channels.trigger[channel];
    const struct rate *rate = &bank->rates[clock->rate];
    agree_on_form(bank, channel, form);
    for (int64_t i = 0; i < n; i++) {
        const int64_t at = clock->seen;
        double x = sample_of(samples, form, i);
        if (!(fabs(x) < HUGE_SAMPLE)) { /* the last good sample stands in, so that no step is made */
            bank->counts.not_finite++;
            x = isnan(filter->last) ? filter->offset : filter->last;
        }
        keep_one(bank, channel, x);
        filter_sample(rate, filter->state, x);
        count_equal(bank, trigger, rate, at, x == filter->last);
        filter->last = x;
        const double sta = filter->state[STA], lta = filter->state[LTA];
        if (trigger->on_at < 0) {
            if (at >= trigger->ready && sta > rate->on_level * lta) begin_trigger(bank, channel, at, rate);
        } else if (trigger->run == rate->dead || sta < rate->off_level * lta) {
            end_trigger(bank, channel, at - 1);
        }
        clock->seen++;
    }
    for (int k = 0; k < STATE; k++)
        if (!(fabs(filter->state[k]) > TINY)) filter->state[k] = 0;
}
