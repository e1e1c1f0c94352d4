"""PURE: the compiled detection core: band-pass, STA/LTA and trigger for eight channels in each vector instruction.

Per sample x of a channel (offset removed), sections k = 1..4 in transposed direct form II with b = 1, 0, -1
(``filters.py``), then Allen's (1978) energy as characteristic function and the recursive STA/LTA (Withers et al. 1998):

    v = gain x;   for each section:  u = v + z1;  z1 = z2 - a1 u;  z2 = -v - a2 u;  v = u
    y = v;   S = (1 - 1/nsta) S + y²;   L = (1 - 1/nlta) L + y²         (sta = S / nsta, lta = L / nlta)
    on when sta / lta > on ratio;   off after the last sample with sta / lta > off ratio

The packets of a tick are put side by side, eight at a time, in the order of their lengths, in blocks of up to ``BLOCK``
samples: ``x[lane][sample]``. ``_lanes`` runs a block with its whole state in vector registers and tells by one number a
lane whether a threshold was crossed; only then the block is run again with its course written down, and that lane is
looked through sample by sample. Each lane has its own coefficients, so sampling rates mix freely.

The arrays it works on are laid out in ``layout``.
"""

import numpy as np
from numba import carray, njit

from ew.detect.lanes import (
    bare,
    pointer,
    prefetch,
    prefetch_to_write,
    run_lanes,
    run_lanes_with_course,
    take_f4,
    take_f8,
    take_i4,
    turn_in,
    turn_out,
)
from ew.detect.layout import (
    BLOCK,
    CLASS,
    CLIPPED,
    CONTINUE,
    DEAD,
    DIED,
    F4,
    F8,
    FULL_SCALE,
    HISTORY,
    HOLD,
    HUGE,
    I4,
    LANES,
    LAST,
    NEVER,
    NLTA,
    NOT_FINITE,
    NSTA,
    OFF,
    OFF_LEVEL,
    OFFSET,
    ON,
    ON_AT,
    ON_LEVEL,
    PADDING,
    READY,
    RESTART,
    RUN,
    SEEN,
    SEGMENT,
    TINY,
    L,
    S,
)


@njit(cache=True, nogil=True, error_model="numpy")
def run(batch, packets, first, limit, params, state, work):
    """Run samples ``first`` to ``first + limit`` of each packet; returns how many rows of ``work.found`` are filled.

    ``packets``: how many rows of ``batch`` count. ``limit`` keeps a long packet from overrunning the history.
    """
    # Taken out of their tuples once, and bare: else every use in the loops costs an atomic reference count,
    # and these made up most of the time
    address, form, length = bare(batch.address), bare(batch.form), bare(batch.length)
    slots, actions, order, tally = (
        bare(batch.slot),
        bare(batch.action),
        bare(work.order),
        bare(work.tally),
    )
    level, count, raw = bare(state.level), bare(state.count), bare(state.raw)
    real, lengths, x = bare(params.real), bare(params.lengths), bare(work.x)
    now, before, coefficients = bare(work.state), bare(work.before), bare(work.coefficients)
    ends, lane_slots, lane_class = bare(work.ends), bare(work.lane_slots), bare(work.lane_class)
    level_at, state_at = np.uint64(level.ctypes.data), np.uint64(now.ctypes.data)
    again = bare(work.again)
    again_at = np.uint64(again.ctypes.data)
    slots_at = np.uint64(lane_slots.ctypes.data)
    used = _by_length(length, packets, first, limit, order)
    found = 0
    history = np.uint64(raw.ctypes.data)
    for group in range(0, used, LANES):
        lanes = min(LANES, used - group)
        for lane in range(lanes):
            p = order[group + lane]
            slot = slots[p]
            ends[lane] = min(length[p] - first, limit)
            if group + LANES + lane < used:
                # What the next group needs lies scattered: fetched now, it is there when its turn comes
                q = order[group + LANES + lane]
                start = slots[q] * (HISTORY + PADDING) + (count[slots[q], SEEN] & (HISTORY - 1))
                line, samples = (
                    history + np.uint64(4 * start),
                    address[q] + np.uint64((8 if form[q] == F8 else 4) * first),
                )
                for at in range(0, 4 * min(length[q] - first, BLOCK), 64):
                    prefetch_to_write(line + np.uint64(at))
                    prefetch(samples + np.uint64(at))
            if first == 0 and actions[p] != CONTINUE:
                found = _prepare(slot, actions[p], params, state, work, found)
            lane_slots[lane] = slot
            _take_up(lane, slot, real, level, count, now, coefficients, lane_class)
        for lane in range(lanes, LANES):
            lane_slots[lane] = lane_slots[0]  # an unused lane follows the first, to no effect
        turn_in(level_at, slots_at, state_at)
        is_level = lanes == LANES and ends[0] == ends[lanes - 1]
        for base in range(0, ends[lanes - 1], BLOCK):
            n = min(BLOCK, ends[lanes - 1] - base)
            for lane in range(lanes):
                m = min(n, ends[lane] - base)
                if m > 0:
                    p = order[group + lane]
                    _load(
                        address[p], form[p], first + base, m, slots[p], lane,
                        level, count, history, x, tally,
                    )  # fmt: skip
            for lane in range(LANES):
                now[10, lane] = 0.0
            if base > 0:  # before the first block the state stands in ``level`` as well
                before[:] = now
            done = 0
            while done < n:
                stop = n
                for lane in range(lanes):
                    if done < ends[lane] - base < stop:
                        stop = ends[lane] - base
                run_lanes(x, done, stop - done, now, coefficients)
                has_course = False
                for lane in range(lanes):
                    if ends[lane] - base == stop or (stop == n and ends[lane] - base > n):
                        slot = slots[order[group + lane]]
                        if _needs_look(slot, stop, lane, lengths, level, count, x, now):
                            if not has_course:
                                if base > 0:
                                    again[:] = before
                                else:
                                    _restore(again, again_at, level_at, slots_at, lane_slots, level)
                                run_lanes_with_course(
                                    work.x, stop, again, coefficients, work.course
                                )
                                has_course = True
                            found = _look(slot, stop, lane, params, state, work, found)
                        else:
                            _count_run(slot, stop, lane, level, count, x)
                        level[slot, LAST] = x[lane, stop - 1]
                        count[slot, SEEN] += stop
                        if ends[lane] - base == stop:
                            _put_away(lane, slot, level, now, is_level)
                if is_level and stop == ends[0] - base:
                    turn_out(level_at, slots_at, state_at)
                done = stop
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _by_length(length, packets, first, limit, order):
    """Order the packets with samples left by their number, so that the eight of a group end together."""
    used, uniform = 0, True
    for p in range(packets):
        if length[p] > first:
            order[used] = p
            uniform = uniform and length[p] == length[order[0]]
            used += 1
    if not uniform:
        # A counting sort: there are at most ``limit`` samples left to run
        places = np.zeros(limit + 2, np.int64)
        some = order[:used].copy()
        for p in some:
            places[min(length[p] - first, limit) + 1] += 1
        for k in range(limit + 1):
            places[k + 1] += places[k]
        for p in some:
            k = min(length[p] - first, limit)
            order[places[k]] = p
            places[k] += 1
    return used


