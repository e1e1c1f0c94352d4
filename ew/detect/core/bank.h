/* The detection core: its memory, drawn once, and the steps that work on it.
 *
 * The way of a packet, one file a step; read them in this order:
 *
 *     read.c         the list of packets becomes rows of struct packet
 *     continuity.c   from its start time: does it continue its channel, follow a gap, or repeat?
 *     stalta.c       one channel sample by sample: filter, STA/LTA, trigger on and off
 *     vector.c       eight channels side by side: the same in vectors  (vector_loop.h: the loop)
 *     history.c      the last samples of each channel
 *     onset.c        a trigger becomes a pick: AIC onset, signal-to-noise ratio
 *     quality.c      glitch or wave, P or something later
 *     module.c       the Python type that runs the steps on each tick's packets
 *     memory.c       rows that grow
 *
 * ew/detect/twin.py does the same in NumPy and SciPy. Both give the same triggers to the last bit:
 * every step is one addition or multiplication, rounded once (the build forbids fused operations),
 * in the same order on every machine.
 */
#ifndef EW_BANK_H
#define EW_BANK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

enum {
    LANES = 8,          /* channels side by side: one AVX-512 register, two of AVX2, four of SSE2 */
    BLOCK = 128,        /* samples filtered at a time: 8 KiB of eight channels stay in L1 */
    LIMIT = 1024,       /* samples of a packet before triggers are judged, within the history */
    HISTORY = 4096,     /* samples kept a channel: 41 s at 100 Hz, 16 KiB; a power of two */
    LINE = 16,          /* samples in a cache line of 64 bytes */
    PREFETCHES = 512,   /* cache lines prefetched for the next eight packets, at most */
    PADDING = 16,       /* at a distance of just 16 KiB histories would share cache lines */
    DELAYS = 8,         /* filter delays of the four sections of the band-pass */
    STA = 8, LTA = 9,   /* behind them in struct filter: the sums S and L */
    STATE = 10,
};
static const int64_t NEVER = INT64_C(1) << 62;
static const double TINY = 1e-150;        /* decayed to this it becomes zero: denormals are slow */
static const double HUGE_SAMPLE = 1e18;   /* a larger sample is no measurement */
static const double FULL_SCALE = 8388607; /* of a 24-bit digitiser */

enum type { FLOAT32, FLOAT64, INT32 };               /* of samples */
enum action { CONTINUE, BRIDGE, RESTART };           /* what a packet's start time asks for */

/* What depends on the sampling rate: made by rates.py, which explains it. Lengths in samples. */
struct rate {
    int64_t hundredths;              /* the rate in 1/100 Hz */
    double gain, a1[4], a2[4];       /* 4 sections (1 - z^-2) / (1 + a1 z^-1 + a2 z^-2) */
    double sta_keep, lta_keep;       /* 1 - 1/nsta, 1 - 1/nlta */
    double on_level, off_level;      /* S / L at the on and the off ratio */
    int64_t nsta, nlta, dead, hold;
    int64_t settle, noise, before, wait, step, patience, guard, delay_thousandths, quiet;
};

/* ---- State of one channel, a struct a step --------------------------------------------------- */

struct clock {                       /* continuity */
    int64_t next_ns;                 /* when the sample after the last is due */
    int64_t anchor_ns, anchor;       /* the time of one sample, from which all times are counted */
    int64_t seen;                    /* samples so far: the number of the next one */
    double rate_hz, sample_ns;       /* 0 before the first packet */
    double late_ns;                  /* length of the late data in a row */
    int32_t rate;                    /* index of its struct rate */
    int32_t tick;                    /* the last call that had a packet of it */
};

struct filter {                      /* band-pass and averages */
    double state[STATE];             /* z1, z2 of each section, then S and L */
    double offset, last;             /* first sample since the filter began, and the last; or NaN */
    double pad[4];
};

struct trigger {
    int64_t ready;                   /* triggers are allowed from this sample on */
    int64_t segment;                 /* the first sample since data were last missing */
    int64_t repeats;                 /* how often in a row the last value was repeated */
    int64_t on_at;                   /* the sample at which the trigger began, -1 while off */
    int64_t judged;                  /* the sample at which the last trigger was judged */
    int64_t type;                    /* of the history, see history.c */
    int64_t round;                   /* packets of this tick to run before the next one */
    int64_t pad;
};

union kept { float real; int32_t whole; };

/* Row c is channel c. */
struct channels {
    int64_t count, room;
    struct clock *clock;
    struct filter *filter;
    struct trigger *trigger;
    union kept (*history)[HISTORY + PADDING];   /* sample i at i modulo HISTORY, older ones */
    union kept (*tail)[LINE];                   /* the last ones, less than a line: i modulo LINE */
};

/* ---- What passes through --------------------------------------------------------------------- */

struct packet {                      /* one of the tick's, as read */
    const char *samples;
    int64_t length, start_ns;
    double rate_hz;
    int32_t channel, rate;           /* indices */
    uint8_t type, action;
    int32_t place;                   /* in the list */
    int32_t round;                   /* 0 for the first of its channel in this tick, then 1, ... */
};

struct candidate {                   /* a trigger not yet judged: samples of on, next look, off */
    int32_t channel;
    int64_t trigger, look, off;
};

