"""PURE: first arrivals in an Earth of layers with constant velocity, by ray tracing.

In a spherical shell of constant velocity v a ray is a straight chord. With the ray parameter p
(s/rad), the chord's least distance from the Earth's centre is p v, and between radii r1 < r2 it
takes

    angle  acos(p v / r2) - acos(p v / r1)
    time   (sqrt(r2² - (p v)²) - sqrt(r1² - (p v)²)) / v

(Aki & Richards 2002, section 9.3, for v constant). Three families of rays are traced from each
depth: straight up, down to a turning point in each layer below, and along each boundary (diffracted
round a fast layer, or a head wave). The earliest arrival at each distance is kept. 101 depths by
1,001 distances take about a tenth of a second.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

EARTH_RADIUS_KM = 6371.0
"""Radius of the Earth, km, as in TauP: layered and named models then agree on a km of distance."""
DISTANCES_KM = np.arange(0.0, 1001.0)
DEPTHS_KM = np.arange(0.0, 101.0)
BOTTOM_KM = 400.0
"""Depth of the model's bottom, km: first arrivals within 1,000 km turn above it."""
EDGE_KM = 1e-3
"""A ray that ends this near to a whole km, km, counts there: acos near 1 is accurate to 1e-8 rad, a
tenth of a metre."""
RAYS = 400
"""Rays of a family: linear interpolation between neighbours is then accurate to some milliseconds
(tests/test_layered.py)."""


def first_arrivals(tops_km: Floats, velocities_km_s: Floats) -> Floats:
    """First-arrival times of one wave type: (101, 1001) float64 s, a row for each km of depth.

    Columns are km of distance. ``tops_km`` (L,): depths of the layers' tops, from 0 down;
    ``velocities_km_s`` (L,). The last layer has no bottom.
    """
    return np.array([_row(float(depth_km), tops_km, velocities_km_s) for depth_km in DEPTHS_KM])


def _row(depth_km: float, tops_km: Floats, velocities: Floats) -> Floats:
    """First arrivals from one depth at each km of distance."""
    # The source splits its layer into two of one velocity, so that every ray passes whole shells
    above = int(np.searchsorted(tops_km, depth_km, side="right")) - 1
    if tops_km[above] == depth_km:
        tops, speeds, source = tops_km, velocities, above
    else:
        tops = np.insert(tops_km, above + 1, depth_km)
        speeds, source = np.insert(velocities, above + 1, velocities[above]), above + 1
    radii = EARTH_RADIUS_KM - np.append(tops, BOTTOM_KM)
    first = np.full(len(DISTANCES_KM), np.inf)
    for distance_km, time_s in _families(radii, speeds, source):
        _keep_earliest(first, distance_km, time_s)
    for layer in range(1, len(speeds)):
        _keep_boundary(first, radii, speeds, source, layer)
    return first


def _families(radii: Floats, speeds: Floats, source: int) -> Iterator[tuple[Floats, Floats]]:
    """Distance (km) and time (s) along each family of rays; ``source``: the shell below it."""
    fraction = np.linspace(0.0, 1.0, RAYS)
    if source > 0:
        steepest = (
            np.pi / 2 * (1 - (1 - fraction) ** 2)
        )  # dense towards the grazing ray, which goes farthest
        most = float((radii[1 : source + 1] / speeds[:source]).min())
        up = _legs(radii, speeds, most * np.sin(steepest), 0, source)
        yield up[0] * EARTH_RADIUS_KM, up[1]
    for layer in range(source, len(speeds)):
        # dense towards the ray that just dips into the layer
        turning = radii[layer] - (radii[layer] - radii[layer + 1]) * fraction**2
        p = turning / speeds[layer]
        p = p[p <= (radii[1 : layer + 1] / speeds[:layer]).min(initial=np.inf)]
        if len(p) == 0:
            continue
        chord = _chord(radii[layer], speeds[layer], p)
        through = _legs(radii, speeds, p, source, layer)
        up = _legs(radii, speeds, p, 0, layer)
        yield (up[0] + through[0] + chord[0]) * EARTH_RADIUS_KM, up[1] + through[1] + chord[1]


def _legs(radii: Floats, speeds: Floats, p: Floats, first: int, last: int) -> tuple[Floats, Floats]:
    """Angle (rad) and time (s) of each ray through the shells ``first`` to ``last`` (excluded)."""
    angle, time_s = np.zeros_like(p), np.zeros_like(p)
    for shell in range(first, last):
        least, speed = p * speeds[shell], speeds[shell]
        outer, inner = radii[shell], radii[shell + 1]
        angle += np.arccos(least / outer) - np.arccos(np.minimum(least / inner, 1.0))
        time_s += (
            np.sqrt(outer**2 - least**2) - np.sqrt(np.maximum(inner**2 - least**2, 0.0))
        ) / speed
    return angle, time_s


def _chord(radius: float, speed: float, p: Floats) -> tuple[Floats, Floats]:
    """Angle and time of the chord below a shell's top for rays that turn in it."""
    least = np.minimum(p * speed, radius)
    return 2 * np.arccos(least / radius), 2 * np.sqrt(radius**2 - least**2) / speed


def _keep_earliest(first: Floats, distance_km: Floats, time_s: Floats) -> None:
    """Lower ``first`` to a family's times; each run between turns of its distances by itself."""
    turns = np.flatnonzero(np.diff(np.sign(np.diff(distance_km))) != 0) + 1
    for run in np.split(np.arange(len(distance_km)), turns):
        part = np.append(run, run[-1] + 1) if run[-1] + 1 < len(distance_km) else run
        order = np.argsort(distance_km[part], kind="stable")
        x, t = distance_km[part][order], time_s[part][order]
        low, high = np.searchsorted(DISTANCES_KM, [x[0] - EDGE_KM, x[-1] + EDGE_KM])
        first[low:high] = np.minimum(first[low:high], np.interp(DISTANCES_KM[low:high], x, t))


def _keep_boundary(first: Floats, radii: Floats, speeds: Floats, source: int, layer: int) -> None:
    """Lower ``first`` to the wave along the top of ``layer``, at the faster side's velocity."""
    deepest = max(layer, source)
    p = np.array([radii[layer] / max(speeds[layer - 1], speeds[layer])])
    if p[0] > (radii[1 : deepest + 1] / speeds[:deepest]).min() * (1 + 1e-12):
        return
    to_surface = _legs(radii, speeds, p, 0, layer)
    to_source = _legs(radii, speeds, p, min(layer, source), deepest)
    angle = float(to_surface[0][0] + to_source[0][0])
    time_s = float(to_surface[1][0] + to_source[1][0])
    beyond = DISTANCES_KM / EARTH_RADIUS_KM - angle
    np.minimum(first, time_s + p[0] * beyond, out=first, where=beyond >= 0)
