"""Thousands of phones and TVs as real MQTT clients, lean enough for one machine, in a process of their own.

``python -m simulators.fleet`` reads its orders (one JSON object) from standard input and writes JSON lines: ``ready`` when
all are subscribed, one line for each reaction, ``done`` at the end. ``Fleet`` starts it and collects. Each device is a TCP
connection with its own subscriptions, clock and state machine; devices of one process share the check of a signature, since
all phones of a cell get the same bytes.
"""

import asyncio
import contextlib
import itertools
import random
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import orjson

from ew.alerts.message import TOPIC_CELL, TOPIC_DEVICE, TOPIC_HEARTBEAT, TOPIC_KEYS, AlertBody
from ew.alerts.signing import Verifier
from ew.delivery.broker import BrokerAddress
from ew.delivery.embedded import decode, encode
from ew.delivery.embedded.packets import V311, Type
from ew.delivery.loop import fast_run
from ew.errors import BrokerError, MessageError
from ew.shaking.targets import cell_of
from ew.traveltimes import TravelTimes
from simulators.device import DeviceMachine, check_with
from simulators.population import Device

CONNECTS_PER_S = 2000.0
KEEP_ALIVE_S = 60
PING_EVERY_S = 30.0
READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What a fleet process is to do."""

    nodes: list[tuple[str, int]]
    devices: list[Device]
    connects_per_s: float = CONNECTS_PER_S

    def to_json(self) -> bytes:
        """As one line of JSON."""
        return orjson.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: bytes) -> "Orders":
        """From one line of JSON."""
        plain = orjson.loads(line)
        devices = [Device(**device) for device in plain.pop("devices")]
        return cls(devices=devices, **plain)


class _Shared:
    """What all devices of a process have in common: keys, checks already made, the way out."""

    def __init__(self) -> None:
        self.verifier = Verifier()
        self.travel_times = TravelTimes.load()
        self.subscribed = 0
        self.inbox: deque[tuple[_Client, str, bytes, int]] = deque()
        self.has_mail = asyncio.Event()
        self._check = check_with(self.verifier)
        self._known: dict[bytes, AlertBody | str] = {}

    def check(self, payload: bytes, now_us: int) -> AlertBody:
        """Check a message once for all devices that get the same bytes."""
        known = self._known.get(payload)
        if known is None:
            try:
                known = self._check(payload, now_us)
            except MessageError as error:
                known = str(error)
            self._known[payload] = known
        if isinstance(known, str):
            raise MessageError(known)
        return known


class _Client(asyncio.Protocol):
    """One device's MQTT 3.1.1 connection: connect, subscribe, acknowledge; messages go to the shared inbox."""

    def __init__(self, machine: DeviceMachine, topic: str, shared: _Shared) -> None:
        self.machine = machine
        self.transport: asyncio.Transport | None = None
        self.is_lost = asyncio.Event()
        self._topic = topic
        self._shared = shared
        self._splitter = decode.Splitter(1 << 20)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect and subscribe in one go."""
        self.transport = transport  # type: ignore[assignment] # uvloop's transport is not asyncio's class
        client_id = encode.text(self.machine.device.device_id)
        connect = (
            encode.text("MQTT") + bytes([V311, 2]) + KEEP_ALIVE_S.to_bytes(2, "big") + client_id
        )
        wanted = ((self._topic, 1), (TOPIC_KEYS, 1), (TOPIC_HEARTBEAT, 0))
        filters = b"".join(encode.text(topic) + bytes([qos]) for topic, qos in wanted)
        self.send(
            encode.packet(Type.CONNECT, 0, connect)
            + encode.packet(Type.SUBSCRIBE, 2, b"\x00\x01" + filters)
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """The broker has gone."""
        del exc
        self.transport = None
        self.is_lost.set()

    def send(self, data: bytes) -> None:
        """Send, if there is a connection."""
        if self.transport is not None:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Stamp and acknowledge at once; think later, so that no device waits for another's thoughts."""
        clock_us = time.time_ns() // 1000
        for kind, flags, body in self._splitter.feed(data):
            if kind == Type.PUBLISH:
                packet = decode.parse_publish(V311, flags, body)
                if packet.qos:
                    self.send(encode.ack(V311, Type.PUBACK, packet.packet_id))
                self._shared.inbox.append((self, packet.topic, packet.payload, clock_us))
                self._shared.has_mail.set()
            elif kind == Type.SUBACK:
                self._shared.subscribed += 1


def topic_of(device: Device) -> str:
    """Where a device listens: a phone at its cell, all others at their own topic."""
    if device.kind == "phone":
        return TOPIC_CELL.format(cell_of(device.latitude, device.longitude))
    return TOPIC_DEVICE.format(device.device_id)


