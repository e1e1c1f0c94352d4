"""From a plan to the last device: brokers, sizes, QoS, cells and device topics, traffic, and the return after a restart.

Real brokers, real TCP, signed alerts of the product's own publisher; clients in processes of their own
(``simulators.swarm``). A latency runs from the moment the plan was handed to the publisher to the moment a client has the
bytes, so a publisher that stalls can't hide it. Beside them the naive way (one client, one awaited publish per device) and
a yardstick that only writes the same bytes to as many sockets.
"""

import asyncio
import contextlib
import math
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import h3
import numpy as np

from benchmarks.harness import BenchmarkResult, Budget, budget, median, percentile
from benchmarks.rivals.traffic import PASSWORD, USER
from ew.address import BrokerAddress
from ew.alerts.message import TOPIC_CELL, TOPIC_DEVICE
from ew.alerts.planner import AlertPlan, AlertPlanner
from ew.alerts.signing import Signer
from ew.config import Config, DeliveryConfig, PolicyConfig
from ew.delivery.broker import find_program, open_broker
from ew.delivery.publisher import Publisher
from ew.errors import BrokerError
from ew.records import EventVersion, Origin
from ew.shaking.targets import Targets, cell_of, cell_targets, device_targets
from ew.traveltimes import TravelTimes
from simulators.swarm import MARK, Swarm

NAME = "delivery"
LATITUDE, LONGITUDE = 30.6, 104.0
CELLS_WITHIN = 6  # rings of H3 cells about the epicentre: 127 cells
SIZES = (
    1_000,
    5_000,
    10_000,
    19_500,
)  # a process may hold 20,000 descriptors here, the broker's too
ROUNDS = 5
TURNS = 7  # with and without other traffic
NATS_QOS_1_MOST = 1_000  # each QoS 1 subscriber of NATS is a JetStream consumer
NAIVE_DEVICES = 1_000
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Crowd:
    """Devices for the benchmark: their topics and the planner's view of them."""

    topics: list[tuple[str, str]]
    cells: Targets
    devices: Targets


@dataclass
class Measured:
    """All rounds of one case."""

    size: int
    latencies_ms: list[float] = field(default_factory=list)
    lasts_ms: list[float] = field(default_factory=list)
    p99s_ms: list[float] = field(default_factory=list)
    reached: list[int] = field(default_factory=list)

    def add(self, start_ns: int, times_ns: Sequence[int], reached: int) -> None:
        found = (np.array(times_ns, np.int64) - start_ns) / 1e6
        self.latencies_ms += found.tolist()
        self.lasts_ms.append(float(found.max()) if len(found) else math.inf)
        self.p99s_ms.append(percentile(found.tolist(), 99) if len(found) else math.inf)
        self.reached.append(reached)

    def row(self, case: str, qos: int, by: str) -> dict[str, object]:
        return {
            "case": case,
            "devices": self.size,
            "qos": qos,
            "by": by,
            "reached": min(self.reached),
            "p50_ms": percentile(self.latencies_ms, 50),
            "p99_ms": percentile(self.latencies_ms, 99),
            "last_ms": median(self.lasts_ms),
        }


def crowd(size: int) -> Crowd:
    """Devices spread evenly over the cells about the epicentre."""
    cells = sorted(h3.grid_disk(cell_of(LATITUDE, LONGITUDE), CELLS_WITHIN))
    ids = [f"tv-{number:06d}" for number in range(size)]
    places = np.array([h3.cell_to_latlng(cells[number % len(cells)]) for number in range(size)])
    topics = [
        (TOPIC_CELL.format(cells[number % len(cells)]), TOPIC_DEVICE.format(ids[number]))
        for number in range(size)
    ]
    kinds = np.full(size, list(Config().policy.kinds).index("tv"), np.uint8)
    used = cells[:size]
    return Crowd(topics, cell_targets(used), device_targets(ids, kinds, places[:, 0], places[:, 1]))


def plan_for(targets: Targets, number: int) -> AlertPlan:
    """A plan that tells all of them of a new event."""
    config = Config(policy=PolicyConfig(mode="test"))
    planner = AlertPlanner(config, TravelTimes.load(), [targets], key_id="bench")
    now_s = time.time()
    origin = Origin(now_s - 4.0, LATITUDE, LONGITUDE, 15.0, 7.8)
    name = f"{MARK.decode()}{number:03d}"
    (plan,) = planner.plan(EventVersion(name, 1, "alert", now_s, origin, 6), now_s)
    if len(plan) != len(targets):
        raise BrokerError(f"only {len(plan)} of {len(targets)} targets are in the plan")
    return plan


@contextlib.asynccontextmanager
async def publisher_to(
    broker: BrokerAddress, qos: int, *, retain: bool = False
) -> AsyncIterator[Publisher]:
    signer = Signer.ephemeral("bench", ("test",))
    async with Publisher(broker, signer, DeliveryConfig(qos=qos, retain=retain)) as publisher:
        yield publisher


