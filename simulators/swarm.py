"""A crowd of bare MQTT clients that only stamp what they receive, for the delivery benchmark.

``fleet`` plays devices that verify, count down and report; ten thousand of those on the machine
that also runs the broker would measure themselves. Here a device is a TCP connection with two
subscriptions, an acknowledgement and a time stamp, about 3 KiB and a few microseconds for each
message. ``python -m simulators.swarm`` takes its orders as a line of JSON from standard input and
answers ``ready`` and ``report`` lines; ``Swarm`` starts several such processes and adds their
reports up.
"""

import asyncio
import contextlib
import itertools
import os
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import orjson

from ew.broker_address import BrokerAddress
from ew.errors import BrokerError
from mqtt_broker import decode, encode
from mqtt_broker.loop import fast_run
from mqtt_broker.packets import V311, Type

MARK = b"round-"
"""Precedes the three digits of a round's number in a message."""
SOURCE_ADDRESS_FROM = 2
"""Processes bind to 127.0.0.2, .3, …: each address has 28,000 local ports."""
CONNECT_WITHIN_S = 90.0
KEEP_ALIVE_S = 0


@dataclass(frozen=True, slots=True)
class SwarmOrders:
    """The orders of one process; ``topics``: each client's; ``is_raw``: no MQTT, only receive."""

    nodes: list[tuple[str, int]]
    source: str
    name: str
    topics: list[list[str]]
    qos: int
    connects_per_s: float
    is_raw: bool = False


@dataclass(frozen=True, slots=True)
class SwarmReport:
    """What all clients received in one round: a time (epoch ns) and a client for each receipt.

    ``reached``: the number of these clients.
    """

    times_ns: list[int]
    reached: int
    devices: list[int]


class _Crowd:
    """The clients of one process and what they have received."""

    def __init__(self, orders: SwarmOrders) -> None:
        self.orders = orders
        self.subscribed: set[int] = set()
        self.received: dict[int, list[tuple[int, int]]] = {}

    def note(self, payload: bytes, number: int, now_ns: int) -> None:
        at = payload.find(MARK) + len(MARK)
        if at >= len(MARK):
            self.received.setdefault(int(payload[at : at + 3]), []).append((number, now_ns))


class _Client(asyncio.Protocol):
    def __init__(self, crowd: _Crowd, number: int) -> None:
        self._crowd = crowd
        self._number = number
        self._splitter = decode.Splitter(1 << 20)
        self._transport: asyncio.Transport | None = None
        self.is_lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transport is not of asyncio's class
        self._transport = transport  # type: ignore[assignment]
        orders = self._crowd.orders
        if orders.is_raw:
            self._crowd.subscribed.add(self._number)
            return
        head = encode.text("MQTT") + bytes([V311, 2]) + KEEP_ALIVE_S.to_bytes(2, "big")
        connect = head + encode.text(f"{orders.name}-{self._number}")
        filters = b"".join(
            encode.text(topic) + bytes([orders.qos]) for topic in orders.topics[self._number]
        )
        self._write(
            encode.packet(Type.CONNECT, 0, connect)
            + encode.packet(Type.SUBSCRIBE, 2, b"\x00\x01" + filters)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._crowd.subscribed.discard(self._number)
        if not self.is_lost.done():
            self.is_lost.set_result(None)

    def data_received(self, data: bytes) -> None:
        now_ns = time.time_ns()
        for kind, flags, body in self._splitter.feed(data):
            if kind == Type.PUBLISH:
                if flags & 6:
                    at = 2 + (body[0] << 8 | body[1])
                    self._write(b"\x40\x02" + body[at : at + 2])
                self._crowd.note(body, self._number, now_ns)
            elif kind == Type.SUBACK:
                self._crowd.subscribed.add(self._number)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)


async def _keep(crowd: _Crowd, number: int) -> None:
    """Keep one client connected: at a steady rate at first, after a loss with jitter."""
    loop, orders = asyncio.get_running_loop(), crowd.orders
    spread_s = len(orders.topics) / orders.connects_per_s
    await asyncio.sleep(number / orders.connects_per_s)
    for attempt in itertools.count(number):
        client = _Client(crowd, number)
        host, port = orders.nodes[attempt % len(orders.nodes)]
        with contextlib.suppress(OSError):  # the broker is away: try again below
            await loop.create_connection(
                lambda one=client: one,  # type: ignore[misc] # bound now, not when called
                host,
                port,
                local_addr=(orders.source, 0),
            )
            await client.is_lost
        await asyncio.sleep(0.1 + random.random() * max(0.5, spread_s))


