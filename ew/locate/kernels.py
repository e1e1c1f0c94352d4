"""PURE: compiled loops of location: the misfit of trial hypocentres, displacement and S onsets from waveforms.

Misfit of a trial hypocentre (smaller is better), a robust likelihood in the manner of Satriano et al. (2008) with
not-yet-arrived stations after Horiuchi et al. (2005):

    sum over first picks  w_i * -log( (1 - e) exp(-|r_i| / s_i - w_A |a_i + n log10 R_i - A| / s_A) + e
                                      + e_P exp(-|q_i| / 2 s_i) )
                          r_i = t_i - (t0 + P_i), t0 the weighted median; q_i = t_i - (t0 + S_i), for P may have been missed;
                          a_i the log10 amplitude, A the weighted median: it must fit as well, or the pick is noise;
                          of a pick read as S, r_i = q_i and nothing is left of e_P
    + sum over second     w_i * -log( (1 - e_S) exp(-|q_i| / c_i s_i) + e_S )      c_i: 1 for S onsets, 2 for second picks
    + sum over stations without S by now  c_S * w_i * min(1, (end_i - (t0 + S_i) - delay) / ramp)    S must have been seen by now
    + sum over silent     c * p_j * min(1, (end_j - (t0 + P_j) - delay) / ramp)    P must have been seen by now; p_j: how
                          likely it is, from A at its distance and the noise
    + 1.4 ln R          R: hypocentral distance of the nearest pick; to be seen from R takes a magnitude that grows by
                        1.4 log10 R (Kuyuk & Allen 2013), and those grow rarer as 10^-M (Gutenberg & Richter 1944)
    + prior(depth)

with s_i = s_0 + s_1 P_i: model errors grow with the way travelled.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

OUTLIER = 0.02  # e: share of the likelihood an outlier keeps, which bounds its cost at -log e = 3.9
SCALE_S = 0.45  # s_0: picking and clock error
SCALE_SHARE = 0.02  # s_1: error of a one-dimensional model, share of the travel time
S_OUTLIER = 0.15  # e_S: a second pick at a station is often coda
# The peak of the first swings falls off as R^-n: 1.6 in acceleration (Wu & Kanamori 2008 have 1.4-1.9 for P amplitudes);
# single stations scatter by a factor of 2-3 for their sites and the radiation pattern.
DECAY = 1.6
AMPLITUDE_SCALE = 0.3
AMPLITUDE_WEIGHT = 0.7
FIRST_IS_S = 0.15  # e_P: share of first picks that are S
NEAR_POWER = 1.4
NEAREST_KM = 8.0
SILENT_DELAY_S = 1.2  # a pick is out this long after its onset: decision and patience
SILENT_RAMP_S = 2.0
SILENT_COST = 1.6  # c: one in five misses a P-wave that stands out
SILENT_SPREAD = 0.4  # single stations scatter by so much in log10 amplitude
# Stations that are heard are the loud ones: the others are expected to be fainter by so much, in units of 2 spreads
SILENT_FAINTER = 0.3
NO_S_YET = -1.0  # marks a row of ``seconds``: up to its time no S stood out on the horizontals
NO_S_DELAY_S = 0.8  # S is found so long after its onset (``shear``: its first 0.6 s, looked for each half second)
NO_S_RAMP_S = 1.0
NO_S_COST = 1.1  # one in three does not stand out of the coda of P
LOG10_E = 0.4342944819032518


# Of the likelihoods -log((1 - e) exp(-x) + e) tables are kept: a look-up costs a tenth of an exponential and a logarithm
COST_STEPS = 32  # a unit of x; linear between them is right within 1e-4
COST_UP_TO = 12  # from here on the cost is that of an outlier


def _cost_table(outlier: float) -> NDArray[np.float64]:
    x = np.arange(COST_UP_TO * COST_STEPS + 2) / COST_STEPS
    return -np.log((1 - outlier) * np.exp(-x) + outlier)


PICK_COST = _cost_table(OUTLIER)
S_COST = _cost_table(S_OUTLIER)


@njit(cache=True, nogil=True, error_model="numpy")
def _cost(table, x):
    u = min(x, COST_UP_TO) * COST_STEPS
    k = int(u)
    return table[k] + (u - k) * (table[k + 1] - table[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _travel_s(table, row, part, arc):
    """Bilinear look-up at a depth of ``row + part`` km and a distance of ``arc`` km; beyond the table the last slope."""
    column = min(int(arc), table.shape[1] - 2)
    u = arc - column
    upper = table[row, column] * (1 - u) + table[row, column + 1] * u
    lower = table[row + 1, column] * (1 - u) + table[row + 1, column + 1] * u
    return upper * (1 - part) + lower * part


@njit(cache=True, nogil=True, error_model="numpy")
def _arcs_km(node, places, radius_km, arcs):
    """Distances along the surface from one place to many (see ``ew.geo.arc_km``)."""
    shrink = 1 / (4 * radius_km * radius_km)
    for i in range(len(arcs)):
        dx, dy, dz = node[0] - places[i, 0], node[1] - places[i, 1], node[2] - places[i, 2]
        c2 = dx * dx + dy * dy + dz * dz
        t = c2 * shrink
        arcs[i] = np.sqrt(c2) * (1 + t * (1 / 6 + t * (3 / 40 + t * (15 / 336))))


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted_median(values, weights, order):
    """Weighted median by insertion sort of at most some tens of values.

    ``order`` is a permutation to begin with and the sorted one in the end: that of a neighbouring trial is almost right.
    """
    total = 0.0
    for i in range(len(values)):
        at, j = order[i], i
        total += weights[at]
        while j > 0 and values[order[j - 1]] > values[at]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = at
    half, passed = total / 2, 0.0
    for i in range(len(values)):
        passed += weights[order[i]]
        if passed >= half:
            return values[order[i]]
    return values[order[-1]]


@njit(cache=True, nogil=True, error_model="numpy")
def _first_cost(late_s, travel_s, travel_of_s, off):
    """What a first pick costs: the event's P, its S (the P was missed), or neither."""
    cost = _cost(PICK_COST, abs(late_s) / (SCALE_S + SCALE_SHARE * travel_s) + off)
    x = abs(late_s - travel_of_s + travel_s) / (2 * (SCALE_S + SCALE_SHARE * travel_of_s))
    if x < 3.0:
        return -np.log(np.exp(-cost) + FIRST_IS_S * np.exp(-x))
    return cost


