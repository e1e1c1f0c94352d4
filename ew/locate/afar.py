"""PURE: what has come from afar: the P-wave of a distant large earthquake crosses the whole network."""

import math
from collections.abc import Sequence

import numpy as np

from ew.geo import local_km
from ew.locate.onsets import Onset
from ew.locate.stations import Network

FASTER_KM_S = 9.5
"""Pn runs at 8; P from 30 degrees on crosses a network at 13 and more (ak135)."""
FIT_S = 0.7
SPAN_S = 20.0
PERIOD_S = 0.3
SURELY_S = 0.4
"""Median period of the picks at which a wave has come from afar whatever it looks like: P from 30 degrees on has lost all above
2 Hz (t* of 0.5-1 s) and gives 0.3-1.3 s, recorded local earthquakes of M 4-7 give 0.14-0.19 s, synthetic ones of M 4-8 up to 0.30 s."""
DEPTH_KM = 15.0
APERTURE_KM = 60.0


def is_from_afar(
    onsets: Sequence[Onset],
    tried: Sequence[Onset],
    depth_km: float,
    network: Network,
    min_stations: int,
) -> bool:
    """Whether a plane wave faster than any regional one explains the picks at least as well: a teleseism.

    Its waves have lost all that is short. Over a small aperture a deep earthquake looks alike: it has to wait until the
    wave has reached stations that tell the two apart.

    ``onsets``: what the hypocentre at ``depth_km`` explains, of all ``tried``.
    """
    period_s = max(_median_period_s(onsets), _median_period_s(tried))
    if period_s > SURELY_S:
        return True
    if period_s > PERIOD_S:
        # Such waves rise slowly and are picked badly: a majority near the plane is enough
        most = max(len(_plane_wave(tried, network, n * FIT_S)) for n in (1, 2))
        return most > len(tried) / 2
    fit = _plane_wave(tried, network, FIT_S)
    if len(fit) < max(len(onsets), min_stations):
        return False
    places = network.ecef[[o.station for o in fit]]
    aperture_km = float(np.linalg.norm(places - places.mean(axis=0), axis=1).max())
    return depth_km > DEPTH_KM or aperture_km > APERTURE_KM


def _plane_wave(onsets: Sequence[Onset], network: Network, fit_s: float) -> list[Onset]:
    """The onsets within ``fit_s`` of a plane wave from afar; none if no such wave fits."""
    stations = np.array([o.station for o in onsets])
    times = np.array([o.time_s for o in onsets]) - onsets[0].time_s
    lat, lon = network.latitudes[stations], network.longitudes[stations]
    north, east = local_km(float(lat[0]), float(lon[0]), lat, lon)
    terms = np.column_stack([np.ones(len(times)), north, east])
    kept = np.abs(times - np.median(times)) < SPAN_S
    for within_s in (4 * fit_s, 2 * fit_s, fit_s, fit_s):  # outliers go, the worst first
        if kept.sum() < len(terms[0]) + 1:
            return []
        solution, *_ = np.linalg.lstsq(terms[kept], times[kept], rcond=None)
        kept = np.abs(times - terms @ solution) < within_s
    if math.hypot(solution[1], solution[2]) > 1 / FASTER_KM_S:
        return []
    return [onset for onset, is_kept in zip(onsets, kept, strict=True) if is_kept]


def _median_period_s(onsets: Sequence[Onset]) -> float:
    """Median predominant period of the picks that have one; 0 where none has."""
    periods = [o.pick.period_s for o in onsets if math.isfinite(o.pick.period_s)]
    return float(np.median(periods)) if periods else 0.0