async def _run(orders: SwarmOrders) -> None:
    crowd = _Crowd(orders)
    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    async with asyncio.TaskGroup() as group:
        keepers = [group.create_task(_keep(crowd, n)) for n in range(len(orders.topics))]
        async for line in commands:
            word, _, number = line.decode().strip().partition(" ")
            if word == "count":
                _write_line({"count": len(crowd.subscribed)})
            elif word == "received":
                _write_line({"received": len({n for n, _ in crowd.received.get(int(number), [])})})
            else:
                found = crowd.received.get(int(number), [])
                reached = len({n for n, _ in found})
                times, devices = [at for _, at in found], [n for n, _ in found]
                _write_line({"times_ns": times, "reached": reached, "devices": devices})
        for task in keepers:
            task.cancel()


def _write_line(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
    sys.stdout.buffer.flush()


class Swarm:
    """Several processes of clients as one async context, ready when all are subscribed."""

    def __init__(
        self,
        broker: BrokerAddress,
        topics: Sequence[Sequence[str]],
        *,
        qos: int,
        processes: int = 2,
        connects_per_s: float = 4000.0,
        is_raw: bool = False,
    ) -> None:
        self._orders = [
            SwarmOrders(
                list(broker.nodes),
                f"127.0.0.{SOURCE_ADDRESS_FROM + number}",
                f"swarm-{os.getpid()}-{number}",
                [list(one) for one in topics[number::processes]],
                qos,
                connects_per_s / processes,
                is_raw,
            )
            for number in range(processes)
        ]
        self._size = len(topics)
        self._processes: list[asyncio.subprocess.Process] = []

    @property
    def pids(self) -> list[int]:
        """The ids of its processes, to measure their memory and CPU."""
        return [process.pid for process in self._processes]

    async def __aenter__(self) -> Self:
        """Start, and wait until every client is subscribed.

        Raises:
            BrokerError: they could not all connect in time; it says how many could.
        """
        for orders in self._orders:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "simulators.swarm"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                limit=1 << 26,
            )
            self._processes.append(process)
            if process.stdin is not None:
                process.stdin.write(orjson.dumps(asdict(orders)) + b"\n")
        try:
            await self.all_subscribed()
        except BrokerError:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the processes."""
        for process in self._processes:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def all_subscribed(self) -> None:
        """Wait until all are (again) subscribed.

        Raises:
            BrokerError: that takes too long.
        """
        deadline = time.monotonic() + CONNECT_WITHIN_S
        while (count := sum(line["count"] for line in await self._ask("count"))) < self._size:
            if time.monotonic() > deadline:
                raise BrokerError(f"{count} of {self._size} clients could connect")
            await asyncio.sleep(0.05)

    async def report(self, number: int, within_s: float) -> SwarmReport:
        """What was received in a round, once all have it or the time is over."""
        deadline = time.monotonic() + within_s
        while sum(line["received"] for line in await self._ask(f"received {number}")) < self._size:
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        lines = await self._ask(f"report {number}")
        times = [at for line in lines for at in line["times_ns"]]
        # Client k of process p is topic k * processes + p of all
        step = len(self._processes)
        devices = [k * step + p for p, line in enumerate(lines) for k in line["devices"]]
        return SwarmReport(times, sum(line["reached"] for line in lines), devices)

    async def _ask(self, command: str) -> list[dict[str, Any]]:
        return [await _ask(process, command) for process in self._processes]


async def _ask(process: asyncio.subprocess.Process, command: str) -> dict[str, Any]:
    if process.stdin is None or process.stdout is None:
        raise BrokerError("the swarm was started without its pipes")
    process.stdin.write(command.encode() + b"\n")
    line = await process.stdout.readline()
    if not line:
        raise BrokerError("a process of the swarm has ended")
    answer: dict[str, Any] = orjson.loads(line)
    return answer


def main() -> None:
    """Read the orders and run."""
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as raw:  # commands follow on it
        orders = SwarmOrders(**orjson.loads(raw.readline()))
    fast_run(_run(orders))


if __name__ == "__main__":
    main()
