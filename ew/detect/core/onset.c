/* From a trigger to a pick: where the onset is, and how far it stands above the noise.
 *
 * Works on the last seconds of a channel's history, band-passed anew from rest, and on nothing
 * later than the sample of the decision: the result depends on the samples alone and not on how
 * they were cut into packets. The reasons and figures behind the numbers are in docs/picker.md.
 */
#include <math.h>

#include "bank.h"

static const double EARLY_DOUBT = 1.3; /* times the least SNR, within twice the wait */
static const int LONGER = 4;           /* times the patience while the trigger lasts */
static const int MAX_STEPS = 6;        /* between two late looks: 0.3 s */
static const double MAX_SNR = 1e6;     /* where the noise is nothing but zeros */

/* n samples band-passed, the filter at rest before them; kept from sample first on. */
void band_pass(const struct rate *rate, const double *raw, int64_t n, int64_t first, double *band)
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
            const double var_after =
                fmax((square - head_square) / after - mean_after * mean_after, floor);
            const double aic = before * log(var) + (after - 1) * log(var_after);
            if (aic < best) best = aic, best_at = k;
        }
        head += w[k];
        head_square += w[k] * w[k];
    }
    return best_at;
}

/* ---- One look at a trigger ------------------------------------------------------------------- */

/* The samples that a look may use: raw from sample rest on, band from sample first on. */
struct view { const double *raw, *band; int64_t rest, first; double *scratch; };

struct measures { int64_t onset; double snr, period, peak, error; }; /* in samples */

static enum verdict look(
    const struct view *view, int64_t trigger, int64_t last, const struct rate *rate, double min_snr,
    double max_sparsity, struct measures *found)
{
    const double *band = view->band;
    const int64_t n = last - view->first + 1;
    const int64_t start = most(0, trigger - rate->before - view->first);
    const int64_t onset = start + aic_onset(band + start, n - start);
    const int64_t noise_from = most(0, onset - rate->noise), noise_to = onset - rate->guard;
    if (noise_to - noise_from < rate->guard) return LOW_SNR;
    const double noise = mean_power(band + noise_from, noise_to - noise_from);
    double signal = 0, slope = 0, peak = 0;
    for (int64_t i = onset; i < n; i++) {
        const double step = band[i] - band[i - 1];
        signal += band[i] * band[i];
        slope += step * step;
        peak = fmax(peak, fabs(band[i]));
    }
    found->onset = view->first + onset;
    found->snr = fmin(MAX_SNR, sqrt((signal / (double)(n - onset)) / fmax(noise, 1e-60)));
    /* Predominant period: 2 pi sqrt(sum y^2 / sum (dy/dt)^2) (Nakamura 1988) */
    found->period = 2 * M_PI * sqrt(signal / fmax(slope, 1e-60));
    found->peak = peak;
    /* A quarter period at an SNR of 1, shrinking with it, and never better than a sample */
    found->error = fmax(1.0, found->period / (2.0 * fmax(found->snr, 1.0)));
    const double doubt = last - trigger < 2 * rate->wait ? EARLY_DOUBT : 1.0;
    if (found->snr < doubt * min_snr) return LOW_SNR;
    const int64_t from = found->onset - view->rest - 4, end = last - view->rest + 1;
    return sparsity(view->raw + from, end - from, view->scratch) > max_sparsity ? GLITCH : PICK;
}

/* Times are made of samples at once: the next packet may move the anchor they are counted from. */
static struct pick pick_of(
    struct bank *bank, const struct candidate *candidate, const struct measures *found,
    int64_t segment)
{
    const struct clock *clock = &bank->channels.clock[candidate->channel];
    const struct rate *rate = &bank->rates[clock->rate];
    /* The band-pass delays a clear onset */
    const double delay = fmax(1.0, (double)rate->delay_thousandths / 1000.0);
    return (struct pick){
        .channel = candidate->channel,
        .time_ns = time_of(clock, (double)found->onset - delay),
        .trigger_ns = time_of(clock, (double)candidate->trigger),
        .decided_ns = time_of(clock, (double)(candidate->look + 1)),
        .snr = found->snr,
        .period_s = found->period / clock->rate_hz,
        .amplitude = found->peak,
        .onset_error_s = found->error / clock->rate_hz,
        .noise_ratio = noise_ratio(bank, candidate->channel, segment, found->onset, rate),
    };
}

