"""Event truth on synthetic networks: how soon, how far off, how large; and what must not alert.

    python -m benchmarks scenarios

Seeded random earthquakes (M 3-8, 2-40 km deep, inside, at the edge of and up to 100 km outside the Sichuan network; up to
30 % of stations dead, up to 2 s of telemetry delay) and a suite of things that are no earthquake near by. The reference is
the physics: P at the fourth-nearest live station, plus that station's delay.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from multiprocessing import get_context

import numpy as np

from benchmarks.harness import BenchmarkResult, budget
from ew import Config, EventVersion, Origin, Packet
from ew.geo import destination, distance_km
from ew.pipeline import Pipeline
from ew.traveltimes import TravelTimes
from simulators import scenario
from simulators.scenario import Play, Station, arrivals

NAME = "scenarios"
SMALLEST = 4.0
"""Below this nobody is alerted, and not seeing one is no miss."""
START_S = 1_600_000_000.0
LEAD_S, LASTS_S = 25.0, 60.0
Packets = Iterator[tuple[int, Packet]]


@dataclass(frozen=True, slots=True)
class Case:
    """One random earthquake and the network it meets."""

    seed: int
    place: str
    origin: Origin
    play: Play
    limit_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case; NaN where there was no event."""

    place: str
    magnitude: float
    detected: bool
    false_events: int
    late_s: float
    first_km: float
    last_km: float
    depth_km: float
    time_s: float
    first_magnitude: float
    last_magnitude: float


def random_case(seed: int, stations: list[Station], table: TravelTimes) -> Case:
    """A seeded earthquake; the nearest 160 stations within 220 km take part."""
    rng = np.random.default_rng([77, seed])
    place = ("inside", "edge", "outside")[seed % 3]
    latitude, longitude = _epicentre(rng, place)
    magnitude = float(rng.uniform(3.0, 8.0))
    origin = Origin(START_S + LEAD_S, latitude, longitude, float(rng.uniform(2, 40)), magnitude)
    alive = [s for s in stations if rng.random() > rng.uniform(0, 0.3)]
    away = distance_km(
        latitude, longitude, [s.latitude for s in alive], [s.longitude for s in alive]
    )
    near = [alive[i] for i in np.argsort(away)[:160] if away[i] < 260]
    near = [replace(s, noise=min(1.0, s.noise + 0.3)) if rng.random() < 0.1 else s for s in near]
    delays = {s.code: float(rng.uniform(0, 2)) for s in near}
    play = Play(near, [origin], START_S, LEAD_S + LASTS_S, seed, delays)
    times = sorted(arrivals(origin, s, table)[0] + delays[s.code] for s in near)
    return Case(seed, place, origin, play, times[3] if len(times) > 3 else math.nan)


def _epicentre(rng: np.random.Generator, place: str) -> tuple[float, float]:
    south, north, west, east = 24.5, 33.3, 99.5, 107.0
    if place == "inside":
        return float(rng.uniform(south + 1, north - 1)), float(rng.uniform(west + 1, east - 1))
    latitude = float(rng.uniform(south + 0.5, north - 0.5))
    if place == "edge":
        return latitude, west + float(rng.uniform(-0.1, 0.1))
    lat, lon = destination(latitude, west, 270.0, float(rng.uniform(20, 100)))
    return float(lat), float(lon)


def play_through(
    play: Play, table: TravelTimes, packets: Packets | None = None
) -> list[EventVersion]:
    """All versions the pipeline gives for a play."""
    pipeline = Pipeline(Config(), play.inventory, table)
    moments = pipeline.moments(
        packets if packets is not None else play.packets(1.0, travel_times=table)
    )
    return [v for now_ns, tick in moments for v in pipeline.feed(tick, now_ns).versions]


