"""PURE: when an earthquake in a region is alerted by a network, and for whom that is too late."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ew.geo import distance_km, in_polygon
from ew.traveltimes import TravelTimes

Floats = NDArray[np.float64]

PROCESSING_S = 1.5
"""From P at the station that completes a declaration to the first alert, s: packets of 1 s and the
median of ``benchmarks scenarios`` (0.8 s), rounded up."""
GRID = 24
"""Trial epicentres along each side of the region's frame."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Earthquakes at places spread over a region, arrays of shape (places,), float64.

    ``alert_s``: from the origin to the first alert, s; ``blind_km``: epicentral distance within
    which S is faster than that alert, km. ``spacing_km``: median distance of a station to its
    nearest neighbour.
    """

    stations: int
    spacing_km: float
    latitudes: Floats
    longitudes: Floats
    alert_s: Floats
    blind_km: Floats

    def share_later_than(self, seconds: float) -> float:
        """The share of the region in which the first alert takes longer than this."""
        return float((self.alert_s > seconds).mean())


def coverage_of(
    latitudes: ArrayLike,
    longitudes: ArrayLike,
    polygon: Sequence[tuple[float, float]],
    travel_times: TravelTimes,
    depth_km: float,
    needed: int,
) -> Coverage:
    """The coverage of a polygon ((latitude, longitude) corners) by stations, at one depth.

    ``needed``: stations that a declaration takes.

    Raises:
        ValueError: there are fewer stations than that.
    """
    at = np.unique(np.column_stack([latitudes, longitudes]).astype(np.float64), axis=0)
    if len(at) < needed:
        raise ValueError(f"{len(at)} stations, {needed} are needed to find an earthquake")
    places = _places(polygon)
    away = np.array([distance_km(lat, lon, at[:, 0], at[:, 1]) for lat, lon in places])
    p_s = np.sort(travel_times.p_s(away, depth_km), axis=1)
    alert_s = p_s[:, needed - 1] + PROCESSING_S
    reach_km = np.arange(travel_times.max_distance_km + 1)
    s_s = travel_times.s_s(reach_km, depth_km)
    apart = np.array(
        [np.partition(distance_km(lat, lon, at[:, 0], at[:, 1]), 1)[1] for lat, lon in at]
    )
    return Coverage(
        len(at),
        float(np.median(apart)),
        places[:, 0],
        places[:, 1],
        alert_s,
        np.interp(alert_s, s_s, reach_km, left=0.0),
    )


def _places(polygon: Sequence[tuple[float, float]]) -> Floats:
    """Places in a polygon, (places, 2): those of a regular grid, or its corners if it is tiny."""
    corners = np.array(polygon, dtype=np.float64)
    # Longitudes about the first corner's, so that a region may lie across 180 degrees
    east = corners[0, 1] + (corners[:, 1] - corners[0, 1] + 180) % 360 - 180
    steps = (np.arange(GRID) + 0.5) / GRID
    lat, lon = np.meshgrid(
        corners[:, 0].min() + np.ptp(corners[:, 0]) * steps, east.min() + np.ptp(east) * steps
    )
    places = np.column_stack([lat.ravel(), (lon.ravel() + 180) % 360 - 180])
    found = places[in_polygon(places[:, 0], places[:, 1], list(polygon))]
    return found if len(found) else corners
