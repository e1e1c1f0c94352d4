/* The detection core's memory, drawn once, and the steps that work on it.
 *
 * A packet's way, one file a step:
 *
 *     read.c        the list of packets becomes rows of struct packet
 *     continuity.c  its start time: does it continue its channel, follow a gap, or repeat?
 *     lanes.c       eight channels side by side: filter, STA/LTA, "was a threshold crossed?"  (lanes.h: the loop)
 *     channel.c     one channel sample by sample: filter, STA/LTA, trigger on and off
 *     history.c     the last samples of each channel
 *     onset.c       a trigger becomes a pick: AIC onset, SNR, quality
 *     module.c      the Python type that holds it all
 *
 * ew/detect/twin.py does the same in NumPy and SciPy. Both give the same triggers to the last bit: every step is one
 * addition or multiplication, rounded once (the build forbids fused operations), in the same order on every machine.
 */
#ifndef EW_BANK_H
#define EW_BANK_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

enum {
    LANES = 8,          /* channels side by side: one register of AVX-512, two of AVX2, four of SSE2 and NEON */
    BLOCK = 128,        /* samples filtered at a time: 8 KiB of eight channels stay in the first-level cache */
    LIMIT = 1024,       /* samples of a packet run before triggers are judged, so that none overruns the history */
    HISTORY = 4096,     /* samples kept a channel: 41 s at 100 Hz, 16 KiB; a power of two */
    LINE = 16,          /* samples in a cache line of 64 bytes, in which they go into the history */
    WANTED = 512,       /* cache lines asked for ahead, at most */
    PADDING = 16,       /* at a distance of exactly 16 KiB all histories would share a few lines of each cache */
    DELAYS = 8,         /* of the four sections of the band-pass */
    STA = 8, LTA = 9,   /* behind them in struct filter: sums S and L */
    STATE = 10,
};
static const int64_t NEVER = INT64_C(1) << 62;
static const double TINY = 1e-150;        /* what has decayed to this is zero: denormals are a hundred times slower */
static const double HUGE_SAMPLE = 1e18;   /* a larger sample is no measurement */
static const double FULL_SCALE = 8388607; /* of a 24-bit digitiser */

enum form { FLOAT32, FLOAT64, INT32 };               /* of samples */
enum action { CONTINUE, BRIDGE, RESTART };           /* what a packet's start asks for */

/* What depends on the sampling rate: made by rates.py. Lengths in samples. */
struct rate {
    int64_t hundredths;              /* the rate in 1/100 Hz */
    double gain, a1[4], a2[4];       /* band-pass: four sections (1 - z^-2) / (1 + a1 z^-1 + a2 z^-2) */
    double sta_keep, lta_keep;       /* 1 - 1/nsta, 1 - 1/nlta */
    double on_level, off_level;      /* S / L at the on and the off ratio */
    int64_t nsta, nlta, dead, hold;
    int64_t settle, noise, before, wait, step, patience, guard, delay_thousandths, quiet;
};

/* ---- State of one channel, a struct a step ------------------------------------------------------------------- */

struct clock {                       /* continuity */
    int64_t next_ns;                 /* when the sample after the last is due */
    int64_t anchor_ns, anchor;       /* the time of one sample, on which all times hang */
    int64_t seen;                    /* samples so far */
    double rate_hz, sample_ns;       /* 0 before the first packet */
    double late_ns;                  /* length of late data on end */
    int32_t rate;                    /* index of its struct rate */
    int32_t tick;                    /* the last call that had a packet of it */
};

struct filter {                      /* band-pass and averages */
    double state[STATE];             /* z1, z2 of each section, then S and L */
    double offset, last;             /* first sample since the filter began, and the last one; NaN: none yet */
    double pad[4];
};

struct trigger {
    int64_t ready;                   /* triggers are allowed from this sample on (warm-up, gap, dead channel) */
    int64_t segment;                 /* the first sample since data were last missing */
    int64_t run;                     /* how often the last value was repeated */
    int64_t on_at;                   /* the sample at which the trigger began, -1 while off */
    int64_t decided;                 /* the sample at which the last one was judged */
    int64_t form;                    /* of the history: FLOAT32 and INT32 as they came, FLOAT64 as float32 less offset */
    int64_t round;                   /* how many packets of this tick are to be run before the next one */
    int64_t pad;
};

union kept { float real; int32_t whole; };

