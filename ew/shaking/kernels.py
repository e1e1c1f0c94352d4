"""PURE: the compiled pass over targets: distance, S arrival and intensity of each in one go.

A target is its ECEF place (x, y, z rows of (3, D) f8, km) and the radius (km) within which its nearest point may lie (0
for a device, a cell's half width for a cell). What depends on distance comes from ``rows`` made once an event: at each
km of distance P time, S time (s) and intensity, so that a million targets cost no logarithm.
"""

import numba
import numpy as np
from numba import njit, prange

MANY_TARGETS = 100_000


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
def _rank_targets(
    ecef,
    radius_km,
    place,
    earth_radius_km,
    rows,
    least,
    since_s,
    lanes_km,
    per_s,
    keys,
    s_s,
    intensity,
):
    """Sending keys of all targets: lane above quantised S arrival; 65535 for those below their threshold.

    ``ecef`` (3, D), ``radius_km``, ``least`` (D,) f4: places (a metre is enough), half widths, least intensities;
    ``since_s``: seconds from origin to now; ``lanes_km`` (4,) f4: how far each lane reaches, most urgent first; ``per_s``:
    steps of a key a second. Out: ``keys`` (D,) u2 (3 bits of lane, the upper half for targets S has reached; 13 bits of
    time), ``s_s``, ``intensity`` (D,) f4.

    Lanes by distance instead of intensity: no branch is left, and the loop runs in vectors (13 ms to 5 a million).
    """
    inverse = np.float32(1 / (4 * earth_radius_km * earth_radius_km))
    last = np.int32(rows.shape[1] - 2)
    x, y, z = np.float32(place[0]), np.float32(place[1]), np.float32(place[2])
    near, middle, far = lanes_km[0], lanes_km[1], lanes_km[2]
    now, steps = np.float32(since_s), np.float32(per_s)
    one, sixth, cubic, quintic = (
        np.float32(1),
        np.float32(1 / 6),
        np.float32(3 / 40),
        np.float32(15 / 336),
    )
    for i in prange(ecef.shape[1]):
        dx, dy, dz = ecef[0, i] - x, ecef[1, i] - y, ecef[2, i] - z
        c2 = dx * dx + dy * dy + dz * dz
        t = c2 * inverse
        arc = max(
            np.sqrt(c2) * (one + t * (sixth + t * (cubic + t * quintic))) - radius_km[i],
            np.float32(0),
        )
        at = min(np.int32(arc), last)
        u = arc - np.float32(at)
        strength = rows[2, at] + min(u, one) * (rows[2, at + 1] - rows[2, at])
        arrival = rows[1, at] + u * (rows[1, at + 1] - rows[1, at])
        s_s[i], intensity[i] = arrival, strength
        lane = np.int32(arc > near) + np.int32(arc > middle) + np.int32(arc > far)
        lane += np.int32(4) * np.int32(arrival <= now)
        step = min(np.int32(arrival * steps), np.int32(8190))
        keys[i] = (
            np.uint16((lane << np.int32(13)) | step) if strength >= least[i] else np.uint16(65535)
        )


@njit(cache=True, nogil=True, error_model="numpy", parallel=True)
def second_strongest(ecef, radius_km, places, seen, reach_km, found):
    """The second strongest intensity seen by stations within reach of each target; 0 where fewer than two are.

    ``ecef`` (3, D), ``radius_km`` (D,) f4: targets; ``places`` (3, N), ``seen`` (N,) f4: stations. Out: ``found`` (D,) f4.
    """
    for i in prange(ecef.shape[1]):
        first, second = np.float32(0), np.float32(0)
        reach = reach_km + radius_km[i]
        for k in range(places.shape[1]):
            dx, dy = ecef[0, i] - places[0, k], ecef[1, i] - places[1, k]
            dz = ecef[2, i] - places[2, k]
            if dx * dx + dy * dy + dz * dz <= reach * reach and seen[k] > second:
                first, second = max(first, seen[k]), min(first, seen[k])
        found[i] = second


def rank_targets(
    ecef,
    radius_km,
    place,
    earth_radius_km,
    rows,
    least,
    since_s,
    lanes_km,
    per_s,
    keys,
    s_s,
    intensity,
):
    """``_rank_targets`` on as many threads as the work is worth: waking them costs more than some ten thousand targets."""
    threads = numba.config.NUMBA_NUM_THREADS if ecef.shape[1] >= MANY_TARGETS else 1
    numba.set_num_threads(threads)
    _rank_targets(
        ecef,
        radius_km,
        place,
        earth_radius_km,
        rows,
        least,
        since_s,
        lanes_km,
        per_s,
        keys,
        s_s,
        intensity,
    )