@njit(cache=True, nogil=True, error_model="numpy")
def _second_cost(seconds, arcs, table, row, part, t0):
    """What the second picks of stations cost, read as S, and S that must have been seen by now and was not."""
    total = 0.0
    for i in range(len(arcs)):
        travel_s = _travel_s(table, row, part, arcs[i])
        if seconds[i, 5] == NO_S_YET:
            late = seconds[i, 3] - t0 - travel_s - NO_S_DELAY_S
            total += NO_S_COST * seconds[i, 4] * min(max(late / NO_S_RAMP_S, 0.0), 1.0)
            continue
        scale = seconds[i, 5] * (SCALE_S + SCALE_SHARE * travel_s)
        off = abs(seconds[i, 3] - t0 - travel_s)
        total += seconds[i, 4] * _cost(S_COST, off / scale)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _silence_cost(silent, arcs, table, row, part, t0, size):
    """What stations cost that must have seen P by now, and seen it well, and have no pick."""
    total = 0.0
    depth = row + part
    for i in range(len(arcs)):
        late = silent[i, 3] - t0 - SILENT_DELAY_S
        if late > 0 and arcs[i] < 9.0 * late + 1.0:  # no travel time is shorter than this
            late -= _travel_s(table, row, part, arcs[i])
            if late > 0:
                square = max(arcs[i] * arcs[i] + depth * depth, 25.0)
                clear = size - DECAY / 2 * LOG10_E * np.log(square) - silent[i, 4]
                seen = min(max(0.5 - SILENT_FAINTER + clear / (2 * SILENT_SPREAD), 0.0), 1.0)
                total += SILENT_COST * silent[i, 5] * seen * min(1.0, late / SILENT_RAMP_S)
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def misfit_grid(nodes, depths, prior, tables, radius_km, picks, seconds, silent, misfit, origin):
    """Misfit and origin time of trial hypocentres: each epicentre at each depth.

    ``nodes`` (N, 3) f8 ECEF of epicentres, km; ``depths``, ``prior`` (D,) f8; ``tables`` (2, depths, distances) f8 P and S
    times; ``picks`` (n, 7), ``seconds`` (k, 6), ``silent`` (m, 6) f8: rows of ECEF x, y, z, time, weight and log10 amplitude of
    the first picks of stations, and whether each is read as S (1) or as P (0); of what may be S there the width c instead of the amplitude (``NO_S_YET``: none up to that time); of stations without a pick how
    far their data reach, the log10 amplitude from which they would have picked, and how far that can be relied on.
    Out: ``misfit``, ``origin`` (N, D) f8.
    """
    n = len(picks)
    times, weights = picks[:, 3].copy(), picks[:, 4].copy()
    size_weights = np.where(np.isfinite(picks[:, 5]), weights, 0.0)
    arcs, second_arcs, silent_arcs = np.empty(n), np.empty(len(seconds)), np.empty(len(silent))
    sizes, travel, values = np.zeros(n), np.empty(n), np.empty(n)
    by_value, by_size = np.arange(n), np.arange(n)
    for k in range(len(nodes)):
        _arcs_km(nodes[k], picks, radius_km, arcs)
        _arcs_km(nodes[k], seconds, radius_km, second_arcs)
        _arcs_km(nodes[k], silent, radius_km, silent_arcs)
        for d in range(len(depths)):
            depth = depths[d]
            row = min(int(depth), tables.shape[1] - 2)
            part = depth - row
            for i in range(n):
                travel[i] = _travel_s(tables[int(picks[i, 6])], row, part, arcs[i])
                values[i] = times[i] - travel[i]
                if size_weights[i] > 0:
                    square = max(arcs[i] * arcs[i] + depth * depth, 25.0)
                    sizes[i] = picks[i, 5] + DECAY / 2 * LOG10_E * np.log(square)
            t0 = _weighted_median(values, weights, by_value)
            size = _weighted_median(sizes, size_weights, by_size)
            nearest = arcs.min()
            square = max(nearest * nearest + depth * depth, NEAREST_KM * NEAREST_KM)
            total = prior[d] + NEAR_POWER / 2 * np.log(square)
            for i in range(n):
                off = abs(sizes[i] - size) / AMPLITUDE_SCALE if size_weights[i] > 0 else 0.0
                if picks[i, 6] > 0:
                    scale = SCALE_S + SCALE_SHARE * travel[i]
                    total += weights[i] * _cost(
                        PICK_COST, abs(values[i] - t0) / scale + AMPLITUDE_WEIGHT * off
                    )
                    continue
                travel_s = _travel_s(tables[1], row, part, arcs[i])
                total += weights[i] * _first_cost(
                    values[i] - t0, travel[i], travel_s, AMPLITUDE_WEIGHT * off
                )
            total += _second_cost(seconds, second_arcs, tables[1], row, part, t0)
            total += _silence_cost(silent, silent_arcs, tables[0], row, part, t0, size)
            misfit[k, d], origin[k, d] = total, t0


