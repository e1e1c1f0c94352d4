"""PURE: compiled loops of location: the misfit of trial hypocentres, and displacement from a waveform.

Misfit of a trial hypocentre (smaller is better), a robust likelihood in the manner of Satriano et al. (2008) with
not-yet-arrived stations after Horiuchi et al. (2005):

    sum over picks      w_i * -log( (1 - e) exp(-|r_i| / s_i) + e )      r_i = t_i - (t0 + P_i), t0 the weighted median
    + sum over S picks  w_S * -log( (1 - e_S) exp(-|r_i| / s_i) + e_S )    r_i = t_i - (t0 + S_i)
    + sum over silent   c * min(1, (end_j - (t0 + P_j) - delay) / ramp)    where the P-wave must have been seen by now
    + sum over picks    w_A * -log( (1 - e_A) exp(-|a_i + n log10 R_i - A| / s_A) + e_A )    A the weighted median
    + 1.4 ln R          R: hypocentral distance of the nearest pick; to be seen from R takes a magnitude that grows by
                        1.4 log10 R (Kuyuk & Allen 2013), and those grow rarer as 10^-M (Gutenberg & Richter 1944)
    + prior(depth)

with s_i = s_0 + s_1 P_i: model errors grow with the way travelled.
"""

import numpy as np
from numba import njit

OUTLIER = 0.02  # e: share of the likelihood an outlier keeps, which bounds its cost at -log e = 3.9
SCALE_S = 0.45  # s_0: picking and clock error
SCALE_SHARE = 0.02  # s_1: error of a one-dimensional model, share of the travel time
S_OUTLIER = 0.15  # e_S: a second pick at a station is often coda
S_WEIGHT = 0.7
# The peak of the first swings falls off as R^-n: 1.6 in acceleration (Wu & Kanamori 2008 have 1.4-1.9 for P amplitudes);
# single stations scatter by a factor of 2-3 for their sites and the radiation pattern.
DECAY = 1.6
AMPLITUDE_SCALE = 0.3
AMPLITUDE_OUTLIER = 0.1
AMPLITUDE_WEIGHT = 0.7
NEAR_POWER = 1.4
NEAREST_KM = 8.0
SILENT_DELAY_S = 1.2  # a pick is out this long after its onset: decision and patience
SILENT_RAMP_S = 2.0


@njit(cache=True, nogil=True, error_model="numpy")
def _travel_s(table, row, part, arc):
    """Bilinear look-up at a depth of ``row + part`` km and a distance of ``arc`` km; beyond the table the last slope."""
    column = min(int(arc), table.shape[1] - 2)
    u = arc - column
    upper = table[row, column] * (1 - u) + table[row, column + 1] * u
    lower = table[row + 1, column] * (1 - u) + table[row + 1, column + 1] * u
    return upper * (1 - part) + lower * part


@njit(cache=True, nogil=True, error_model="numpy")
def _arc_km(node, places, i, radius_km):
    dx, dy, dz = node[0] - places[i, 0], node[1] - places[i, 1], node[2] - places[i, 2]
    c2 = dx * dx + dy * dy + dz * dz
    t = c2 / (4 * radius_km * radius_km)
    return np.sqrt(c2) * (1 + t * (1 / 6 + t * (3 / 40 + t * (15 / 336))))


@njit(cache=True, nogil=True, error_model="numpy")
def _weighted_median(values, weights, order, n):
    """Weighted median by insertion sort of at most some tens of values; ``order`` is scratch."""
    total = 0.0
    for i in range(n):
        order[i] = i
        total += weights[i]
        j = i
        while j > 0 and values[order[j - 1]] > values[order[j]]:
            order[j - 1], order[j] = order[j], order[j - 1]
            j -= 1
    half, passed = total / 2, 0.0
    for i in range(n):
        passed += weights[order[i]]
        if passed >= half:
            return values[order[i]]
    return values[order[n - 1]]