async def run(orders: Orders) -> None:
    """Connect all devices, report ready, then report reactions until standard input closes."""
    shared = _Shared()
    clients = [
        _Client(DeviceMachine(d, shared.check, shared.travel_times), topic_of(d), shared)
        for d in orders.devices
    ]
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        keepers = [
            group.create_task(_keep(client, number, orders))
            for number, client in enumerate(clients)
        ]
        reader = group.create_task(_read_mail(shared))
        pinger = group.create_task(_ping(clients))
        group.create_task(_until_stdin_closes(stop))
        while shared.subscribed < len(clients):  # noqa: ASYNC110 - counted up by thousands of protocols
            await asyncio.sleep(0.01)
        _say({"ready": len(clients)})
        await stop.wait()
        await asyncio.sleep(0)
        for task in (*keepers, reader, pinger):
            task.cancel()
    _drain(shared)
    _say({"done": len(clients), "refused": _refusals(clients)})


async def _keep(client: _Client, number: int, orders: Orders) -> None:
    """Keep one device connected: a steady rate at first, a wait with jitter after a loss, then the next node."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(number / orders.connects_per_s)
    for attempt in itertools.count(number):
        host, port = orders.nodes[attempt % len(orders.nodes)]
        client.is_lost.clear()
        try:
            await loop.create_connection(lambda: client, host, port)
            await client.is_lost.wait()
        except OSError:
            pass  # the broker is away: try again below
        await asyncio.sleep(
            0.2 + random.random() * max(1.0, len(orders.devices) / orders.connects_per_s)
        )


async def _ping(clients: Sequence[_Client]) -> None:
    while True:
        await asyncio.sleep(PING_EVERY_S)
        for client in clients:
            client.send(encode.packet(Type.PINGREQ, 0, b""))


async def _read_mail(shared: _Shared) -> None:
    while True:
        await shared.has_mail.wait()
        shared.has_mail.clear()
        while shared.inbox:
            _handle(shared)
            await asyncio.sleep(0)  # sockets first


def _drain(shared: _Shared) -> None:
    while shared.inbox:
        _handle(shared)


def _handle(shared: _Shared) -> None:
    client, topic, payload, clock_us = shared.inbox.popleft()
    machine = client.machine
    try:
        if topic == TOPIC_HEARTBEAT:
            machine.on_heartbeat(int(orjson.loads(payload)["time_us"]), clock_us)
        elif topic == TOPIC_KEYS:
            shared.verifier.update(orjson.loads(payload))
        else:
            reaction = machine.on_alert(payload, clock_us)
            if reaction is not None:
                _say({**asdict(reaction), "clock_us": clock_us, "device_kind": machine.device.kind})
    except (ValueError, KeyError, MessageError) as error:
        machine.refused[str(error)] = machine.refused.get(str(error), 0) + 1


def _refusals(clients: Sequence[_Client]) -> dict[str, int]:
    total: dict[str, int] = {}
    for client in clients:
        for reason, count in client.machine.refused.items():
            total[reason] = total.get(reason, 0) + count
    return total


def _say(line: dict[str, Any]) -> None:
    sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
    sys.stdout.buffer.flush()


async def _until_stdin_closes(stop: asyncio.Event) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()
    stop.set()


class Fleet:
    """A fleet process as an async context; ``reactions`` grows as they come in, in order of receipt."""

    def __init__(self, devices: Sequence[Device], broker: BrokerAddress) -> None:
        self.reactions: list[dict[str, Any]] = []
        self.refused: dict[str, int] = {}
        self._orders = Orders(list(broker.nodes), list(devices))
        self._process: asyncio.subprocess.Process | None = None
        self._ready = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the process and wait until every device is subscribed.

        Raises:
            BrokerError: not all devices could connect in time.
        """
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "simulators.fleet",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 20,
        )
        if self._process.stdin is None:
            raise BrokerError("the fleet was started without its pipes")
        self._process.stdin.write(self._orders.to_json() + b"\n")
        await self._process.stdin.drain()
        self._reader = asyncio.create_task(self._read(), name="fleet-reader")
        try:
            async with asyncio.timeout(READY_WITHIN_S + len(self._orders.devices) / 500):
                await self._ready.wait()
        except TimeoutError as error:
            await self.__aexit__()
            raise BrokerError(
                f"not all of {len(self._orders.devices)} devices could connect"
            ) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """End the process."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reader is not None:
            await self._reader

    async def finish(self) -> list[dict[str, Any]]:
        """End the process and return all reactions."""
        await self.__aexit__()
        return self.reactions

    async def _read(self) -> None:
        if self._process is None or self._process.stdout is None:
            return
        async for line in self._process.stdout:
            data = orjson.loads(line)
            if "ready" in data:
                self._ready.set()
            elif "done" in data:
                self.refused = data["refused"]
            else:
                self.reactions.append(data)


def main() -> None:
    """Read the orders and run."""
    orders = Orders.from_json(sys.stdin.buffer.readline())
    with contextlib.suppress(KeyboardInterrupt):
        fast_run(run(orders))


if __name__ == "__main__":
    main()