@njit(cache=True, nogil=True, error_model="numpy")
def displacement_peaks(
    samples, scale, integrations, dt, biquads, state, bins, first_bin, bin_per_sample, squares
):
    """Run a waveform to displacement and keep its peak in bins of time.

    ``samples`` (n,) f8 with the offset removed; ``scale`` to m/s or m/s²; ``integrations`` 1 or 2; ``biquads`` (F, 5) f8
    high-passes, ``state`` (F, 3, 4) f8 (delays, previous value and integral of each stage), ``bins`` (F, B) f8 peaks in m;
    the bin of sample i is ``first_bin + i * bin_per_sample``; negative ones are not kept. ``squares`` (2, B) f8: sums of u² and
    of its derivative's for the first high-pass, in the same bins (Kanamori 2005's tau_c); (2, 0) where they are not asked for.

    Each stage is high-passed, so that noise and offsets can't grow through the integrations; the trapezoidal rule.
    """
    for f in range(len(biquads)):
        b0, b1, b2, a1, a2 = (
            biquads[f, 0],
            biquads[f, 1],
            biquads[f, 2],
            biquads[f, 3],
            biquads[f, 4],
        )
        for i in range(len(samples)):
            v, rate = samples[i] * scale, 0.0
            for stage in range(integrations + 1):
                s = state[f, stage]
                rate = v
                if stage > 0:
                    s[3] += (v + s[2]) * 0.5 * dt
                    s[2] = v
                    v = s[3]
                u = b0 * v + s[0]
                s[0] = b1 * v - a1 * u + s[1]
                s[1] = b2 * v - a2 * u
                v = u
            bin_at = int(np.floor(first_bin + i * bin_per_sample))
            if 0 <= bin_at < bins.shape[1]:
                bins[f, bin_at] = max(bins[f, bin_at], abs(v))
                if f == 0 and bin_at < squares.shape[1]:
                    squares[0, bin_at] += v * v
                    squares[1, bin_at] += rate * rate


