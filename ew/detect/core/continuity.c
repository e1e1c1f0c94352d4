/* Continuity: what a packet's start time asks for.
 *
 *   the packet starts                     rule                                    counted as
 *   within half a sample of the end       it continues
 *   later, by at most the LTA             bridged: filter from rest, LTA kept     gaps_bridged
 *   later, by more than the LTA           restart with warm-up                    gaps_restarted
 *   earlier, reaching past the end        the part already seen is cut off        overlaps
 *   earlier, all seen already             dropped                                 duplicates
 *   dropped for more than 15 s of data    the clock was set back: restart         clock_steps
 *   at a rate more than 2 % off           restart with the new rate's filter      rate_changes
 */
#include <math.h>

#include "bank.h"

static const double CLOCK_STEP_NS = 15e9;   /* more late data in a row: the clock was set back */
static const double RATE_TOLERANCE = 0.02;  /* a rate fitted anew by the logger moves by less */
static const double CONTINUES_WITHIN = 0.5; /* samples: nearer than this none can be missing */
/* Samples: farther off, the packets' clock sets a new anchor. Until then times are counted from the
 * last anchor, free of each packet's rounding, so that cuts don't show. */
static const double DRIFT = 0.25;

int64_t time_of(const struct clock *clock, double sample)
{
    return clock->anchor_ns + (int64_t)rint((sample - (double)clock->anchor) * clock->sample_ns);
}

int64_t sample_at(const struct clock *clock, int64_t time_ns)
{
    return clock->anchor + (int64_t)rint((double)(time_ns - clock->anchor_ns) / clock->sample_ns);
}

/* Set when the next packet is due, and a new anchor where the packets' clock has drifted. */
static void follow(struct clock *clock, const struct packet *packet, double sample_ns)
{
    clock->late_ns = 0;
    const int is_same = packet->action == CONTINUE && packet->rate_hz == clock->rate_hz;
    const int64_t expected_ns = time_of(clock, (double)clock->seen);
    if (!is_same || fabs((double)(packet->start_ns - expected_ns)) > DRIFT * sample_ns) {
        clock->rate_hz = packet->rate_hz;
        clock->sample_ns = sample_ns;
        clock->anchor_ns = packet->start_ns;
        clock->anchor = clock->seen;
    }
    clock->next_ns = time_of(clock, (double)(clock->seen + packet->length));
}

int check_continuity(struct bank *bank, struct packet *packet)
{
    struct clock *clock = &bank->channels.clock[packet->channel];
    struct counts *counts = &bank->counts;
    const double sample_ns =
        packet->rate_hz == clock->rate_hz ? clock->sample_ns : 1e9 / packet->rate_hz;
    int64_t cut = 0;
    packet->action = CONTINUE;
    if (fabs(packet->rate_hz - clock->rate_hz) > RATE_TOLERANCE * packet->rate_hz) {
        counts->rate_changes += clock->rate_hz > 0;
        clock->rate = packet->rate;
        packet->action = RESTART;
    } else {
        const double ahead_ns = (double)(packet->start_ns - clock->next_ns);
        if (ahead_ns > CONTINUES_WITHIN * sample_ns) {
            packet->action = ahead_ns > bank->lta_ns ? RESTART : BRIDGE;
            *(packet->action == RESTART ? &counts->restarted : &counts->bridged) += 1;
        } else if (ahead_ns < -CONTINUES_WITHIN * sample_ns) {
            cut = least((int64_t)rint(-ahead_ns / sample_ns), packet->length);
            if (cut < packet->length) {
                counts->overlaps++;
            } else {
                clock->late_ns += (double)packet->length * sample_ns;
                if (clock->late_ns <= CLOCK_STEP_NS) {
                    counts->duplicates++;
                    return 0;
                }
                counts->clock_steps++;
                cut = 0;
                packet->action = RESTART;
            }
        }
    }
    packet->start_ns += (int64_t)rint((double)cut * sample_ns);
    packet->samples += cut * size_of(packet->type);
    packet->length -= cut;
    follow(clock, packet, sample_ns);
    counts->packets++;
    counts->samples += packet->length;
    return 1;
}
