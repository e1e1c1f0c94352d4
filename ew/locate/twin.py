"""PURE: the loops of location in NumPy and SciPy: the misfit of trial hypocentres, displacement and S onsets.

The formulas and constants of both forms stand here. Tests hold the compiled form (``core.c``) to
this one, which runs where no compiler was.

Misfit of a trial hypocentre (smaller is better), a robust likelihood in the manner of Satriano et
al. (2008) with not-yet-arrived stations after Horiuchi et al. (2005):

    sum over first picks  w_i * -log( (1 - e) exp(-|r_i| / s_i - w_A |a_i + n log10 R_i - A| / s_A)
                                      + e + e_P exp(-|q_i| / 2 s_i) )
                          r_i = t_i - (t0 + P_i), t0 the weighted median; q_i = t_i - (t0 + S_i),
                          for P may have been missed; a_i the log10 amplitude, A the weighted
                          median: it must fit as well, or the pick is noise; of a pick read as S,
                          r_i = q_i and nothing is left of e_P
    + sum over second     w_i * -log( (1 - e_S) exp(-|q_i| / c_i s_i) + e_S )      c_i: 1 for S onsets, 2 for second picks
    + sum over stations without S by now  c_S * w_i * min(1, (end_i - (t0 + S_i) - delay) / ramp)    S must have been seen by now
    + sum over silent     c * p_j * min(1, (end_j - (t0 + P_j) - delay) / ramp)    P must have been seen by now; p_j: how
                          likely it is, from A at its distance and the noise
    + 1.4 ln R          R: hypocentral distance of the nearest pick; to be seen from R takes a magnitude that grows by
                        1.4 log10 R (Kuyuk & Allen 2013), and those grow rarer as 10^-M (Gutenberg &
                        Richter 1944)
    + prior(depth)

with s_i = s_0 + s_1 P_i: model errors grow with the way travelled.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

OUTLIER = 0.02  # e: share of the likelihood an outlier keeps, which bounds its cost at -log e = 3.9
SCALE_S = 0.45  # s_0: picking and clock error
SCALE_SHARE = 0.02  # s_1: error of a one-dimensional model, share of the travel time
S_OUTLIER = 0.15  # e_S: a second pick at a station is often coda
# The peak of the first swings falls off as R^-n: 1.6 in acceleration (Wu & Kanamori 2008 have
# 1.4-1.9 for P amplitudes);
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
# Stations that are heard are the loud ones: the others are expected to be fainter by so much, in
# units of 2 spreads
SILENT_FAINTER = 0.3
NO_S_YET = -1.0  # marks a row of ``seconds``: up to its time no S stood out on the horizontals
NO_S_DELAY_S = 0.8  # S is found so long after its onset (``shear``: its first 0.6 s, looked for each half second)
NO_S_RAMP_S = 1.0
NO_S_COST = 1.1  # one in three does not stand out of the coda of P
LOG10_E = 0.4342944819032518
P_KM_PER_S = 9.0  # no travel time of the first 1,000 km is shorter than this allows, and a second


# Of the likelihoods -log((1 - e) exp(-x) + e) tables are kept: a look-up costs a tenth of an
# exponential and a logarithm
COST_STEPS = 32  # a unit of x; linear between them is right within 1e-4
COST_UP_TO = 12  # from here on the cost is that of an outlier


def _cost_table(outlier: float) -> NDArray[np.float64]:
    x = np.arange(COST_UP_TO * COST_STEPS + 2) / COST_STEPS
    return -np.log((1 - outlier) * np.exp(-x) + outlier)


PICK_COST = _cost_table(OUTLIER)
S_COST = _cost_table(S_OUTLIER)


MODEL = (
    SCALE_S,
    SCALE_SHARE,
    DECAY,
    AMPLITUDE_SCALE,
    AMPLITUDE_WEIGHT,
    FIRST_IS_S,
    NEAR_POWER,
    NEAREST_KM,
    SILENT_DELAY_S,
    SILENT_RAMP_S,
    SILENT_COST,
    SILENT_SPREAD,
    SILENT_FAINTER,
    NO_S_YET,
    NO_S_DELAY_S,
    NO_S_RAMP_S,
    NO_S_COST,
    LOG10_E,
    COST_STEPS,
    COST_UP_TO,
    P_KM_PER_S,
)
"""In the order of ``struct model`` in ``core.c``."""


def _cost(table: Floats, x: Floats) -> Floats:
    return np.interp(x * COST_STEPS, np.arange(COST_UP_TO * COST_STEPS + 1), table[:-1])


def _travel_s(table: Floats, row: int, part: float, arcs: Floats) -> Floats:
    """Bilinear look-up at a depth of ``row + part`` km and distances in km; beyond the table the last slope."""
    column = np.minimum(arcs, table.shape[1] - 2).astype(np.int64)
    u = arcs - column
    upper, lower = (table[r, column] * (1 - u) + table[r, column + 1] * u for r in (row, row + 1))
    return np.asarray(upper * (1 - part) + lower * part)


def _arcs_km(nodes: Floats, places: Floats, radius_km: float) -> Floats:
    """Distances along the surface (N, n) from places to places (see ``ew.geo.arc_km``)."""
    c2 = ((nodes[:, None, :3] - places[None, :, :3]) ** 2).sum(axis=2)
    t = c2 / (4 * radius_km * radius_km)
    return np.asarray(np.sqrt(c2) * (1 + t * (1 / 6 + t * (3 / 40 + t * (15 / 336)))))


def _weighted_median(values: Floats, weights: Floats) -> Floats:
    """Of each row of ``values`` (N, n)."""
    order = np.argsort(values, axis=1, kind="stable")
    passed = np.cumsum(weights[order], axis=1)
    at = np.minimum((passed < weights.sum() / 2).sum(axis=1), values.shape[1] - 1)
    return np.asarray(
        np.take_along_axis(values, np.take_along_axis(order, at[:, None], 1), 1)[:, 0]
    )


def _first_cost(late_s: Floats, p_s: Floats, s_s: Floats, off: Floats) -> Floats:
    """What a first pick costs: the event's P, its S (the P was missed), or neither."""
    cost = _cost(PICK_COST, abs(late_s) / (SCALE_S + SCALE_SHARE * p_s) + off)
    x = abs(late_s - s_s + p_s) / (2 * (SCALE_S + SCALE_SHARE * s_s))
    return np.where(x < 3.0, -np.log(np.exp(-cost) + FIRST_IS_S * np.exp(-x)), cost)


