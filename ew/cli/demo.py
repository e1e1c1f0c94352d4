"""``ew demo``: an earthquake from its first wave to the last countdown, over a real broker, to real MQTT clients."""

import asyncio
import math
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import rfc8785
from rich.console import Console
from rich.live import Live

from ew import __version__
from ew.alerts.message import (
    TOPIC_EVENT,
    TOPIC_HEARTBEAT,
    TOPIC_KEYS,
    event_body,
    heartbeat,
    signed,
)
from ew.alerts.planner import AlertPlanner
from ew.alerts.signing import Signer, keys_document
from ew.cli.replay import describe, write
from ew.cli.view import CityView, DemoView
from ew.clock import Clock
from ew.config import Config, PolicyConfig
from ew.delivery.broker import BrokerAddress, open_broker
from ew.delivery.publisher import Publisher
from ew.pipeline import Output, Pipeline
from ew.records import EventVersion, Packet, Pick
from ew.report import Json, Score, physical_limit_s, report, score
from ew.shaking import estimate
from ew.shaking.targets import cell_of, cell_targets, device_targets
from ew.times import NS_PER_S, ns_from_seconds, seconds_from_ns, us_from_seconds
from ew.traveltimes import TravelTimes
from simulators import population, scenario
from simulators.fleet import Fleet, topic_of
from simulators.population import Device
from simulators.scenario import Scenario

