"""``ew demo``: plays an earthquake through the pipeline, a real broker and real MQTT clients."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import uvicorn
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live

from ew import __version__
from ew.alerts.message import (
    EVENT_LIFE_S,
    TOPIC_EVENT,
    TOPIC_HEARTBEAT,
    TOPIC_KEYS,
    event_body,
    heartbeat,
    signed,
)
from ew.alerts.planner import AlertPlanner
from ew.alerts.signing import Signer
from ew.api.live import demo_app
from ew.api.page import PageSource
from ew.broker_address import BrokerAddress
from ew.cli.listening import page_server
from ew.cli.replay import describe
from ew.cli.summary import DemoOptions, DemoRun, finish
from ew.cli.view import CityView, DemoView
from ew.clock import Clock
from ew.components import verticals_of
from ew.config import Config, DeliveryConfig, PolicyConfig, ShakingConfig
from ew.config.explain import mistakes
from ew.delivery.broker import open_broker
from ew.delivery.publisher import Publisher
from ew.errors import ConfigError
from ew.pipeline import Output, Pipeline
from ew.records import Packet
from ew.service.ground_motion import GroundMotion
from ew.shaking import estimate
from ew.shaking.relations import RELATIONS
from ew.shaking.targets import cell_of, cell_targets, device_targets
from ew.storage.keyring import ServiceKeys
from ew.times import NS_PER_S, iso_from_ns, seconds_from_ns, us_from_seconds
from ew.traveltimes import TravelTimes
from simulators import population, scenario
from simulators.fleet import Fleet, topic_of
from simulators.population import Device
from simulators.scenario import Scenario

WATCH_FROM_S = 3.0
"""The view begins this long before the origin, s; the warm-up before it is skipped."""
FRAMES_PER_S = 8
SETTLE_S = 20.0


def print_scenarios() -> None:
    """Print the scenarios in seeds/, a line each."""
    console = Console(soft_wrap=True, highlight=False)
    for name in scenario.names():
        one = scenario.load(name)
        what = describe(one.origin) if one.origin else "no earthquake"
        console.print(
            f"[bold]{name:<12}[/] {one.title}: {what}; {len(one.stations)} stations ({one.source})"
        )


def run_demo(options: DemoOptions) -> int:
    """Run the demo; 0 if every device that should have been alerted was, else 1.

    Raises:
        ConfigError: there is no such scenario, a count is negative, or the broker's URL is invalid.
        BrokerError: the broker can't be started or reached.
    """
    chosen = scenario.load(options.scenario)
    devices = population.draw(options.phones, options.tvs)
    console = Console(highlight=False, soft_wrap=True)
    if math.isinf(options.speed) or not console.is_terminal:
        console.print(
            f"{chosen.title}: {len(chosen.stations)} stations, {len(devices)} devices; making "
            "waveforms …"
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
    config = Config(policy=PolicyConfig(mode="exercise"), delivery=_delivery(options))
    travel_times = TravelTimes.of(config.locate)
    clock = Clock(start_ns=arrivals[0][0], rate=math.inf)
    keys = ServiceKeys.ephemeral(now_us=arrivals[0][0] // 1000)
    signer = keys.signer
    pipeline = _pipeline(config, chosen, devices, travel_times)
    run = DemoRun()
    async with (
        open_broker(options.broker, config=config.delivery) as broker,
        _publisher(broker, keys, config, clock) as publisher,
        Fleet(devices, broker.for_devices(), roots=[keys.root]) as fleet,
    ):
        view = _view(chosen, devices, arrivals)
        if options.web and not math.isinf(options.speed):
            run.page = await _serve_page(run, chosen, console, keys, broker)
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
        if run.page is not None:
            run.page.should_exit = True
        reactions = await fleet.finish()
        refused = fleet.refused
    return finish(options, chosen, devices, run, reactions, refused, config, travel_times, console)


def _delivery(options: DemoOptions) -> DeliveryConfig:
    try:
        return DeliveryConfig(
            broker=options.broker, ca_file=options.ca_file, password_file=options.password_file
        )
    except ValidationError as error:
        raise ConfigError("; ".join(mistakes(error, DeliveryConfig))) from error


def _pipeline(
    config: Config, chosen: Scenario, devices: Sequence[Device], travel_times: TravelTimes
) -> Pipeline:
    by_cell = {name for name, kind in config.policy.kinds.items() if kind.address == "cell"}
    phones = [d for d in devices if d.kind in by_cell]
    others = [d for d in devices if d.kind not in by_cell]
    kinds = list(config.policy.kinds)
    groups = [
        # Whoever opens /phone at a city is alerted too, also where no simulated phone is near
        cell_targets(
            {cell_of(phone.latitude, phone.longitude) for phone in phones}
            | {cell_of(city.latitude, city.longitude) for city in chosen.cities}
        ),
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
    broker: BrokerAddress, keys: ServiceKeys, config: Config, clock: Clock
) -> AsyncIterator[Publisher]:
    def now_s() -> float:
        return seconds_from_ns(clock.now_ns())

    async with Publisher(broker, keys.signer, config.delivery, now_s=now_s) as publisher:
        publisher.publish(TOPIC_KEYS, keys.document, retain=True)
        await publisher.drain()
        yield publisher


async def _serve_page(
    run: DemoRun, chosen: Scenario, console: Console, keys: ServiceKeys, broker: BrokerAddress
) -> uvicorn.Server:
    """Serve the live page on a free port while the demo runs."""
    source = PageSource(
        Config(policy=PolicyConfig(mode="exercise")),
        lambda: [keys.root_pem.decode("ascii")],
        lambda: broker,
    )
    app = demo_app(run.hub, chosen.play().inventory.values(), source)
    server, listener = page_server(app)
    run.page_task = asyncio.create_task(server.serve(sockets=[listener]), name="page")
    console.print(f"live page: http://127.0.0.1:{listener.getsockname()[1]}/")
    return server


async def _heartbeats(publisher: Publisher, signer: Signer, clock: Clock, run: DemoRun) -> None:
    while True:
        _beat(publisher, signer, clock, run)
        await asyncio.sleep(1.0)


def _beat(publisher: Publisher, signer: Signer, clock: Clock, run: DemoRun) -> None:
    body = heartbeat(
        now_us=clock.now_ns() // 1000,
        version=__version__,
        mode="exercise",
        last_event_id=run.versions[-1].event_id if run.versions else None,
        health="ok",
    )
    publisher.publish(TOPIC_HEARTBEAT, signed(body, signer, "exercise"), qos=0)
    run.hub.publish("heartbeat", **body)


async def _play(
    options: DemoOptions,
    chosen: Scenario,
    pipeline: Pipeline,
    arrivals: list[tuple[int, Packet]],
    clock: Clock,
    publisher: Publisher,
    fleet: Fleet,
    run: DemoRun,
    view: DemoView,
    live: Live,
) -> None:
    watch_from_s = chosen.origin.time_s - WATCH_FROM_S if chosen.origin else chosen.start_s
    drawn_s = -math.inf
    loop = asyncio.get_running_loop()
    motion = None if run.page is None else _motion_view(chosen)
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
        if motion is not None:
            _show_motion(run, motion, packets, output, now_ns)
        if output.versions and math.isinf(options.speed):
            # Data time stands still while the alerts are sent; the heartbeat then sets the devices'
            # clocks
            await publisher.drain()
        view.now_s = seconds_from_ns(now_ns)
        if loop.time() - drawn_s >= 1 / FRAMES_PER_S:
            drawn_s = loop.time()
            _show(view, output, run, fleet)
            live.update(view.render())
        elif output.versions:
            _show(view, output, run, fleet)


def _take(output: Output, publisher: Publisher, run: DemoRun) -> None:
    run.picks.extend(output.picks)
    for pick in output.picks:
        run.hub.publish(
            "pick", seed_id=pick.seed_id, time=iso_from_ns(pick.time_ns), snr=round(pick.snr, 1)
        )
    run.versions.extend(output.versions)
    for version in output.versions:
        expires_us = us_from_seconds(version.issued_s + EVENT_LIFE_S)
        body = event_body(version, "exercise", expires_us)
        run.hub.publish("event", **body)
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


def _motion_view(chosen: Scenario) -> GroundMotion:
    inventory = chosen.play().inventory
    scale = RELATIONS[ShakingConfig().relation][0]
    return GroundMotion(inventory, verticals_of(inventory).values(), scale)


def _show_motion(
    run: DemoRun, motion: GroundMotion, packets: Sequence[Packet], output: Output, now_ns: int
) -> None:
    """Publish the ground motion for the page, each second of the data."""
    motion.take(packets, output.picks)
    if now_ns - run.shown_ns >= NS_PER_S:
        run.shown_ns = now_ns
        for update in motion.take_messages(now_ns):
            run.hub.forward(update)


async def _until_reached(fleet: Fleet, run: DemoRun) -> None:
    """Wait until no more reactions come, for at most ``SETTLE_S``."""
    deadline = asyncio.get_running_loop().time() + SETTLE_S
    quiet = 0
    while run.expected and quiet < 5 and asyncio.get_running_loop().time() < deadline:
        before = len(fleet.reactions)
        await asyncio.sleep(0.1)
        quiet = quiet + 1 if len(fleet.reactions) == before else 0


def _view(
    chosen: Scenario, devices: Sequence[Device], arrivals: list[tuple[int, Packet]]
) -> DemoView:
    topics: dict[str, list[str]] = {}
    for device in devices:
        topics.setdefault(device.kind, []).append(topic_of(device))
    return DemoView(
        title=chosen.title,
        origin_s=chosen.origin.time_s if chosen.origin else chosen.start_s,
        now_s=seconds_from_ns(arrivals[0][0]),
        cities=[CityView(city.name, city.latitude, city.longitude) for city in chosen.cities],
        stations=len(chosen.stations),
        devices={kind: len(ours) for kind, ours in topics.items()},
        topics=topics,
    )


def _show(view: DemoView, output: Output, run: DemoRun, fleet: Fleet) -> None:
    view.picks = len(run.picks)
    view.versions = run.versions
    alerted: dict[str, set[str]] = {}
    for reaction in fleet.reactions:
        alerted.setdefault(reaction["device_kind"], set()).add(reaction["device_id"])
    view.alerted = {kind: len(ids) for kind, ids in alerted.items()}
    counts = {
        kind: {
            "alerted": view.alerted.get(kind, 0),
            "expected": sum(topic in run.expected for topic in topics),
        }
        for kind, topics in view.topics.items()
    }
    if counts != view.shown:
        view.shown = counts
        run.hub.publish("devices", kinds=counts)
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
