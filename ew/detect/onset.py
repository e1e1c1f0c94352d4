"""PURE: from a trigger to a pick: refine the onset, measure it, and tell a P-wave from what only looks like one.

Works on the last seconds of a channel's history, band-passed anew from rest, and on nothing later than the decision's
sample, so that the result depends on the samples alone and not on how they were cut into packets. Runs once or a few
times a trigger, so clarity goes before speed here.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ew.detect.keeping import settle
from ew.detect.layout import CLASS, DECIDED, FORM, HISTORY, SEEN, SEGMENT, TAIL
from ew.detect.samples import kept

SETTLE, NOISE, BEFORE, WAIT, STEP, PATIENCE, GUARD, DELAY, QUIET = 0, 1, 2, 3, 4, 5, 6, 7, 8
UNDECIDED, PICK, LOW_SNR, GLITCH, CUT_OFF, REPEATED = 0, 1, 2, 3, 4, 5
EARLY_DOUBT = (
    1.3  # three false picks in fifteen fewer on recorded noise, for 0.02 s (docs/picker.md)
)
STILL_ON = 2**62
LONGER = 4
"""While a trigger lasts no other can start, and P may come into one that noise began: it is looked at for so many times as long."""
MOST_STEPS = 6  # between two such looks: 0.3 s
MOST_SNR = 1e6  # what a noise of nothing but zeros is given
ONSET, SNR, PERIOD, PEAK, ERROR, UNREST = 0, 1, 2, 3, 4, 5


SQRT_HALF_BITS = int(np.sqrt(0.5).view(np.int64))
LOG_2 = float(np.log(2.0))


class Candidates(NamedTuple):
    """Triggers not yet judged (K,) i8: the channel, the trigger's sample, that of the next look, and its last one."""

    slot: NDArray[np.int64]
    trigger: NDArray[np.int64]
    look: NDArray[np.int64]
    off: NDArray[np.int64]


def no_candidates() -> Candidates:
    """None yet."""
    return Candidates(*(np.zeros(0, np.int64) for _ in range(4)))


