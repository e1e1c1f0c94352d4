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
from ew.report import by_event
from ew.traveltimes import TravelTimes
from simulators import scenario, trouble
from simulators.scenario import Play, Station, arrivals
from simulators.teleseism import Teleseism

NAME = "scenarios"
SMALLEST = 4.0
"""Below this nobody is alerted, and not seeing one is no miss."""
START_S = 1_600_000_000.0
LEAD_S, LASTS_S = 25.0, 60.0
CENTRE = (29.5, 103.5)
Packets = Iterator[tuple[int, Packet]]
Negative = Callable[[Play, int], tuple[Packets, list[Origin]]]
"""A quiet play and a seed become packets in which nothing must be declared but the earthquakes named beside them."""


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


def _apart_km(version: EventVersion, truth: Origin) -> float:
    o = version.origin
    return float(distance_km(truth.latitude, truth.longitude, o.latitude, o.longitude))


def _is_same(version: EventVersion, truth: Origin) -> bool:
    """Whether an event is the earthquake: farther than 100 km or 15 s away it is false."""
    return _apart_km(version, truth) < 100 and abs(version.origin.time_s - truth.time_s) < 15


def outcome(case: Case, versions: list[EventVersion]) -> Outcome:
    """Judge a case."""
    truth = case.origin
    events = by_event(versions)
    ours = [event for event in events.values() if _is_same(event[-1], truth)]
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
        _apart_km(first, truth),
        _apart_km(last, truth),
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
    away = distance_km(*CENTRE, [s.latitude for s in stations], [s.longitude for s in stations])
    return [stations[i] for i in np.argsort(away)[:count]]


def _quiet(seconds: float, seed: int) -> Play:
    return Play(_network(), [], START_S, seconds, seed)


def _noise(play: Play, seed: int) -> tuple[Packets, list[Origin]]:
    return play.packets(1.0), []


def _by(change: Callable[[Play, int], trouble.Change]) -> Negative:
    """A negative case that does something to the samples of a quiet network."""
    return lambda play, seed: (
        trouble.changed(play.packets(1.0), play.start_s, change(play, seed)),
        [],
    )


def _flooded(play: Play, seed: int) -> trouble.Change:
    codes = {s.code for s in play.stations[seed::60]}  # lorries beside one station in sixty
    return trouble.flood(codes, seed)


def _outage(play: Play, seed: int) -> tuple[Packets, list[Origin]]:
    """The whole network gone for 25 s or more amid an M 6.2, and back in its S-waves and coda."""
    origin = Origin(play.start_s + 28.0, 29.3 + 0.1 * seed, 103.4, 12.0, 6.2)
    packets = replace(play, origins=[origin]).packets(1.0)
    return trouble.without(packets, play.start_s, 24.0, 49.0 + 3 * seed), [origin]


def _s_alone(least: float, most: float, share: float) -> Negative:
    """An earthquake whose P is hidden at a share of the stations."""

    def negative(play: Play, seed: int) -> tuple[Packets, list[Origin]]:
        rng = np.random.default_rng([13, seed])
        place = CENTRE + rng.normal(0, 0.4, 2)
        origin = Origin(play.start_s + 25.0, *place, 12.0, float(rng.uniform(least, most)))
        codes = frozenset(s.code for s in play.stations if rng.random() < share)
        hidden = trouble.HiddenP(origin, TravelTimes.load(), codes)
        return replace(play, others=[hidden]).packets(1.0), [origin]

    return negative


def teleseism(seed: int, rise_s: float) -> Teleseism:
    """A seeded earthquake of M 7-8.5 at 30-90 degrees, from anywhere, 10-80 km deep."""
    rng = np.random.default_rng([9, seed])
    away, azimuth = float(rng.uniform(32, 88)), float(rng.uniform(0, 360))
    magnitude, depth_km = float(rng.uniform(7, 8.5)), float(rng.uniform(10, 80))
    return Teleseism(*CENTRE, away, azimuth, magnitude, START_S + 45, rise_s, depth_km, seed)


def _from_afar(rise_s: float) -> Negative:
    return lambda play, seed: (
        replace(play, others=[teleseism(seed, rise_s)]).packets(1.0),
        [],
    )


NEGATIVES: dict[str, Negative] = {
    "noise": _noise,
    "spikes on every station at once": _by(lambda _play, _seed: trouble.spikes(40.0)),
    "steps on every station at once": _by(lambda _play, _seed: trouble.steps(40.0)),
    "calibration pulse train": _by(lambda _play, _seed: trouble.calibration(30.0)),
    "single stations flooded": _by(_flooded),
    "lightning": _by(lambda play, seed: trouble.lightning(play.stations, *CENTRE, 40.0 + seed)),
    "quarry blast on three stations": _by(
        lambda play, seed: trouble.blast(play.stations, *CENTRE, 40.0, seed)
    ),
    "M 2-3, only S and coda seen": _s_alone(2.0, 3.0, 1.0),
    "M 4-5.5, P hidden at half of the stations": _s_alone(4.0, 5.5, 0.5),
    "outage of all, back in the coda": _outage,
    "teleseism, impulsive": _from_afar(0.3),
    "teleseism, emergent": _from_afar(4.0),
    "teleseism, very emergent": _from_afar(10.0),
    "teleseism, P to surface waves": _from_afar(2.0),
}
SECONDS = {"teleseism, P to surface waves": 2400.0} | {
    f"teleseism, {how}": 150.0 for how in ("impulsive", "emergent", "very emergent")
}
SEEDS = {
    "M 2-3, only S and coda seen": 8,
    "M 4-5.5, P hidden at half of the stations": 8,
    "outage of all, back in the coda": 4,
    "teleseism, P to surface waves": 3,
    "lightning": 3,
} | {f"teleseism, {how}": 12 for how in ("impulsive", "emergent", "very emergent")}


def _negative(task: tuple[str, float, int]) -> tuple[str, float, int]:
    kind, seconds, seed = task
    play = _quiet(seconds, seed)
    packets, origins = NEGATIVES[kind](play, seed)
    events = by_event(play_through(play, TravelTimes.load(), packets)).values()
    true = sum(any(_is_same(event[-1], origin) for event in events) for origin in origins)
    return kind, seconds, len(events) - true


def run(quick: bool) -> BenchmarkResult:
    count, noise_runs, seconds = (6, 1, 60.0) if quick else (210, 20, 600.0)
    tasks = [("noise", seconds, seed) for seed in range(noise_runs)]
    tasks += [
        (kind, 90.0 if quick else SECONDS.get(kind, 90.0), seed)
        for kind in NEGATIVES
        if kind != "noise"
        for seed in range(1 if quick else SEEDS.get(kind, 1))
    ]
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
