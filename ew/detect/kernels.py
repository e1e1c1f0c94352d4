"""PURE: the compiled detection core: band-pass, STA/LTA and trigger for eight channels in each vector instruction.

Per sample x of a channel, sections k = 1..4 in transposed direct form II with b = 1, 0, -1 (``filters.py``), then
Allen's (1978) energy as characteristic function and the recursive STA/LTA (Withers et al. 1998):

    v = x;   for each section:  u = v + z1;  z1 = z2 - a1 u;  z2 = -v - a2 u;  v = u
    y = v;   S = (1 - 1/nsta) S + y²;   L = (1 - 1/nlta) L + y²         (sta = S / nsta, lta = L / nlta)
    on when sta / lta > on ratio;   off after the last sample with sta / lta > off ratio

The filter begins as if the channel's first sample had come for ever: z1 = z2 = -x in the first section. The gain is left
out, since the ratio is the same without it.

The packets of a tick are put side by side, eight at a time, in the order of their lengths. Eight of the same length
and form that continue their channels, as nearly all do, are run by ``_run_level`` straight from where they lie: turned,
copied into the history, filtered, with the next eight's memory asked for meanwhile. All others, and those eight where a
threshold was crossed, go through ``_run_ragged``: in blocks of up to ``BLOCK`` samples as rows of float64,
``x[lane][sample]``, run with the lanes' state in vector registers; where a threshold was crossed the block is run again
with its course written down, and ``triggers.look`` goes through it. Both give the same to the last bit. Each lane has
its own coefficients, so sampling rates mix freely.

The arrays are laid out in ``layout`` and come as a ``frame``.
"""

import numpy as np
from numba import carray, njit

from ew.detect.frame import batch_in, params_in, state_in, work_in
from ew.detect.lanes import run_lanes, run_lanes_with_course, run_turned_f4, run_turned_i4
from ew.detect.layout import (
    BLOCK,
    CLASS,
    CLIPPED,
    CONTINUE,
    COUNT_AT,
    CROSSED,
    DEAD,
    F4,
    F8,
    FORM,
    FULL_SCALE,
    HISTORY,
    HISTORY_AT,
    HOLD,
    HUGE,
    I4,
    LANE_LAST,
    LANES,
    LAST,
    LEVEL_AT,
    NEVER,
    NEXT,
    NLTA,
    NSTA,
    OFF,
    OFFSET,
    ON_AT,
    ONWARD,
    PADDING,
    READY,
    RESTART,
    RUN,
    SAMPLES_AT,
    SEEN,
    SEGMENT,
    TINY,
    L,
    S,
)
from ew.detect.machine import pointer, prefetch
from ew.detect.samples import at_full_scale, first_good, load
from ew.detect.triggers import add_row, aim, is_or_was_dead, look, needs_look, run_at_end
from ew.detect.turning import turn_in, turn_out, turn_samples_f4, turn_samples_i4

HUGE_BITS = int(np.float32(HUGE).view(np.int32)) - 1
"""A float32 with fewer bits is surely below ``HUGE``."""
LEAST = 8  # samples of a packet that is run from where it lies


SHORT = 32  # samples: fewer steps leave no time to ask for all lines


