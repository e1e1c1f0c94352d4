"""What must not break the event engine, and what it must keep to itself: long sequences, small
earthquakes, weeks of picks.

    python -m benchmarks sequences

A mainshock with 99 aftershocks in ten minutes; earthquakes below the alert threshold; four days of
noise picks with an earthquake every two hours, accelerated. The references are the known origins
and a bound on time and memory.
"""

import gc
import time
import tracemalloc
from multiprocessing import get_context

import numpy as np

from benchmarks.harness import BenchmarkResult, budget, median, percentile
from ew import Channel, Config, Origin, Packet, Pick
from ew.alerts.planner import AlertPlanner
from ew.geo import distance_km
from ew.locate.events import EventEngine
from ew.pipeline import Pipeline
from ew.report import by_event
from ew.shaking.targets import cell_targets, cells_around
from ew.traveltimes import TravelTimes
from simulators import scenario, trouble
from simulators.scenario import Play, Station

NAME = "sequences"
START_S = 1_600_000_000.0
CENTRE = (29.5, 103.5)
LARGE = 4.5
"""Aftershocks from here on are asked for: smaller ones hide in the coda of larger ones."""
DAY_S = 86_400.0


def network(count: int) -> list[Station]:
    """The stations nearest to the middle."""
    stations = scenario.stations()
    away = distance_km(*CENTRE, [s.latitude for s in stations], [s.longitude for s in stations])
    return [stations[i] for i in np.argsort(away)[:count]]


def aftershocks(task: tuple[int, int, int, float]) -> dict[str, object]:
    """A mainshock of M 6.3 and its aftershocks: what was found, what it cost, what was made up."""
    seed, stations, count, seconds = task
    main = Origin(START_S + 25.0, *CENTRE, 12.0, 6.3)
    origins = trouble.aftershocks(main, count, seconds, seed)
    play = Play(network(stations), origins, START_S, seconds + 85.0, seed)
    pipeline = Pipeline(Config(), play.inventory, TravelTimes.load())
    versions, costs, most = [], [], 0
    for now_ns, tick in pipeline.moments(play.packets(1.0)):
        picks = pipeline.bank.process([p for p in tick if p.seed_id.endswith("Z")])
        began = time.perf_counter()
        versions += pipeline.feed_picks(picks, tick, now_ns).versions
        costs.append(time.perf_counter() - began)
        most = max(most, len(pipeline.engine.active_events))
    events = list(by_event(versions).values())
    matches = [_nearest(e[-1].origin, origins) for e in events]
    large = [o for o in origins if o.magnitude >= LARGE]
    found = {id(o) for o in matches if o is not None}
    over = [
        e[-1].origin.magnitude - o.magnitude
        for e, o in zip(events, matches, strict=True)
        if o is not None
    ]
    return {
        "what": f"{count} aftershocks in {seconds:.0f} s, seed {seed}",
        "events": len(events),
        "ghosts": sum(o is None for o in matches),
        "largest ghost": max(
            (e[-1].origin.magnitude for e, o in zip(events, matches, strict=True) if o is None),
            default=0.0,
        ),
        f"M >= {LARGE:g}": f"{sum(id(o) in found for o in large)} of {len(large)}",
        "main": id(main) in found,
        "largest excess of M": max(over, default=0.0),
        "events at once": most,
        "tick ms p50": percentile(costs, 50) * 1e3,
        "tick ms p99": percentile(costs, 99) * 1e3,
        "tick ms max": max(costs) * 1e3,
    }


def _nearest(origin: Origin, origins: list[Origin]) -> Origin | None:
    """The true earthquake an event stands for: the largest within 5 s and 40 km; none for a
    ghost."""
    near = [
        o
        for o in origins
        if abs(o.time_s - origin.time_s) < 5
        and float(distance_km(o.latitude, o.longitude, origin.latitude, origin.longitude)) < 40
    ]
    return max(near, key=lambda o: o.magnitude, default=None)