/* Row c is channel c. */
struct channels {
    int64_t count, room;
    struct clock *clock;
    struct filter *filter;
    struct trigger *trigger;
    union kept (*history)[HISTORY + PADDING];   /* sample i lies at i modulo HISTORY, but for those in tail */
    union kept (*tail)[LINE];                   /* the last samples, which do not fill a line yet: i modulo LINE */
};

/* ---- What passes through ------------------------------------------------------------------------------------ */

struct packet {                      /* one of the tick's, as read */
    const char *samples;
    int64_t length, start_ns;
    double rate_hz;
    int32_t channel, rate;           /* indices */
    uint8_t form, action;
    int32_t place;                   /* in the list */
    int32_t round;                   /* 0 for the first packet of its channel in this tick, then 1, ... */
};

struct candidate {                   /* a trigger not yet judged: samples of its on, next look and off */
    int32_t channel;
    int64_t trigger, look, off;
};

enum verdict { UNDECIDED, PICK, LOW_SNR, GLITCH, CUT_OFF, REPEATED, VERDICTS };

struct pick {                        /* as records.Pick has it */
    int32_t channel;
    int64_t time_ns, trigger_ns, decided_ns;
    double snr, period_s, amplitude, onset_error_s, unrest;
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
    double level[LANES];             /* watched for S / L above it, or while a trigger is on, below it */
    int64_t is_on[LANES];            /* -1 or 0 */
    int64_t crossed[LANES];          /* negative if it was */
    int32_t rate[LANES];             /* whose coefficients the lane holds */
    const struct packet *packet[LANES];
    const char *samples[LANES];      /* of this block */
    int64_t length[LANES];           /* in this block; no lane has more than the one after it */
    const char *wanted[WANTED];      /* memory that the next packets need, asked for while these are run */
    int64_t wanted_count, asked;
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
    double scratch[4][HISTORY];      /* of onset.c */
    struct lanes *lanes;
    /* Python's side, used by read.c and module.c alone */
    PyObject *packet_type, *rate_of, *slot_of, *ids;
    PyObject *names[4], *descriptors[4];
    int is_busy;
};

/* ---- Steps ---------------------------------------------------------------------------------------------------- */

/* read.c: the packets of a list into bank->packets; returns how many, -1 with a Python exception. */
int64_t read_packets(struct bank *bank, PyObject *list, int *is_repeated);

/* module.c: these return the new index, or -1 with a Python exception; make_room -1 as well. */
int32_t add_channel(struct bank *bank, PyObject *seed_id);
int32_t add_rate(struct bank *bank, int64_t hundredths);
int make_room(struct bank *bank, int64_t packets);

/* continuity.c: returns 0 if the packet is not to be used; else sets its action and cuts what was seen already. */
int check_continuity(struct bank *bank, struct packet *packet);
int64_t time_of(const struct clock *clock, double sample);
int64_t sample_at(const struct clock *clock, int64_t time_ns);

/* lanes.c: samples first to first + LIMIT of each packet. */
void run_lanes(struct bank *bank, int64_t begin, int64_t end, int64_t first);
const char *vector_name(void);
int choose_vectors(const char *name);

/* channel.c */
void begin_packet(struct bank *bank, const struct packet *packet);
void run_channel(struct bank *bank, int32_t channel, const char *samples, enum form form, int64_t n);
double first_good(const char *samples, enum form form, int64_t n);

/* history.c: n samples, or one, behind those seen; samples first to last, as they were kept. */
void keep_samples(struct bank *bank, int32_t channel, const char *samples, enum form form, int64_t n);
void keep_one(struct bank *bank, int32_t channel, double sample);
void agree_on_form(struct bank *bank, int32_t channel, enum form form);
void recall(const struct bank *bank, int32_t channel, int64_t first, int64_t last, double *samples);

/* onset.c */
void judge_candidates(struct bank *bank);
enum verdict judge(struct bank *bank, struct candidate *candidate, double min_snr, struct pick *pick);

/* ---- Small things used everywhere ------------------------------------------------------------------------- */

static inline int64_t size_of(enum form form) { return form == FLOAT64 ? 8 : 4; }

static inline double sample_of(const char *samples, enum form form, int64_t i)
{
    if (form == FLOAT32) { float x; memcpy(&x, samples + 4 * i, 4); return x; }
    if (form == INT32) { int32_t x; memcpy(&x, samples + 4 * i, 4); return x; }
    double x; memcpy(&x, samples + 8 * i, 8); return x;
}

static inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

/* Room for one more row: rows, doubled when full. Aborts the process as Python does where memory is out. */
void *with_room(void *rows, int64_t count, int64_t *room, size_t size);

#endif
