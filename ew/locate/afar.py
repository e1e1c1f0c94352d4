"""PURE: what has come from afar: the P-wave of a distant large earthquake crosses the whole network."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ew.geo import local_km
from ew.locate.onsets import Onset
from ew.locate.stations import Network

Floats = NDArray[np.float64]

FASTER_KM_S = 9.5
"""Pn runs at 8; P from 30 degrees on crosses a network at 13 and more (ak135)."""
FIT_S = 0.7
SPAN_S = 20.0
PERIOD_S = 0.3
SURELY_S = 0.4
"""Median period of the picks from which a wave has come from afar unless something says that it has
not: P from 30 degrees on has lost all above 2 Hz (t* of 0.5-1 s) and gives 0.3-1.3 s, recorded
local earthquakes of M 4-7 give 0.14-0.19 s. But those a hundred kilometres down and more give 0.4 s
and more too, and so does a digitiser of 20 Hz."""
LOCAL_M_S2 = 0.01
"""Median peak of the first swings that no teleseism reaches: P of an M 9 at 30 degrees has some 0.1
mm/s at 1 Hz, 0.001 m/s²."""
LOCAL_S = 2
"""So many S onsets where the hypocentre has them are its own: S of a teleseism comes minutes after
P."""
LOCAL_SHARE, AFAR_SHARE = 0.8, 0.6
"""A hypocentre that explains so many of the onsets is clearly near where a plane wave explains
fewer than this."""
CLEAR_SNR = 6.0
"""Median SNR from which onsets are picked well enough to tell by what they do not fit; those of
waves from afar that rise slowly have 3."""
DEEP_KM = 60.0
BELOW_S, BELOW_MOST = 0.45, 4.0
"""Residuals count in this unit (the locator's error of a pick) and no more than so much each."""
BELOW_MISFIT, BELOW_GAIN_EACH, BELOW_GAIN = 0.8, 1.0, 12.0
"""A deep hypocentre with at most so much misfit a pick, and so much less than a plane wave a pick
and in all: synthetic earthquakes at 430-600 km have 0.1-0.7 and gain 1.3-2 a pick; of 36 teleseisms
those that gain more than 0.8 have 1.3 and more."""
REWEIGHTED = 8
DEPTH_KM = 15.0
APERTURE_KM = 60.0


def is_from_afar(
    onsets: Sequence[Onset],
    tried: Sequence[Onset],
    depth_km: float,
    network: Network,
    min_stations: int,
    fitting_s: int,
    late_s: Floats,
) -> bool:
    """Whether a plane wave faster than any regional one explains the picks at least as well: a teleseism.

    Its waves have lost all that is short. Over a small aperture a deep earthquake looks alike: it
    has to wait until the wave has reached stations that tell the two apart, unless its amplitude or
    its S-waves do.

    ``onsets``: what the hypocentre at ``depth_km`` explains, of all ``tried``; ``fitting_s``: how
    many S onsets it explains; ``late_s``: how much later than P from there each of ``tried`` came,
    (n,) f8.
    """
    if fitting_s >= LOCAL_S or _median([10**o.log_amplitude for o in onsets]) >= LOCAL_M_S2:
        return False
    period_s = max(_median([o.pick.period_s for o in some]) for some in (onsets, tried))
    if period_s > PERIOD_S:
        if depth_km > DEEP_KM and _is_from_below(tried, late_s, network):
            return False
        # Such waves rise slowly and are picked badly: a majority near the plane is enough
        near = [len(_plane_wave(tried, network, n * FIT_S)) / len(tried) for n in (1, 2)]
        if period_s <= SURELY_S:
            return max(near) > 1 / 2
        is_clear = _median([o.pick.snr for o in onsets]) >= CLEAR_SNR
        is_local = is_clear and len(onsets) >= LOCAL_SHARE * len(tried)
        return near[0] >= AFAR_SHARE or not is_local
    fit = _plane_wave(tried, network, FIT_S)
    if len(fit) < max(len(onsets), min_stations):
        return False
    places = network.ecef[[o.station for o in fit]]
    aperture_km = float(np.linalg.norm(places - places.mean(axis=0), axis=1).max())
    return depth_km > DEPTH_KM or aperture_km > APERTURE_KM


def _is_from_below(onsets: Sequence[Onset], late_s: Floats, network: Network) -> bool:
    """Whether a hypocentre fits onsets well, and clearly better than any plane wave: the wave front is curved.

    At a place above it P of a deep earthquake comes first, and later the farther away all around;
    waves from afar do not.
    """
    off, off_plane = (
        float(np.minimum(np.abs(r) / BELOW_S, BELOW_MOST).sum())
        for r in (late_s, _plane_residuals_s(onsets, network))
    )
    count = len(onsets)
    gain = off_plane - off
    return off <= BELOW_MISFIT * count and gain >= max(BELOW_GAIN, BELOW_GAIN_EACH * count)


def _plane_residuals_s(onsets: Sequence[Onset], network: Network) -> Floats:
    """Residuals (n,) of the plane wave of least absolute deviations, by least squares weighted anew (Schlossmacher 1973)."""
    terms, times = _terms(onsets, network)
    weights = np.ones(len(times))
    late_s = times
    for _ in range(REWEIGHTED):
        solution, *_ = np.linalg.lstsq(terms * weights[:, None], times * weights, rcond=None)
        late_s = times - terms @ solution
        weights = 1 / np.sqrt(np.maximum(np.abs(late_s), 0.05))
    return np.asarray(late_s)


def _terms(onsets: Sequence[Onset], network: Network) -> tuple[Floats, Floats]:
    """What a plane wave's times depend on, (n, 3): 1, km to the north and to the east; and the times, (n,) s."""
    times = np.array([o.time_s for o in onsets]) - onsets[0].time_s
    stations = np.array([o.station for o in onsets])
    lat, lon = network.latitudes[stations], network.longitudes[stations]
    north, east = local_km(float(lat[0]), float(lon[0]), lat, lon)
    return np.column_stack([np.ones(len(times)), north, east]), times


def _plane_wave(onsets: Sequence[Onset], network: Network, fit_s: float) -> list[Onset]:
    """The onsets within ``fit_s`` of a plane wave from afar; none if no such wave fits."""
    terms, times = _terms(onsets, network)
    kept = np.abs(times - np.median(times)) < SPAN_S
    for within_s in (4 * fit_s, 2 * fit_s, fit_s, fit_s):  # outliers go, the worst first
        if kept.sum() < len(terms[0]) + 1:
            return []
        solution, *_ = np.linalg.lstsq(terms[kept], times[kept], rcond=None)
        kept = np.abs(times - terms @ solution) < within_s
    if math.hypot(solution[1], solution[2]) > 1 / FASTER_KM_S:
        return []
    return [onset for onset, is_kept in zip(onsets, kept, strict=True) if is_kept]


def _median(values: Sequence[float]) -> float:
    """The median of those that are known; 0 where none is."""
    known = [value for value in values if math.isfinite(value)]
    return float(np.median(known)) if known else 0.0
