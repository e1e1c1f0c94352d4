/* The vector loop, included by vector.c once for each set of vector instructions with
 *
 *     WIDTH    float64 in a register
 *     NAME(f)  f with the set's name behind it
 *     TARGET   the attribute that lets the compiler use the set
 *
 * The formulas stand in stalta.c; these are the same operations in the same order.
 */
typedef double NAME(reals) __attribute__((vector_size(8 * WIDTH)));
typedef int64_t NAME(words) __attribute__((vector_size(8 * WIDTH)));
typedef float NAME(singles) __attribute__((vector_size(4 * WIDTH)));
typedef int32_t NAME(wholes) __attribute__((vector_size(4 * WIDTH)));

/* A vector of float64, element by element: __builtin_convertvector says the same, but GCC 12 makes
 * four shuffles of what is one instruction. */
#if WIDTH == 8
#define EACH(x) {x[0], x[1], x[2], x[3], x[4], x[5], x[6], x[7]}
#elif WIDTH == 4
#define EACH(x) {x[0], x[1], x[2], x[3]}
#else
#define EACH(x) {x[0], x[1]}
#endif

/* WIDTH samples of one channel from sample i on. */
TARGET static inline NAME(reals) NAME(load)(const char *samples, enum type type, int64_t i)
{
    if (type == FLOAT32) {
        NAME(singles) x;
        memcpy(&x, samples + 4 * i, sizeof x);
        return (NAME(reals))EACH(x);
    }
    if (type == INT32) {
        NAME(wholes) x;
        memcpy(&x, samples + 4 * i, sizeof x);
        return (NAME(reals))EACH(x);
    }
    NAME(reals) x;
    memcpy(&x, samples + 8 * i, sizeof x);
    return x;
}

/* Rows of channels become rows of samples: blocks of half the size change places, then of a
 * quarter, then of one. */
#define EXCHANGE(distance, low, high)                                                            \
    _Pragma("GCC unroll 8") for (int r = 0; r < WIDTH; r++) if (!(r & distance)) {               \
        const NAME(reals) a = row[r], b = row[r + distance];                                     \
        row[r] = low, row[r + distance] = high;                                                  \
    }

TARGET static inline __attribute__((always_inline)) void NAME(transpose)(NAME(reals) row[WIDTH])
{
#if WIDTH == 8
    EXCHANGE(4, SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11), SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15))
    EXCHANGE(2, SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13), SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15))
    EXCHANGE(1, SHUFFLE(a, b, 0, 8, 2, 10, 4, 12, 6, 14), SHUFFLE(a, b, 1, 9, 3, 11, 5, 13, 7, 15))
#elif WIDTH == 4
    EXCHANGE(2, SHUFFLE(a, b, 0, 1, 4, 5), SHUFFLE(a, b, 2, 3, 6, 7))
    EXCHANGE(1, SHUFFLE(a, b, 0, 4, 2, 6), SHUFFLE(a, b, 1, 5, 3, 7))
#else
    EXCHANGE(1, SHUFFLE(a, b, 0, 2), SHUFFLE(a, b, 1, 3))
#endif
}
#undef EXCHANGE

/* The block's samples of eight channels into lanes->x: the eight of one time lie together. */
TARGET static void NAME(interleave)(struct lanes *lanes)
{
    for (int first = 0; first < LANES; first += WIDTH) {
        const int64_t shared = lanes->length[first] & -WIDTH; /* lengths ascend */
        for (int64_t i = 0; i < shared; i += WIDTH) {
            NAME(reals) row[WIDTH];
#pragma GCC unroll 8
            for (int r = 0; r < WIDTH; r++)
                row[r] = NAME(load)(lanes->samples[first + r], lanes->packet[first + r]->type, i);
            NAME(transpose)(row);
#pragma GCC unroll 8
            for (int r = 0; r < WIDTH; r++) memcpy(&lanes->x[i + r][first], &row[r], sizeof row[r]);
        }
        for (int lane = first; lane < first + WIDTH; lane++)
            for (int64_t i = shared; i < lanes->length[lane]; i++)
                lanes->x[i][lane] =
                    sample_of(lanes->samples[lane], lanes->packet[lane]->type, i);
    }
}

/* Samples begin to end of all lanes: filter, STA/LTA, and whether a threshold was crossed. */
TARGET static void NAME(filter)(struct lanes *lanes, int64_t begin, int64_t end)
{
    typedef NAME(reals) reals;
    typedef NAME(words) words;
#define OF(row) (*(const reals *)&(row)[lane])
    const char *const *prefetch = lanes->prefetch + lanes->prefetched;
    const char *const *prefetch_end = lanes->prefetch + lanes->prefetch_count;
    for (int lane = 0; lane < LANES; lane += WIDTH) {
        reals z[STATE];
#pragma GCC unroll 10
        for (int k = 0; k < STATE; k++) z[k] = OF(lanes->state[k]);
        words crossed = *(const words *)&lanes->crossed[lane];
        const words is_on = *(const words *)&lanes->is_on[lane];
        for (int64_t i = begin; i < end; i++) {
            reals v = OF(lanes->x[i]);
            for (int k = 0; k < WIDTH / 4; k++)
                if (prefetch < prefetch_end) __builtin_prefetch(*prefetch++, 1);
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) {
                const reals u = v + z[2 * k];
                z[2 * k] = OF(lanes->minus_a1[k]) * u + z[2 * k + 1];
                z[2 * k + 1] = OF(lanes->minus_a2[k]) * u - v;
                v = u;
            }
            const reals energy = v * v;
            z[STA] = OF(lanes->sta_keep) * z[STA] + energy;
            z[LTA] = OF(lanes->lta_keep) * z[LTA] + energy;
            /* Negative where S / L is above the level, or while triggered, below; signs are kept */
            const reals below = OF(lanes->level) * z[LTA] - z[STA];
            crossed |= (words)below ^ is_on;
        }
#pragma GCC unroll 10
        for (int k = 0; k < STATE; k++) *(reals *)&lanes->state[k][lane] = z[k];
        *(words *)&lanes->crossed[lane] = crossed;
    }
#undef OF
    lanes->prefetched = prefetch - lanes->prefetch;
}
#undef EACH
#undef WIDTH
#undef NAME
#undef TARGET
