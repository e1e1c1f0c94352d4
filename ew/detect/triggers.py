"""PURE: what a block of samples did to its channel: triggers on and off, dead and alive again.

Most blocks did nothing, which ``needs_look`` tells at once. Where a threshold was crossed or a channel is dead, ``look``
goes through the block's course sample by sample.
"""

from numba import njit

from ew.detect.lanes import SPOT
from ew.detect.layout import (
    CLASS,
    CROSSED,
    DEAD,
    DIED,
    LAST,
    NEVER,
    NLTA,
    OFF,
    OFF_LEVEL,
    ON,
    ON_AT,
    ON_LEVEL,
    READY,
    RUN,
    SEEN,
)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def needs_look(slot, m, lane, lengths, level, count, x, now):
    """Whether a threshold was crossed while triggers were allowed, or the channel was or became dead."""
    if now[CROSSED, lane] > 0.0 and count[slot, SEEN] + m > count[slot, READY]:
        return True
    return is_or_was_dead(
        x[lane], m, level[slot, LAST], count[slot, RUN], lengths[count[slot, CLASS], DEAD]
    )


@njit(cache=True, nogil=True, error_model="numpy")
def is_or_was_dead(x, m, last, run, dead):
    """Whether the same value comes ``dead`` times in ``x``, or had come so often before it.

    ``last`` is the value before ``x`` and ``run`` how often it was a repeat. A run of ``dead`` inside the block covers
    one of the spots looked at; only about those is it measured.
    """
    if run >= dead or (run + m >= dead and x[0] == last):
        return True
    for i in range(SPOT - 1, m, SPOT):
        if x[i] == x[i - 1]:
            start, end = i - 1, i
            while start > 0 and x[start - 1] == x[start]:
                start -= 1
            while end + 1 < m and x[end + 1] == x[end]:
                end += 1
            if end - start >= dead:
                return True
    return False


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def run_at_end(x, m, last, run):
    """How often the last of ``m`` values was repeated, ``run`` and ``last`` as above."""
    repeats, i = 0, m - 1
    while i > 0 and x[i] == x[i - 1]:
        repeats += 1
        i -= 1
    return repeats + 1 + run if i == 0 and x[0] == last else repeats


@njit(cache=True, nogil=True, error_model="numpy")
def look(slot, m, lane, params, state, work, found):
    """Go through a block's course sample by sample; returns how many rows of ``work.found`` are filled."""
    count, real = state.count[slot], params.real[state.count[slot, CLASS]]
    lengths = params.lengths[count[CLASS]]
    last, run = state.level[slot, LAST], count[RUN]
    for i in range(m):
        sample = count[SEEN] + i
        sta, lta = work.course[i, 1, lane], work.course[i, 2, lane]
        if work.x[lane, i] == last:
            run += 1
        else:
            if run >= lengths[DEAD]:
                count[READY] = sample + lengths[NLTA]
            run = 0
        last = work.x[lane, i]
        if run == lengths[DEAD]:
            count[READY] = NEVER
            work.tally[DIED] += 1
        is_on = count[ON_AT] >= 0
        if not is_on and sample >= count[READY] and sta > real[ON_LEVEL] * lta:
            count[ON_AT] = sample
            found = add_row(work.found, found, ON, slot, sample, sample)
        elif is_on and (run == lengths[DEAD] or sta < real[OFF_LEVEL] * lta):
            found = add_row(work.found, found, OFF, slot, count[ON_AT], sample - 1)
            count[ON_AT] = -1
    count[RUN] = run
    aim(lane, count[ON_AT] >= 0, real, work.coefficients)
    return found


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def aim(lane, is_on, real, coefficients):
    """Have a lane watch for a rise above the on ratio, or while a trigger is on for a fall below the off ratio."""
    coefficients[11, lane] = -0.0 if is_on else 0.0
    coefficients[12, lane] = real[OFF_LEVEL] if is_on else real[ON_LEVEL]


@njit(cache=True, nogil=True, error_model="numpy")
def add_row(rows, found, kind, slot, start, end):
    """One more row of ``found``, if there is room."""
    if found < len(rows):
        rows[found, 0], rows[found, 1], rows[found, 2], rows[found, 3] = kind, slot, start, end
        found += 1
    return found
