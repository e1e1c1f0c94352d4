"""PURE: the compiled detection core: band-pass, STA/LTA, trigger, onset and quality for 16 channels at a time.

Per sample x of a channel (offset removed), with the biquads' coefficients b, a from ``filters.py``:

    y      = four biquads in series, each in transposed direct form II
    cf     = y²
    sta   += (cf - sta) / nsta        lta += (cf - lta) / nlta     (recursive STA/LTA: Withers et al. 1998, eq. 3)
    on  when sta/lta > on_ratio       off when sta/lta < off_ratio (after nlta samples of warm-up)

Lanes: 16 packets of any channels, equal sampling rate and nearly equal length, stand side by side in
``x[sample][lane]``, so that one vector instruction does one step of eight channels. A lane that has run out is frozen
where it stands. Decisions (rare) are taken lane by lane afterwards, at a sample that depends on the
data only, never on how they were cut into packets.

State, one row a channel (C channels, H samples of history, a power of two):

| name | shape, dtype | meaning | at start |
|---|---|---|---|
| z | (C, 8) f8 | biquad delays | 0 |
| level | (C, 4) f8 | sta, lta, previous sample, offset | 0 |
| count | (C, 7) i8 | samples seen, warm, run of equal ones; trigger, its sample; pick's trigger, decision sample | 0 |
| raw, band | (C, H) f4 | last H samples: offset removed; band-passed | 0 |

``trigger`` is 1 between on and off; a decision sample of 0 means that none is due.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

LANES = 16  # a compile-time constant: with 8, or a width known only at run time, LLVM does not vectorise
CHUNK = 256  # samples a lane is run before decisions: 16 x 256 x 8 bytes x 2 stay in the second-level cache

STA, LTA, PREVIOUS, OFFSET = 0, 1, 2, 3
SEEN, WARM, RUN, TRIGGER, TRIGGER_AT, PICK_AT, DECIDE_AT = 0, 1, 2, 3, 4, 5, 6

# What a packet does to its channel's state before its samples are run
CONTINUE, BRIDGE, RESTART = 0, 1, 2

# Rows of the output
PICK, REJECT_SNR, REJECT_GLITCH, ON, OFF = 0, 1, 2, 3, 4


class BankState(NamedTuple):
    """The state table above."""

    z: NDArray[np.float64]
    level: NDArray[np.float64]
    count: NDArray[np.int64]
    raw: NDArray[np.float32]
    band: NDArray[np.float32]


class RateParams(NamedTuple):
    """What depends on the sampling rate, one row a rate class (R classes).

    ``biquads`` (R, 4, 5) f8: b0 b1 b2 a1 a2; ``lengths`` (R, 8) i8, in samples: nsta, nlta, dead run, hold after a
    gap, wait before a decision, onset window before the trigger, noise window, longest wait.
    """

    biquads: NDArray[np.float64]
    lengths: NDArray[np.int64]


NSTA, NLTA, DEAD, HOLD, WAIT, BEFORE, NOISE, PATIENCE = 0, 1, 2, 3, 4, 5, 6, 7


class Output(NamedTuple):
    """Preallocated output: ``ints`` (N, 4) i8: kind, channel, trigger sample, decision sample; ``reals`` (N, 5) f8:

    onset sample (fractional), snr, period in samples, peak amplitude, onset error in samples.
    """

    ints: NDArray[np.int64]
    reals: NDArray[np.float64]


@njit(cache=True, nogil=True, error_model="numpy")
def run_group(
    flat, starts, lengths, channels, actions, rate, thresholds, params, state, output, found
):
    """Run up to 16 packets of one rate class; returns how many rows of ``output`` are filled.

    ``flat`` f8: all samples of the tick; ``starts``, ``lengths``, ``channels``, ``actions`` (<= 16,) i8: the packets;
    ``thresholds`` f8: on ratio, off ratio, least SNR, largest share of energy in two steps.
    """
    lanes = len(starts)
    nlta, dead = params.lengths[rate, NLTA], params.lengths[rate, DEAD]
    csta, clta = 1.0 / params.lengths[rate, NSTA], 1.0 / nlta
    c = params.biquads[rate]
    b00, b01, b02, a01, a02 = c[0, 0], c[0, 1], c[0, 2], c[0, 3], c[0, 4]
    b10, b11, b12, a11, a12 = c[1, 0], c[1, 1], c[1, 2], c[1, 3], c[1, 4]
    b20, b21, b22, a21, a22 = c[2, 0], c[2, 1], c[2, 2], c[2, 3], c[2, 4]
    b30, b31, b32, a31, a32 = c[3, 0], c[3, 1], c[3, 2], c[3, 3], c[3, 4]

    x, y = np.zeros((CHUNK, LANES)), np.empty((CHUNK, LANES))
    z, level = np.zeros((8, LANES)), np.zeros((4, LANES))
    warm, run = np.zeros(LANES), np.zeros(LANES)
    factor, sign, margin = np.zeros(LANES), np.ones(LANES), np.zeros(LANES)
    longest = 0
    for lane in range(lanes):
        longest = max(longest, lengths[lane])
        channel = channels[lane]
        _prepare(channel, actions[lane], flat[starts[lane]], params.lengths[rate], state)
        z[:, lane] = state.z[channel]
        level[:, lane] = state.level[channel]
        warm[lane], run[lane] = state.count[channel, WARM], state.count[channel, RUN]

    for base in range(0, longest, CHUNK):
        n = min(CHUNK, longest - base)
        for lane in range(lanes):
            source, offset = starts[lane] + base, level[OFFSET, lane]
            for i in range(min(n, lengths[lane] - base)):
                x[i, lane] = flat[source + i] - offset
            triggered = state.count[channels[lane], TRIGGER] != 0
            # One comparison finds a change either way: sign * (sta - factor * lta) > 0
            factor[lane] = thresholds[1] if triggered else thresholds[0]
            sign[lane] = -1.0 if triggered else 1.0
        margin[:] = -1.0
        done = 0
        while done < n:
            # All lanes run to the next length at which one of them ends; its state is kept, the others go on.
            stop = n
            for lane in range(lanes):
                if done < lengths[lane] - base < stop:
                    stop = lengths[lane] - base
            for i in range(done, stop):
                for l in range(LANES):
                    v = x[i, l]
                    r = run[l] + 1.0 if v == level[PREVIOUS, l] else 0.0
                    run[l] = r
                    level[PREVIOUS, l] = v
                    w = 0.0 if r >= dead else warm[l] + 1.0
                    warm[l] = w
                    u = b00 * v + z[0, l]
                    z[0, l] = b01 * v - a01 * u + z[1, l]
                    z[1, l] = b02 * v - a02 * u
                    v = b10 * u + z[2, l]
                    z[2, l] = b11 * u - a11 * v + z[3, l]
                    z[3, l] = b12 * u - a12 * v
                    u = b20 * v + z[4, l]
                    z[4, l] = b21 * v - a21 * u + z[5, l]
                    z[5, l] = b22 * v - a22 * u
                    v = b30 * u + z[6, l]
                    z[6, l] = b31 * u - a31 * v + z[7, l]
                    z[7, l] = b32 * u - a32 * v
                    y[i, l] = v
                    cf = v * v
                    s = level[STA, l] + (cf - level[STA, l]) * csta
                    m = level[LTA, l] + (cf - level[LTA, l]) * clta
                    level[STA, l] = s
                    level[LTA, l] = m
                    d = sign[l] * (s - factor[l] * m)
                    d = d if w >= nlta else -1.0
                    margin[l] = d if d > margin[l] else margin[l]
            for lane in range(lanes):
                left = lengths[lane] - base
                if left == stop or (stop == n and left > n):
                    found = _finish_lane(
                        channels[lane],
                        lane,
                        min(left, n),
                        rate,
                        margin[lane] > 0.0,
                        x,
                        y,
                        z,
                        level,
                        warm[lane],
                        run[lane],
                        thresholds,
                        params,
                        state,
                        output,
                        found,
                    )
            done = stop
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _prepare(channel, action, first, lengths, state):
    """Bring a channel's state in order before a packet that starts anew or follows a gap."""
    if action == CONTINUE:
        return
    count, level = state.count[channel], state.level[channel]
    state.z[channel] = 0.0
    level[PREVIOUS], level[OFFSET] = 0.0, first
    count[TRIGGER], count[DECIDE_AT], count[RUN] = 0, 0, 0
    if action == RESTART:
        level[STA], level[LTA], count[WARM] = 0.0, 0.0, 0
    else:  # the filter starts again from rest: no trigger until it has settled, but the LTA stands
        level[STA] = level[LTA]
        count[WARM] = min(count[WARM], lengths[NLTA]) - lengths[HOLD]


