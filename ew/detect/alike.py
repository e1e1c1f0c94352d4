"""PURE: eight packets of one form that continue their channels, run straight from where they lie.

What all eight have is turned into steps of all lanes and run while the memory of the next is asked for and the samples go
into the histories; the few samples that some have beyond it follow with the other lanes held still. Packets longer than a block
go piece by piece. Where a threshold was crossed, a channel is dead or a sample is no number, nothing is changed from
that piece on, and the caller goes the long way.
"""

import numpy as np
from numba import carray, njit

from ew.detect.keeping import aim, keep, tail_at
from ew.detect.lanes import run_turned_f4, run_turned_i4
from ew.detect.layout import (
    BLOCK,
    CLASS,
    CLIPPED,
    COUNT_AT,
    CROSSED,
    DEAD,
    F4,
    FULL_SCALE,
    HUGE,
    I4,
    LANE_LAST,
    LANES,
    LAST,
    LEVEL_AT,
    NEXT,
    ONWARD,
    READY,
    RUN,
    SAMPLES_AT,
    SEEN,
    TAIL_AT,
    TINY,
    L,
    S,
)
from ew.detect.machine import pointer
from ew.detect.samples import at_full_scale
from ew.detect.triggers import is_or_was_dead, run_at_end
from ew.detect.turning import row_in, turn_in, turn_out, turn_samples_f4, turn_samples_i4

