"""PURE: how large: magnitude from the peak displacement Pd of the P-wave.

Relations (Pd in cm, R hypocentral km):

| name | relation | source |
|---|---|---|
| kuyuk-allen-2013 | M = 5.39 + 1.23 log10 Pd + 1.38 log10 R | Kuyuk & Allen 2013, Geophys. Res. Lett. 40, eq. 1 |
| wu-zhao-2006 | M = (log10 Pd + 3.463 + 1.374 log10 R) / 0.729 | Wu & Zhao 2006, Geophys. Res. Lett. 33, eq. 2 |

Both are for displacement high-passed once at 0.075 Hz. Low-cost sensors are too noisy for that
corner at small magnitudes, so Pd is taken at the lowest corner at which it stands out of the noise,
and what the filters took away is given back: the pulse of a Brune source (1970), t exp(-2 pi fc t),
is sent through the same cascade of high-passes, one before each integration and one after, and its
peak compared (``share_kept``).
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ew.records import StationMagnitude

CORNERS_HZ = (0.075, 0.3, 1.0)
PASSES_OF_RELATIONS = 1
"""So many high-passes the relations' own displacement has been through."""
CLEAR = 3.0
"""Pd over the peak of the noise before it at which a corner is taken."""
CERTAIN = 10.0
"""Pd over the noise from which a station counts in full: what is barely clear is read too low, for
it is cut short."""
STRESS_DROP_BAR = 50.0
"""Usual for crustal earthquakes (Allmann & Shearer 2009: median 40 bar)."""
SHEAR_VELOCITY_KM_S = 3.5
P_TO_S_CORNER = 1.5
"""P corner over S corner (Madariaga 1976)."""
TAU_C_STATIONS = 4
FEW_STATIONS = 6
"""Below so many the median stands for the mean: of few, one outlier moves a mean too far."""
LARGEST_SHARE = 0.25
"""No station of six or more counts for more than this of the whole."""
OFF, LONE = 0.8, 1.6
"""Stations this far from the median count for less, and beyond the second for nothing: single
stations scatter by 0.3."""
FALL_SHARE = 0.5
"""A fall within the error is followed by half at each look: stations that join would make the
number go to and fro."""
FULL_WINDOW_S = 4.0
"""The relations were fitted on so much of the P-wave; shorter windows count for less."""


@dataclass(frozen=True, slots=True, eq=False)
class Peaks:
    """Peak displacement at one station up to the end of its window, a row a corner.

    ``pd_m`` and ``noise_m`` (F,) f8: peaks after and before the onset, m; ``window_s``: data after
    the onset used; ``tau_c_s``: predominant period of the first seconds, NaN before they are in.
    ``passes``: high-passes the displacement went through, one more than integrations.
    """

    seed_id: str
    distance_km: float
    pd_m: NDArray[np.float64]
    noise_m: NDArray[np.float64]
    window_s: float
    tau_c_s: float = math.nan
    passes: int = PASSES_OF_RELATIONS


def corner_hz(magnitude: float) -> float:
    """P corner frequency of a Brune source: 1.5 x 4.9e6 beta (stress drop / M0)^(1/3) (Brune 1970; dyne cm, bar)."""
    moment = 10 ** (1.5 * magnitude + 16.05)
    return float(
        P_TO_S_CORNER * 4.9e6 * SHEAR_VELOCITY_KM_S * (STRESS_DROP_BAR / moment) ** (1 / 3)
    )


def share_above(frequency_hz: float, corner: float) -> float:
    """Share of a pulse's spectrum left above ``frequency_hz`` for a source with ``corner`` (Brune 1970)."""
    return 1 - 2 / math.pi * math.atan(frequency_hz / corner)


PULSE_RATIOS = np.array([0.05, 0.1, 0.2, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 40.0])
"""Corner of the source over that of the high-pass."""
PULSE_KEPT = (
    np.array([0.058, 0.108, 0.191, 0.362, 0.523, 0.617, 0.680, 0.758, 0.837, 0.910, 0.955, 0.968]),
    np.array([0.029, 0.056, 0.106, 0.230, 0.363, 0.454, 0.522, 0.617, 0.723, 0.839, 0.912, 0.937]),
    np.array([0.022, 0.044, 0.086, 0.195, 0.323, 0.402, 0.450, 0.522, 0.640, 0.776, 0.869, 0.907]),
)
"""Share of the pulse's peak after one, two and three causal Butterworth high-passes (computed, see
the tests)."""
_LOG_RATIOS = np.log(PULSE_RATIOS).tolist()
_LOG_KEPT = tuple(np.log(kept).tolist() for kept in PULSE_KEPT)


