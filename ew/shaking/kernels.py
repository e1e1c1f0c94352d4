"""PURE: the compiled pass over targets: distance, S arrival and intensity of each in one go.

A target is its ECEF place (x, y, z rows of (3, D) f8, km) and the radius (km) within which its nearest point may lie (0
for a device, a cell's half width for a cell). What depends on distance comes from ``rows`` made once an event: at each
km of distance P time, S time (s) and intensity, so that a million targets cost no logarithm.
"""

import numpy as np
from numba import njit, prange


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _distance(ecef, i, x, y, z, inverse, radius_km):
    dx, dy, dz = ecef[0, i] - x, ecef[1, i] - y, ecef[2, i] - z
    c2 = dx * dx + dy * dy + dz * dz
    t = c2 * inverse
    # 2R asin(c / 2R) as a series in (c / 2R)²: within a metre out to 1,000 km
    arc = np.sqrt(c2) * (1 + t * (1 / 6 + t * (3 / 40 + t * (15 / 336))))
    return max(arc - radius_km[i], 0.0)


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def estimate_targets(ecef, radius_km, place, earth_radius_km, rows, distance, p_s, s_s, intensity):
    """Fill distance (km), P and S travel time (s) and intensity of each target.

    ``place`` (3,) f8 ECEF of the epicentre; ``rows`` (3, K) f8 each km: P, S, intensity; out (D,) f8 each. Beyond the
    last row times go on with the last slope and intensity stays.
    """
    inverse = 1 / (4 * earth_radius_km * earth_radius_km)
    last = rows.shape[1] - 2
    for i in prange(ecef.shape[1]):
        arc = _distance(ecef, i, place[0], place[1], place[2], inverse, radius_km)
        at = min(int(arc), last)
        u = arc - at
        distance[i] = arc
        p_s[i] = rows[0, at] + u * (rows[0, at + 1] - rows[0, at])
        s_s[i] = rows[1, at] + u * (rows[1, at + 1] - rows[1, at])
        intensity[i] = rows[2, at] + min(u, 1.0) * (rows[2, at + 1] - rows[2, at])


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def rank_targets(
    ecef,
    radius_km,
    place,
    earth_radius_km,
    rows,
    least,
    since_s,
    lanes,
    per_s,
    keys,
    s_s,
    intensity,
):
    """Sending keys of all targets: lane above quantised S arrival; 65535 for those below their threshold.

    ``least`` (D,) f4: least intensity of each target; ``since_s``: seconds from origin to now; ``lanes`` (L,) f8: least
    intensity of each lane, most urgent first; ``per_s``: steps of a key a second. Out: ``keys`` (D,) u2 (3 bits of lane, the
    upper half for targets S has reached; 13 bits of time), ``s_s`` (D,) f8, ``intensity`` (D,) f4.
    """
    inverse = 1 / (4 * earth_radius_km * earth_radius_km)
    last = rows.shape[1] - 2
    for i in prange(ecef.shape[1]):
        arc = _distance(ecef, i, place[0], place[1], place[2], inverse, radius_km)
        at = min(int(arc), last)
        u = arc - at
        strength = rows[2, at] + min(u, 1.0) * (rows[2, at + 1] - rows[2, at])
        arrival = rows[1, at] + u * (rows[1, at + 1] - rows[1, at])
        s_s[i], intensity[i] = arrival, strength
        lane = 0
        while lane < len(lanes) - 1 and strength < lanes[lane]:
            lane += 1
        if arrival <= since_s:
            lane += len(lanes)
        keys[i] = (lane << 13) | min(int(arrival * per_s), 8190) if strength >= least[i] else 65535
