"""Event truth on synthetic networks: how soon, how far off, how large; and what must not alert.

    python -m benchmarks scenarios

Seeded random earthquakes (M 3-8, 2-40 km deep, inside, at the edge of and up to 100 km outside the
Sichuan network; up to 30 % of stations dead, up to 2 s of telemetry delay) and a suite of things
that are no earthquake near by. The reference is the physics: P at the fourth-nearest live station,
plus that station's delay. Where the recordings are at hand, each gets a row too.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context

import numpy as np

from benchmarks.harness import BenchmarkResult, budget
from benchmarks.suite import negatives, recorded
from benchmarks.suite.playing import START_S, apart_km, is_same, other_earth, play_through
from ew import EventVersion, Origin
from ew.geo import destination, distance_km
from ew.report import by_event
from ew.traveltimes import TravelTimes
from simulators import scenario
from simulators.scenario import Play, Station, arrivals

NAME = "scenarios"
SMALLEST = 4.0
"""Below this nobody is alerted, and not seeing one is no miss."""
LEAD_S, LASTS_S = 25.0, 60.0
MODEL_ERROR, VP_VS_ERROR = 0.02, 0.01
"""Standard deviations: what a one-dimensional model of a region misses (ak135 and iasp91 differ by
1 % in the crust)."""
PLACES = ("inside", "edge", "outside")
WHEN = ("first", "3 s later", "10 s later", "last")


@dataclass(frozen=True, slots=True)
class Case:
    """One random earthquake and the network it meets."""

    seed: int
    place: str
    origin: Origin
    play: Play
    earth: TravelTimes
    limit_s: float


@dataclass(frozen=True, slots=True)
class Errors:
    """How far one version of an event is off, signed but for the epicentre."""

    epicentre_km: float
    depth_km: float
    time_s: float
    magnitude: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a case; ``errors`` of the versions named in ``WHEN``, none where there was no
    event.
    """

    seed: int
    place: str
    magnitude: float
    is_detected: bool
    false_events: int
    late_s: float = math.nan
    errors: tuple[Errors, ...] = ()


def random_case(seed: int, stations: list[Station], table: TravelTimes) -> Case:
    """A seeded earthquake; the nearest 160 stations within 220 km take part."""
    rng = np.random.default_rng([77, seed])
    place = PLACES[seed % 3]
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
    earth = other_earth(rng, table, MODEL_ERROR, VP_VS_ERROR)
    times = sorted(arrivals(origin, s, earth)[0] + delays[s.code] for s in near)
    return Case(seed, place, origin, play, earth, times[3] if len(times) > 3 else math.nan)


def _epicentre(rng: np.random.Generator, place: str) -> tuple[float, float]:
    south, north, west, east = 24.5, 33.3, 99.5, 107.0
    if place == "inside":
        return float(rng.uniform(south + 1, north - 1)), float(rng.uniform(west + 1, east - 1))
    latitude = float(rng.uniform(south + 0.5, north - 0.5))
    if place == "edge":
        return latitude, west + float(rng.uniform(-0.1, 0.1))
    lat, lon = destination(latitude, west, 270.0, float(rng.uniform(20, 100)))
    return float(lat), float(lon)


def outcome(case: Case, versions: list[EventVersion]) -> Outcome:
    """Judge a case."""
    truth = case.origin
    events = by_event(versions)
    ours = [event for event in events.values() if is_same(event[-1], truth)]
    if not ours:
        return Outcome(case.seed, case.place, truth.magnitude, False, len(events))
    event = ours[0]
    told = [event[0], _at(event, 3.0), _at(event, 10.0), event[-1]]
    late_s = event[0].issued_s - truth.time_s - case.limit_s
    errors = tuple(_errors(version, truth) for version in told)
    return Outcome(case.seed, case.place, truth.magnitude, True, len(events) - 1, late_s, errors)


def _at(event: list[EventVersion], seconds: float) -> EventVersion:
    """What held so many seconds after the first version."""
    return [v for v in event if v.issued_s <= event[0].issued_s + seconds][-1]


