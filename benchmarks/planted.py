"""Synthetic earthquakes planted in recorded noise: real sensors, real gaps, a real network's sparse
geometry.

    python -m benchmarks planted

The noise is what the recordings hold before their own earthquakes; places, depths (5-50 km),
magnitudes (4.5-6.8) and an Earth that differs from the locator's by 2.5 % in P and 1.5 % in S over
P are drawn with a seed. Asked for are those that at least four stations can see: P three times
above the noise.
"""

import math
from dataclasses import asdict, dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from benchmarks.harness import BenchmarkResult, budget
from benchmarks.suite import recorded
from benchmarks.suite.playing import apart_km, other_earth, versions_of
from ew import Origin, Packet
from ew.geo import destination, distance_km
from ew.report import by_event, is_match
from ew.sources.files import EventDir, load_event_dir
from ew.traveltimes import TravelTimes
from simulators.waveforms import ground_acceleration

NAME = "planted"
P_ERROR, VP_VS_ERROR = 0.025, 0.015
LASTS_S = 75.0
QUIET_S = 110.0
"""So much noise is needed: for the picker to warm up, and for the earthquake."""
CLEAR = 3.0
PACKET_S = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one earthquake; NaN where it was not found."""

    seed: int
    recording: str
    magnitude: float
    clear: int
    events: int
    late_s: float = math.nan
    first_km: float = math.nan
    last_km: float = math.nan
    last_magnitude: float = math.nan


@cache
def _noise(path: Path) -> tuple[EventDir, float]:
    """A recording, and until when (epoch s) it holds noise alone."""
    event_dir = load_event_dir(path)
    truth = event_dir.event.origin if event_dir.event is not None else None
    if truth is not None:
        return event_dir, truth.time_s - 2.0
    return event_dir, min(run.start_ns for run in event_dir.runs) / 1e9 + 2 * QUIET_S


def _origin(rng: np.random.Generator, places: np.ndarray, time_s: float) -> Origin:
    """Within 110 km of a station, and of three more within 130."""
    while True:
        near = places[rng.integers(len(places))]
        latitude, longitude = destination(*near, rng.uniform(0, 360), rng.uniform(5, 110))
        if np.sort(distance_km(latitude, longitude, places[:, 0], places[:, 1]))[3] < 130:
            break
    depth_km = float(np.clip(rng.lognormal(np.log(18), 0.6), 5, 50))
    magnitude = float(rng.uniform(4.5, 6.8))
    return Origin(time_s, float(latitude), float(longitude), depth_km, magnitude)


def _planted(
    event_dir: EventDir, end_s: float, origin: Origin, earth: TravelTimes, seed: int
) -> tuple[list[Packet], dict[str, tuple[float, float]]]:
    """The runs with the earthquake in them, and of each station when P comes and how far it stands
    above the noise.
    """
    runs, seen = [], {}
    stations = sorted({seed_id.rsplit(".", 1)[0] for seed_id in event_dir.channels})
    for run in event_dir.runs:
        start_s, rate = run.start_ns / 1e9, run.sampling_rate
        count = min(len(run.samples), int((end_s - start_s) * rate))
        if count < 2 * rate:
            continue
        station, channel = run.seed_id.rsplit(".", 1)[0], event_dir.channels[run.seed_id]
        away = float(
            distance_km(origin.latitude, origin.longitude, channel.latitude, channel.longitude)
        )
        p_s = origin.time_s + float(earth.p_s(away, origin.depth_km)) - start_s
        wave = ground_acceleration(
            np.random.default_rng([seed, stations.index(station)]),
            count,
            rate,
            magnitude=origin.magnitude,
            distance_km=math.hypot(away, origin.depth_km),
            p_onset_s=p_s,
            s_onset_s=origin.time_s + float(earth.s_s(away, origin.depth_km)) - start_s,
        )[max("ZNE".find(run.seed_id[-1]), 0)]
        wave *= channel.gain
        noise = run.samples[:count].astype(np.float64)
        at, part = round(p_s * rate), round(2 * rate)
        if run.seed_id.endswith("Z") and 6 * part < at < count - part:
            # By their slopes: offsets and slow drift are not what P has to stand out of
            above = np.diff(wave[at : at + part]).std() / np.diff(noise[at - 6 * part : at]).std()
            seen[station] = start_s + p_s, float(above)
        runs.append(replace(run, samples=(noise + wave).astype(np.float32)))
    return runs, seen


def planted(task: tuple[Path, int]) -> Outcome | None:
    """One earthquake; ``None`` where the recording has too little noise for it."""
    path, seed = task
    rng = np.random.default_rng([8, seed])
    event_dir, end_s = _noise(path)
    if end_s - min(run.start_ns for run in event_dir.runs) / 1e9 < QUIET_S:
        return None
    table = TravelTimes.load()
    earth = other_earth(rng, table, P_ERROR, VP_VS_ERROR)
    places = np.array(sorted({(c.latitude, c.longitude) for c in event_dir.channels.values()}))
    origin = _origin(rng, places, end_s - LASTS_S)
    runs, seen = _planted(event_dir, end_s, origin, earth, seed)
    packets = replace(event_dir, runs=runs).packets(PACKET_S)
    versions = versions_of(event_dir.inventory, packets, table)
    events = list(by_event(versions).values())
    clear_s = sorted(time_s for time_s, above in seen.values() if above >= CLEAR)
    found = Outcome(seed, path.name, origin.magnitude, len(clear_s), len(events))
    ours = [event for event in events if is_match(event[0], origin)]
    if not ours or len(clear_s) < recorded.CLEAR_ONSETS:
        return found
    first, last = ours[0][0], ours[0][-1]
    return replace(
        found,
        late_s=first.issued_s - clear_s[recorded.CLEAR_ONSETS - 1],
        first_km=apart_km(first, origin),
        last_km=apart_km(last, origin),
        last_magnitude=last.origin.magnitude - origin.magnitude,
    )


def run(quick: bool) -> BenchmarkResult:
    folders = recorded.directories()
    if not folders:
        reason = f"no recordings at {recorded.RECORDED} (set EW_RECORDED)"
        return BenchmarkResult(NAME, [{"skipped": reason}])
    tasks = [(folders[seed % len(folders)], seed) for seed in range(6 if quick else 260)]
    with get_context("spawn").Pool(2 if quick else None) as pool:
        outcomes = [o for o in pool.map(planted, tasks, chunksize=2) if o is not None]
    asked = [o for o in outcomes if o.clear >= recorded.CLEAR_ONSETS]
    found = [o for o in asked if not math.isnan(o.late_s)]

    def spread(what: str, values: list[float], beyond: float) -> dict[str, object]:
        low, middle, high = np.percentile(values, [10, 50, 90]) if values else [math.nan] * 3
        share = 100 * float(np.mean(np.abs(values) > beyond)) if values else 0.0
        return {
            "what": what,
            "p10": low,
            "p50": middle,
            "p90": high,
            "limit": beyond,
            "beyond %": share,
        }

    rows = [
        spread("first alert after the 4th clear P, s", [o.late_s for o in found], 2.0),
        spread("first epicentre off, km", [o.first_km for o in found], 40.0),
        spread("last epicentre off, km", [o.last_km for o in found], 25.0),
        spread("last magnitude off", [o.last_magnitude for o in found], 0.6),
    ]
    figures = {
        "found": 100 * len(found) / max(len(asked), 1),
        "false or split": float(sum(max(o.events - 1, 0) for o in outcomes)),
        "first epicentre beyond 40 km": float(str(rows[1]["beyond %"])),
        "last epicentre beyond 25 km": float(str(rows[2]["beyond %"])),
        "last magnitude beyond 0.6": float(str(rows[3]["beyond %"])),
    }
    budgets = [] if quick else [budget(NAME, name, value) for name, value in figures.items()]
    note = (
        f"{len(outcomes)} earthquakes, {len(asked)} that four stations can see, "
        f"{len(found)} of them found"
    )
    return BenchmarkResult(NAME, rows, budgets, (note,), details=[asdict(o) for o in outcomes])