def outcome(case: Case, versions: list[EventVersion]) -> Outcome:
    """Judge a case; an event farther than 100 km or 15 s away is false."""
    truth = case.origin
    events: dict[str, list[EventVersion]] = {}
    for version in versions:
        events.setdefault(version.event_id, []).append(version)

    def error_km(version: EventVersion) -> float:
        o = version.origin
        return float(distance_km(truth.latitude, truth.longitude, o.latitude, o.longitude))

    ours = [
        e
        for e in events.values()
        if error_km(e[-1]) < 100 and abs(e[-1].origin.time_s - truth.time_s) < 15
    ]
    if not ours:
        nan = math.nan
        return Outcome(
            case.place, truth.magnitude, False, len(events), nan, nan, nan, nan, nan, nan, nan
        )
    first, last = ours[0][0], ours[0][-1]
    return Outcome(
        case.place,
        truth.magnitude,
        True,
        len(events) - 1,
        first.issued_s - truth.time_s - case.limit_s,
        error_km(first),
        error_km(last),
        last.origin.depth_km - truth.depth_km,
        last.origin.time_s - truth.time_s,
        first.origin.magnitude - truth.magnitude,
        last.origin.magnitude - truth.magnitude,
    )


def _earthquake(seed: int) -> Outcome:
    table = TravelTimes.load()
    case = random_case(seed, scenario.stations(), table)
    return outcome(case, play_through(case.play, table))


# What is no earthquake near by


def _network(count: int = 120) -> list[Station]:
    stations = scenario.stations()
    away = distance_km(29.5, 103.5, [s.latitude for s in stations], [s.longitude for s in stations])
    return [stations[i] for i in np.argsort(away)[:count]]


def _quiet(seconds: float, seed: int) -> Play:
    return Play(_network(), [], START_S, seconds, seed)


Change = Callable[[str, np.ndarray, np.ndarray, np.random.Generator], np.ndarray]


def _changed(play: Play, change: Change) -> Packets:
    """The play's packets with something added: ``change(seed_id, t, samples, rng)``, t in seconds from the start."""
    rng = np.random.default_rng(5)
    for arrival_ns, packet in play.packets(1.0):
        t = (
            packet.start_ns / 1e9
            - play.start_s
            + np.arange(len(packet.samples)) / packet.sampling_rate
        )
        yield (
            arrival_ns,
            replace(
                packet, samples=change(packet.seed_id, t, packet.samples, rng).astype(np.int32)
            ),
        )


