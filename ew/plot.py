"""Figures of a replay (matplotlib): record section, map, and magnitude and place over time."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np

from ew.components import station_of, verticals_of
from ew.errors import InputError
from ew.geo import destination, distance_km, wrap_longitude
from ew.records import EventVersion, Pick
from ew.report import by_event
from ew.shaking import event_rows
from ew.sources.files import EventDir
from ew.times import seconds_from_ns
from ew.traveltimes import TravelTimes

mpl.use("Agg")

from matplotlib import pyplot as plt

P_COLOUR, S_COLOUR = "tab:blue", "tab:red"


def plot_replay(
    path: Path,
    event_dir: EventDir,
    picks: Sequence[Pick],
    versions: Sequence[EventVersion],
    travel_times: TravelTimes,
) -> None:
    """Draw a replay: record section, map, and the event's versions over time.

    The section shows picks and theoretical P and S; the map shows stations, the epicentre of each
    version, its uncertainty, and the distance to which intensity 2 reaches.

    Raises:
        InputError: the file can't be written or its suffix is no picture's.
    """
    figure = plt.figure(figsize=(15, 9), layout="constrained")
    axes = figure.subplot_mosaic([["section", "map"], ["section", "growth"]], width_ratios=[1.2, 1])
    history = next(iter(by_event(versions).values()), [])
    _section(axes["section"], event_dir, picks, history, travel_times)
    _map(axes["map"], event_dir, picks, history, travel_times)
    _growth(axes["growth"], event_dir, history)
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: can't draw it: {error}") from error
    finally:
        plt.close(figure)


def _reference(
    event_dir: EventDir, history: Sequence[EventVersion]
) -> tuple[float, float, float, float] | None:
    """Origin time (s), latitude, longitude and depth of our last version, else the catalogue's."""
    if history:
        origin = history[-1].origin
    elif event_dir.event is not None and event_dir.event.origin is not None:
        origin = event_dir.event.origin
    else:
        return None
    depth_km = origin.depth_km if np.isfinite(origin.depth_km) else 15.0
    return origin.time_s, origin.latitude, origin.longitude, depth_km


def _section(
    ax: Any,
    event_dir: EventDir,
    picks: Sequence[Pick],
    history: Sequence[EventVersion],
    travel_times: TravelTimes,
) -> None:
    reference = _reference(event_dir, history)
    verticals = set(verticals_of(event_dir.inventory).values())
    vertical = [run for run in event_dir.runs if run.seed_id in verticals]
    zero_s = reference[0] if reference else seconds_from_ns(min(run.start_ns for run in vertical))
    window = (-10.0, 70.0) if reference else (0.0, 240.0)
    places = {c.seed_id: c for c in event_dir.inventory.values()}
    away: dict[str, float] = {}
    for number, run in enumerate(vertical):
        channel = places[run.seed_id]
        at = (
            float(distance_km(reference[1], reference[2], channel.latitude, channel.longitude))
            if reference
            else float(number)
        )
        away[run.seed_id] = at
        t = seconds_from_ns(run.start_ns) - zero_s + np.arange(len(run.samples)) / run.sampling_rate
        inside = (t >= window[0]) & (t <= window[1])
        if inside.any():
            wave = run.samples[inside].astype(np.float64)
            wave -= np.median(wave)
            scale = 8.0 / max(float(np.abs(wave).max()), 1e-12)
            ax.plot(t[inside], at + wave * scale, color="0.45", linewidth=0.5)
    for pick in picks:
        if pick.seed_id in away:
            ax.plot(
                seconds_from_ns(pick.time_ns) - zero_s,
                away[pick.seed_id],
                "|",
                color="black",
                markersize=14,
            )
    if reference:
        distance = np.linspace(0, max(away.values(), default=100.0), 200)
        ax.plot(
            travel_times.p_s(distance, reference[3]), distance, color=P_COLOUR, label="P, ak135"
        )
        ax.plot(
            travel_times.s_s(distance, reference[3]), distance, color=S_COLOUR, label="S, ak135"
        )
        ax.legend(loc="lower right")
    for version in history[:1]:
        ax.axvline(version.issued_s - zero_s, color="tab:orange", label="first alert")
    ax.set(
        xlim=window,
        xlabel="seconds after the origin",
        ylabel="distance, km",
        title=event_dir.path.name,
    )


