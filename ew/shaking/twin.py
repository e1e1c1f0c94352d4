"""PURE: the pass over targets in NumPy: distance, S arrival and intensity of all.

A target is its ECEF place (x, y, z rows of (3, D), km) and the radius (km) within which its nearest
point may lie (0 for a device, a cell's half width for a cell). Functions of distance come from
``rows`` (3, K), made once for each event: at each km of distance P time, S time (s) and intensity.
Tests compare the compiled form (``core.c``) with this one, which runs where there was no compiler.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
NOT_TOLD = 65535
LANE_BITS, LAST_STEP = 13, 8190


def _arc_km(ecef: Array, radius_km: Array, place: Array, earth_radius_km: float) -> Array:
    """2R asin(c / 2R) as a series in (c / 2R)²: within a metre out to 1,000 km; less the radius."""
    kind = ecef.dtype.type
    apart = ecef - np.asarray(place, kind)[:, None]
    c2 = apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2]
    t = c2 * kind(1 / (4 * earth_radius_km * earth_radius_km))
    sixth, cubic, quintic = kind(1 / 6), kind(3 / 40), kind(15 / 336)
    arc = np.sqrt(c2) * (kind(1) + t * (sixth + t * (cubic + t * quintic))) - radius_km
    return np.asarray(np.maximum(arc, kind(0)))


def _at_distance(rows: Array, arc: Array) -> tuple[Array, Array, Array]:
    """P, S and intensity at each distance.

    Beyond the last row times are extrapolated with the last slope, and intensity stays.
    """
    at = np.minimum(arc, rows.shape[1] - 2).astype(np.int64)
    u = arc - at.astype(arc.dtype)
    p_s, s_s = (row[at] + u * (row[at + 1] - row[at]) for row in rows[:2])
    part = np.minimum(u, arc.dtype.type(1))
    return p_s, s_s, rows[2, at] + part * (rows[2, at + 1] - rows[2, at])


def estimate_targets(
    ecef: Array,
    radius_km: Array,
    place: Array,
    earth_radius_km: float,
    rows: Array,
    distance: Array,
    p_s: Array,
    s_s: Array,
    intensity: Array,
    /,
) -> None:
    """Fill distance (km), P and S travel time (s) and intensity of each target; all f8.

    ``place`` (3,) ECEF of the epicentre; out (D,) each.
    """
    distance[:] = _arc_km(ecef, radius_km, place, earth_radius_km)
    p_s[:], s_s[:], intensity[:] = _at_distance(rows, distance)


def rank_targets(
    ecef: Array,
    radius_km: Array,
    place: Array,
    earth_radius_km: float,
    rows: Array,
    least: Array,
    since_s: float,
    lanes_km: Array,
    per_s: float,
    keys: Array,
    s_s: Array,
    intensity: Array,
    /,
) -> None:
    """Sending keys of all targets: lane above quantised S arrival; 65535 below their threshold.

    ``ecef`` (3, D), ``radius_km``, ``least`` (D,), ``rows`` (3, K) f4: places (a metre is enough),
    half widths, least intensities; ``since_s``: seconds from origin to now; ``lanes_km`` (4,) f4:
    the reach of each lane, most urgent first; ``per_s``: steps of a key, 1/s. Out: ``keys`` (D,) u2
    (3 bits of lane, the upper half for targets S has reached; 13 bits of time), ``s_s``,
    ``intensity`` (D,) f4.
    """
    arc = _arc_km(ecef, radius_km, place, earth_radius_km)
    _, s_s[:], intensity[:] = _at_distance(rows, arc)
    lane = (arc[None] > lanes_km[:3, None]).sum(axis=0) + 4 * (s_s <= np.float32(since_s))
    step = np.minimum(s_s * np.float32(per_s), LAST_STEP).astype(np.int64)
    keys[:] = np.where(intensity >= least, (lane << LANE_BITS) | step, NOT_TOLD)


def order_by_key(keys: NDArray[np.uint16], order: NDArray[np.int64], /) -> None:
    """Indices of targets by their sending keys, smallest first; equal keys stay in their order.

    ``keys`` (D,) u2. Out: ``order`` (D,) i8.
    """
    order[:] = np.argsort(keys, kind="stable")


def second_strongest(
    ecef: Array, radius_km: Array, places: Array, seen: Array, reach_km: float, found: Array, /
) -> None:
    """The second strongest intensity of stations within reach of each target, 0 for fewer than two.

    ``ecef`` (3, D), ``radius_km`` (D,) f4: targets; ``places`` (3, N), ``seen`` (N,) f4: stations.
    Out: ``found`` (D,) f4.
    """
    reach = np.float32(reach_km) + radius_km
    first = np.zeros_like(found)
    found[:] = 0
    for place, felt in zip(places.T, seen, strict=True):
        apart = ecef - place[:, None]
        c2 = apart[0] * apart[0] + apart[1] * apart[1] + apart[2] * apart[2]
        is_near = c2 <= reach * reach
        found[:] = np.where(is_near, np.maximum(found, np.minimum(first, felt)), found)
        first = np.where(is_near, np.maximum(first, felt), first)
