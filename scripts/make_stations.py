"""Make seeds/stations/sichuan-yunnan.csv: a synthetic grid of stations about 15 km apart, marked by
the network code XS.

    python scripts/make_stations.py seeds/stations/sichuan-yunnan.csv

The real network's coordinates are not public; its mean spacing is. Each point of a hexagonal grid
is moved by up to 3 km; three in four stations carry an accelerometer (HN), the others a seismometer
(HH).
"""

import sys
from pathlib import Path

import numpy as np

SPACING_KM = 15.0
SOUTH, NORTH, WEST, EAST = 24.5, 33.3, 99.5, 107.0
KM_PER_DEGREE = 111.2


def main(target: Path) -> None:
    rng = np.random.default_rng(20190617)
    lines = ["station,latitude,longitude,elevation_m,sensor,noise"]
    row_step = SPACING_KM * np.sqrt(3) / 2 / KM_PER_DEGREE
    number = 0
    for row, latitude in enumerate(np.arange(SOUTH, NORTH, row_step)):
        step = SPACING_KM / (KM_PER_DEGREE * np.cos(np.radians(latitude)))
        for longitude in np.arange(WEST + (row % 2) * step / 2, EAST, step):
            number += 1
            north, east = rng.uniform(-3, 3, 2) / KM_PER_DEGREE
            sensor = "HN" if rng.random() < 0.75 else "HH"
            # Share of the way from the low- to the high-noise model, in dB
            noise = np.clip(rng.normal(0.5, 0.15), 0.1, 0.95)
            lines.append(
                f"S{number:04d},{latitude + north:.4f},{longitude + east:.4f},"
                f"{rng.integers(250, 3500)},{sensor},{noise:.2f}"
            )
    target.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