WATCH_FROM_S = 3.0
"""People see the last seconds of quiet before the origin; the warm-up before them is passed over."""
FRAMES_PER_S = 8
SETTLE_S = 20.0


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What was asked for on the command line."""

    scenario: str
    phones: int
    tvs: int
    speed: float
    broker: str
    report: Path | None
    web: bool


@dataclass(slots=True)
class _Run:
    """What a demo brought forth."""

    picks: list[Pick] = field(default_factory=list)
    versions: list[EventVersion] = field(default_factory=list)
    submitted_us: dict[tuple[str, int], int] = field(default_factory=dict)
    expected: set[str] = field(default_factory=set)


def print_scenarios() -> None:
    """The scenarios in seeds/, a line each."""
    console = Console(soft_wrap=True, highlight=False)
    for name in scenario.names():
        one = scenario.load(name)
        what = describe(one.origin) if one.origin else "no earthquake"
        console.print(
            f"[bold]{name:<12}[/] {one.title}: {what}; {len(one.stations)} stations ({one.source})"
        )


def run_demo(options: DemoOptions) -> int:
    """Run the demo to its end; 0 if every device that should have been alerted was, else 1.

    Raises:
        ConfigError: no such scenario, a negative count, a broker URL that is none.
        BrokerError: the broker can't be started or reached.
    """
    chosen = scenario.load(options.scenario)
    devices = population.draw(options.phones, options.tvs)
    console = Console(highlight=False, soft_wrap=True)
    if math.isinf(options.speed) or not console.is_terminal:
        console.print(
            f"{chosen.title}: {len(chosen.stations)} stations, {len(devices)} devices; making waveforms …"
        )
    arrivals = list(chosen.play().packets())
    return asyncio.run(_demo(options, chosen, devices, arrivals, console))


async def _demo(
    options: DemoOptions,
    chosen: Scenario,
    devices: list[Device],
    arrivals: list[tuple[int, Packet]],
    console: Console,
) -> int:
    config = Config(policy=PolicyConfig(mode="exercise"))
    travel_times = TravelTimes.load(config.locate.travel_time_model)
    clock = Clock(start_ns=arrivals[0][0], rate=math.inf)
    signer = Signer.ephemeral()
    pipeline = _pipeline(config, chosen, devices, travel_times)
    pipeline.warm_up()
    run = _Run()
    async with (
        open_broker(options.broker) as broker,
        _publisher(broker, signer, config, clock) as publisher,
        Fleet(devices, broker) as fleet,
    ):
        view = _view(chosen, devices, arrivals)
        pulse = asyncio.create_task(_heartbeats(publisher, signer, clock, run), name="heartbeat")
        with Live(
            view.render(), console=console, refresh_per_second=FRAMES_PER_S, screen=False
        ) as live:
            await _play(
                options, chosen, pipeline, arrivals, clock, publisher, fleet, run, view, live
            )
            await publisher.drain()
            await _until_reached(fleet, run)
        pulse.cancel()
        reactions = await fleet.finish()
        refused = fleet.refused
    return _finish(options, chosen, devices, run, reactions, refused, config, travel_times, console)


def _pipeline(
    config: Config, chosen: Scenario, devices: Sequence[Device], travel_times: TravelTimes
) -> Pipeline:
    phones = [d for d in devices if d.kind == "phone"]
    others = [d for d in devices if d.kind != "phone"]
    kinds = list(config.policy.kinds)
    groups = [
        cell_targets({cell_of(d.latitude, d.longitude) for d in phones}),
        device_targets(
            [d.device_id for d in others],
            np.array([kinds.index(d.kind) for d in others], np.uint8),
            np.array([d.latitude for d in others], np.float64),
            np.array([d.longitude for d in others], np.float64),
        ),
    ]
    planner = AlertPlanner(config, travel_times, groups)
    return Pipeline(config, chosen.play().inventory, travel_times, planner)


@asynccontextmanager
async def _publisher(
    broker: BrokerAddress, signer: Signer, config: Config, clock: Clock
) -> AsyncIterator[Publisher]:
    def now_s() -> float:
        return seconds_from_ns(clock.now_ns())

    async with Publisher(broker, signer, config.delivery, now_s=now_s) as publisher:
        keys = keys_document([signer], ns_from_seconds(now_s()) // 1000)
        publisher.publish(TOPIC_KEYS, rfc8785.dumps(keys), retain=True)  # type: ignore[arg-type] # plain JSON
        await publisher.drain()
        yield publisher


async def _heartbeats(publisher: Publisher, signer: Signer, clock: Clock, run: _Run) -> None:
    while True:
        _beat(publisher, signer, clock, run)
        await asyncio.sleep(1.0)


def _beat(publisher: Publisher, signer: Signer, clock: Clock, run: _Run) -> None:
    body = heartbeat(
        now_us=clock.now_ns() // 1000,
        version=__version__,
        mode="exercise",
        last_event_id=run.versions[-1].event_id if run.versions else None,
        health="ok",
    )
    publisher.publish(TOPIC_HEARTBEAT, signed(body, signer, "exercise"), qos=0)


async def _play(
    options: DemoOptions,
    chosen: Scenario,
    pipeline: Pipeline,
    arrivals: list[tuple[int, Packet]],
    clock: Clock,
    publisher: Publisher,
    fleet: Fleet,
    run: _Run,
    view: DemoView,
    live: Live,
) -> None:
    watch_from_s = chosen.origin.time_s - WATCH_FROM_S if chosen.origin else chosen.start_s
    drawn_s = -math.inf
    loop = asyncio.get_running_loop()
    for now_ns, packets in pipeline.moments(arrivals):
        if (
            math.isinf(clock.rate)
            and not math.isinf(options.speed)
            and now_ns >= watch_from_s * NS_PER_S
        ):
            clock.rate = options.speed
            clock.jump_to(now_ns)
        await clock.wait_until(now_ns)
        output = await asyncio.to_thread(pipeline.feed, packets, now_ns)
        _take(output, publisher, run)
        if output.versions and math.isinf(options.speed):
            # Data time stands still while the alerts go out, and the heartbeat then tells the devices what time it is
            await publisher.drain()
        view.now_s = seconds_from_ns(now_ns)
        if loop.time() - drawn_s >= 1 / FRAMES_PER_S:
            drawn_s = loop.time()
            _show(view, output, run, fleet)
            live.update(view.render())
        elif output.versions:
            _show(view, output, run, fleet)


def _take(output: Output, publisher: Publisher, run: _Run) -> None:
    run.picks.extend(output.picks)
    run.versions.extend(output.versions)
    for version in output.versions:
        expires_us = us_from_seconds(version.issued_s + 300.0)
        body = event_body(version, "exercise", expires_us)
        publisher.publish(
            TOPIC_EVENT.format(version.event_id),
            signed(body, publisher.signer, "exercise"),
            retain=True,
            expires_s=expires_us / 1e6,
        )
    now_us = time.time_ns() // 1000
    for plan in output.plans:
        run.submitted_us.setdefault((plan.version.event_id, plan.version.version), now_us)
        if plan.version.kind != "cancel":
            run.expected.update(plan.topic(place) for place in range(len(plan)))
        publisher.submit(plan)


async def _until_reached(fleet: Fleet, run: _Run) -> None:
    """Wait until reactions stop coming, for at most ``SETTLE_S``."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    quiet = 0
    while run.expected and quiet < 5 and asyncio.get_running_loop().time() < deadline:
        before = len(fleet.reactions)
        await asyncio.sleep(0.1)
        quiet = quiet + 1 if len(fleet.reactions) == before else 0