def _second_cost(
    seconds: Floats, arcs: Floats, table: Floats, row: int, part: float, t0: Floats
) -> Floats:
    """What the second picks of stations cost, read as S, and S that must have been seen by now and was not."""
    travel_s = _travel_s(table, row, part, arcs)
    late = seconds[:, 3] - t0[:, None] - travel_s
    unseen = NO_S_COST * np.clip((late - NO_S_DELAY_S) / NO_S_RAMP_S, 0.0, 1.0)
    seen = _cost(S_COST, abs(late) / (abs(seconds[:, 5]) * (SCALE_S + SCALE_SHARE * travel_s)))
    return np.asarray(
        (seconds[:, 4] * np.where(seconds[:, 5] == NO_S_YET, unseen, seen)).sum(axis=1)
    )


def _silence_cost(
    silent: Floats, arcs: Floats, table: Floats, row: int, part: float, t0: Floats, size: Floats
) -> Floats:
    """What stations cost that must have seen P by now, and seen it well, and have no pick."""
    late = silent[:, 3] - t0[:, None] - SILENT_DELAY_S
    is_due = (late > 0) & (arcs < P_KM_PER_S * late + 1.0)
    late = late - _travel_s(table, row, part, arcs)
    square = np.maximum(arcs * arcs + (row + part) ** 2, 25.0)
    clear = size[:, None] - DECAY / 2 * LOG10_E * np.log(square) - silent[:, 4]
    seen = np.clip(0.5 - SILENT_FAINTER + clear / (2 * SILENT_SPREAD), 0.0, 1.0)
    cost = SILENT_COST * silent[:, 5] * seen * np.minimum(1.0, late / SILENT_RAMP_S)
    return np.asarray(np.where(is_due & (late > 0), cost, 0.0).sum(axis=1))