enum verdict { UNDECIDED, PICK, LOW_SNR, GLITCH, CUT_OFF, REPEATED, VERDICTS };

struct pick {                        /* as records.Pick has it */
    int32_t channel;
    int64_t time_ns, trigger_ns, decided_ns;
    double snr, period_s, amplitude, onset_error_s, noise_ratio;
};

struct window { int32_t channel; int64_t on_ns, off_ns; };

struct counts {
    int64_t packets, samples, triggers, refused, bridged, restarted, overlaps, duplicates;
    int64_t clock_steps, rate_changes, not_finite, clipped, dead, verdicts[VERDICTS];
};

/* Eight channels in the vector loop: columns are lanes. */
struct lanes {
    double x[BLOCK][LANES];
    double state[STATE][LANES];
    double minus_a1[4][LANES], minus_a2[4][LANES], sta_keep[LANES], lta_keep[LANES];
    double level[LANES];             /* watched for S / L above it, or while triggered, below it */
    int64_t is_on[LANES];            /* -1 or 0 */
    int64_t crossed[LANES];          /* negative if it was */
    int32_t rate[LANES];             /* whose coefficients the lane holds */
    const struct packet *packet[LANES];
    const char *samples[LANES];      /* of this block */
    int64_t length[LANES];           /* in this block; ascending */
    const char *prefetch[PREFETCHES]; /* memory that the next packets need */
    int64_t prefetch_count, prefetched;
};

struct bank {
    struct channels channels;
    struct rate *rates;
    int32_t rate_count, rate_room, last_rate;
    double lta_ns, min_snr, max_sparsity;
    struct packet *packets;          /* the tick's */
    int32_t *order;                  /* of the packets in lanes */
    int32_t *guess;                  /* the channel that each place of the list had last */
    PyObject **owners;               /* of the packets' samples */
    int64_t room, owned;             /* packets there is room for, owners held */
    struct candidate *candidates;
    int64_t candidate_count, candidate_room;
    struct pick *picks;
    int64_t pick_count, pick_room;
    struct window *windows;          /* trigger windows that ended */
    int64_t window_count, window_room;
    struct counts counts;
    int32_t tick;
    double scratch[3][HISTORY];      /* of onset.c and quality.c */
    struct lanes *lanes;
    /* Python's side, used by read.c and module.c alone */
    PyObject *packet_type, *rate_of, *slot_of, *ids;
    PyObject *names[4], *descriptors[4];
    int is_busy;
};

/* ---- Steps ----------------------------------------------------------------------------------- */

/* read.c: the packets of a list into bank->packets; returns their number, -1 with an exception. */
int64_t read_packets(struct bank *bank, PyObject *list, int *is_repeated);

/* continuity.c: returns 0 if the packet is not used; else sets its action, cuts what was seen. */
int check_continuity(struct bank *bank, struct packet *packet);
int64_t time_of(const struct clock *clock, double sample);
int64_t sample_at(const struct clock *clock, int64_t time_ns);

/* stalta.c */
void begin_packet(struct bank *bank, const struct packet *packet);
void run_samples(
    struct bank *bank, int32_t channel, const char *samples, enum type type, int64_t n);

/* vector.c: samples first to first + LIMIT of each packet. */
void run_packets(struct bank *bank, int64_t begin, int64_t end, int64_t first);
const char *vector_name(void);
int choose_vectors(const char *name);

/* history.c: n samples, or one, behind those seen; samples first to last as they were kept. */
void keep_samples(
    struct bank *bank, int32_t channel, const char *samples, enum type type, int64_t n);
void keep_one(struct bank *bank, int32_t channel, double sample);
void agree_on_type(struct bank *bank, int32_t channel, enum type type);
void recall(const struct bank *bank, int32_t channel, int64_t first, int64_t last, double *samples);

/* onset.c */
void judge_candidates(struct bank *bank);
enum verdict judge(
    struct bank *bank, struct candidate *candidate, double min_snr, struct pick *pick);
void band_pass(const struct rate *rate, const double *raw, int64_t n, int64_t first, double *band);

/* quality.c */
double mean_power(const double *band, int64_t n);
double sparsity(const double *raw, int64_t n, double *slope);
double noise_ratio(
    struct bank *bank, int32_t channel, int64_t segment, int64_t onset, const struct rate *rate);

/* memory.c: these return NULL where memory is out, the new index or -1 with an exception, and 0 or
 * -1 with an exception. with_room makes room for one more row, and aborts if memory is out. */
struct bank *make_bank(void);
void free_bank(struct bank *bank);
int32_t add_channel(struct bank *bank, PyObject *seed_id);
int32_t add_rate(struct bank *bank, int64_t hundredths);
int make_room(struct bank *bank, int64_t packets);
void *with_room(void *rows, int64_t count, int64_t *room, size_t size);

/* ---- Small things used everywhere ------------------------------------------------------------ */

static inline int64_t size_of(enum type type) { return type == FLOAT64 ? 8 : 4; }

static inline double sample_of(const char *samples, enum type type, int64_t i)
{
    if (type == FLOAT32) { float x; memcpy(&x, samples + 4 * i, 4); return x; }
    if (type == INT32) { int32_t x; memcpy(&x, samples + 4 * i, 4); return x; }
    double x; memcpy(&x, samples + 8 * i, 8); return x;
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

#endif