def _view(
    chosen: Scenario, devices: Sequence[Device], arrivals: list[tuple[int, Packet]]
) -> DemoView:
    counts: dict[str, int] = {}
    for device in devices:
        counts[device.kind] = counts.get(device.kind, 0) + 1
    return DemoView(
        title=chosen.title,
        origin_s=chosen.origin.time_s if chosen.origin else chosen.start_s,
        now_s=seconds_from_ns(arrivals[0][0]),
        cities=[CityView(city.name, city.latitude, city.longitude) for city in chosen.cities],
        stations=len(chosen.stations),
        devices=counts,
    )


def _show(view: DemoView, output: Output, run: _Run, fleet: Fleet) -> None:
    view.picks = len(run.picks)
    view.versions = run.versions
    alerted: dict[str, set[str]] = {}
    for reaction in fleet.reactions:
        alerted.setdefault(reaction["device_kind"], set()).add(reaction["device_id"])
    view.alerted = {kind: len(ids) for kind, ids in alerted.items()}
    if not output.versions:
        return
    origin = output.versions[-1].origin
    found = estimate(origin, [c.latitude for c in view.cities], [c.longitude for c in view.cities])
    for city, arrival_s, strength in zip(
        view.cities, found.s_arrival_s, found.intensity, strict=True
    ):
        city.intensity = float(strength)
        if city.first_lead_s is None:
            city.first_lead_s = float(arrival_s) - output.versions[-1].issued_s
        city.s_arrival_s = float(arrival_s)


# The end


def _finish(
    options: DemoOptions,
    chosen: Scenario,
    devices: list[Device],
    run: _Run,
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
    total = delivery["all"]
    missing = total["expected"] - total["alerted"]
    if missing:
        print(f"ew: {missing} devices that should have been alerted were not", file=sys.stderr)
    return 1 if missing or (result is not None and result.missed) else 0


def _score(chosen: Scenario, run: _Run, config: Config, travel_times: TravelTimes) -> Score:
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
    devices: Sequence[Device], run: _Run, reactions: list[dict[str, Any]]
) -> dict[str, Any]:
    """Delivery by kind of device: who was expected, who was reached, how late and with how much lead."""
    kinds = sorted({device.kind for device in devices})
    delivery: dict[str, Any] = {
        kind: _delivery_of({kind}, devices, run, reactions) for kind in kinds
    }
    delivery["all"] = _delivery_of(set(kinds), devices, run, reactions)
    return delivery


def _delivery_of(
    kinds: set[str], devices: Sequence[Device], run: _Run, reactions: list[dict[str, Any]]
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
    run: _Run,
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
    for kind, numbers in delivery.items():
        latency, lead = numbers["latency_ms"], numbers["lead_s"]
        line = f"{kind}: [bold]{numbers['alerted']} of {numbers['expected']}[/] to be alerted were ({numbers['devices']} devices)"
        if latency["p50"] is not None:
            line += (
                f"; delivery p50 {latency['p50']:.0f} ms, p99 {latency['p99']:.0f} ms, max {latency['max']:.0f} ms"
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
                f"  {city.name:<12} {len(found):>4} devices, median lead {statistics.median(found):.1f} s"
            )