@njit(cache=True, nogil=True, error_model="numpy")
def add_energy(samples, gain, a1, a2, energy):
    """Add the squares of the band-passed ``samples`` (N,) f8 to ``energy`` (N,) f8; the filter starts from rest."""
    z = np.zeros(8)
    for i in range(len(energy)):
        v = gain * samples[i]
        for k in range(4):
            u = v + z[2 * k]
            z[2 * k] = z[2 * k + 1] - a1[k] * u
            z[2 * k + 1] = -a2[k] * u - v
            v = u
        energy[i] += v * v


@njit(cache=True, nogil=True, error_model="numpy")
def s_onset(energy, p_at, first, rise, enough, before, clear):
    """Index of the S onset in ``energy`` (N,) f8 and its clarity; -1 if none stands out.

    ``p_at``: the sample of P; ``first``: that from which S is looked for; ``rise``, ``enough``, ``before``: samples (``shear``);
    ``clear``: the least clarity.
    """
    loudest = _loudest(energy, first, enough)
    onset = _largest_rise(energy, first, min(loudest + enough, len(energy)), enough // 2)
    if onset < 0 or len(energy) - onset < enough:
        return -1, 0.0
    here = energy[onset : onset + 2 * enough].mean()
    coda = energy[max(onset - before, p_at) : onset].mean()
    clarity = np.sqrt(here / max(coda, 1e-60))
    if clarity < clear:
        return -1, 0.0
    # Again from nearby: the loudest of S must not draw the onset away from where it begins to rise
    start = max(first, onset - before)
    earlier = _largest_rise(energy, start, onset + rise, rise // 2)
    return (earlier if earlier >= 0 else onset), clarity


@njit(cache=True, nogil=True, error_model="numpy")
def _loudest(energy, first, width):
    """Where the mean over ``width`` samples is largest: the last of them."""
    running, best, at = 0.0, -1.0, first
    for i in range(first, len(energy)):
        running += energy[i]
        if i >= first + width:
            running -= energy[i - width]
        if running > best:
            best, at = running, i
    return at


@njit(cache=True, nogil=True, error_model="numpy")
def _largest_rise(energy, first, end, least):
    """The sample in ``first`` to ``end`` from which on energy is higher: that of the least AIC; -1 if there is no room.

    At least ``least`` samples stay on either side.
    """
    n = end - first
    if n < 2 * least + 2:
        return -1
    total = energy[first:end].sum()
    floor = 1e-12 * total / n + 1e-60
    head, best, best_at = 0.0, np.inf, -1
    for k in range(1, n - least):
        head += energy[first + k - 1]
        below, above = max(head / k, floor), max((total - head) / (n - k), floor)
        if k >= least and above > below:
            aic = k * np.log(below) + (n - k) * np.log(above)
            if aic < best:
                best, best_at = aic, first + k
    return best_at