async def rounds(
    publisher: Publisher, swarm: Swarm, targets: Targets, size: int, count: int, first: int
) -> Measured:
    """Several events; the one before the first is for warming up."""
    measured = Measured(size)
    await one_round(publisher, swarm, targets, first, Measured(size))
    for number in range(first + 1, first + count + 1):
        await one_round(publisher, swarm, targets, number, measured)
    return measured


async def one_round(
    publisher: Publisher, swarm: Swarm, targets: Targets, number: int, measured: Measured
) -> None:
    """One event, told to all."""
    plan = plan_for(targets, number)
    start_ns = time.time_ns()
    publisher.submit(plan)
    report = await swarm.report(number, within_s=10.0)
    await publisher.drain()
    measured.add(start_ns, report.times_ns, report.reached)


class Usage:
    """CPU seconds and memory of processes between two moments, from /proc."""

    def __init__(self, **pids: Sequence[int]) -> None:
        self._pids = pids
        self._before = {name: self._cpu_s(name) for name in pids}

    def columns(self, devices: int) -> dict[str, object]:
        row: dict[str, object] = {}
        for name, pids in self._pids.items():
            row[f"{name}_cpu_s"] = round(self._cpu_s(name) - self._before[name], 2)
            row[f"{name}_mb"] = round(sum(map(_memory_mb, pids)))
        row["kb_a_client"] = round(1024 * sum(map(_memory_mb, self._pids["clients"])) / devices, 1)
        return row

    def _cpu_s(self, name: str) -> float:
        return sum(map(_cpu_s, self._pids[name]))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE / 1e6


async def case(spec: str, size: int, qos: int, count: int) -> list[dict[str, object]]:
    """One broker with one crowd, by cell and by device topic."""
    people = crowd(size)
    rows = []
    async with open_broker(spec) as broker:
        begun = time.monotonic()
        async with Swarm(broker, people.topics, qos=qos) as swarm, publisher_to(broker, qos) as out:
            connect_s = time.monotonic() - begun
            for by, targets, first in (("cell", people.cells, 0), ("device", people.devices, 100)):
                own = [broker.pid] if broker.pid else []
                usage = Usage(broker=own, publisher=[os.getpid()], clients=swarm.pids)
                measured = await rounds(out, swarm, targets, size, count, first)
                row = measured.row(spec, qos, by)
                rows.append({**row, **usage.columns(size), "connect_s": round(connect_s, 1)})
    return rows


async def kept(size: int, count: int) -> list[dict[str, object]]:
    """NATS as it is meant to be used: published at QoS 1 and retained, delivered at QoS 0; and how soon who lost it has it.

    The crowd that comes after the alert stands for devices whose connection died with the alert on it.
    """
    people = crowd(size)
    late = Measured(size)
    async with open_broker("nats") as broker, publisher_to(broker, 1, retain=True) as out:
        async with Swarm(broker, people.topics, qos=0) as swarm:
            live = await rounds(out, swarm, people.cells, size, count, 400)
        start_ns = time.time_ns()
        async with Swarm(broker, people.topics, qos=0) as swarm:
            report = await swarm.report(400 + count, within_s=10.0)
            late.add(start_ns, report.times_ns, report.reached)
    return [live.row("nats, retained", 0, "cell"), late.row("nats, back again", 0, "cell")]


async def naive(size: int) -> dict[str, object]:
    """What one would write first: a client that publishes to each device in turn and waits for each."""
    people = crowd(size)
    measured = Measured(size)
    signer = Signer.ephemeral("bench", ("test",))
    async with (
        open_broker("embedded") as broker,
        Swarm(broker, people.topics, qos=1) as swarm,
        aiomqtt.Client(
            broker.host, broker.port, username=broker.username, password=broker.password
        ) as client,
    ):
        for number in range(2):
            plan = plan_for(people.devices, number)
            start_ns = time.time_ns()
            for place in range(len(plan)):
                await client.publish(plan.topic(place), plan.message(place, signer), qos=1)
            report = await swarm.report(number, within_s=10.0)
            measured.add(start_ns, report.times_ns, report.reached)
    return measured.row("naive loop", 1, "device")