def misfit_grid(
    nodes: Floats,
    depths: Floats,
    prior: Floats,
    tables: Floats,
    radius_km: float,
    picks: Floats,
    seconds: Floats,
    silent: Floats,
    beyond: float,
    misfit: Floats,
    origin: Floats,
    /,
) -> None:
    """Misfit and origin time of trial hypocentres: each epicentre at each depth.

    ``nodes`` (N, 3) ECEF of epicentres, km; ``depths``, ``prior`` (D,); ``tables`` (2, depths,
    distances) P and S times; ``picks`` (n, 7), ``seconds`` (k, 6), ``silent`` (m, 6): rows of ECEF
    x, y, z, time, weight and log10 amplitude of the first picks of stations, and whether each is
    read as S (1) or as P (0); of what may be S there the width c instead of the amplitude
    (``NO_S_YET``: none up to that time); of stations without a pick how far their data reach, the
    log10 amplitude from which they would have picked, and how far that can be relied on. Out:
    ``misfit``, ``origin`` (N, D).

    Where the misfit is more than ``beyond`` above the least of them it may be a lower bound (it is
    complete here, but not in the compiled form, which takes half as long for that).
    """
    del beyond
    is_s, weights = picks[:, 6] > 0, picks[:, 4]
    trust = np.where(np.isfinite(picks[:, 5]), weights, 0.0)
    sized = np.where(trust > 0, picks[:, 5], 0.0)
    arcs, second_arcs, silent_arcs = (
        _arcs_km(nodes, rows, radius_km) for rows in (picks, seconds, silent)
    )
    for d, depth in enumerate(depths.tolist()):
        row = min(int(depth), tables.shape[1] - 2)
        part = depth - row
        p_s, s_s = (_travel_s(table, row, part, arcs) for table in tables)
        travel = np.where(is_s, s_s, p_s)
        values = picks[:, 3] - travel
        square = np.maximum(arcs * arcs + depth * depth, 25.0)
        sizes = np.where(trust > 0, sized + DECAY / 2 * LOG10_E * np.log(square), 0.0)
        t0, size = _weighted_median(values, weights), _weighted_median(sizes, trust)
        off = np.where(trust > 0, abs(sizes - size[:, None]) / AMPLITUDE_SCALE, 0.0)
        late, off = values - t0[:, None], AMPLITUDE_WEIGHT * off
        as_s = _cost(PICK_COST, abs(late) / (SCALE_S + SCALE_SHARE * travel) + off)
        first = np.where(is_s, as_s, _first_cost(late, travel, s_s, off))
        nearest = np.maximum(arcs.min(axis=1) ** 2 + depth * depth, NEAREST_KM**2)
        total = prior[d] + NEAR_POWER / 2 * np.log(nearest) + (weights * first).sum(axis=1)
        total += _second_cost(seconds, second_arcs, tables[1], row, part, t0)
        total += _silence_cost(silent, silent_arcs, tables[0], row, part, t0, size)
        misfit[:, d], origin[:, d] = total, t0