HUGE_BITS = int(np.float32(HUGE).view(np.int32)) - 1
"""A float32 with fewer bits is surely below ``HUGE``."""
LEAST = 8  # samples that eight packets must have in common
MOST_BEYOND = 64
"""Samples that one packet of eight may have beyond another; each is turned and copied by itself."""


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def fill(lanes, state, work):
    """Put delays and averages into the lanes as the channels last left them."""
    turn_in(
        np.uint64(state.level.ctypes.data),
        np.uint64(work.lane_slots.ctypes.data),
        np.uint64(lanes.ctypes.data),
    )
    for lane in range(LANES):
        slot = work.lane_slots[lane]
        lanes[S, lane], lanes[L, lane] = state.level[slot, S], state.level[slot, L]
        lanes[CROSSED, lane] = 0.0


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def put_away(lane, slot, level, now, is_level):
    """Keep a lane's state; of lanes that all end together ``turn_out`` keeps the delays."""
    for k in range(S if is_level else 0, S + 2):
        v = now[k, lane]
        level[slot, k] = v if abs(v) > TINY else 0.0


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def note(part, lane, slot, samples, state, work):
    """Note where samples, and the state of their channel, lie that a lane needs next."""
    following = work.following
    following[part, SAMPLES_AT, lane] = samples
    following[part, TAIL_AT, lane] = tail_at(slot, state)
    following[part, LEVEL_AT, lane] = np.uint64(state.level.ctypes.data) + np.uint64(128 * slot)
    following[part, COUNT_AT, lane] = np.uint64(state.count.ctypes.data) + np.uint64(128 * slot)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def step_on(part, work):
    """Go to where ``following`` says that the next samples lie. Element by element: a view of a row would be counted."""
    for lane in range(LANES):
        work.samples_at[lane] = work.following[part, SAMPLES_AT, lane]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def run_alike(form, params, state, work):
    """Run eight packets of one form as far as it goes; gives how many samples of each are done, all if no packet has more."""
    length, most = work.ends[0], work.ends[LANES - 1]
    if most - length > MOST_BEYOND:
        most = length
    done = 0
    while most - done > BLOCK:
        n = min(length - done, BLOCK) // 2 if length - done < 2 * BLOCK else BLOCK
        _go_on(n, state, work)
        for lane in range(LANES):
            work.stops[lane] = n
        if not _run_piece(n, n, ONWARD, form, params, state, work):
            return done
        done += n
        fill(work.state, state, work)
        step_on(ONWARD, work)
    for lane in range(LANES):
        work.stops[lane] = min(work.ends[lane], most) - done
    if _run_piece(length - done, most - done, NEXT, form, params, state, work):
        return most
    return done


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _go_on(n, state, work):
    """Note where the memory lies that the next piece of the same packets needs, ``n`` samples on."""
    for lane in range(LANES):
        samples = work.samples_at[lane] + np.uint64(4 * n)
        note(ONWARD, lane, work.lane_slots[lane], samples, state, work)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _run_piece(n, most, then, form, params, state, work):
    """Run ``n`` samples of eight packets, and those beyond up to each lane's stop (at most ``most``), or leave all as it was and return False.

    ``then``: whose memory to ask for meanwhile.
    """
    level, count, now = state.level, state.count, work.state
    samples_at, turned, state_at, coefficients, following, stops, lines = (
        np.uint64(work.samples_at.ctypes.data),
        np.uint64(work.turned.ctypes.data),
        np.uint64(now.ctypes.data),
        np.uint64(work.coefficients.ctypes.data),
        np.uint64(work.following.ctypes.data + 8 * 4 * LANES * then),
        np.uint64(work.stops.ctypes.data),
        np.uint64(work.lines.ctypes.data),
    )
    aim(state, work)
    if form == F4:
        largest = turn_samples_f4(samples_at, turned, n)
        if most > n:
            largest = max(largest, _turn_beyond(n, form, work))
        if largest >= HUGE_BITS:
            return False
        noted = run_turned_f4(turned, n, coefficients, state_at, following, stops, most, lines)
    else:
        largest = turn_samples_i4(samples_at, turned, n)
        if most > n:
            largest = max(largest, _turn_beyond(n, form, work))
        noted = run_turned_i4(turned, n, coefficients, state_at, following, stops, most, lines)
    if not _is_quiet(noted, n, form, params, state, work):
        fill(now, state, work)
        return False
    if form == I4 and largest >= FULL_SCALE - 1:
        for lane in range(LANES):
            work.tally[CLIPPED] += at_full_scale(work.samples_at[lane], work.stops[lane])
    turn_out(
        np.uint64(level.ctypes.data),
        np.uint64(work.lane_slots.ctypes.data),
        np.uint64(now.ctypes.data),
    )
    for lane in range(LANES):
        slot, stop = work.lane_slots[lane], work.stops[lane]
        if noted >> (LANES + lane) & 1:
            x = _column(work.turned, lane, n, stop, form)
            count[slot, RUN] = run_at_end(x, stop, level[slot, LAST], count[slot, RUN])
        else:
            count[slot, RUN] = 0
        put_away(lane, slot, level, now, True)
        level[slot, LAST] = now[LANE_LAST, lane]
        keep(work.samples_at[lane], stop, n, slot, state)
        count[slot, SEEN] += stop
    return True


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _turn_beyond(n, form, work):
    """Turn what some lanes have beyond ``n`` samples; gives the largest magnitude as ``turn_samples`` does."""
    turned = carray(pointer(np.uint64(work.turned.ctypes.data)), (BLOCK, LANES), np.int32)
    largest = np.int64(0)
    for lane in range(LANES):
        stop = work.stops[lane]
        samples = carray(pointer(work.samples_at[lane]), (stop,), np.int32)
        for i in range(n, stop):
            x = turned[i, lane] = samples[i]
            largest = max(largest, np.int64(x & 0x7FFFFFFF if form == F4 else x ^ x >> 31))
    return largest


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _is_quiet(noted, n, form, params, state, work):
    """Whether the group needs no look: ``noted`` has a bit a lane for crossed thresholds, one for equal samples."""
    level, count = state.level, state.count
    for lane in range(LANES):
        slot, stop = work.lane_slots[lane], work.stops[lane]
        if noted >> lane & 1 and count[slot, SEEN] + stop > count[slot, READY]:
            return False
        dead, run = params.lengths[count[slot, CLASS], DEAD], count[slot, RUN]
        if noted >> (LANES + lane) & 1:
            x = _column(work.turned, lane, n, stop, form)
            if is_or_was_dead(x, stop, level[slot, LAST], run, dead):
                return False
        elif run >= dead:
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _column(turned, lane, n, stop, form):
    """A lane's samples up to its stop as float64, of which ``n`` were turned."""
    column = np.empty(stop)
    rows = carray(pointer(np.uint64(turned.ctypes.data)), (stop, LANES), np.int32)
    for i in range(stop):
        row = row_in(i, n)
        column[i] = turned[row, lane] if form == F4 else rows[row, lane]
    return column