@njit(cache=True, nogil=True, error_model="numpy")
def _finish_lane(
    channel,
    lane,
    n,
    rate,
    changed,
    x,
    y,
    z,
    level,
    warm,
    run,
    thresholds,
    params,
    state,
    output,
    found,
):
    """Keep a lane's state and history after a chunk; where something may have happened, look closely."""
    count = state.count[channel]
    seen, mask = count[SEEN], state.raw.shape[1] - 1
    raw, band = state.raw[channel], state.band[channel]
    for i in range(n):
        raw[(seen + i) & mask] = x[i, lane]
        band[(seen + i) & mask] = y[i, lane]
    if changed or count[DECIDE_AT] != 0:
        found = _scan_lane(channel, lane, n, rate, x, y, thresholds, params, state, output, found)
    for k in range(8):
        # Decaying states would end as denormals, a hundred times slower; 1e-30 is far below any count
        state.z[channel, k] = z[k, lane] if abs(z[k, lane]) > 1e-30 else 0.0
    for k in range(4):
        state.level[channel, k] = level[k, lane] if abs(level[k, lane]) > 1e-60 else 0.0
    count[SEEN] = seen + n
    count[WARM], count[RUN] = int(warm), int(run)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _scan_lane(channel, lane, n, rate, x, y, thresholds, params, state, output, found):
    """The same recursion once more, one sample at a time, to find on, off and decision samples."""
    count, level = state.count[channel], state.level[channel]
    lengths = params.lengths[rate]
    nlta = lengths[NLTA]
    csta, clta = 1.0 / lengths[NSTA], 1.0 / nlta
    sta, lta, previous = level[STA], level[LTA], level[PREVIOUS]
    warm, run = count[WARM], count[RUN]
    for i in range(n):
        run = run + 1 if x[i, lane] == previous else 0
        previous = x[i, lane]
        warm = 0 if run >= lengths[DEAD] else warm + 1
        cf = y[i, lane] * y[i, lane]
        sta = sta + (cf - sta) * csta
        lta = lta + (cf - lta) * clta
        sample = count[SEEN] + i
        if count[TRIGGER] == 0 and warm >= nlta and sta > thresholds[0] * lta:
            count[TRIGGER], count[TRIGGER_AT] = 1, sample
            found = _emit(output, found, ON, channel, sample, sample)
            if count[DECIDE_AT] == 0:
                count[PICK_AT], count[DECIDE_AT] = sample, sample + lengths[WAIT]
        elif count[TRIGGER] == 1 and warm >= nlta and sta < thresholds[1] * lta:
            count[TRIGGER] = 0
            found = _emit(output, found, OFF, channel, count[TRIGGER_AT], sample - 1)
        if count[DECIDE_AT] != 0 and sample == count[DECIDE_AT]:
            is_last = count[TRIGGER] == 0 or sample >= count[PICK_AT] + lengths[PATIENCE]
            before = found
            found = _decide(channel, sample, is_last, lengths, thresholds, state, output, found)
            # An emergent onset may pass a little later: look again while the trigger lasts
            count[DECIDE_AT] = sample + lengths[WAIT] // 2 if found == before and not is_last else 0
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _emit(output, found, kind, channel, trigger, decided):
    if found < len(output.ints):
        row = output.ints[found]
        row[0], row[1], row[2], row[3] = kind, channel, trigger, decided
        found += 1
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _decide(channel, last, is_last, lengths, thresholds, state, output, found):
    """Refine the onset and judge it, from the history up to sample ``last``.

    A weak or step-like one is only rejected at the last look; until then nothing is said of it.
    """
    mask = state.raw.shape[1] - 1
    trigger = state.count[channel, PICK_AT]
    n = last - trigger + lengths[BEFORE] + 1
    first = last - n + 1
    band = state.band[channel]
    window = np.empty(n)
    for i in range(n):
        window[i] = band[(first + i) & mask]
    onset = _aic_onset(window)
    noise = 0.0
    for i in range(lengths[NOISE]):
        v = band[(first + onset - 1 - i) & mask]
        noise += v * v
    signal, slope, peak = 0.0, 0.0, 0.0
    for i in range(onset, n):
        d = window[i] - window[i - 1]
        signal += window[i] * window[i]
        slope += d * d
        peak = max(peak, abs(window[i]))
    length = n - onset
    snr = np.sqrt((signal / length) / max(noise / lengths[NOISE], 1e-60))
    # Predominant period of a stationary signal: 2 pi sqrt(sum y^2 / sum (dy/dt)^2) (Nakamura 1988), in samples
    period = 2 * np.pi * np.sqrt(signal / max(slope, 1e-60))
    kind = PICK
    if snr < thresholds[2]:
        if not is_last:
            return found
        kind = REJECT_SNR
    elif _step_share(state.raw[channel], mask, first + onset, last) > thresholds[3]:
        if not is_last:
            return found
        kind = REJECT_GLITCH
    if found < len(output.ints):
        reals = output.reals[found]
        # The filter delays the first swing: the last sample of the old state is nearer to the onset
        reals[0], reals[1], reals[2], reals[3] = first + onset - 1, snr, period, peak
        # A quarter period at SNR 1 shrinking with SNR, and never better than a sample
        reals[4] = max(1.0, period / (2.0 * max(snr, 1.0)))
        found = _emit(output, found, kind, channel, trigger, last)
    return found


