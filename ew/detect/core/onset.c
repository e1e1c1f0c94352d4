/* From a trigger to a pick: refine the onset, measure it, and tell a P-wave from what only looks like one.
 *
 * Works on the last seconds of a channel's history, band-passed anew from rest, and on nothing later than the
 * decision's sample, so that the result depends on the samples alone and not on how they were cut into packets. The
 * reasons and figures behind the numbers are in docs/picker.md.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bank.h"

static const double EARLY_DOUBT = 1.3; /* a weak onset has to hold for twice the wait; a clear one need not */
static const int LONGER = 4;           /* while a trigger lasts no other can start: it is looked at so many times as long */
static const int MOST_STEPS = 6;       /* between two such looks: 0.3 s */
static const double MOST_SNR = 1e6;    /* what a noise of nothing but zeros is given */

/* ---- Parts of a look ------------------------------------------------------------------------------------------ */

/* n samples band-passed, the filter at rest before them, from sample first on. */
static void band_pass(const struct rate *rate, const double *raw, int64_t n, int64_t first, double *band)
{
    double z[DELAYS] = {0};
    for (int64_t i = 0; i < n; i++) {
        double v = rate->gain * (raw[i] - raw[0]);
        for (int k = 0; k < 4; k++) {
            const double u = v + z[2 * k];
            z[2 * k] = z[2 * k + 1] + -rate->a1[k] * u;
            z[2 * k + 1] = -rate->a2[k] * u - v;
            v = u;
        }
        if (i >= first) band[i - first] = v;
    }
}

static double power(const double *band, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++) total += band[i] * band[i];
    return total / (double)n;
}

/* The first sample of the new state, by the least Akaike information criterion (Maeda 1985, eq. 1):
 *
 *     AIC(k) = k log var(w[:k]) + (n - k - 1) log var(w[k:])
 */
