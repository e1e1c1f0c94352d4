"""PURE: which of an event's waveforms size it, and how much of each."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ew.locate.amplitudes import PeakBins
from ew.locate.magnitude import (
    from_displacement,
    full_window_s,
    station_magnitude,
    with_whole_wave,
)
from ew.records import StationMagnitude
from ew.times import seconds_from_ns

LARGE_MAGNITUDE = 5.2
"""From here on a rupture may outlast the P-wave of near stations."""
S_GUARD_S = 0.3
SIZED_BY = 60
"""So many stations, the nearest, size an event; more change the mean by less than its error."""


def station_magnitudes(
    trackers: Sequence[PeakBins],
    distances_km: NDArray[np.float64],
    s_minus_p_s: NDArray[np.float64],
    magnitude: float,
    relation: str,
    pgd_m: NDArray[np.float64],
) -> tuple[StationMagnitude, ...]:
    """The magnitude of each station that has data enough.

    Args:
        trackers: T of them, one a station.
        distances_km: hypocentral distances, (T,) float64.
        s_minus_p_s: the way from P to S at each, (T,) float64: what comes after S is not read.
        magnitude: the event's by now, or NaN: a large one is followed longer.
        relation: name of the Pd relation.
        pgd_m: peak displacement of the whole wave, m, (T,) float64; 0 where it is not known.
    """
    is_large = magnitude >= LARGE_MAGNITUDE
    order = np.argsort(distances_km, kind="stable")
    if (
        is_large
    ):  # near stations see too little of a long rupture before S: take some at all distances
        order = order[np.unique(np.linspace(0, len(order) - 1, SIZED_BY).astype(np.int64))]
    whole_s = full_window_s(magnitude)
    found = []
    for i in order[:SIZED_BY]:
        # All of P, not 4 s as the relations were fitted on: from 70 km on Pn leads and what follows
        # is larger. On ten recorded
        # earthquakes the last magnitude then scatters by 0.29 about a mean of -0.13, with 8 s by
        # 0.32 and -0.16, with 4 s by 0.34 and -0.23
        window = float(s_minus_p_s[i]) - S_GUARD_S
        peaks = trackers[i].peaks(max(window, 0.5), float(distances_km[i]))
        if peaks is None:
            continue
        station = station_magnitude(peaks, relation, whole_s)
        since_s = _reach_s(trackers[i]) - float(s_minus_p_s[i])
        if pgd_m[i] > 0 and since_s > 0:
            whole = from_displacement(float(pgd_m[i]), float(distances_km[i]))
            station = with_whole_wave(station, whole, min(since_s / whole_s, 1.0))
        found.append(station)
    return tuple(found)


def _reach_s(bins: PeakBins) -> float:
    """How far the data of a station reach after its onset."""
    return -bins.onset_s + (0.0 if bins.end_ns is None else seconds_from_ns(bins.end_ns))