def _spikes(seed_id: str, t: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = x.copy()
    x[np.abs(t - 40.0) < 0.006] += 300_000  # the same instant on every station
    return x


def _steps(seed_id: str, t: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return x + 200_000 * (t > 40.0)


def _calibration(
    seed_id: str, t: np.ndarray, x: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    return x + 100_000 * ((t > 30.0) & (t % 10.0 < 4.0))


def _flood(seed_id: str, t: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if (
        ".S" in seed_id and hash_of(seed_id) % 60 == 0
    ):  # a lorry beside one station in sixty, over and over
        return x + 50_000 * rng.normal(size=len(t)) * (t > 20.0) * (t % 4.0 < 1.0)
    return x


def hash_of(seed_id: str) -> int:
    """A number of a station that is the same in every process."""
    return sum(ord(letter) * (i + 7) for i, letter in enumerate(seed_id.split(".")[1]))


def _teleseism(seed_id: str, t: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A long P-wave of 0.8 s period sweeping the network from the west at 16 km/s, its envelope rising over 4 s."""
    place = TELESEISM_PLACES[seed_id.split(".")[1]]
    since = t - 40.0 - place / 16.0
    envelope = np.where(
        since > 0, np.minimum(since / 4.0, 1.0) * np.exp(-np.maximum(since, 0) / 30), 0.0
    )
    gain = 2e-4 * (400_000 if "HN" in seed_id else 400_000_000 * 0.8 / (2 * np.pi))
    return x + gain * envelope * np.sin(2 * np.pi * since / 0.8)


def _blast(seed_id: str, t: np.ndarray, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A quarry blast that three stations hear."""
    if seed_id.split(".")[1] in BLAST_STATIONS:
        since = t - 40.0 - BLAST_STATIONS[seed_id.split(".")[1]] / 6.0
        wave = np.exp(-np.maximum(since, 0) / 2) * rng.normal(size=len(t))
        return x + 30_000 * np.where(since > 0, wave, 0.0)
    return x


TELESEISM_PLACES = {s.code: (s.longitude - 100.0) * 96.0 for s in _network()}
BLAST_STATIONS = {s.code: 8.0 + 5 * i for i, s in enumerate(_network()[:3])}
NEGATIVES: dict[str, Change | None] = {
    "noise": None,
    "spikes on every station at once": _spikes,
    "steps on every station at once": _steps,
    "calibration pulse train": _calibration,
    "single stations flooded": _flood,
    "teleseism": _teleseism,
    "quarry blast on three stations": _blast,
}


def _negative(task: tuple[str, float, int]) -> tuple[str, float, int]:
    kind, seconds, seed = task
    play, change = _quiet(seconds, seed), NEGATIVES[kind]
    table = TravelTimes.load()
    versions = play_through(play, table, _changed(play, change) if change else None)
    return kind, seconds, len({v.event_id for v in versions})


def run(quick: bool) -> BenchmarkResult:
    count, noise_runs, seconds = (6, 1, 60.0) if quick else (210, 20, 600.0)
    tasks = [("noise", seconds, seed) for seed in range(noise_runs)]
    tasks += [(kind, 90.0, 1) for kind in NEGATIVES if kind != "noise"]
    with get_context("spawn").Pool(2 if quick else None) as pool:
        outcomes = pool.map(_earthquake, range(count), chunksize=1)
        negatives = pool.map(_negative, tasks, chunksize=1)
    rows = [
        _row(place, [o for o in outcomes if o.place == place])
        for place in ("inside", "edge", "outside")
    ]
    false = sum(n for _, _, n in negatives) + sum(o.false_events for o in outcomes)
    loud = [o for o in outcomes if o.magnitude >= SMALLEST]
    inside = [o for o in loud if o.place == "inside" and o.detected]
    budgets = [
        budget(NAME, "inside, detected", _share(o.detected for o in loud if o.place == "inside")),
        budget(
            NAME, "inside, first alert over the limit, median", _q([o.late_s for o in inside], 50)
        ),
        budget(NAME, "inside, first epicentre, median", _q([o.first_km for o in inside], 50)),
        budget(NAME, "inside, last epicentre, median", _q([o.last_km for o in inside], 50)),
        budget(
            NAME,
            "inside, last magnitude, median error",
            _q([abs(o.last_magnitude) for o in inside], 50),
        ),
        budget(NAME, "false events", float(false)),
    ]
    notes = [
        f"{kind}: {sum(n for k, _, n in negatives if k == kind)} events in "
        f"{sum(s for k, s, _ in negatives if k == kind) / 3600:.2f} h of 120 stations"
        for kind in NEGATIVES
    ]
    return BenchmarkResult(NAME, rows, budgets, notes)


def _row(place: str, outcomes: list[Outcome]) -> dict[str, object]:
    loud = [o for o in outcomes if o.magnitude >= SMALLEST]
    seen = [o for o in loud if o.detected]
    return {
        "place": place,
        f"M >= {SMALLEST:g}": len(loud),
        "detected %": 100 * _share(o.detected for o in loud),
        "false": sum(o.false_events for o in outcomes),
        "late s p50": _q([o.late_s for o in seen], 50),
        "late s p90": _q([o.late_s for o in seen], 90),
        "first km p50": _q([o.first_km for o in seen], 50),
        "first km p90": _q([o.first_km for o in seen], 90),
        "last km p50": _q([o.last_km for o in seen], 50),
        "last km p90": _q([o.last_km for o in seen], 90),
        "depth km p50": _q([abs(o.depth_km) for o in seen], 50),
        "time s p50": _q([abs(o.time_s) for o in seen], 50),
        "first M p50": _q([o.first_magnitude for o in seen], 50),
        "last M p10": _q([o.last_magnitude for o in seen], 10),
        "last M p50": _q([o.last_magnitude for o in seen], 50),
        "last M p90": _q([o.last_magnitude for o in seen], 90),
    }


def _share(values: Iterator[bool]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 1.0


def _q(values: list[float], q: float) -> float:
    return round(float(np.percentile(values, q)), 2) if values else 0.0