@njit(cache=True, nogil=True, error_model="numpy")
def _aic_onset(window):
    """Index of the least Akaike information criterion (Maeda 1985, eq. 1): the first sample of the new state.

    AIC(k) = k log var(w[:k]) + (n - k - 1) log var(w[k:])
    """
    n = len(window)
    total, square = 0.0, 0.0
    for i in range(n):
        total += window[i]
        square += window[i] * window[i]
    floor = 1e-12 * square / n + 1e-60
    head, head_square = 0.0, 0.0
    best, best_at = np.inf, n // 2
    for k in range(1, n - 1):
        head += window[k - 1]
        head_square += window[k - 1] * window[k - 1]
        rest = n - k
        var_head = head_square / k - (head / k) ** 2
        var_rest = (square - head_square) / rest - ((total - head) / rest) ** 2
        aic = k * np.log(max(var_head, floor)) + (rest - 1) * np.log(max(var_rest, floor))
        if aic < best and k >= 4 and rest >= 3:
            best, best_at = aic, k
    return best_at


@njit(cache=True, nogil=True, error_model="numpy")
def _step_share(raw, mask, onset, last):
    """Share of the two largest steps in the energy of the raw signal's steps after the onset.

    A spike is two steps, an offset one; a P-wave's energy is spread over all samples of its first swings.
    """
    total, first, second = 0.0, 0.0, 0.0
    for sample in range(onset - 3, last + 1):
        d = raw[sample & mask] - raw[(sample - 1) & mask]
        e = d * d
        total += e
        if e > first:
            first, second = e, first
        elif e > second:
            second = e
    return (first + second) / max(total, 1e-60)