def _map(
    ax: Any,
    event_dir: EventDir,
    picks: Sequence[Pick],
    history: Sequence[EventVersion],
    travel_times: TravelTimes,
) -> None:
    picked = {station_of(pick.seed_id) for pick in picks}
    verticals = verticals_of(event_dir.inventory).values()
    # Longitudes are drawn relative to the first station: the date line is no edge of the map
    middle = event_dir.inventory[next(iter(verticals))].longitude if verticals else 0.0

    def east(longitude: float) -> float:
        return middle + float(wrap_longitude(longitude - middle))

    for seed_id in verticals:
        channel = event_dir.inventory[seed_id]
        is_picked = station_of(seed_id) in picked
        colour = "tab:green" if is_picked else "0.7"
        ax.plot(east(channel.longitude), channel.latitude, "^", color=colour)
    if history:
        ax.plot(
            [east(v.origin.longitude) for v in history],
            [v.origin.latitude for v in history],
            ".-",
            color="tab:orange",
        )
        last = history[-1].origin
        ax.plot(
            east(last.longitude),
            last.latitude,
            "*",
            color="tab:red",
            markersize=16,
            label="last version",
        )
        if np.isfinite(last.horizontal_error_km):
            _circle(
                ax,
                last.latitude,
                east(last.longitude),
                last.horizontal_error_km,
                "tab:red",
                "uncertainty",
            )
        rows = event_rows(last, travel_times, "csis-sichuan")
        _circle(
            ax,
            last.latitude,
            east(last.longitude),
            float((rows[2] >= 2.0).sum()),
            "tab:orange",
            "intensity 2",
        )
    if event_dir.event is not None and event_dir.event.origin is not None:
        truth = event_dir.event.origin
        ax.plot(
            east(truth.longitude),
            truth.latitude,
            "x",
            color="black",
            markersize=12,
            label="catalogue",
        )
    if ax.get_legend_handles_labels()[0]:
        ax.legend(fontsize=8)
    ax.set(
        xlabel="longitude", ylabel="latitude", aspect=1 / np.cos(np.radians(np.mean(ax.get_ylim())))
    )


def _circle(
    ax: Any,
    latitude: float,
    longitude: float,
    radius_km: float,
    colour: str,
    label: str,
) -> None:
    latitudes, longitudes = destination(
        latitude, longitude, np.linspace(0, 360, 100), np.full(100, radius_km)
    )
    ax.plot(
        longitude + wrap_longitude(longitudes - longitude),
        latitudes,
        "--",
        color=colour,
        linewidth=1,
        label=label,
    )


def _growth(ax: Any, event_dir: EventDir, history: Sequence[EventVersion]) -> None:
    if not history:
        ax.set_title("no event declared")
        return
    truth = event_dir.event.origin if event_dir.event is not None else None
    zero_s = truth.time_s if truth is not None else history[-1].origin.time_s
    t = [v.issued_s - zero_s for v in history]
    ax.plot(t, [v.origin.magnitude for v in history], "o-", color="tab:purple", label="magnitude")
    ax.set(xlabel="seconds after the origin", ylabel="magnitude")
    if truth is not None:
        ax.axhline(truth.magnitude, color="tab:purple", linestyle=":")
        other = ax.twinx()
        errors = [
            float(
                distance_km(v.origin.latitude, v.origin.longitude, truth.latitude, truth.longitude)
            )
            for v in history
        ]
        other.plot(t, errors, "s-", color="tab:orange", label="epicentre error")
        other.set(ylabel="epicentre error, km", ylim=(0, None))
