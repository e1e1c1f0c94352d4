"""PURE: the compiled detection core: band-pass, STA/LTA and trigger for eight channels in each vector instruction.

Per sample x of a channel, sections k = 1..4 in transposed direct form II with b = 1, 0, -1 (``filters.py``), then
Allen's (1978) energy as characteristic function and the recursive STA/LTA (Withers et al. 1998):

    v = x;   for each section:  u = v + z1;  z1 = z2 - a1 u;  z2 = -v - a2 u;  v = u
    y = v;   S = (1 - 1/nsta) S + y²;   L = (1 - 1/nlta) L + y²         (sta = S / nsta, lta = L / nlta)
    on when sta / lta > on ratio;   off after the last sample with sta / lta > off ratio

The filter begins as if the channel's first sample had come for ever: z1 = z2 = -x in the first section. The gain is left
out, since the ratio is the same without it.

The packets of a tick are put side by side, eight at a time, in the order of their lengths. Eight of one form that
continue their channels, as nearly all do, are run straight from where they lie (``alike``). All others, and those eight
where a threshold was crossed, go through ``_run_ragged``: in blocks of up to ``BLOCK`` samples as rows of float64,
``x[lane][sample]``, run with the lanes' state in vector registers; where a threshold was crossed the block is run again
with its course written down, and ``triggers.look`` goes through it. Both give the same to the last bit. Each lane has
its own coefficients, so sampling rates mix freely.

The arrays are laid out in ``layout`` and come as a ``frame``.
"""

import numpy as np
from numba import njit

from ew.detect.alike import LEAST, fill, note, put_away, run_alike, step_on
from ew.detect.frame import batch_in, params_in, state_in, work_in
from ew.detect.keeping import settle, unsettle
from ew.detect.lanes import run_lanes, run_lanes_with_course
from ew.detect.layout import (
    BLOCK,
    CLASS,
    CONTINUE,
    CROSSED,
    F8,
    FORM,
    HOLD,
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
    READY,
    RESTART,
    RUN,
    SAMPLES_AT,
    SEEN,
    SEGMENT,
    L,
    S,
)
from ew.detect.machine import prefetch
from ew.detect.samples import first_good, load
from ew.detect.triggers import add_row, aim, look, needs_look, run_at_end
from ew.detect.turning import turn_out

WINDOW = 512
"""Packets put in order at a time: as many as have their samples in the second-level cache, and enough for eight to be of about one length."""
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
        step_on(NEXT, work)
        _look_ahead(group + LANES, used, first, batch, state, work)
        found, is_alike = _take_up(group, lanes, first, limit, batch, params, state, work, found)
        form = batch.form[work.order[group]]
        done = run_alike(form, params, state, work) if is_alike else 0
        if done < work.ends[lanes - 1]:
            if done > 0:
                fill(work.state, state, work)
            work.ends[:] -= done
            found = _run_ragged(group, lanes, first + done, batch, params, state, work, found)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _by_length(length, start, end, first, limit, order):
    """Put the packets with samples left in the order of their number, so that eight end about together."""
    used, uniform = 0, True
    for p in range(start, end):
        if length[p] > first:
            order[used] = p
            uniform = uniform and length[p] == length[order[0]]
            used += 1
    if not uniform:
        number, some = np.zeros(limit + 1, np.int64), np.empty(WINDOW, np.int64)
        for begin in range(0, used, WINDOW):
            size = min(WINDOW, used - begin)
            some[:size] = order[begin : begin + size]
            least, most = limit, 0
            for p in some[:size]:
                left = min(length[p] - first, limit)
                number[left] += 1
                least, most = min(least, left), max(most, left)
            # A counting sort: there are at most ``limit`` samples left to run
            place = begin
            for left in range(least, most + 1):
                number[left], place = place, place + number[left]
            for p in some[:size]:
                left = min(length[p] - first, limit)
                order[number[left]] = p
                number[left] += 1
            number[least : most + 1] = 0
    return used


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _look_ahead(group, used, first, batch, state, work):
    """Note where the memory lies that the next group needs, for ``run_turned`` to ask for."""
    following = work.following
    for lane in range(min(LANES, used - group)):
        p = work.order[group + lane]
        size = 8 if batch.form[p] == F8 else 4
        samples = batch.address[p] + np.uint64(size * first)
        note(NEXT, lane, batch.slot[p], samples, state, work)
        if batch.length[p] < SHORT:
            prefetch(following[NEXT, LEVEL_AT, lane])
            prefetch(following[NEXT, LEVEL_AT, lane] + np.uint64(64))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _ask_at_once(work):
    """Ask for what ``run_turned`` would have asked for bit by bit, taking the next packets to be as long as these."""
    for lane in range(LANES):
        for at in range(0, 4 * min(work.ends[0], BLOCK), 64):
            prefetch(work.following[NEXT, SAMPLES_AT, lane] + np.uint64(at))


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
    fill(work.state, state, work)
    return found, is_alike and form != F8 and work.ends[0] >= LEAST


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
                slot = work.lane_slots[lane]
                if base == 0:
                    settle(slot, state)
                load(
                    address[p], form[p], first + base, m, slot, lane,
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
                                fill(work.again, state, work)
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
                        put_away(lane, slot, level, now, is_level)
                        unsettle(slot, state)
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