def displacement_peaks(
    samples: Floats,
    scale: float,
    integrations: int,
    dt: float,
    biquads: Floats,
    state: Floats,
    bins: Floats,
    first_bin: float,
    bin_per_sample: float,
    squares: Floats,
    /,
) -> None:
    """Run a waveform to displacement and keep its peak in bins of time.

    ``samples`` (n,) with the offset removed; ``scale`` to m/s or m/s²; ``integrations`` 1 or 2;
    ``biquads`` (F, 5) high-passes, ``state`` (F, 3, 4) (delays, previous value and integral of each
    stage), ``bins`` (F, B) peaks in m; the bin of sample i is ``first_bin + i * bin_per_sample``;
    negative ones are not kept. ``squares`` (2, B): sums of u² and of its derivative's for the first
    high-pass, in the same bins (Kanamori 2005's tau_c); (2, 0) where they are not asked for.

    Each stage is high-passed, so that noise and offsets can't grow through the integrations; the
    trapezoidal rule.
    """
    from scipy.signal import lfilter  # noqa: PLC0415 - slow to load

    at = np.floor(first_bin + np.arange(len(samples)) * bin_per_sample)
    is_kept = (at >= 0) & (at < bins.shape[1])
    kept = at[is_kept].astype(np.int64)
    for f, (b0, b1, b2, a1, a2) in enumerate(biquads.tolist()):
        v = rate = samples * scale
        for stage in range(integrations + 1):
            s, rate = state[f, stage], v
            if stage > 0 and len(v):
                steps = (v + np.concatenate([s[2:3], v[:-1]])) * 0.5 * dt
                s[2], v = v[-1], s[3] + np.cumsum(steps)
                s[3] = v[-1]
            v, s[:2] = lfilter([b0, b1, b2], [1.0, a1, a2], v, zi=s[:2])
        np.maximum.at(bins[f], kept, abs(v[is_kept]))
        if f == 0:
            is_asked = kept < squares.shape[1]
            np.add.at(squares[0], kept[is_asked], (v[is_kept] ** 2)[is_asked])
            np.add.at(squares[1], kept[is_asked], (rate[is_kept] ** 2)[is_asked])


def add_energy(samples: Floats, gain: float, a1: Floats, a2: Floats, energy: Floats, /) -> None:
    """Add the squares of the band-passed ``samples`` (N,) to ``energy`` (N,); the filter starts from rest."""
    from scipy.signal import sosfilt  # noqa: PLC0415 - slow to load

    sections = [[1.0, 0.0, -1.0, 1.0, *pair] for pair in zip(a1, a2, strict=True)]
    energy += sosfilt(np.array(sections), gain * samples[: len(energy)]) ** 2


def s_onset(
    energy: Floats, p_at: int, first: int, rise: int, enough: int, before: int, clear: float, /
) -> tuple[int, float]:
    """Index of the S onset in ``energy`` (N,) and its clarity; -1 if none stands out.

    ``p_at``: the sample of P; ``first``: that from which S is looked for; ``rise``, ``enough``,
    ``before``: samples (``shear``); ``clear``: the least clarity.
    """
    late = energy[first:]
    sums = np.concatenate([[0.0], np.cumsum(late)])
    ends = np.arange(1, len(late) + 1)
    running = sums[ends] - sums[np.maximum(ends - enough, 0)]
    loudest = first + int(np.argmax(running)) if len(late) else first
    onset = _largest_rise(energy, first, min(loudest + enough, len(energy)), enough // 2)
    if onset < 0 or len(energy) - onset < enough:
        return -1, 0.0
    coda = energy[max(onset - before, p_at) : onset]
    floor = max(float(coda.mean()) if len(coda) else 0.0, 1e-60)
    clarity = float(np.sqrt(energy[onset : onset + 2 * enough].mean() / floor))
    if clarity < clear:
        return -1, 0.0
    # Again from nearby: the loudest of S must not draw the onset away from where it begins to rise
    end = min(onset + rise, len(energy))
    earlier = _largest_rise(energy, max(first, onset - before), end, rise // 2)
    return (earlier if earlier >= 0 else onset), clarity


def _largest_rise(energy: Floats, first: int, end: int, least: int) -> int:
    """The sample in ``first`` to ``end`` from which on energy is higher: that of the least AIC; -1 if there is no room.

    At least ``least`` samples stay on either side.
    """
    n = end - first
    k = np.arange(max(least, 1), n - least)
    if n < 2 * least + 2 or not len(k):
        return -1
    head = np.cumsum(energy[first:end])
    floor = 1e-12 * head[-1] / n + 1e-60
    below = np.maximum(head[k - 1] / k, floor)
    above = np.maximum((head[-1] - head[k - 1]) / (n - k), floor)
    aic = np.where(above > below, k * np.log(below) + (n - k) * np.log(above), np.inf)
    best = int(np.argmin(aic))
    return first + int(k[best]) if np.isfinite(aic[best]) else -1