@njit(cache=True, nogil=True, error_model="numpy")
def misfit_grid(nodes, depths, prior, tables, radius_km, picks, seconds, silent, misfit, origin):
    """Misfit and origin time of trial hypocentres.

    ``nodes`` (N, 3) f8 ECEF of epicentres, km; ``depths``, ``prior`` (N,) f8; ``tables`` (2, depths, distances) f8 P and S
    times; ``picks`` (n, 6), ``seconds`` (k, 6), ``silent`` (m, 5) f8: rows of ECEF x, y, z, time, weight and log10 amplitude of
    the first and second picks of stations; of those without one, how far their data reach and what silence costs at most.
    Out: ``misfit``, ``origin`` (N,) f8.
    """
    table = tables[0]
    places, times, weights = picks[:, :3], picks[:, 3], picks[:, 4]
    ends, cost = silent[:, 3], silent[:, 4]
    n, m = len(times), len(ends)
    sizes, size_weights = np.empty(n), np.empty(n)
    values, order, travel = np.empty(n), np.empty(n, np.int64), np.empty(n)
    for k in range(len(nodes)):
        node = nodes[k]
        row = min(int(depths[k]), table.shape[0] - 2)
        part = depths[k] - row
        nearest = 1e9
        for i in range(n):
            arc = _arc_km(node, places, i, radius_km)
            nearest = min(nearest, arc)
            distance = np.sqrt(arc * arc + depths[k] * depths[k])
            sizes[i] = (
                picks[i, 5] + DECAY * np.log10(max(distance, 5.0))
                if np.isfinite(picks[i, 5])
                else 0.0
            )
            size_weights[i] = weights[i] if np.isfinite(picks[i, 5]) else 0.0
            travel[i] = _travel_s(table, row, part, arc)
            values[i] = times[i] - travel[i]
        t0 = _weighted_median(values, weights, order, n)
        total = prior[k] + NEAR_POWER * np.log(
            max(np.sqrt(nearest**2 + depths[k] ** 2), NEAREST_KM)
        )
        for i in range(n):
            scale = SCALE_S + SCALE_SHARE * travel[i]
            total -= weights[i] * np.log(
                (1 - OUTLIER) * np.exp(-abs(values[i] - t0) / scale) + OUTLIER
            )
        size = _weighted_median(sizes, size_weights, order, n)
        for i in range(n):
            if size_weights[i] > 0:
                fit = np.exp(-abs(sizes[i] - size) / AMPLITUDE_SCALE)
                total -= (
                    weights[i]
                    * AMPLITUDE_WEIGHT
                    * np.log((1 - AMPLITUDE_OUTLIER) * fit + AMPLITUDE_OUTLIER)
                )
        for i in range(len(seconds)):
            travel_s = _travel_s(tables[1], row, part, _arc_km(node, seconds, i, radius_km))
            scale = 2 * (SCALE_S + SCALE_SHARE * travel_s)
            off = abs(seconds[i, 3] - t0 - travel_s)
            total -= (
                seconds[i, 4]
                * S_WEIGHT
                * np.log((1 - S_OUTLIER) * np.exp(-off / scale) + S_OUTLIER)
            )
        for j in range(m):
            late = ends[j] - t0 - SILENT_DELAY_S
            if late > 0:  # most silent stations are cheap: no travel time is shorter than this
                arc = _arc_km(node, silent, j, radius_km)
                if arc < 9.0 * late + 1.0:
                    late -= _travel_s(table, row, part, arc)
                    if late > 0:
                        total += cost[j] * min(1.0, late / SILENT_RAMP_S)
        misfit[k], origin[k] = total, t0


@njit(cache=True, nogil=True, error_model="numpy")
def displacement_peaks(
    samples, scale, integrations, dt, biquads, state, bins, first_bin, bin_per_sample
):
    """Run a waveform to displacement and keep its peak in bins of time.

    ``samples`` (n,) f8 with the offset removed; ``scale`` to m/s or m/s²; ``integrations`` 1 or 2; ``biquads`` (F, 5) f8
    high-passes, ``state`` (F, 3, 4) f8 (delays, previous value and integral of each stage), ``bins`` (F, B) f8 peaks in m;
    the bin of sample i is ``first_bin + i * bin_per_sample``; negative ones are not kept.

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
            v = samples[i] * scale
            for stage in range(integrations + 1):
                s = state[f, stage]
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
