"""Make seeds/tables/MODEL.npz: first P and S travel times of TauP for 0-1,000 km and 0-700 km
depth.

    python scripts/make_travel_times.py ak135 seeds/tables/ak135.npz

Down to 100 km there is a value each km of distance and depth; below, where nothing bends as fast,
one each 5 km (a linear blend is then within 0.02 s of TauP). Rays are TauP's (obspy.taup); between
neighbouring rays time is a cubic whose slope is the ray parameter (dT/dD = p), far within a
millisecond. Distances are along the surface of a sphere of 6,371 km, as TauP has them. Takes some
minutes.
"""

import sys
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from obspy.taup import TauPyModel
from obspy.taup.seismic_phase import SeismicPhase

RADIUS_KM = 6371.0
FINE_KM = np.arange(0.0, 1001.0), np.arange(0.0, 101.0)
DEEP_KM = np.arange(0.0, 1001.0, 5.0), np.arange(100.0, 701.0, 5.0)
PHASES = (("p", "P", "Pg", "Pn"), ("s", "S", "Sg", "Sn"))

Floats = NDArray[np.float64]


def times_at_depth(name: str, distances_km: Floats, depth_km: float) -> Floats:
    """First P and S times at one depth: (2, distances) in seconds."""
    tau = TauPyModel(name).model.depth_correct(depth_km)
    table = np.full((2, len(distances_km)), np.inf)
    for first, names in zip(table, PHASES, strict=True):
        for phase in names:
            rays = SeismicPhase(phase, tau)
            keep_earliest(first, distances_km / RADIUS_KM, rays.dist, rays.time, rays.ray_param)
    return table


def keep_earliest(
    first: Floats, angles: Floats, distances: Floats, times: Floats, slopes: Floats
) -> None:
    """Lower ``first`` to a phase's times where they are earlier; a ray parameter twice is a
    shadow."""
    for i in range(len(distances) - 1):
        (x0, x1), (p0, p1) = distances[i : i + 2], slopes[i : i + 2]
        if p0 == p1 or x0 == x1:
            continue
        inside = np.flatnonzero((angles >= min(x0, x1) - 1e-12) & (angles <= max(x0, x1) + 1e-12))
        u, width = (angles[inside] - x0) / (x1 - x0), x1 - x0
        time = (
            times[i] * (1 + 2 * u) * (1 - u) ** 2
            + times[i + 1] * u**2 * (3 - 2 * u)
            + width * (p0 * u * (1 - u) ** 2 - p1 * u**2 * (1 - u))
        )
        first[inside] = np.minimum(first[inside], time)


def main(name: str, target: Path) -> None:
    tables = {}
    with Pool() as pool:
        for which, (distances, depths) in (("", FINE_KM), ("deep_", DEEP_KM)):
            found = np.array(pool.map(partial(times_at_depth, name, distances), depths))
            if not np.isfinite(found).all():
                raise SystemExit(f"{name}: no arrival at {np.argwhere(~np.isfinite(found))[:5]}")
            tables |= {f"{which}p_s": found[:, 0], f"{which}s_s": found[:, 1]}
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        target,
        model=np.array(name),
        deep_step_km=np.array(5.0),
        **{key: table.astype(np.float32) for key, table in tables.items()},
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