@njit(cache=True, nogil=True, error_model="numpy")
def _prepare(slot, action, params, state, work, found):
    """Bring a channel's state in order before a packet that starts anew or follows a gap."""
    level, count = state.level[slot], state.count[slot]
    lengths = params.lengths[count[CLASS]]
    level[:S] = 0.0
    level[OFFSET] = level[LAST] = np.nan
    count[RUN], count[SEGMENT] = 0, count[SEEN]
    if count[ON_AT] >= 0:
        found = _row(work.found, found, OFF, slot, count[ON_AT], count[SEEN] - 1)
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


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _take_up(lane, slot, real, level, count, now, coefficients, lane_class):
    """Put a channel's coefficients and averages into its lane."""
    row = count[slot, CLASS]
    if lane_class[lane] != row:
        lane_class[lane] = row
        for k in range(11):
            coefficients[k, lane] = real[row, k]
    now[S, lane], now[L, lane] = level[slot, S], level[slot, L]
    is_on = count[slot, ON_AT] >= 0
    coefficients[11, lane] = -1.0 if is_on else 1.0
    coefficients[12, lane] = real[row, OFF_LEVEL] if is_on else -real[row, ON_LEVEL]


@njit(cache=True, nogil=True, error_model="numpy")
def _restore(again, again_at, level_at, slots_at, lane_slots, level):
    """The lanes' state as it was before a packet's first block; lanes already put away no longer count."""
    turn_in(level_at, slots_at, again_at)
    for lane in range(LANES):
        again[S, lane], again[L, lane] = level[lane_slots[lane], S], level[lane_slots[lane], L]
        again[10, lane] = 0.0


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _put_away(lane, slot, level, now, is_level):
    """Keep a lane's state; of lanes that all end together ``turn_out`` keeps the delays."""
    for k in range(S if is_level else 0, S + 2):
        v = now[k, lane]
        level[slot, k] = v if abs(v) > TINY else 0.0


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _load(address, form, at, m, slot, lane, level, count, history, x, tally):
    """Put ``m`` samples from ``at`` into the lane's row and the channel's history (an address)."""
    if np.isnan(level[slot, OFFSET]):
        level[slot, OFFSET] = _first_good(address, form, at, m)
    samples = address + np.uint64((8 if form == F8 else 4) * at)
    largest = _take(samples, form, m, slot, lane, level, count, history, x)
    if form == I4:
        if largest >= FULL_SCALE:
            tally[CLIPPED] += _at_full_scale(samples, m)
    elif not largest < HUGE:
        mended = _mended(samples, form, m, slot, level, tally)
        at_mended = np.uint64(mended.ctypes.data)
        _take(at_mended, F8, m, slot, lane, level, count, history, x)
        # Only so that the array outlives the call above, which knows its address alone
        level[slot, OFFSET] += 0.0 * mended[0]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _take(samples, form, m, slot, lane, level, count, history, x):
    """In two parts where the history's end is passed; gives the largest magnitude."""
    largest, offset, i = 0.0, level[slot, OFFSET], 0
    row = np.uint64(x.ctypes.data) + np.uint64(8 * BLOCK * lane)
    while i < m:
        start = (count[slot, SEEN] + i) & (HISTORY - 1)
        fits = min(m - i, HISTORY - start)
        to = history + np.uint64(4 * (slot * (HISTORY + PADDING) + start))
        at, part = row + np.uint64(8 * i), 0.0
        if form == F4:
            part = take_f4(samples + np.uint64(4 * i), at, to, fits, offset)
        elif form == F8:
            part = take_f8(samples + np.uint64(8 * i), at, to, fits, offset)
        else:
            part = take_i4(samples + np.uint64(4 * i), at, to, fits, offset)
        if largest < HUGE and not part <= largest:  # NaN, once found, stays
            largest = part
        i += fits
    return largest