def _errors(version: EventVersion, truth: Origin) -> Errors:
    o = version.origin
    return Errors(
        apart_km(version, truth),
        o.depth_km - truth.depth_km,
        o.time_s - truth.time_s,
        o.magnitude - truth.magnitude,
    )


def _earthquake(seed: int) -> Outcome:
    table = TravelTimes.load()
    case = random_case(seed, scenario.stations(), table)
    packets = case.play.packets(1.0, travel_times=case.earth)
    return outcome(case, play_through(case.play, table, packets))


def run(quick: bool) -> BenchmarkResult:
    count = 3 if quick else 210
    folders = recorded.directories()
    recordings = [(p, s) for p in folders[: 1 if quick else None] for s in recorded.PACKETS_S]
    negative_tasks = negatives.tasks(quick=quick)
    with get_context("spawn").Pool(2 if quick else None) as pool:
        outcomes = pool.map(_earthquake, range(count), chunksize=1)
        nothing = pool.map(negatives.play_negative, negative_tasks, chunksize=1)
        real = pool.map(recorded.play_recorded, recordings, chunksize=1)
    loud = [o for o in outcomes if o.magnitude >= SMALLEST]
    rows: list[dict[str, object]] = [
        _row(place, when, [o for o in loud if o.place == place])
        for place in PLACES
        for when in WHEN
    ]
    notes = [
        f"{kind}: {sum(n for k, _, n in nothing if k == kind)} events in "
        f"{sum(s for k, s, _ in nothing if k == kind) / 3600:.2f} h of 120 stations"
        for kind in negatives.NEGATIVES
    ]
    if not folders:
        notes.append(f"no recordings at {recorded.RECORDED} (set EW_RECORDED): not judged")
    figures = _figures(outcomes, sum(n for _, _, n in nothing)) | recorded.figures(real)
    return BenchmarkResult(
        NAME,
        rows + real,
        [budget(NAME, name, value) for name, value in figures.items()],
        notes,
        details=[asdict(o) for o in outcomes],
    )


def _figures(outcomes: list[Outcome], false: int) -> dict[str, float]:
    inside = [o for o in outcomes if o.place == "inside" and o.magnitude >= SMALLEST]
    found = [o for o in inside if o.is_detected]
    return {
        "inside, detected": _share(o.is_detected for o in inside),
        "inside, first alert over the limit, median": _q([o.late_s for o in found], 50),
        "inside, first epicentre, median": _q([o.errors[0].epicentre_km for o in found], 50),
        "inside, last epicentre, median": _q([o.errors[-1].epicentre_km for o in found], 50),
        "inside, last magnitude, median error": _q(
            [abs(o.errors[-1].magnitude) for o in found], 50
        ),
        "false events": float(false + sum(o.false_events for o in outcomes)),
    }


def _row(place: str, when: str, outcomes: list[Outcome]) -> dict[str, object]:
    """The errors of one version of the earthquakes of one class of distance."""
    seen = [o for o in outcomes if o.is_detected]
    errors = [o.errors[WHEN.index(when)] for o in seen]
    row: dict[str, object] = {"place": place, "version": when}
    if when == WHEN[0]:
        row |= {
            f"M >= {SMALLEST:g}": len(outcomes),
            "detected %": 100 * _share(o.is_detected for o in outcomes),
            "false": sum(o.false_events for o in outcomes),
            "late s p50": _q([o.late_s for o in seen], 50),
            "late s p90": _q([o.late_s for o in seen], 90),
        }
    return row | {
        "km p50": _q([e.epicentre_km for e in errors], 50),
        "km p90": _q([e.epicentre_km for e in errors], 90),
        "depth km p50": _q([abs(e.depth_km) for e in errors], 50),
        "depth km p90": _q([abs(e.depth_km) for e in errors], 90),
        "time s p50": _q([abs(e.time_s) for e in errors], 50),
        "time s p90": _q([abs(e.time_s) for e in errors], 90),
        "M p10": _q([e.magnitude for e in errors], 10),
        "M p50": _q([e.magnitude for e in errors], 50),
        "M p90": _q([e.magnitude for e in errors], 90),
    }


def _share(values: Iterable[bool]) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 1.0


def _q(values: list[float], q: float) -> float:
    return round(float(np.percentile(values, q)), 2) if values else 0.0