def room_for(windows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Room (6, N) f8 for a look at a channel of any of the rate classes ``windows`` (R, 9)."""
    longest = np.maximum(windows[:, WAIT], LONGER * windows[:, PATIENCE]) + windows[:, NOISE]
    samples = windows[:, SETTLE] + np.maximum(windows[:, BEFORE] + longest, windows[:, QUIET])
    return np.zeros((6, samples.max(initial=0) + 1))


@njit(cache=True, nogil=True, error_model="numpy")
def judge(candidates, n, state, real, windows, limits, room, verdict, measures):
    """Look at each of ``n`` candidates as often as the data allow; ``verdict`` (K,) i8, ``measures`` (K, 6) f8.

    Candidates stand in the order of their triggers. ``state`` is the ``BankState``; ``real`` (R, 13) f8 and ``windows``
    (R, 9) i8, in samples, are the rate classes': filter settling, noise, before the trigger, wait, step between
    looks, longest wait, guard, filter delay (in thousandths), where quiet is looked for. ``limits`` f8: least SNR, largest sparsity.
    ``room`` see ``room_for``: memory asked for here would have the allocator tidy up after all the last tick's packets. A judged candidate's ``look`` is
    the sample it was judged at, an undecided one's the next to look at.
    """
    for k in range(n):
        slot, trigger = candidates.slot[k], candidates.trigger[k]
        count = state.count[slot]
        window = windows[count[CLASS]]
        verdict[k] = UNDECIDED
        if trigger <= count[DECIDED]:  # within the time another trigger took to judge
            verdict[k] = REPEATED
            continue
        if _waits_for_another(candidates, k, verdict):
            continue
        if trigger < count[SEGMENT]:
            verdict[k] = CUT_OFF
        if verdict[k] != UNDECIDED or candidates.look[k] >= count[SEEN]:
            continue
        settle(slot, state)
        # Filtered once for all looks: what a look sees is the part up to its own sample
        # At 250 Hz and more a late look reaches back beyond what the history holds
        segment = max(count[SEGMENT], count[SEEN] - (HISTORY - TAIL))
        first = _first(segment, trigger, window)
        if trigger - first < window[GUARD]:  # nothing to hold the signal against
            verdict[k], count[DECIDED] = LOW_SNR, candidates.look[k]
            continue
        end = min(count[SEEN] - 1, trigger + max(window[WAIT], LONGER * window[PATIENCE]))
        rest = max(segment, first - window[SETTLE])
        raw = _kept(state.raw, slot, rest, end, count[FORM], room[0])
        band = _filtered(raw, first - rest, real[count[CLASS]], room[1])
        while verdict[k] == UNDECIDED and candidates.look[k] <= end:
            last = candidates.look[k]
            step = min(max(window[STEP], (last - trigger) // 4), MOST_STEPS * window[STEP])
            outcome = _look(
                raw[: last - rest + 1],
                band[: last - first + 1],
                first,
                trigger,
                last,
                window,
                limits,
                room[2:],
                measures[k],
            )
            patience = (LONGER if candidates.off[k] >= last else 1) * window[PATIENCE]
            if outcome == PICK or last + step > trigger + patience:
                verdict[k], count[DECIDED] = outcome, last
            else:
                candidates.look[k] = last + step
        if verdict[k] == PICK:
            measures[k, UNREST] = _unrest(
                state.raw, slot, count[FORM], segment, measures[k], window, real[count[CLASS]], room
            )


@njit(cache=True, nogil=True, error_model="numpy")
def _first(segment, trigger, window):
    """The first sample looked at. After a gap the filter starts from rest: half a second is neither noise nor signal."""
    return max(segment + 5 * window[GUARD], trigger - window[BEFORE] - window[NOISE])


@njit(cache=True, nogil=True, error_model="numpy")
def _waits_for_another(candidates, k, verdict):
    """Whether an earlier trigger of the same channel is still undecided."""
    for other in range(k):
        if candidates.slot[other] == candidates.slot[k] and verdict[other] == UNDECIDED:
            return True
    return False


@njit(cache=True, nogil=True, error_model="numpy")
def _look(raw, band, first, trigger, last, window, limits, room, measures):
    """One look at a candidate with the data up to sample ``last``, where ``raw`` and ``band`` end.

    ``band`` is band-passed from sample ``first`` on.
    """
    n = len(band)
    start = max(0, trigger - window[BEFORE] - first)
    onset = start + _aic_onset(band[start:], room)
    noise_from, noise_to = max(0, onset - window[NOISE]), onset - window[GUARD]
    if noise_to - noise_from < window[GUARD]:
        return LOW_SNR
    noise = _power(band[noise_from:noise_to])
    signal, slope, peak = 0.0, 0.0, 0.0
    for i in range(onset, n):
        d = band[i] - band[i - 1]
        signal += band[i] * band[i]
        slope += d * d
        peak = max(peak, abs(band[i]))
    snr = min(MOST_SNR, np.sqrt((signal / (n - onset)) / max(noise, 1e-60)))
    # Predominant period: 2 pi sqrt(sum y² / sum (dy/dt)²) (Nakamura 1988), in samples
    period = 2 * np.pi * np.sqrt(signal / max(slope, 1e-60))
    measures[ONSET] = first + onset - max(1.0, window[DELAY] / 1000.0)
    measures[SNR], measures[PERIOD], measures[PEAK] = snr, period, peak
    # A quarter period at SNR 1, shrinking with SNR, and never better than a sample
    measures[ERROR] = max(1.0, period / (2.0 * max(snr, 1.0)))
    # A weak onset has to hold for twice the wait; a clear one need not
    doubt = EARLY_DOUBT if last - trigger < 2 * window[WAIT] else 1.0
    if snr < doubt * limits[0]:
        return LOW_SNR
    if _sparsity(raw[len(raw) - n + onset - 4 :], room[0]) > limits[1]:
        return GLITCH
    return PICK


@njit(cache=True, nogil=True, error_model="numpy")
def _kept(raw, slot, first, last, form, room):
    """Samples ``first`` to ``last`` of a channel's history, as float64."""
    samples = room[: last - first + 1]
    for i in range(len(samples)):
        samples[i] = kept(raw, slot, first + i, form)
    return samples


@njit(cache=True, nogil=True, error_model="numpy")
def _unrest(raw, slot, form, segment, measures, window, real, room):
    """RMS of the noise before a pick over that of the quietest second before it.

    NaN with less than 8 s to choose from, as in the history of a channel of 200 Hz and more. In noise it is 1.0-1.8. Before an S-wave or a trigger in the coda the P-wave has come, and it is many times that.
    """
    onset = int(measures[ONSET] + max(1.0, window[DELAY] / 1000.0) + 0.5)
    first, last = max(segment + 5 * window[GUARD], onset - window[QUIET]), onset - window[GUARD]
    second = 10 * window[GUARD]
    if last - first < 8 * second:
        return np.nan
    rest = max(segment, first - window[SETTLE])
    band = _filtered(_kept(raw, slot, rest, last, form, room[0]), first - rest, real, room[1])
    least, n = np.inf, len(band)
    for begin in range(0, n - second + 1, second):
        least = min(least, _power(band[begin : begin + second]))
    noise = _power(band[max(0, n - window[NOISE] + window[GUARD]) :])
    return min(MOST_SNR, np.sqrt(noise / max(least, 1e-60)))


@njit(cache=True, nogil=True, error_model="numpy")
def _filtered(raw, first, real, room):
    """Samples band-passed, the filter at rest before them, from ``first`` on: the formulas of ``kernels``."""
    z = np.zeros(8)
    band = room[: len(raw) - first]
    for i in range(len(raw)):
        v = real[0] * (raw[i] - raw[0])
        for k in range(4):
            u = v + z[2 * k]
            z[2 * k] = z[2 * k + 1] + real[1 + 2 * k] * u
            z[2 * k + 1] = real[2 + 2 * k] * u - v
            v = u
        if i >= first:
            band[i - first] = v
    return band


@njit(cache=True, nogil=True, error_model="numpy")
def _power(band):
    """Mean square; without the array of squares that numpy's own would ask memory for."""
    total = 0.0
    for y in band:
        total += y * y
    return total / len(band)


@njit(cache=True, nogil=True, error_model="numpy")
def _aic_onset(window, room):
    """Index of the least Akaike information criterion (Maeda 1985, eq. 1): the first sample of the new state.

    AIC(k) = k log var(w[:k]) + (n - k - 1) log var(w[k:])
    """
    n = len(window)
    logs = room.ravel()[: 2 * n]  # of the sums, then of the variances before each sample, and after
    total, square = 0.0, 0.0
    for k in range(n):
        logs[k], logs[n + k] = total, square
        total += window[k]
        square += window[k] * window[k]
    floor = 1e-12 * square / n + 1e-60
    for k in range(n):
        head, head_square = logs[k], logs[n + k]
        before, after = max(np.float64(k), 1.0), np.float64(n - k)
        logs[k] = max(head_square / before - (head / before) ** 2, floor)
        mean = (total - head) / after
        logs[n + k] = max((square - head_square) / after - mean**2, floor)
    _take_logs(logs, room.ravel()[2 * n :].view(np.int64))
    best, best_at = np.inf, n // 2
    for k in range(4, n - 2):
        aic = k * logs[k] + (n - k - 1) * logs[n + k]
        if aic < best:
            best, best_at = aic, k
    return best_at


@njit(cache=True, nogil=True, error_model="numpy")
def _take_logs(x, exponents):
    """Natural logarithms of normal positive numbers in their place, to 1e-14.

    In steps that the compiler can take eight at once, which a call of ``log`` is not; these were most of a look's time.
    """
    bits = x.view(np.int64)
    for i in range(len(x)):
        exponents[i] = (bits[i] - SQRT_HALF_BITS) >> 52
        bits[i] -= exponents[i] << 52
    # log m = 2 artanh s, s = (m - 1) / (m + 1), |s| < 0.172 as m lies between the roots of 1/2 and of 2
    for i in range(len(x)):
        s = (x[i] - 1.0) / (x[i] + 1.0)
        z = s * s
        series = 1.0 / 17
        for odd in (15, 13, 11, 9, 7, 5, 3, 1):
            series = series * z + 1.0 / odd
        x[i] = exponents[i] * LOG_2 + 2 * s * series


@njit(cache=True, nogil=True, error_model="numpy")
def _sparsity(raw, room):
    """Share of the steepest quarter of the samples (four at least) in the energy of the raw signal's slope.

    ``raw`` begins four samples before the onset.

    Spikes, steps, boxes, calibration steps and trains of pulses have all of it in a few samples; in a P-wave, whose
    swings are all slope, the steepest quarter of a sinusoid holds half. (The same on the second difference would
    also catch pulses that rise with a kink and fall smoothly, but it rejects clear low-frequency onsets of large
    earthquakes as well, which start with a kink: not worth it.)
    """
    n = len(raw) - 1
    slope = room[:n]
    for i in range(n):
        slope[i] = (raw[i + 1] - raw[i]) ** 2
    slope.sort()
    return slope[n - max(4, n // 4) :].sum() / max(slope.sum(), 1e-60)