static int64_t aic_onset(const double *w, int64_t n)
{
    double total = 0, square = 0;
    for (int64_t k = 0; k < n; k++) {
        total += w[k];
        square += w[k] * w[k];
    }
    const double floor = 1e-12 * square / (double)n + 1e-60;
    double head = 0, head_square = 0, best = INFINITY;
    int64_t best_at = n / 2;
    for (int64_t k = 0; k < n - 2; k++) {
        if (k >= 4) {
            const double before = (double)k, after = (double)(n - k);
            const double mean = head / before, mean_after = (total - head) / after;
            const double var = fmax(head_square / before - mean * mean, floor);
            const double var_after = fmax((square - head_square) / after - mean_after * mean_after, floor);
            const double aic = before * log(var) + (after - 1) * log(var_after);
            if (aic < best) best = aic, best_at = k;
        }
        head += w[k];
        head_square += w[k] * w[k];
    }
    return best_at;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Share of the steepest quarter of the samples (four at least) in the energy of the raw signal's slope.
 *
 * Spikes, steps, boxes, calibration steps and trains of pulses have all of it in a few samples; in a P-wave, whose
 * swings are all slope, the steepest quarter of a sinusoid holds half. */
static double sparsity(const double *raw, int64_t n, double *slope)
{
    double all = 0, steepest = 0;
    for (int64_t i = 0; i < n - 1; i++) {
        const double step = raw[i + 1] - raw[i];
        slope[i] = step * step;
    }
    qsort(slope, (size_t)(n - 1), sizeof *slope, by_value);
    for (int64_t i = 0; i < n - 1; i++) all += slope[i];
    for (int64_t i = n - 1 - most(4, (n - 1) / 4); i < n - 1; i++) steepest += slope[i];
    return steepest / fmax(all, 1e-60);
}

/* RMS of the noise before a pick over that of the quietest second of the time before it: 1.0-1.8 in noise, many times
 * that before an S-wave or in a coda, where the P-wave has come. NaN with less than 8 s to choose from. */
static double unrest(struct bank *bank, int32_t channel, int64_t segment, int64_t onset, const struct rate *rate)
{
    const int64_t first = most(segment + 5 * rate->guard, onset - rate->quiet), last = onset - rate->guard;
    const int64_t second = 10 * rate->guard;
    if (last - first < 8 * second) return NAN;
    const int64_t rest = most(segment, first - rate->settle), n = last - first + 1;
    double *raw = bank->scratch[0], *band = bank->scratch[1];
    recall(bank, channel, rest, last, raw);
    band_pass(rate, raw, last - rest + 1, first - rest, band);
    double quietest = INFINITY;
    for (int64_t begin = 0; begin + second <= n; begin += second)
        quietest = fmin(quietest, power(band + begin, second));
    const int64_t from = most(0, n - rate->noise + rate->guard);
    return fmin(MOST_SNR, sqrt(power(band + from, n - from) / fmax(quietest, 1e-60)));
}

/* ---- Looks ---------------------------------------------------------------------------------------------------- */

/* What is looked at: raw from sample rest on, band from sample first on, both up to the last. */
struct view { const double *raw, *band; int64_t rest, first; double *room; };

struct measures { int64_t onset; double snr, period, peak, error; }; /* of sample onset, in samples */

/* One look at a trigger with the data up to sample last. */
static enum verdict look(
    const struct view *view, int64_t trigger, int64_t last, const struct rate *rate, double min_snr,
    double max_sparsity, struct measures *found)
{
    const double *band = view->band;
    const int64_t n = last - view->first + 1, start = most(0, trigger - rate->before - view->first);
    const int64_t onset = start + aic_onset(band + start, n - start);
    const int64_t noise_from = most(0, onset - rate->noise), noise_to = onset - rate->guard;
    if (noise_to - noise_from < rate->guard) return LOW_SNR;
    const double noise = power(band + noise_from, noise_to - noise_from);
    double signal = 0, slope = 0, peak = 0;
    for (int64_t i = onset; i < n; i++) {
        const double step = band[i] - band[i - 1];
        signal += band[i] * band[i];
        slope += step * step;
        peak = fmax(peak, fabs(band[i]));
    }
    found->onset = view->first + onset;
    found->snr = fmin(MOST_SNR, sqrt((signal / (double)(n - onset)) / fmax(noise, 1e-60)));
    /* Predominant period: 2 pi sqrt(sum y^2 / sum (dy/dt)^2) (Nakamura 1988) */
    found->period = 2 * M_PI * sqrt(signal / fmax(slope, 1e-60));
    found->peak = peak;
    /* A quarter period at an SNR of 1, shrinking with it, and never better than a sample */
    found->error = fmax(1.0, found->period / (2.0 * fmax(found->snr, 1.0)));
    const double doubt = last - trigger < 2 * rate->wait ? EARLY_DOUBT : 1.0;
    if (found->snr < doubt * min_snr) return LOW_SNR;
    const int64_t from = found->onset - view->rest - 4, end = last - view->rest + 1;
    return sparsity(view->raw + from, end - from, view->room) > max_sparsity ? GLITCH : PICK;
}

/* Times are made of samples at once: the next packet may move the anchor they hang on. */
static struct pick pick_of(
    struct bank *bank, const struct candidate *candidate, const struct measures *found, int64_t segment)
{
    const struct clock *clock = &bank->channels.clock[candidate->channel];
    const struct rate *rate = &bank->rates[clock->rate];
    /* The band-pass brings a clear onset late */
    const double early = fmax(1.0, (double)rate->delay_thousandths / 1000.0);
    return (struct pick){
        .channel = candidate->channel,
        .time_ns = time_of(clock, (double)found->onset - early),
        .trigger_ns = time_of(clock, (double)candidate->trigger),
        .decided_ns = time_of(clock, (double)(candidate->look + 1)),
        .snr = found->snr,
        .period_s = found->period / clock->rate_hz,
        .amplitude = found->peak,
        .onset_error_s = found->error / clock->rate_hz,
        .unrest = unrest(bank, candidate->channel, segment, found->onset, rate),
    };
}

/* Look at a candidate as often as the data allow. A judged one's look is the sample it was judged at, an undecided
 * one's the next to look at. */
enum verdict judge(struct bank *bank, struct candidate *candidate, double min_snr, struct pick *pick)
{
    const int32_t c = candidate->channel;
    const int64_t at = candidate->trigger, seen = bank->channels.clock[c].seen;
    const struct rate *rate = &bank->rates[bank->channels.clock[c].rate];
    struct trigger *trigger = &bank->channels.trigger[c];
    if (at <= trigger->decided) return REPEATED; /* within the time another trigger took to judge */
    if (at < trigger->segment) return CUT_OFF;
    if (candidate->look >= seen) return UNDECIDED;
    /* At 200 Hz and more a late look reaches back beyond what the history holds */
    const int64_t segment = most(trigger->segment, seen - (HISTORY - PADDING));
    /* After a gap the filter starts from rest: half a second is neither noise nor signal */
    const int64_t first = most(segment + 5 * rate->guard, at - rate->before - rate->noise);
    if (at - first < rate->guard) { /* nothing to hold the signal against */
        trigger->decided = candidate->look;
        return LOW_SNR;
    }
    /* Filtered once for all looks: what a look sees is the part up to its own sample */
    const int64_t end = least(seen - 1, at + most(rate->wait, LONGER * rate->patience));
    const int64_t rest = most(segment, first - rate->settle);
    const struct view view = {bank->scratch[0], bank->scratch[1], rest, first, bank->scratch[2]};
    recall(bank, c, rest, end, bank->scratch[0]);
    band_pass(rate, view.raw, end - rest + 1, first - rest, bank->scratch[1]);
    while (candidate->look <= end) {
        const int64_t last = candidate->look;
        const int64_t step = least(most(rate->step, (last - at) / 4), MOST_STEPS * rate->step);
        const int64_t patience = (candidate->off >= last ? LONGER : 1) * rate->patience;
        struct measures found;
        const enum verdict verdict = look(&view, at, last, rate, min_snr, bank->max_sparsity, &found);
        if (verdict == PICK || last + step > at + patience) {
            trigger->decided = last;
            if (verdict == PICK) *pick = pick_of(bank, candidate, &found, segment);
            return verdict;
        }
        candidate->look = last + step;
    }
    return UNDECIDED;
}

static int waits_for_another(const struct bank *bank, int64_t kept, int32_t channel)
{
    for (int64_t other = 0; other < kept; other++)
        if (bank->candidates[other].channel == channel) return 1;
    return 0;
}

void judge_candidates(struct bank *bank)
{
    int64_t kept = 0; /* undecided ones; those of a channel stand in the order of their triggers */
    for (int64_t i = 0; i < bank->candidate_count; i++) {
        struct candidate candidate = bank->candidates[i];
        struct pick pick;
        enum verdict verdict = UNDECIDED;
        if (candidate.trigger <= bank->channels.trigger[candidate.channel].decided) verdict = REPEATED;
        else if (!waits_for_another(bank, kept, candidate.channel))
            verdict = judge(bank, &candidate, bank->min_snr, &pick);
        if (verdict == UNDECIDED) {
            bank->candidates[kept++] = candidate;
            continue;
        }
        bank->counts.verdicts[verdict]++;
        if (verdict == PICK) {
            bank->picks = with_room(bank->picks, bank->pick_count, &bank->pick_room, sizeof pick);
            bank->picks[bank->pick_count++] = pick;
        }
    }
    bank->candidate_count = kept;
}