@njit(cache=True, nogil=True, error_model="numpy")
def _sample(samples, form, i):
    if form == F4:
        return np.float64(carray(pointer(samples), (i + 1,), np.float32)[i])
    if form == F8:
        return carray(pointer(samples), (i + 1,), np.float64)[i]
    return np.float64(carray(pointer(samples), (i + 1,), np.int32)[i])


@njit(cache=True, nogil=True, error_model="numpy")
def _first_good(address, form, at, m):
    """The first sample that is a number, or 0 if there is none."""
    for i in range(at, at + m):
        v = _sample(address, form, i)
        if abs(v) < HUGE:
            return v
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _at_full_scale(samples, m):
    clipped = 0
    for i in range(m):
        clipped += abs(_sample(samples, I4, i)) >= FULL_SCALE
    return clipped


@njit(cache=True, nogil=True, error_model="numpy")
def _mended(samples, form, m, slot, level, tally):
    """The samples with the last good one in the place of each bad one, so that no step is made."""
    last = level[slot, OFFSET]
    if not np.isnan(level[slot, LAST]):
        last += level[slot, LAST]
    mended = np.empty(m)
    for i in range(m):
        v = _sample(samples, form, i)
        if abs(v) < HUGE:
            last = v
        else:
            tally[NOT_FINITE] += 1
        mended[i] = last
    return mended


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _needs_look(slot, m, lane, lengths, level, count, x, now):
    """Whether a threshold was crossed while triggers were allowed, or the channel was or became dead."""
    if now[10, lane] > 0.0 and count[slot, SEEN] + m > count[slot, READY]:
        return True
    dead, run = lengths[count[slot, CLASS], DEAD], count[slot, RUN]
    if run >= dead or (run + m >= dead and x[lane, 0] == level[slot, LAST]):
        return True
    # A run of ``dead`` equal samples inside the block covers one of these pairs (dead > 32)
    for i in range(31, m, 32):  # noqa: SIM110 - numba has no generators in any()
        if x[lane, i] == x[lane, i - 1]:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _count_run(slot, m, lane, level, count, x):
    """How often the last value was repeated at the block's end."""
    run, i = 0, m - 1
    while i > 0 and x[lane, i] == x[lane, i - 1]:
        run += 1
        i -= 1
    if i == 0 and x[lane, 0] == level[slot, LAST]:
        run += 1 + count[slot, RUN]
    count[slot, RUN] = run


@njit(cache=True, nogil=True, error_model="numpy")
def _look(slot, m, lane, params, state, work, found):
    """Go through a block's course sample by sample: triggers on and off, dead and alive again."""
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
            found = _row(work.found, found, ON, slot, sample, sample)
        elif is_on and (run == lengths[DEAD] or sta < real[OFF_LEVEL] * lta):
            found = _row(work.found, found, OFF, slot, count[ON_AT], sample - 1)
            count[ON_AT] = -1
    count[RUN] = run
    is_on = count[ON_AT] >= 0
    work.coefficients[11, lane] = -1.0 if is_on else 1.0
    work.coefficients[12, lane] = real[OFF_LEVEL] if is_on else -real[ON_LEVEL]
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _row(rows, found, kind, slot, start, end):
    if found < len(rows):
        rows[found, 0], rows[found, 1], rows[found, 2], rows[found, 3] = kind, slot, start, end
        found += 1
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def course(samples, real, work, band, sta, lta):
    """The course (y, S, L; (N,) f8 each) of a channel fed ``samples`` (N,) f8 from its start, by the very lanes."""
    for k in range(11):
        work.coefficients[k, :] = real[k]
    work.coefficients[11:, :] = 0.0
    work.lane_class[:] = -1
    work.state[:] = 0.0
    for base in range(0, len(samples), BLOCK):
        n = min(BLOCK, len(samples) - base)
        for i in range(n):
            work.x[:, i] = samples[base + i] - samples[0]
        run_lanes_with_course(work.x, n, work.state, work.coefficients, work.course)
        for i in range(n):
            band[base + i] = work.course[i, 0, 0]
            sta[base + i] = work.course[i, 1, 0]
            lta[base + i] = work.course[i, 2, 0]
