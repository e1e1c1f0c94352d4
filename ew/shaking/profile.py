"""PURE: arrivals and intensity of an origin against distance, thinned for a page or a phone."""

from typing import Any

import numpy as np

from ew.records import Origin
from ew.shaking import event_rows
from ew.shaking.relations import RELATIONS
from ew.traveltimes import TravelTimes

NEAR_KM, NEAR_STEP_KM = 60.0, 4.0
FAR_STEP_KM = 20.0
"""Step of distance, km: linear interpolation is within 0.05 s and 0.05 of intensity of the
table."""


def profile(
    origin: Origin, travel_times: TravelTimes, relation: str, least_intensity: float
) -> dict[str, Any]:
    """P and S travel times (s) and intensity against epicentral distance (km), as plain lists.

    ``alert_km``: the distance to which ``least_intensity`` reaches, 0 where it is reached nowhere.
    """
    rows = event_rows(origin, travel_times, relation)
    last = rows.shape[1] - 1
    at = np.unique(
        np.concatenate(
            [np.arange(0, NEAR_KM, NEAR_STEP_KM), np.arange(NEAR_KM, last, FAR_STEP_KM), [last]]
        )
    ).astype(np.int64)
    strong = np.flatnonzero(rows[2] >= least_intensity)
    p_s, s_s, intensity = (np.round(row[at], 3).tolist() for row in rows)
    return {
        "scale": RELATIONS[relation][0],
        "distance_km": at.tolist(),
        "p_s": p_s,
        "s_s": s_s,
        "intensity": intensity,
        "alert_km": float(strong[-1]) if len(strong) else 0.0,
    }


def s_table(travel_times: TravelTimes) -> dict[str, Any]:
    """S travel times (s) by depth and distance (km), for a device to keep."""
    depths = [d for d in (0, 5, 10, 15, 20, 30, 40, 60, 80, 100) if d <= travel_times.max_depth_km]
    rows = [travel_times.rows(float(depth))[1] for depth in depths]
    at = np.arange(0, len(rows[0]), 5)
    return {
        "depth_km": depths,
        "distance_km": at.tolist(),
        "s_s": [np.round(row[at], 2).tolist() for row in rows],
    }