async def yardstick(size: int, count: int) -> dict[str, object]:
    """The same bytes over as many sockets, with no broker in between."""
    people = crowd(size)
    measured = Measured(size)
    payload = plan_for(people.cells, 0).message(0, Signer.ephemeral("bench", ("test",)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.rivals.raw"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        broker = BrokerAddress("127.0.0.1", int(await process.stdout.readline()))
        async with Swarm(broker, people.topics, qos=0, is_raw=True) as swarm:
            for number in range(count + 1):
                start_ns = time.time_ns()
                process.stdin.write(payload.replace(b"round-000", b"round-%03d" % number) + b"\n")
                report = await swarm.report(number, within_s=10.0)
                if number:
                    measured.add(start_ns, report.times_ns, report.reached)
    finally:
        process.terminate()
        await process.wait()
    return measured.row("sockets only", 0, "cell")


class Traffic:
    """Stations and an archive beside the alerts, as a process, at the rate it is told."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def ask(self, rate: float) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{rate}\n".encode())

    async def rates(self, seconds: int) -> list[int]:
        assert self._process.stdout
        return [int(await self._process.stdout.readline()) for _ in range(seconds)]


@contextlib.asynccontextmanager
async def traffic_to(broker: BrokerAddress) -> AsyncIterator[Traffic]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.rivals.traffic", broker.host, str(broker.port)),
        env={**os.environ, USER: broker.username or "", PASSWORD: broker.password or ""},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Traffic(process)
    finally:
        process.terminate()
        await process.wait()


async def with_traffic(spec: str, size: int, count: int) -> tuple[list[dict[str, object]], float]:
    """Alerts alone and beside half of what the broker can carry, in turns; the ratio of the rounds' median p99."""
    people = crowd(size)
    alone, beside = Measured(size), Measured(size)
    async with (
        open_broker(spec) as broker,
        Swarm(broker, people.topics, qos=1) as swarm,
        publisher_to(broker, 1) as out,
        traffic_to(broker) as flood,
    ):
        flood.ask(math.inf)
        capacity = median((await flood.rates(4))[1:])
        flood.ask(0)
        await rounds(out, swarm, people.cells, size, 1, 200)
        for number in range(202, 202 + 2 * count, 2):
            await one_round(out, swarm, people.cells, number, alone)
            flood.ask(capacity / 2)
            await flood.rates(2)  # the first began without it
            await one_round(out, swarm, people.cells, number + 1, beside)
            flood.ask(0)
    rows = [
        alone.row(f"{spec} alone", 1, "cell"),
        beside.row(f"{spec} + {capacity / 2:.0f} msg/s", 1, "cell"),
    ]
    return rows, median(beside.p99s_ms) / median(alone.p99s_ms)


async def storm(spec: str, size: int) -> float:
    """Seconds from a broker's return after a restart until every client is subscribed again."""
    people = crowd(size)
    async with contextlib.AsyncExitStack() as stack:
        async with open_broker(spec) as broker:
            swarm = await stack.enter_async_context(Swarm(broker, people.topics, qos=1))
        async with open_broker(spec, port=broker.port):
            begun = time.monotonic()
            await asyncio.sleep(0.2)
            await swarm.all_subscribed()
            return time.monotonic() - begun


async def _run(quick: bool) -> BenchmarkResult:
    rows: list[dict[str, object]] = []
    notes: list[str] = []
    count = 2 if quick else ROUNDS
    for spec, size, qos in _cases(quick):
        try:
            rows += await case(spec, size, qos, count)
        except BrokerError as error:
            notes.append(f"{spec}, {size} devices, QoS {qos}: {error}")
    if find_program("nats-server") and not quick:
        rows += await kept(5_000, count)
    rows.append(await naive(200 if quick else NAIVE_DEVICES))
    for size in (1_000,) if quick else (1_000, 10_000):
        rows.append(await yardstick(size, count))
    budgets = _budgets(rows)
    for spec in ("embedded",) if quick else ("embedded", "mosquitto"):
        if spec == "embedded" or find_program(spec):
            more, ratio = await with_traffic(spec, 500 if quick else 5_000, TURNS)
            rows += more
            if spec == "embedded":
                budgets.append(budget(NAME, "p99 beside half the broker's capacity", ratio))
            notes.append(f"{spec}: p99 beside half of its capacity {ratio:.2f} x that alone")
    size = 500 if quick else 10_000
    again_s = await storm("embedded", size)
    notes.append(f"embedded: {size} clients back {again_s:.1f} s after a restart")
    return BenchmarkResult(NAME, rows, budgets, notes)


def _cases(quick: bool) -> list[tuple[str, int, int]]:
    if quick:
        return [("embedded", 1_000, 1)]
    found = [("embedded", size, qos) for size in SIZES for qos in (0, 1)]
    if find_program("mosquitto"):
        found += [("mosquitto", size, qos) for size in SIZES for qos in (0, 1)]
    if find_program("nats-server"):
        found += [("nats", size, 0) for size in SIZES] + [("nats", NATS_QOS_1_MOST, 1)]
    return found


def _budgets(rows: Sequence[dict[str, object]]) -> list[Budget]:
    found = []
    for size, names in (
        (1_000, {"p99_ms": "1,000 devices, embedded, QoS 1, p99"}),
        (
            10_000,
            {
                "p99_ms": "10,000 devices, embedded, QoS 1, p99",
                "last_ms": "10,000 devices, embedded, QoS 1, last",
            },
        ),
    ):
        for row in rows:
            key = (row["case"], row["devices"], row["qos"], row["by"])
            if key == ("embedded", size, 1, "cell"):
                found += [
                    budget(NAME, name, float(str(row[column]))) for column, name in names.items()
                ]
    missed = sum(
        int(str(row["devices"])) - int(str(row["reached"]))
        for row in rows
        if row["case"] == "embedded"
    )
    found.append(budget(NAME, "devices of the embedded broker not reached", missed))
    return found


def run(quick: bool) -> BenchmarkResult:
    """Measure delivery."""
    return asyncio.run(_run(quick))