def share_kept(frequency_hz: float, corner: float, passes: int) -> float:
    """Share of a Brune pulse's peak that ``passes`` high-passes at ``frequency_hz`` leave, for a source with ``corner``."""
    kept = _LOG_KEPT[min(max(passes, 1), len(PULSE_KEPT)) - 1]
    at = math.log(min(max(corner / frequency_hz, PULSE_RATIOS[0]), PULSE_RATIOS[-1]))
    upper = min(bisect_right(_LOG_RATIOS, at), len(_LOG_RATIOS) - 1)
    (left, right), (low, high) = _LOG_RATIOS[upper - 1 : upper + 1], kept[upper - 1 : upper + 1]
    return math.exp(low + (high - low) * (at - left) / (right - left))


def from_pd(pd_m: float, distance_km: float, relation: str) -> float:
    """Magnitude from peak displacement (m) at a hypocentral distance (km)."""
    log_pd, log_r = math.log10(max(pd_m, 1e-12) * 100), math.log10(max(distance_km, 1.0))
    if relation == "wu-zhao-2006":
        return (log_pd + 3.463 + 1.374 * log_r) / 0.729
    return 5.39 + 1.23 * log_pd + 1.38 * log_r


def from_displacement(pgd_m: float, distance_km: float) -> float:
    """Magnitude from the peak horizontal displacement (m) of the whole wave at a hypocentral distance (km).

    M = log10 A + 1.73 log10 D - 0.83, A in micrometres, for depths to 60 km (Tsuboi 1954, the Japan
    Meteorological Agency's until 2003; it differs from Mw by no more than its error for M 5-7,
    Katsumata 1996, Bull. Seismol. Soc. Am. 86). Tsuboi's D is epicentral; hypocentral is the same
    where that was fitted and finite above the source.

    Its slope of 1 is that of a whole Brune pulse (a displacement as M0^(2/3)). What the high-pass
    takes off is given back as for Pd, for the magnitude as it was read: no more, for so the
    correction can't feed itself.
    """
    read = math.log10(max(pgd_m, 1e-12) * 1e6) + 1.73 * math.log10(max(distance_km, 1.0)) - 0.83
    source_hz = corner_hz(read) / P_TO_S_CORNER
    return read - math.log10(share_above(CORNERS_HZ[0], source_hz))


def with_whole_wave(p: StationMagnitude, magnitude: float, share: float) -> StationMagnitude:
    """A station's magnitude from P together with that of its whole wave, of which a ``share`` (0-1) is in.

    Of both readings in full it is the mean. One that has seen but a part of a long rupture is a
    lower bound: it raises the other, and lowers it only as far as it counts, by the square of its
    share as P does.
    """
    weight = share**2
    (low, low_weight), (high, _) = sorted([(p.magnitude, p.weight), (magnitude, weight)])
    mean = high - (high - low) * low_weight / (1 + low_weight)
    return replace(p, magnitude=mean, weight=max(p.weight, weight))


def rupture_s(magnitude: float) -> float:
    """How long the rupture of an earthquake lasts, s: 1 / S corner (Brune 1970); 0 where the magnitude is not known."""
    return P_TO_S_CORNER / corner_hz(magnitude) if math.isfinite(magnitude) else 0.0


def full_window_s(magnitude: float) -> float:
    """So much of the P-wave tells all: the relations' 4 s, or as long as the rupture may last."""
    return max(FULL_WINDOW_S, rupture_s(magnitude))


