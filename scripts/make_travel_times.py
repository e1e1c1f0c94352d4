"""Make seeds/tables/MODEL.npz: first P and S travel times by obspy.taup, 0-1,000 km by 0-100 km, each km.

    python scripts/make_travel_times.py ak135 seeds/tables/ak135.npz

Takes some minutes. Distances are along the surface of a sphere of 6,371 km, as TauP has them.
"""

import sys
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from obspy.geodetics import kilometers2degrees
from obspy.taup import TauPyModel

DISTANCES_KM = np.arange(0.0, 1001.0)
DEPTHS_KM = np.arange(0.0, 101.0)
PHASES = {"p": ["p", "P", "Pg", "Pn"], "s": ["s", "S", "Sg", "Sn"]}


def times_at_depth(task: tuple[str, float]) -> np.ndarray:
    """First P and S times at one depth: (2, distances) in seconds."""
    name, depth_km = task
    model = TauPyModel(name)
    table = np.full((2, len(DISTANCES_KM)), np.nan)
    for row, phases in enumerate(PHASES.values()):
        for column, distance_km in enumerate(DISTANCES_KM):
            degrees = kilometers2degrees(distance_km)
            arrivals = model.get_travel_times(depth_km, degrees, phase_list=phases)
            if arrivals:
                table[row, column] = arrivals[0].time
    return table


def main(name: str, target: Path) -> None:
    with Pool() as pool:
        tables = np.array(pool.map(times_at_depth, [(name, d) for d in DEPTHS_KM], chunksize=1))
    if np.isnan(tables).any():
        raise SystemExit(f"{name}: TauP gave no arrival at {np.argwhere(np.isnan(tables))[:5]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        target,
        model=np.array(name),
        distance_step_km=np.array(1.0),
        depth_step_km=np.array(1.0),
        p_s=tables[:, 0].astype(np.float32),
        s_s=tables[:, 1].astype(np.float32),
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
