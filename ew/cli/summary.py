"""The result of a demo: devices reached, lead times, delivery latencies, the report."""

import asyncio
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import uvicorn
from rich.console import Console

from ew.cli.replay import describe, write
from ew.config import Config
from ew.records import EventVersion, Pick
from ew.report import Json, Score, physical_limit_s, report, score
from ew.service.hub import Hub
from ew.traveltimes import TravelTimes
from simulators.fleet import topic_of
from simulators.population import Device
from simulators.scenario import Scenario


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The values given on the command line."""

    scenario: str
    phones: int
    tvs: int
    speed: float
    broker: str
    ca_file: Path | None
    password_file: Path | None
    report: Path | None
    web: bool


@dataclass(slots=True)
class DemoRun:
    """The results of a demo."""

    picks: list[Pick] = field(default_factory=list)
    versions: list[EventVersion] = field(default_factory=list)
    submitted_us: dict[tuple[str, int], int] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)
    hub: Hub = field(default_factory=Hub)
    page: uvicorn.Server | None = None
    page_task: asyncio.Task[None] | None = None
    shown_ns: int = 0  # data time up to which the page has the motion


def finish(
    options: DemoOptions,
    chosen: Scenario,
    devices: list[Device],
    run: DemoRun,
    reactions: list[dict[str, Any]],
    refused: dict[str, int],
    config: Config,
    travel_times: TravelTimes,
    console: Console,
) -> int:
    result = _score(chosen, run, config, travel_times)
    delivery = _delivery(devices, run, reactions)
    data = report(run.picks, run.versions, result)
    data["delivery"] = delivery
    if options.report is not None:
        write(options.report, orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")
    _print_summary(chosen, run, result, delivery, devices, reactions, console)
    if refused:
        console.print(f"refused by devices: {refused}")
    missing = delivery["expected"] - delivery["alerted"]
    if missing:
        print(f"ew: {missing} devices that should have been alerted were not", file=sys.stderr)
    return 1 if missing or (result is not None and result.missed) else 0


def _score(chosen: Scenario, run: DemoRun, config: Config, travel_times: TravelTimes) -> Score:
    limit_s = None
    if chosen.origin is not None:
        inventory = chosen.play().inventory
        span = [(chosen.start_s, chosen.start_s + chosen.seconds)]
        limit_s = physical_limit_s(
            chosen.origin,
            dict.fromkeys(inventory, span),
            inventory,
            travel_times,
            config.locate.min_stations,
        )
    return score(run.versions, chosen.origin, limit_s)


def _delivery(
    devices: Sequence[Device], run: DemoRun, reactions: list[dict[str, Any]]
) -> dict[str, Any]:
    """Delivery as a whole and by kind of device: devices reached, latencies and lead times."""
    kinds = sorted({device.kind for device in devices})
    delivery: dict[str, Any] = _delivery_of(set(kinds), devices, run, reactions)
    for kind in kinds:
        delivery[kind] = _delivery_of({kind}, devices, run, reactions)
    return delivery


def _delivery_of(
    kinds: set[str], devices: Sequence[Device], run: DemoRun, reactions: list[dict[str, Any]]
) -> dict[str, Json]:
    ours = [device for device in devices if device.kind in kinds]
    expected = {device.device_id for device in ours if topic_of(device) in run.expected}
    mine = [r for r in reactions if r["device_kind"] in kinds]
    first: dict[str, dict[str, Any]] = {}
    for reaction in mine:
        first.setdefault(reaction["device_id"], reaction)
    latencies = [
        (r["clock_us"] - run.submitted_us[(r["event_id"], r["version"])]) / 1000
        for r in mine
        if (r["event_id"], r["version"]) in run.submitted_us
    ]
    leads = [r["lead_s"] for r in first.values()]
    return {
        "devices": len(ours),
        "expected": len(expected),
        "alerted": len(expected & set(first)),
        "latency_ms": {
            "p50": _percentile(latencies, 50),
            "p99": _percentile(latencies, 99),
            "max": max(latencies, default=None),
        },
        "lead_s": {f"p{q}": _percentile(leads, q) for q in (10, 50, 90)},
    }


def _percentile(values: list[float], q: float) -> float | None:
    return round(float(np.percentile(values, q)), 3) if values else None


def _print_summary(
    chosen: Scenario,
    run: DemoRun,
    result: Score,
    delivery: dict[str, Any],
    devices: Sequence[Device],
    reactions: list[dict[str, Any]],
    console: Console,
) -> None:
    console.rule(chosen.title)
    if run.versions and chosen.origin is not None:
        first, last = run.versions[0], run.versions[-1]
        after = first.issued_s - chosen.origin.time_s
        limit = (
            f", {after - result.limit_s:.1f} s after the physical limit" if result.limit_s else ""
        )
        console.print(
            f"first alert [bold]{after:.1f} s[/] after the origin{limit}: {describe(first.origin)}"
        )
        console.print(f"last of {len(run.versions)} versions: {describe(last.origin)}")
    elif not run.versions:
        console.print("no earthquake declared")
    kinds = sorted({device.kind for device in devices})
    for kind, numbers in [*((k, delivery[k]) for k in kinds), ("all", delivery)]:
        latency, lead = numbers["latency_ms"], numbers["lead_s"]
        reached = f"{numbers['alerted']} of {numbers['expected']}"
        line = f"{kind}: [bold]{reached}[/] to be alerted were ({numbers['devices']} devices)"
        if latency["p50"] is not None:
            line += (
                f"; delivery p50 {latency['p50']:.0f} ms, p99 {latency['p99']:.0f} ms, max "
                f"{latency['max']:.0f} ms"
                f"; lead p10 {lead['p10']:.0f} s, p50 {lead['p50']:.0f} s, p90 {lead['p90']:.0f} s"
            )
        console.print(line)
    _print_cities(chosen, devices, reactions, console)


def _print_cities(
    chosen: Scenario, devices: Sequence[Device], reactions: list[dict[str, Any]], console: Console
) -> None:
    city_of = {device.device_id: device.city for device in devices}
    leads: dict[str, dict[str, float]] = {}
    for reaction in reactions:
        leads.setdefault(city_of[reaction["device_id"]], {}).setdefault(
            reaction["device_id"], reaction["lead_s"]
        )
    for city in chosen.cities:
        if city.name in leads:
            found = list(leads[city.name].values())
            console.print(
                f"  {city.name:<12} {len(found):>4} devices, median lead "
                f"{statistics.median(found):.1f} s"
            )