def station_magnitude(
    peaks: Peaks, relation: str, whole_s: float = FULL_WINDOW_S
) -> StationMagnitude:
    """One station's magnitude, weighted by how clear its P-wave is and how much of ``whole_s`` there is of it.

    A window shorter than the rupture gives no more than a lower bound (Minson et al. 2018; Trugman
    et al. 2019: Pd saturates at the magnitude whose rupture lasts as long as the window), so such
    stations yield to those that have seen more: with the square instead of the root an M 7.9 is an
    M 7.7 after 30 s instead of 7.5, and no recorded one changes by more than 0.1.
    """
    clear = peaks.pd_m / np.maximum(peaks.noise_m, 1e-12)
    corner = next((f for f in range(len(CORNERS_HZ)) if clear[f] >= CLEAR), len(CORNERS_HZ) - 1)
    ratio = float(clear[corner])
    # What the noise adds to a peak is taken off in power, and never more than it can have been
    pd_m = float(peaks.pd_m[corner]) * math.sqrt(max(1 - 1 / max(ratio, 1.0) ** 2, 0.1))
    magnitude = from_pd(pd_m, peaks.distance_km, relation)
    for _ in range(4):
        source = corner_hz(magnitude)
        lost = share_kept(CORNERS_HZ[corner], source, peaks.passes)
        lost /= share_kept(CORNERS_HZ[0], source, PASSES_OF_RELATIONS)
        magnitude = from_pd(pd_m / lost, peaks.distance_km, relation)
    clarity = min(max((ratio - 1) / (CERTAIN - 1), 0.02), 1.0)
    weight = clarity * min(peaks.window_s / whole_s, 1.0) ** 2
    # Below the first corner there is noise where that is not clear, and its period would be told
    tau_c_s = peaks.tau_c_s if clear[0] >= CERTAIN else math.nan
    return StationMagnitude(peaks.seed_id, magnitude, pd_m, peaks.window_s, weight, tau_c_s)


def network_magnitude(stations: Sequence[StationMagnitude]) -> tuple[float, float]:
    """Magnitude of the event and its standard error; no station decides it alone.

    Of fewer than ``FEW_STATIONS`` the weighted median, where no weight is above the median weight:
    of three and more none has half of the whole. Of more the weighted mean about that median, none
    above ``LARGEST_SHARE``, those more than ``OFF`` away counting for less (Huber 1964) and those
    more than ``LONE`` away for nothing.
    """
    if not stations:
        return math.nan, math.nan
    values = np.array([s.magnitude for s in stations])
    weights = np.array([max(s.weight, 1e-3) for s in stations])
    is_many = len(values) >= FEW_STATIONS
    bounded = _bounded(weights) if is_many else np.minimum(weights, np.median(weights))
    centre = _median(values, bounded)
    away = np.abs(values - centre)
    weights = bounded * np.minimum(1.0, OFF / np.maximum(away, 1e-9)) * (away <= LONE)
    if not weights.any():
        # Two halves far apart, and their middle near neither
        weights = np.ones(len(values))
    mean = float((weights * values).sum() / weights.sum()) if is_many else centre
    scatter = float((weights * (values - mean) ** 2).sum() / weights.sum())
    effective = float(weights.sum() ** 2 / (weights**2).sum())
    # 0.3: the scatter of single-station Pd magnitudes (Kuyuk & Allen 2013)
    return mean, math.sqrt(max(scatter, 0.3**2) / effective)


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Weighted median: where half of the weight is passed, the middle of two where it is met."""
    order = np.argsort(values, kind="stable")
    values, passed = values[order], np.cumsum(weights[order])
    half = passed[-1] / 2
    low = min(int(np.searchsorted(passed, half * (1 - 1e-9))), len(values) - 1)
    high = min(int(np.searchsorted(passed, half * (1 + 1e-9))), len(values) - 1)
    return float(values[low] + values[high]) / 2


def _bounded(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of which none is above ``LARGEST_SHARE`` of all, or equal ones where there are too few."""
    largest = max(LARGEST_SHARE, 1 / len(weights))
    for _ in range(len(weights)):
        top = largest * float(weights.sum())
        if float(weights.max()) <= top * (1 + 1e-6):
            break
        weights = np.minimum(weights, top)
    return weights


def damped(before: float, now: float, error: float) -> float:
    """The magnitude to tell after ``before``: a rise at once, a fall within the ``error`` by ``FALL_SHARE`` a look.

    A fall beyond twice the error is a correction and is followed at once.
    """
    if not before - 2 * error <= now < before:
        return now
    return before + FALL_SHARE * (now - before)


def tau_c_magnitude(stations: Sequence[StationMagnitude]) -> float:
    """Magnitude by the median period of at least ``TAU_C_STATIONS`` stations, a check beside Pd; NaN where there are fewer.

    log10 tau_c = 0.296 M - 1.716 (Wu, Kanamori, Allen & Hauksson 2007, Geophys. J. Int. 170, eq. 4;
    standard error 0.4).
    """
    periods = [s.tau_c_s for s in stations if s.tau_c_s > 0]
    if len(periods) < TAU_C_STATIONS:
        return math.nan
    return (math.log10(float(np.median(periods))) + 1.716) / 0.296
