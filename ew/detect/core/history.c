/* History: the last samples of each channel, in which a pick's onset is searched.
 *
 * float32 and int32 are kept as they came, float64 as float32 less the channel's first sample, so
 * that small motion on a large offset is kept.
 *
 * A history is read where its channel has triggered, which few have, and by then it has long left
 * the caches. An ordinary store would read each line from memory to change it and write it back
 * later. A line written as a whole past the caches takes one transfer instead of three, and a
 * packet two thirds of the time. So samples wait in the channel's tail until they fill a line.
 */
#include <string.h>

#include "bank.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* A whole line to memory, past the caches; other processors than x86-64 take an ordinary copy. */
static void write_line(union kept *to, const void *from)
{
#if defined(__SSE2__)
    for (int k = 0; k < 4; k++)
        _mm_stream_si128((__m128i *)to + k, _mm_loadu_si128((const __m128i *)from + k));
#else
    memcpy(to, from, LINE * sizeof *to);
#endif
}

static union kept as_kept(const struct filter *filter, enum type type, double x)
{
    if (type == INT32) return (union kept){.whole = (int32_t)x};
    return (union kept){.real = (float)(type == FLOAT64 ? x - filter->offset : x)};
}

static double as_sample(union kept x, enum type type)
{
    return type == INT32 ? (double)x.whole : (double)x.real;
}

/* A channel whose samples change their type is kept as float64 is, until data are missing next. */
void agree_on_type(struct bank *bank, int32_t channel, enum type type)
{
    struct trigger *trigger = &bank->channels.trigger[channel];
    const struct filter *filter = &bank->channels.filter[channel];
    union kept *history = bank->channels.history[channel], *tail = bank->channels.tail[channel];
    const enum type before = trigger->type;
    if (before == type || before == FLOAT64) return;
    for (int i = 0; i < HISTORY; i++)
        history[i] = as_kept(filter, FLOAT64, as_sample(history[i], before));
    for (int i = 0; i < LINE; i++)
        tail[i] = as_kept(filter, FLOAT64, as_sample(tail[i], before));
    trigger->type = FLOAT64;
}

static void keep_at(struct bank *bank, int32_t channel, int64_t sample, double x)
{
    union kept *tail = bank->channels.tail[channel];
    const enum type type = bank->channels.trigger[channel].type;
    tail[sample & (LINE - 1)] = as_kept(&bank->channels.filter[channel], type, x);
    if ((sample & (LINE - 1)) == LINE - 1)
        write_line(bank->channels.history[channel] + (sample & (HISTORY - LINE)), tail);
}

void keep_one(struct bank *bank, int32_t channel, double sample)
{
    keep_at(bank, channel, bank->channels.clock[channel].seen, sample);
}

void keep_samples(
    struct bank *bank, int32_t channel, const char *samples, enum type type, int64_t n)
{
    agree_on_type(bank, channel, type);
    const int64_t seen = bank->channels.clock[channel].seen, in_tail = seen & (LINE - 1);
    if (bank->channels.trigger[channel].type == FLOAT64) {
        for (int64_t i = 0; i < n; i++)
            keep_at(bank, channel, seen + i, sample_of(samples, type, i));
        return;
    }
    union kept *history = bank->channels.history[channel], *tail = bank->channels.tail[channel];
    int64_t done = least(n, LINE - in_tail);
    memcpy(tail + in_tail, samples, 4 * (size_t)done);
    if (in_tail + done < LINE) return;
    write_line(history + (seen & (HISTORY - LINE)), tail);
    for (; n - done >= LINE; done += LINE)
        write_line(history + ((seen + done) & (HISTORY - 1)), samples + 4 * done);
    memcpy(tail, samples + 4 * done, 4 * (size_t)(n - done));
}

void recall(const struct bank *bank, int32_t channel, int64_t first, int64_t last, double *samples)
{
    const enum type type = bank->channels.trigger[channel].type;
    const int64_t in_tail = bank->channels.clock[channel].seen & -LINE; /* from this sample on */
    for (int64_t i = first; i <= last; i++) {
        const union kept *line = i < in_tail
            ? bank->channels.history[channel] + (i & (HISTORY - LINE))
            : bank->channels.tail[channel];
        samples[i - first] = as_sample(line[i & (LINE - 1)], type);
    }
}
