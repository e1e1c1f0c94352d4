"""Make docs/changning.png: a replayed earthquake as a map: stations, wavefronts, alerted cells,
seconds each city has left.

python scripts/make_picture.py docs/changning.png
"""

import sys
from pathlib import Path

import h3
import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.collections import PolyCollection

from ew import Config, EventVersion
from ew.geo import destination
from ew.pipeline import Pipeline
from ew.shaking import estimate
from ew.shaking.targets import cells_around
from ew.traveltimes import TravelTimes
from simulators import scenario

BACKGROUND, INK = "#10151c", "#dfe6ee"


def first_version(
    chosen: scenario.Scenario, travel_times: TravelTimes
) -> tuple[EventVersion, set[str]]:
    """The first alert of a scenario, as the pipeline gives it, and the stations that had picked by
    then.
    """
    play = chosen.play()
    pipeline = Pipeline(Config(), play.inventory, travel_times)
    picked: set[str] = set()
    for now_ns, packets in pipeline.moments(play.packets()):
        output = pipeline.feed(packets, now_ns)
        picked |= {pick.seed_id.split(".")[1] for pick in output.picks}
        if output.versions:
            return output.versions[0], picked
    raise SystemExit("no event was declared")


def main(target: Path) -> None:
    chosen = scenario.load("changning")
    travel_times = TravelTimes.load()
    version, picked = first_version(chosen, travel_times)
    origin, after_s = version.origin, version.issued_s - chosen.origin.time_s
    figure, ax = plt.subplots(figsize=(9.6, 8.2), facecolor=BACKGROUND, layout="constrained")
    ax.set_facecolor("#0b0f14")
    cells = cells_around(origin.latitude, origin.longitude, 280.0)
    centres = np.array([h3.cell_to_latlng(cell) for cell in cells])
    found = estimate(origin, centres[:, 0], centres[:, 1])
    told = found.intensity >= 2.0
    lead_s = found.s_arrival_s - version.issued_s
    shapes = [
        [(lon, lat) for lat, lon in h3.cell_to_boundary(cell)]
        for cell, ok in zip(cells, told, strict=True)
        if ok
    ]
    colours = PolyCollection(
        shapes,
        array=lead_s[told],
        cmap="plasma_r",
        alpha=0.55,
        edgecolors="#0b0f14",
        linewidths=0.4,
    )
    colours.set_clim(0, 70)
    ax.add_collection(colours)
    for station in chosen.stations:
        is_hot = station.code in picked
        ax.plot(
            station.longitude, station.latitude, "^", markersize=7 if is_hot else 2.6,
            color="#6fdc8c" if is_hot else "#8fa3b8", zorder=4,
        )  # fmt: skip
    azimuth = np.linspace(0, 360, 200)
    for table, colour, name in (
        (travel_times.p_s, "#4aa3ff", "P"),
        (travel_times.s_s, "#ff5050", "S"),
    ):
        radius = np.interp(after_s, table(np.arange(400.0), origin.depth_km), np.arange(400.0))
        lat, lon = destination(origin.latitude, origin.longitude, azimuth, radius)
        if radius > 0:
            ax.plot(lon, lat, color=colour, linewidth=2.2, label=f"{name}-wave now", zorder=5)
    ax.plot(origin.longitude, origin.latitude, "*", color="#ffdd33", markersize=20, zorder=6)
    places = estimate(
        origin, [c.latitude for c in chosen.cities], [c.longitude for c in chosen.cities]
    )
    for city, arrival_s, strength in zip(
        chosen.cities, places.s_arrival_s, places.intensity, strict=True
    ):
        ax.plot(city.longitude, city.latitude, "o", color="white", markersize=5, zorder=6)
        lead_s = max(0.0, arrival_s - version.issued_s)
        label = f" {city.name}: {lead_s:.0f} s, intensity {strength:.1f} "
        side = "left" if city.longitude > origin.longitude - 0.05 else "right"
        ax.text(
            city.longitude,
            city.latitude,
            label,
            color="white",
            fontsize=10,
            zorder=7,
            ha=side,
            weight="bold",
        )
    bar = figure.colorbar(colours, ax=ax, shrink=0.8, pad=0.01)
    bar.set_label("seconds of warning before the S-wave", color=INK)
    bar.ax.tick_params(colors=INK)
    ax.set_title(
        f"{chosen.title}, {after_s:.1f} s after the origin: M {origin.magnitude:.1f} from "
        f"{version.stations} stations, "
        f"{int(told.sum())} cells alerted",
        color=INK, fontsize=13,
    )  # fmt: skip
    ax.legend(loc="lower left", facecolor=BACKGROUND, labelcolor=INK)
    ax.set(xlim=(102.6, 107.2), ylim=(26.4, 31.2), aspect=1 / np.cos(np.radians(origin.latitude)))
    ax.tick_params(colors=INK)
    figure.savefig(target, dpi=100)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
