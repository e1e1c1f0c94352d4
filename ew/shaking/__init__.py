"""PURE: computes arrivals and intensities at targets from an origin."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ew.config import ShakingConfig
from ew.errors import InputError
from ew.geo import ecef_km, local_radius_km
from ew.records import Origin
from ew.shaking.kernels import estimate_targets
from ew.shaking.relations import RELATIONS, intensity
from ew.traveltimes import TravelTimes

__all__ = ["Estimate", "estimate", "event_rows", "lane_reach_km"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """The effect of an earthquake at D places; all arrays (D,) float64.

    ``epicentral_km`` and ``hypocentral_km``: distances, km; ``p_arrival_s`` and ``s_arrival_s``:
    epoch seconds; ``intensity`` on ``scale``.
    """

    epicentral_km: Floats
    hypocentral_km: Floats
    p_arrival_s: Floats
    s_arrival_s: Floats
    intensity: Floats
    scale: str


def event_rows(origin: Origin, travel_times: TravelTimes, relation: str) -> Floats:
    """P time, S time (s) and intensity of an origin at each km of distance: (3, K) float64."""
    depth_km = origin.depth_km if np.isfinite(origin.depth_km) else 10.0
    p_row, s_row = travel_times.rows(depth_km)
    distance = np.arange(len(p_row), dtype=np.float64)
    return np.ascontiguousarray(
        [p_row, s_row, intensity(relation, origin.magnitude, distance, depth_km)]
    )


def lane_reach_km(rows: Floats, lanes: Sequence[float]) -> NDArray[np.float32]:
    """The reach of each of four lanes from an epicentre: (4,) float32, km; the last has no end.

    ``lanes`` are least intensities, most urgent first; fewer than four are filled up. Intensity
    falls with distance.
    """
    reach = [
        float(np.interp(-least, -rows[2], np.arange(rows.shape[1]), left=-1.0))
        for least in lanes[:3]
    ]
    return np.array([*reach, *[np.inf] * (4 - len(reach))], np.float32)


def estimate(
    origin: Origin,
    latitudes: ArrayLike,
    longitudes: ArrayLike,
    *,
    config: ShakingConfig | None = None,
    travel_times: TravelTimes | None = None,
) -> Estimate:
    """Arrival times of the waves of ``origin`` at places, and the intensity there.

    Args:
        origin: the earthquake; an unknown depth (NaN) is taken as 10 km.
        latitudes: degrees, scalar or (D,).
        longitudes: degrees, of the same shape.
        config: which intensity relation (default: CSIS for Sichuan).
        travel_times: the table (default: ak135, read once).

    Returns:
        An ``Estimate``. Distances are within 0.1 % of the WGS84 geodesic out to 1,000 km, times
            within 0.05 s of TauP.

    Raises:
        InputError: the shapes differ, a coordinate is out of range or not a number, or the origin's
            is.
    """
    lat, lon = _places(latitudes, longitudes)
    if not (abs(origin.latitude) <= 90 and abs(origin.longitude) <= 360):
        raise InputError(
            f"the origin lies nowhere: latitude {origin.latitude}, longitude {origin.longitude}"
        )
    relation = (config or ShakingConfig()).relation
    rows = event_rows(origin, travel_times or _default_table(), relation)
    distance, p_s, s_s, strength = (np.empty(len(lat)) for _ in range(4))
    estimate_targets(
        ecef_km(lat, lon),
        np.zeros(len(lat)),
        ecef_km(origin.latitude, origin.longitude),
        local_radius_km(origin.latitude),
        rows,
        distance,
        p_s,
        s_s,
        strength,
    )
    depth_km = origin.depth_km if np.isfinite(origin.depth_km) else 10.0
    return Estimate(
        epicentral_km=distance,
        hypocentral_km=np.hypot(distance, depth_km),
        p_arrival_s=origin.time_s + p_s,
        s_arrival_s=origin.time_s + s_s,
        intensity=strength,
        scale=RELATIONS[relation][0],
    )


def _places(latitudes: ArrayLike, longitudes: ArrayLike) -> tuple[Floats, Floats]:
    lat = np.atleast_1d(np.asarray(latitudes, dtype=np.float64))
    lon = np.atleast_1d(np.asarray(longitudes, dtype=np.float64))
    if lat.shape != lon.shape or lat.ndim != 1:
        raise InputError(
            f"latitudes {lat.shape} and longitudes {lon.shape} must be of one shape (D,)"
        )
    wrong = ~((np.abs(lat) <= 90) & (np.abs(lon) <= 360))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise InputError(f"place {at} lies nowhere: latitude {lat[at]}, longitude {lon[at]}")
    return lat, lon


@lru_cache(maxsize=1)
def _default_table() -> TravelTimes:
    return TravelTimes.load()
