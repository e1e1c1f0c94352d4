"""PURE: what a packet's start time says: does it continue its channel, follow a gap, or repeat what was there?

| the packet starts | rule | counted as |
|---|---|---|
| within half a sample of the end | it continues | |
| later, by at most the LTA | bridged: filter from rest, LTA kept, no trigger for ``gap_hold_s`` | gaps_bridged |
| later, by more than the LTA | restart with warm-up | gaps_restarted |
| earlier, reaching past the end | the part already seen is cut off | overlaps |
| earlier, all seen already | dropped | duplicates |
| dropped for more than ``CLOCK_STEP_S`` of data on end | the clock was set back: restart | clock_steps |
| at a rate more than 2 % off | restart with the new rate's filter | rate_changes |
"""

import numpy as np
from numba import njit

from ew.detect.frame import batch_in, state_in, work_in
from ew.detect.layout import (
    ANCHOR,
    ANCHOR_NS,
    BRIDGE,
    BRIDGED,
    CLASS,
    CLOCK_STEPS,
    CONTINUE,
    DUPLICATES,
    F8,
    LATE_NS,
    NEXT_NS,
    OVERLAPS,
    PACKETS,
    RATE,
    RATE_CHANGES,
    RESTART,
    RESTARTED,
    SAMPLE_NS,
    SAMPLES,
    SEEN,
)
from ew.detect.machine import prefetch

CLOCK_STEP_NS = 15_000_000_000
"""So much late data on end is a clock set back, not a source that catches up."""
RATE_TOLERANCE = 0.02
"""A rate fitted anew by the logger moves by less; its filter would not change audibly."""
CONTINUES_WITHIN = 0.5
"""In samples; nearer than this no sample can be missing."""
DRIFT = 0.25
"""In samples; so far off, the packets' own clock is followed. Until then times hang on the last anchor, free of
each packet's rounding, so that cuts don't show."""

AHEAD = 16  # packets whose channels' state is asked for ahead of their turn
DONE = -1


@njit(cache=True, nogil=True, error_model="numpy")
def plan(frame, first, kept, packets, known_rates, lta_ns):
    """Decide about packets ``first`` to ``packets``; what is used of them is packed from row ``kept`` on.

    ``known_rates`` (R,) i8: the rate of each class, in hundredths of Hz. Returns ``(next, kept, longest)``: ``next`` is
    ``DONE`` or the packet whose rate has no class yet: go on there once it has one; ``longest`` counts samples.
    """
    batch, state, tallied = batch_in(frame), state_in(frame), work_in(frame).tally
    slots, rates, starts, forms = batch.slot, batch.rate, batch.start_ns, batch.form
    lengths, actions, address = batch.length, batch.action, batch.address
    counts, levels = state.count, state.level
    level_at, count_at = np.uint64(levels.ctypes.data), np.uint64(counts.ctypes.data)
    longest = 0
    for p in range(first, packets):
        if p + AHEAD < packets:
            soon = np.uint64(128 * slots[p + AHEAD])
            prefetch(count_at + soon)
            prefetch(level_at + soon + np.uint64(64))
        slot, rate, start_ns, form, length = slots[p], rates[p], starts[p], forms[p], lengths[p]
        # A division takes as long as all else here
        sample_ns = levels[slot, SAMPLE_NS] if rate == levels[slot, RATE] else 1e9 / rate
        cut, action = 0, CONTINUE
        if abs(rate - levels[slot, RATE]) > RATE_TOLERANCE * rate:
            found = _class_of(rate, known_rates)
            if found < 0:
                return p, kept, longest
            tallied[RATE_CHANGES] += levels[slot, RATE] > 0.0
            counts[slot, CLASS] = found
            action = RESTART
        else:
            ahead_ns = start_ns - counts[slot, NEXT_NS]
            if ahead_ns > CONTINUES_WITHIN * sample_ns:
                action = RESTART if ahead_ns > lta_ns else BRIDGE
                tallied[RESTARTED if action == RESTART else BRIDGED] += 1
            elif ahead_ns < -CONTINUES_WITHIN * sample_ns:
                cut = min(np.int64(np.rint(-ahead_ns / sample_ns)), length)
                if cut < length:
                    tallied[OVERLAPS] += 1
                else:
                    levels[slot, LATE_NS] += length * sample_ns
                    if levels[slot, LATE_NS] <= CLOCK_STEP_NS:
                        tallied[DUPLICATES] += 1
                        continue
                    tallied[CLOCK_STEPS] += 1
                    cut, action = 0, RESTART
        begin_ns = start_ns + np.int64(np.rint(cut * sample_ns))
        _follow(begin_ns, rate, sample_ns, length - cut, action, slot, counts, levels)
        address[kept] = address[p] + np.uint64(cut * (8 if form == F8 else 4))
        forms[kept], lengths[kept] = form, length - cut
        slots[kept], actions[kept] = slot, action
        tallied[PACKETS] += 1
        tallied[SAMPLES] += length - cut
        longest = max(longest, length - cut)
        kept += 1
    return DONE, kept, longest


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _class_of(rate, classes):
    for k in range(len(classes)):
        if classes[k] == np.int64(np.rint(rate * 100.0)):
            return k
    return -1


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _follow(start_ns, rate, sample_ns, length, action, slot, counts, levels) -> None:
    """Move the expected start on, and the anchor of sample times where the packets' clock asks for it."""
    levels[slot, LATE_NS] = 0.0
    drift_ns = (
        start_ns - _time_ns(counts[slot, SEEN], slot, counts, levels)
        if levels[slot, RATE] > 0.0
        else 0
    )
    if action != CONTINUE or rate != levels[slot, RATE] or abs(drift_ns) > DRIFT * sample_ns:
        levels[slot, RATE], levels[slot, SAMPLE_NS] = rate, sample_ns
        counts[slot, ANCHOR_NS], counts[slot, ANCHOR] = start_ns, counts[slot, SEEN]
    counts[slot, NEXT_NS] = _time_ns(counts[slot, SEEN] + length, slot, counts, levels)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _time_ns(sample, slot, counts, levels):
    return counts[slot, ANCHOR_NS] + np.int64(
        np.rint((sample - counts[slot, ANCHOR]) * levels[slot, SAMPLE_NS])
    )