def small(seed: int) -> dict[str, object]:
    """A regional earthquake of M 2.5-3.6: it may be found, but nobody is told."""
    rng = np.random.default_rng([31, seed])
    place = CENTRE + rng.uniform(-1.0, 1.0, 2)
    origin = Origin(START_S + 25.0, *place, float(rng.uniform(3, 20)), float(rng.uniform(2.5, 3.6)))
    play = Play(network(120), [origin], START_S, 70.0, seed)
    table, config = TravelTimes.load(), Config()
    planner = AlertPlanner(config, table, [cell_targets(cells_around(*CENTRE, 250.0))])
    pipeline = Pipeline(config, play.inventory, table, planner)
    told, largest, events = 0, 0.0, set()
    for now_ns, tick in pipeline.moments(play.packets(1.0)):
        output = pipeline.feed(tick, now_ns)
        told += sum(len(plan) for plan in output.plans)
        events |= {v.event_id for v in output.versions}
        largest = max([largest, *(v.origin.magnitude for v in output.versions)])
    return {"M": origin.magnitude, "events": len(events), "largest M": largest, "told": told}


def days(count: float) -> dict[str, object]:
    """Days of noise picks, one a minute, an earthquake every two hours, data every 10 s: what
    memory is held."""
    table = TravelTimes.load()
    inventory = {c.seed_id: c for s in network(24) for c in s.channels()[:1]}
    engine = EventEngine(Config(), inventory, table)
    rng = np.random.default_rng(3)
    ids = list(inventory)
    held: list[int] = []
    events = 0
    tracemalloc.start()
    for step in range(round(count * DAY_S / 10)):
        now_s = START_S + 10.0 * (step + 1)
        start_ns = round((now_s - 10.0) * 1e9)
        # One sample a second is enough for an engine that is handed its picks
        wave = rng.normal(0, 100, 10).astype(np.float32)
        packets = [Packet(seed_id, start_ns, 1.0, wave) for seed_id in ids]
        times = rng.uniform(now_s - 10.0, now_s, rng.poisson(1 / 6))
        picks = [_pick(str(rng.choice(ids)), float(t), 3.0) for t in times]
        if step % 720 == 360:
            picks += _earthquake(inventory, table, now_s - 9.0)
        events += sum(v.version == 1 for v in engine.feed(picks, packets, now_s))
        if step % 720 == 300:  # every two hours, between two earthquakes
            gc.collect()  # empties the interpreter's free lists as well, which fill up over days
            held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    half = len(held) // 2
    return {
        "days": count,
        "events": events,
        "first half KiB": median(held[:half]) / 1024,
        "second half KiB": median(held[half:]) / 1024,
    }


def _pick(seed_id: str, time_s: float, snr: float) -> Pick:
    return Pick(seed_id, round(time_s * 1e9), round(time_s * 1e9), snr, period_s=0.15)


def _earthquake(inventory: dict[str, Channel], table: TravelTimes, time_s: float) -> list[Pick]:
    found = []
    for seed_id, channel in inventory.items():
        away = float(distance_km(*CENTRE, channel.latitude, channel.longitude))
        found.append(_pick(seed_id, time_s + float(table.p_s(away, 12.0)), 12.0))
    return [p for p in found if p.time_ns < (time_s + 9.0) * 1e9]


def run(quick: bool) -> BenchmarkResult:
    sequences = [(1, 40, 20, 60.0)] if quick else [(seed, 120, 100, 600.0) for seed in range(3)]
    with get_context("spawn").Pool(2 if quick else None) as pool:
        rows = pool.map(aftershocks, sequences, chunksize=1)
        quiet = pool.map(small, range(2 if quick else 24), chunksize=1)
        (memory,) = pool.map(days, [0.3 if quick else 4.0])
    a_day = (_f(memory, "second half KiB") - _f(memory, "first half KiB")) / (
        0.5 * _f(memory, "days")
    )
    budgets = [
        budget(NAME, "mainshocks missed", float(sum(not row["main"] for row in rows))),
        budget(
            NAME, "ghosts of M 5 and more", float(sum(_f(r, "largest ghost") >= 5 for r in rows))
        ),
        budget(NAME, "magnitude over the truth", max(_f(r, "largest excess of M") for r in rows)),
        budget(NAME, "told of M below 4", float(sum(int(str(q["told"])) for q in quiet))),
        budget(NAME, "memory gained a day", a_day),
    ]
    found = sum(bool(q["events"]) for q in quiet)
    told = sum(int(str(q["told"])) for q in quiet)
    most = max(_f(q, "largest M") for q in quiet)
    notes = [
        f"M 2.5-3.6: {found} of {len(quiet)} found, largest M {most:.1f}, {told} places told",
        f"memory of the engine: {memory}",
    ]
    return BenchmarkResult(NAME, rows, budgets, notes)


def _f(row: dict[str, object], key: str) -> float:
    return float(str(row[key]))