@njit(cache=True, nogil=True, error_model="numpy")
def run(frame, start, end, first, limit):
    """Run samples ``first`` to ``first + limit`` of packets ``start`` to ``end``; gives how many rows of ``found`` it filled.

    ``limit`` keeps a long packet from overrunning the history.
    """
    batch, params, state, work = batch_in(frame), params_in(frame), state_in(frame), work_in(frame)
    used = _by_length(batch.length, start, end, first, limit, work.order)
    found = 0
    _look_ahead(0, used, first, batch, state, work)
    for group in range(0, used, LANES):
        lanes = min(LANES, used - group)
        work.samples_at[:] = work.following[NEXT, SAMPLES_AT]
        work.history_at[:] = work.following[NEXT, HISTORY_AT]
        _look_ahead(group + LANES, used, first, batch, state, work)
        found, is_alike = _take_up(group, lanes, first, limit, batch, params, state, work, found)
        form = batch.form[work.order[group]]
        done = _run_alike(form, params, state, work) if is_alike else 0
        if done < work.ends[lanes - 1]:
            work.ends[:] -= done
            found = _run_ragged(group, lanes, first + done, batch, params, state, work, found)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _by_length(length, start, end, first, limit, order):
    """Order the packets with samples left by their number, so that the eight of a group end together."""
    used, uniform = 0, True
    for p in range(start, end):
        if length[p] > first:
            order[used] = p
            uniform = uniform and length[p] == length[order[0]]
            used += 1
    if not uniform:
        # A counting sort (there are at most ``limit`` samples left to run) that puts whole eights of one length first
        # and what is left over of each length last: so the fewest groups are of several lengths
        number = np.zeros(limit + 1, np.int64)
        some = order[:used].copy()
        for p in some:
            number[min(length[p] - first, limit)] += 1
        places, after = np.zeros((2, limit + 1), np.int64), 0
        for k in range(limit + 1):
            places[0, k], after = after, after + number[k] // LANES * LANES
        for k in range(limit + 1):
            places[1, k], after = after, after + number[k] % LANES
            number[k] = number[k] // LANES * LANES
        for p in some:
            k = min(length[p] - first, limit)
            part = 0 if number[k] > 0 else 1
            number[k] -= 1
            order[places[part, k]] = p
            places[part, k] += 1
    return used


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _look_ahead(group, used, first, batch, state, work):
    """Note where the memory lies that the next group needs, for ``run_turned`` to ask for."""
    following = work.following[NEXT]
    level_at, count_at = np.uint64(state.level.ctypes.data), np.uint64(state.count.ctypes.data)
    history = np.uint64(state.raw.ctypes.data)
    for lane in range(min(LANES, used - group)):
        p = work.order[group + lane]
        slot = batch.slot[p]
        start = slot * (HISTORY + PADDING) + (state.count[slot, SEEN] & (HISTORY - 1))
        size = 8 if batch.form[p] == F8 else 4
        following[SAMPLES_AT, lane] = batch.address[p] + np.uint64(size * first)
        following[HISTORY_AT, lane] = history + np.uint64(4 * start)
        following[LEVEL_AT, lane] = level_at + np.uint64(128 * slot)
        following[COUNT_AT, lane] = count_at + np.uint64(128 * slot)
        if batch.length[p] < SHORT:
            prefetch(following[LEVEL_AT, lane])
            prefetch(following[LEVEL_AT, lane] + np.uint64(64))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _ask_at_once(work):
    """Ask for what ``run_turned`` would have asked for bit by bit, taking the next packets to be as long as these."""
    for lane in range(LANES):
        for at in range(0, 4 * min(work.ends[0], BLOCK), 64):
            prefetch(work.following[NEXT, SAMPLES_AT, lane] + np.uint64(at))
            prefetch(work.following[NEXT, HISTORY_AT, lane] + np.uint64(at))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _take_up(group, lanes, first, limit, batch, params, state, work, found):
    """Put the channels of a group into the lanes: coefficients, delays and averages.

    Gives the rows of ``found`` filled, and whether the packets are eight of one form, as their histories.
    """
    level, count = state.level, state.count
    form, is_alike = batch.form[work.order[group]], lanes == LANES
    for lane in range(lanes):
        p = work.order[group + lane]
        slot = batch.slot[p]
        work.ends[lane] = min(batch.length[p] - first, limit)
        work.lane_slots[lane] = slot
        if first == 0 and batch.action[p] != CONTINUE:
            found = _prepare(slot, batch.action[p], params, state, work, found)
            count[slot, FORM] = batch.form[p]
        if np.isnan(level[slot, OFFSET]):
            m = min(work.ends[lane], BLOCK)
            level[slot, OFFSET] = first_good(batch.address[p], batch.form[p], first, m)
            level[slot, 0] = level[slot, 1] = -level[slot, OFFSET]
        is_alike = is_alike and count[slot, FORM] == form and batch.form[p] == form
        row = count[slot, CLASS]
        if work.lane_class[lane] != row:
            work.lane_class[lane] = row
            for k in range(11):
                work.coefficients[k, lane] = params.real[row, k]
        aim(lane, count[slot, ON_AT] >= 0, params.real[row], work.coefficients)
        work.state[LANE_LAST, lane] = level[slot, LAST]
    for lane in range(lanes, LANES):
        work.lane_slots[lane] = work.lane_slots[0]  # an unused lane follows the first, to no effect
    _fill(work.state, state, work)
    return found, is_alike and form != F8 and work.ends[0] >= LEAST


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _fill(lanes, state, work):
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
def _put_away(lane, slot, level, now, is_level):
    """Keep a lane's state; of lanes that all end together ``turn_out`` keeps the delays."""
    for k in range(S if is_level else 0, S + 2):
        v = now[k, lane]
        level[slot, k] = v if abs(v) > TINY else 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _prepare(slot, action, params, state, work, found):
    """Bring a channel's state in order before a packet that starts anew or follows a gap."""
    level, count = state.level[slot], state.count[slot]
    lengths = params.lengths[count[CLASS]]
    level[:S] = 0.0
    level[OFFSET] = level[LAST] = np.nan
    count[RUN], count[SEGMENT] = 0, count[SEEN]
    if count[ON_AT] >= 0:
        found = add_row(work.found, found, OFF, slot, count[ON_AT], count[SEEN] - 1)
        count[ON_AT] = -1
    if action == RESTART:
        level[S] = level[L] = 0.0
        count[READY] = count[SEEN] + lengths[NLTA]
    else:  # the filter starts again from rest: no trigger until it has settled, but the LTA stands
        level[S] = level[L] * lengths[NSTA] / lengths[NLTA]
        if count[READY] == NEVER:
            count[READY] = count[SEEN] + lengths[NLTA]
        count[READY] = max(count[READY], count[SEEN] + lengths[HOLD])
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _run_alike(form, params, state, work):
    """Run what eight packets of one form have in common, piece by piece; gives how many samples of each are done."""
    length, done = work.ends[0], 0
    for left in range(-(-length // BLOCK), 0, -1):
        n = (length - done + left - 1) // left
        if left > 1:
            _go_on(n, state, work)
        if not _run_level(n, NEXT if left == 1 else ONWARD, form, params, state, work):
            return done
        done += n
        if done < work.ends[LANES - 1]:
            _fill(work.state, state, work)
        if left > 1:
            work.samples_at[:] = work.following[ONWARD, SAMPLES_AT]
            work.history_at[:] = work.following[ONWARD, HISTORY_AT]
    return done


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _go_on(n, state, work):
    """Note where the memory lies that the next piece of the same packets needs, ``n`` samples on."""
    onward, history = work.following[ONWARD], np.uint64(state.raw.ctypes.data)
    level_at, count_at = np.uint64(state.level.ctypes.data), np.uint64(state.count.ctypes.data)
    for lane in range(LANES):
        slot = work.lane_slots[lane]
        start = slot * (HISTORY + PADDING) + ((state.count[slot, SEEN] + n) & (HISTORY - 1))
        onward[SAMPLES_AT, lane] = work.samples_at[lane] + np.uint64(4 * n)
        onward[HISTORY_AT, lane] = history + np.uint64(4 * start)
        onward[LEVEL_AT, lane] = level_at + np.uint64(128 * slot)
        onward[COUNT_AT, lane] = count_at + np.uint64(128 * slot)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _run_level(n, then, form, params, state, work):
    """Run ``n`` samples of eight packets of one form from where they lie, or leave all as it was and return False.

    False where a threshold was crossed while triggers were allowed, where a channel is dead, and where a sample is no
    number: these go the long way. ``then``: whose memory to ask for meanwhile.
    """
    level, count, now = state.level, state.count, work.state
    samples_at, history_at, turned, state_at, coefficients, following = (
        np.uint64(work.samples_at.ctypes.data),
        np.uint64(work.history_at.ctypes.data),
        np.uint64(work.turned.ctypes.data),
        np.uint64(now.ctypes.data),
        np.uint64(work.coefficients.ctypes.data),
        np.uint64(work.following[then].ctypes.data),
    )
    if form == F4:
        if turn_samples_f4(samples_at, history_at, turned, n) >= HUGE_BITS:
            return False
        noted = run_turned_f4(turned, n, coefficients, state_at, following)
    else:
        largest = turn_samples_i4(samples_at, history_at, turned, n)
        noted = run_turned_i4(turned, n, coefficients, state_at, following)
    if not _is_quiet(noted, n, form, params, state, work):
        _fill(now, state, work)
        return False
    if form == I4 and largest >= FULL_SCALE - 1:
        for lane in range(LANES):
            work.tally[CLIPPED] += at_full_scale(work.samples_at[lane], n)
    turn_out(
        np.uint64(level.ctypes.data),
        np.uint64(work.lane_slots.ctypes.data),
        np.uint64(now.ctypes.data),
    )
    for lane in range(LANES):
        slot = work.lane_slots[lane]
        if noted >> (LANES + lane) & 1:
            x = _column(work.turned, lane, n, form)
            count[slot, RUN] = run_at_end(x, n, level[slot, LAST], count[slot, RUN])
        else:
            count[slot, RUN] = 0
        _put_away(lane, slot, level, now, True)
        level[slot, LAST] = now[LANE_LAST, lane]
        over = (count[slot, SEEN] & (HISTORY - 1)) + n - HISTORY
        if over > 0:  # written past the history's end: its beginning
            state.raw[slot, :over] = state.raw[slot, HISTORY : HISTORY + over]
        count[slot, SEEN] += n
    return True


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _is_quiet(noted, n, form, params, state, work):
    """Whether the group needs no look: ``noted`` has a bit a lane for crossed thresholds, one for equal samples."""
    level, count = state.level, state.count
    for lane in range(LANES):
        slot = work.lane_slots[lane]
        if noted >> lane & 1 and count[slot, SEEN] + n > count[slot, READY]:
            return False
        dead, run = params.lengths[count[slot, CLASS], DEAD], count[slot, RUN]
        if noted >> (LANES + lane) & 1:
            if is_or_was_dead(_column(work.turned, lane, n, form), n, level[slot, LAST], run, dead):
                return False
        elif run >= dead:
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _column(turned, lane, n, form):
    """A lane's samples as float64."""
    column = np.empty(n)
    if form == F4:
        column[:] = turned[:n, lane]
    else:
        column[:] = carray(pointer(np.uint64(turned.ctypes.data)), (n, LANES), np.int32)[:, lane]
    return column


@njit(cache=True, nogil=True, error_model="numpy")
def _run_ragged(group, lanes, first, batch, params, state, work, found):
    """Run a group block by block, and each block as far as lanes end together; gives the rows of ``found`` filled."""
    level, count, ends, now = state.level, state.count, work.ends, work.state
    _ask_at_once(work)
    address, form, order, lengths = batch.address, batch.form, work.order, params.lengths
    is_level = lanes == LANES and ends[0] == ends[lanes - 1]
    for base in range(0, ends[lanes - 1], BLOCK):
        n = min(BLOCK, ends[lanes - 1] - base)
        for lane in range(lanes):
            m = min(n, ends[lane] - base)
            if m > 0:
                p = order[group + lane]
                load(
                    address[p], form[p], first + base, m, work.lane_slots[lane], lane,
                    level, count, state.raw, work.x, work.tally,
                )  # fmt: skip
        for lane in range(LANES):
            now[CROSSED, lane] = 0.0
        if base > 0:  # before the first block the state stands in ``level`` as well
            work.before[:] = now
        done = 0
        while done < n:
            stop = n
            for lane in range(lanes):
                if done < ends[lane] - base < stop:
                    stop = ends[lane] - base
            run_lanes(work.x, done, stop - done, now, work.coefficients)
            has_course = False
            for lane in range(lanes):
                if ends[lane] - base == stop or (stop == n and ends[lane] - base > n):
                    slot = work.lane_slots[lane]
                    if needs_look(slot, stop, lane, lengths, level, count, work.x, now):
                        if not has_course:
                            if base > 0:
                                work.again[:] = work.before
                            else:  # lanes already put away no longer count
                                _fill(work.again, state, work)
                            run_lanes_with_course(
                                work.x, stop, work.again, work.coefficients, work.course
                            )
                            has_course = True
                        found = look(slot, stop, lane, params, state, work, found)
                    else:
                        count[slot, RUN] = run_at_end(
                            work.x[lane], stop, level[slot, LAST], count[slot, RUN]
                        )
                    level[slot, LAST] = work.x[lane, stop - 1]
                    count[slot, SEEN] += stop
                    if ends[lane] - base == stop:
                        _put_away(lane, slot, level, now, is_level)
            if is_level and stop == ends[0] - base:
                turn_out(
                    np.uint64(level.ctypes.data),
                    np.uint64(work.lane_slots.ctypes.data),
                    np.uint64(now.ctypes.data),
                )
            done = stop
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def course(samples, real, work, band, sta, lta):
    """The course (y, S, L; (N,) f8 each) of a channel fed ``samples`` (N,) f8 from its start, by the very lanes."""
    for k in range(11):
        work.coefficients[k, :] = real[k]
    work.coefficients[11:, :] = 0.0
    work.lane_class[:] = -1
    work.state[:] = 0.0
    if len(samples):
        work.state[:2, :] = -samples[0]
    for base in range(0, len(samples), BLOCK):
        n = min(BLOCK, len(samples) - base)
        for i in range(n):
            work.x[:, i] = samples[base + i]
        run_lanes_with_course(work.x, n, work.state, work.coefficients, work.course)
        for i in range(n):
            band[base + i] = real[0] * work.course[i, 0, 0]
            sta[base + i] = work.course[i, 1, 0]
            lta[base + i] = work.course[i, 2, 0]