/* ---- All looks at a trigger ------------------------------------------------------------------ */

/* Look at a candidate as often as the data allow. Afterwards its look is the sample at which it was
 * judged, or if undecided the next one to look at. */
enum verdict judge(
    struct bank *bank, struct candidate *candidate, double min_snr, struct pick *pick)
{
    const int32_t c = candidate->channel;
    const int64_t at = candidate->trigger, seen = bank->channels.clock[c].seen;
    const struct rate *rate = &bank->rates[bank->channels.clock[c].rate];
    struct trigger *trigger = &bank->channels.trigger[c];
    if (at <= trigger->judged) return REPEATED; /* within the time another trigger took to judge */
    if (at < trigger->segment) return CUT_OFF;
    if (candidate->look >= seen) return UNDECIDED;
    /* At 200 Hz and more a late look reaches back beyond what the history holds */
    const int64_t segment = most(trigger->segment, seen - (HISTORY - PADDING));
    /* After a gap the filter starts from rest: half a second is neither noise nor signal */
    const int64_t first = most(segment + 5 * rate->guard, at - rate->before - rate->noise);
    if (at - first < rate->guard) { /* no noise to compare the signal to */
        trigger->judged = candidate->look;
        return LOW_SNR;
    }
    /* Filtered once for all looks: a look uses the part up to its own sample */
    const int64_t end = least(seen - 1, at + most(rate->wait, LONGER * rate->patience));
    const int64_t rest = most(segment, first - rate->settle);
    const struct view view = {bank->scratch[0], bank->scratch[1], rest, first, bank->scratch[2]};
    recall(bank, c, rest, end, bank->scratch[0]);
    band_pass(rate, view.raw, end - rest + 1, first - rest, bank->scratch[1]);
    while (candidate->look <= end) {
        const int64_t last = candidate->look;
        const int64_t step = least(most(rate->step, (last - at) / 4), MAX_STEPS * rate->step);
        const int64_t patience = (candidate->off >= last ? LONGER : 1) * rate->patience;
        struct measures found;
        const enum verdict verdict =
            look(&view, at, last, rate, min_snr, bank->max_sparsity, &found);
        if (verdict == PICK || last + step > at + patience) {
            trigger->judged = last;
            if (verdict == PICK) *pick = pick_of(bank, candidate, &found, segment);
            return verdict;
        }
        candidate->look = last + step;
    }
    return UNDECIDED;
}

static int is_waiting(const struct bank *bank, int64_t undecided, int32_t channel)
{
    for (int64_t other = 0; other < undecided; other++)
        if (bank->candidates[other].channel == channel) return 1;
    return 0;
}

/* Judge the candidates, those of a channel in the order of their triggers. */
void judge_candidates(struct bank *bank)
{
    int64_t undecided = 0; /* they move to the front */
    for (int64_t i = 0; i < bank->candidate_count; i++) {
        struct candidate candidate = bank->candidates[i];
        struct pick pick;
        enum verdict verdict = UNDECIDED;
        if (candidate.trigger <= bank->channels.trigger[candidate.channel].judged)
            verdict = REPEATED;
        else if (!is_waiting(bank, undecided, candidate.channel))
            verdict = judge(bank, &candidate, bank->min_snr, &pick);
        if (verdict == UNDECIDED) {
            bank->candidates[undecided++] = candidate;
            continue;
        }
        bank->counts.verdicts[verdict]++;
        if (verdict == PICK) {
            bank->picks =
                with_room(bank->picks, bank->pick_count, &bank->pick_room, sizeof pick);
            bank->picks[bank->pick_count++] = pick;
        }
    }
    bank->candidate_count = undecided;
}
