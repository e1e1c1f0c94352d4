"""Picks to event versions with 2,000 stations and 500 live picks: what each call of the engine
costs.

The reference is the budget: there is no other real-time associator to run here in the same process.
"""

import gc
import time

import numpy as np

from benchmarks.harness import BenchmarkResult, budget, percentile
from ew import Channel, Config, Origin, Packet, Pick
from ew.geo import distance_km
from ew.locate.events import EventEngine
from ew.traveltimes import TravelTimes
from simulators import scenario

NAME = "versions"
START_S = 1_600_000_000.0
NOISE_PICKS = 500


def channels(count: int) -> dict[str, Channel]:
    """The three channels of each of the stations nearest to the middle of the network."""
    everyone = scenario.stations()
    away = distance_km(29.0, 103.3, [s.latitude for s in everyone], [s.longitude for s in everyone])
    near = [everyone[i] for i in np.argsort(away)[:count]]
    return {c.seed_id: c for station in near for c in station.channels()}


def picks_of(
    inventory: dict[str, Channel], origin: Origin, table: TravelTimes, rng: np.random.Generator
) -> list[Pick]:
    """P picks with 0.1 s of error at all stations within 300 km."""
    found = []
    for c in inventory.values():
        if not c.seed_id.endswith("Z"):
            continue
        away = float(distance_km(origin.latitude, origin.longitude, c.latitude, c.longitude))
        if away < 300:
            onset_s = origin.time_s + float(table.p_s(away, origin.depth_km)) + rng.normal(0, 0.1)
            found.append(Pick(c.seed_id, round(onset_s * 1e9), round(onset_s * 1e9), 10.0))
    return found


def run(quick: bool) -> BenchmarkResult:
    count, rounds = (300, 1) if quick else (2000, 5)
    table, config, inventory = TravelTimes.load(), Config(), channels(count)
    gc.freeze()  # as the service does once it is ready
    with_version: list[float] = []
    without: list[float] = []
    found = 0
    for seed in range(rounds):
        rng = np.random.default_rng(seed)
        engine = EventEngine(config, inventory, table)
        origin = Origin(
            START_S + 60, 29.0 + rng.normal() * 0.5, 103.3 + rng.normal() * 0.5, 12.0, 6.5
        )
        verticals = [seed_id for seed_id in inventory if seed_id.endswith("Z")]
        noise = [
            Pick(str(rng.choice(verticals)), ns, ns, 3.0)
            for ns in np.sort(rng.uniform(START_S + 15, START_S + 60, NOISE_PICKS) * 1e9)
            .astype(np.int64)
            .tolist()
        ]
        ordered = sorted(noise + picks_of(inventory, origin, table, rng), key=lambda p: p.time_ns)
        at = 0
        for second in np.arange(1.0, 100.0, 0.1):
            now_s = START_S + float(second)
            packets = []
            if abs(second - round(second)) < 1e-6:
                start_ns = round((now_s - 1.0) * 1e9)
                wave = rng.normal(0, 100, 100).astype(np.float32)
                packets = [Packet(seed_id, start_ns, 100.0, wave) for seed_id in inventory]
            due = at
            while due < len(ordered) and ordered[due].time_ns / 1e9 <= now_s - 0.3:
                due += 1
            begin = time.perf_counter()
            versions = engine.feed(ordered[at:due], packets, now_s)
            took = time.perf_counter() - begin
            at = due
            if not packets:  # what keeping 6,000 packets costs stands in another row
                (with_version if versions else without).append(took)
            found += sum(v.version == 1 for v in versions)
    assert found >= rounds, f"{found} events of {rounds}"
    rows = [_row("calls that give a version", with_version), _row("calls that give none", without)]
    budgets = [] if quick else [budget(NAME, "version, p99", percentile(with_version, 99) * 1e3)]
    return BenchmarkResult(
        NAME,
        rows,
        budgets,
        [
            (
                f"{count} stations, {NOISE_PICKS} noise picks in 45 s, {rounds} earthquakes; "
                f"{found - rounds} events besides (thirty times the usual noise)"
            )
        ],
    )


def _row(what: str, seconds: list[float]) -> dict[str, object]:
    return {
        "what": what,
        "calls": len(seconds),
        **{f"p{q} ms": round(percentile(seconds, q) * 1e3, 2) for q in (50, 99, 100)},
    }
