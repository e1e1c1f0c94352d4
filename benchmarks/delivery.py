"""From a plan to the last device: brokers, sizes, QoS, cells and device topics, traffic, and the
return after a restart.

Real brokers, real TCP, signed alerts of the product's own publisher; clients in processes of their
own (``simulators.swarm``). A latency runs from the moment the plan was handed to the publisher to
the moment a client has the bytes, so a publisher that stalls can't hide it. Beside them the naive
way (one client, one awaited publish per device) and a yardstick that only writes the same bytes to
as many sockets.
"""

import asyncio
import contextlib
import math
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence

import aiomqtt

from benchmarks.harness import BenchmarkResult, Budget, budget, median
from benchmarks.rivals.traffic import PASSWORD, USER
from benchmarks.rounds import Measured, Usage, crowd, one_round, plan_for, publisher_to, rounds
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.delivery.broker import find_program, open_broker
from ew.errors import BrokerError
from simulators.swarm import Swarm

NAME = "delivery"
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
    """NATS as it is meant to be used: published at QoS 1 and retained, delivered at QoS 0; and how
    soon who lost it has it.

    The crowd that comes after the alert stands for devices whose connection died with the alert on
    it.
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
    """What one would write first: a client that publishes to each device in turn and waits for
    each."""
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
    """Alerts alone and beside half of what the broker can carry, in turns; the ratio of the rounds'
    median p99.
    """
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
