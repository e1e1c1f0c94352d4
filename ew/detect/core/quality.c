/* Quality: what tells a P-wave from what only looks like one. Figures are in docs/picker.md. */
#include <math.h>
#include <stdlib.h>

#include "bank.h"

static const double MAX_RATIO = 1e6; /* where the quietest second is nothing but zeros */

double mean_power(const double *band, int64_t n)
{
    double total = 0;
    for (int64_t i = 0; i < n; i++) total += band[i] * band[i];
    return total / (double)n;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Share of the steepest quarter of the samples (at least four) in the energy of the slope.
 *
 * Spikes, steps, boxes, calibration steps and trains of pulses have all of it in a few samples. A
 * P-wave swings: the steepest quarter of a sinusoid holds half. */
double sparsity(const double *raw, int64_t n, double *slope)
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

/* RMS of the noise before an onset over that of the quietest second of the time before it.
 *
 * 1.0-1.8 in noise, many times that before an S-wave or in a coda, where P has come before. NaN
 * with less than 8 s to choose from. */
double noise_ratio(
    struct bank *bank, int32_t channel, int64_t segment, int64_t onset, const struct rate *rate)
{
    const int64_t first = most(segment + 5 * rate->guard, onset - rate->quiet);
    const int64_t last = onset - rate->guard, second = 10 * rate->guard;
    if (last - first < 8 * second) return NAN;
    const int64_t rest = most(segment, first - rate->settle), n = last - first + 1;
    double *raw = bank->scratch[0], *band = bank->scratch[1];
    recall(bank, channel, rest, last, raw);
    band_pass(rate, raw, last - rest + 1, first - rest, band);
    double quietest = INFINITY;
    for (int64_t begin = 0; begin + second <= n; begin += second)
        quietest = fmin(quietest, mean_power(band + begin, second));
    const int64_t from = most(0, n - rate->noise + rate->guard);
    return fmin(MAX_RATIO, sqrt(mean_power(band + from, n - from) / fmax(quietest, 1e-60)));
}
