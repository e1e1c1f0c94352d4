"""Thousands of phones and TVs as real MQTT clients, in a process of their own.

``python -m simulators.fleet`` reads its orders (one JSON object) from standard input and writes
JSON lines: ``ready`` when all are subscribed, one line for each reaction, ``done`` at the end.
``Fleet`` starts it and collects them. Each device is a TCP connection with its own subscriptions,
clock and state machine; devices of one process share the verification of a message, since all
phones of a cell get the same bytes.
"""

import asyncio
import contextlib
import itertools
import random
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import orjson

from ew.alerts.message import TOPIC_CELL, TOPIC_DEVICE
from ew.broker_address import BrokerAddress
from ew.config.policy import KindPolicy
from ew.errors import BrokerError, MessageError
from ew.shaking.targets import cell_of
from mqtt_broker.loop import fast_run
from simulators.client import DeviceClient, Shared, handle_mail
from simulators.device import KINDS, DeviceMachine
from simulators.population import KM_PER_H, Device, Journey

CONNECTS_PER_S = 2000.0
PING_EVERY_S = 30.0
MOVE_EVERY_S = 0.25
READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of a fleet process.

    ``roots``: the public root keys (hex) its devices are made with. ``moving``: the share of the
    devices that move, at ``km_per_h``; ``serial``: of the newest document of keys they remember.
    """

    broker: BrokerAddress
    devices: list[Device]
    roots: list[str]
    kinds: Mapping[str, KindPolicy] = field(default_factory=lambda: KINDS)
    moving: float = 0.0
    km_per_h: float = KM_PER_H
    connects_per_s: float = CONNECTS_PER_S
    serial: int = 0

    def to_json(self) -> bytes:
        """The orders as a line of JSON."""
        kinds = {name: kind.model_dump() for name, kind in self.kinds.items()}
        return orjson.dumps({**asdict(self), "kinds": kinds}, default=str)

    @classmethod
    def from_json(cls, line: bytes) -> "Orders":
        """Parse a line of JSON."""
        plain = orjson.loads(line)
        devices = [Device(**device) for device in plain.pop("devices")]
        broker = plain.pop("broker")
        others = tuple((host, port) for host, port in broker.pop("others"))
        ca_file = broker.pop("ca_file")
        address = BrokerAddress(**broker, others=others, ca_file=ca_file and Path(ca_file))
        kinds = {name: KindPolicy(**kind) for name, kind in plain.pop("kinds").items()}
        return cls(broker=address, devices=devices, kinds=kinds, **plain)


def topic_of(device: Device, kinds: Mapping[str, KindPolicy] = KINDS) -> str:
    """The topic of a device that stays in its place: its cell's or its own, by its kind."""
    if kinds[device.kind].address == "cell":
        return TOPIC_CELL.format(cell_of(device.latitude, device.longitude))
    return TOPIC_DEVICE.format(device.device_id)


async def run(orders: Orders) -> None:
    """Connect all devices, report ready, then report reactions until standard input closes."""
    shared = Shared((bytes.fromhex(root) for root in orders.roots), orders.serial)
    clients = [
        DeviceClient(
            DeviceMachine(device, shared.check, shared.travel_times, kinds=orders.kinds),
            shared,
            orders.broker,
        )
        for device in orders.devices
    ]
    stop, tls = asyncio.Event(), orders.broker.tls_context()
    async with asyncio.TaskGroup() as group:
        workers = [
            group.create_task(_keep(client, number, orders, tls))
            for number, client in enumerate(clients)
        ]
        workers.append(group.create_task(_read_mail(shared)))
        workers.append(group.create_task(_ping(clients)))
        group.create_task(_until_stdin_closes(stop))
        while shared.subscribed < len(clients):  # noqa: ASYNC110 - counted by protocols
            await asyncio.sleep(0.01)
        workers.append(group.create_task(_travel(clients, orders)))
        _write_line({"ready": len(clients)})
        await stop.wait()
        await asyncio.sleep(0)
        for task in workers:
            task.cancel()
    while shared.inbox:
        _think(shared)
    _write_line({"done": len(clients), "refused": _refusals(clients), "receipts": shared.receipts})


async def _keep(
    client: DeviceClient, number: int, orders: Orders, tls: ssl.SSLContext | None
) -> None:
    """Keep one device connected: at a steady rate at first, with jitter after a loss."""
    loop, nodes = asyncio.get_running_loop(), orders.broker.nodes
    await asyncio.sleep(number / orders.connects_per_s)
    for attempt in itertools.count(number):
        host, port = nodes[attempt % len(nodes)]
        client.is_lost.clear()
        try:
            await loop.create_connection(lambda: client, host, port, ssl=tls)
            await client.is_lost.wait()
        except OSError:
            pass  # the broker is away: try again below
        await asyncio.sleep(
            0.2 + random.random() * max(1.0, len(orders.devices) / orders.connects_per_s)
        )


async def _ping(clients: Sequence[DeviceClient]) -> None:
    while True:
        await asyncio.sleep(PING_EVERY_S)
        for client in clients:
            client.ping()
            client.listen()  # a phone that has come to rest unsubscribes from the neighbours' cells


async def _travel(clients: Sequence[DeviceClient], orders: Orders) -> None:
    """Move the phones that move; those of a fleet start at the same time."""
    count = round(orders.moving * len(clients))
    journeys = [
        (client, Journey.of(client.machine.device, orders.km_per_h)) for client in clients[:count]
    ]
    begin_s = time.monotonic()
    while journeys:
        await asyncio.sleep(MOVE_EVERY_S)
        for client, journey in journeys:
            line = client.move(*journey.at(time.monotonic() - begin_s))
            if line is not None:
                _write_line(line)


async def _read_mail(shared: Shared) -> None:
    while True:
        await shared.has_mail.wait()
        shared.has_mail.clear()
        while shared.inbox:
            _think(shared)
            await asyncio.sleep(0)  # sockets first


def _think(shared: Shared) -> None:
    machine, serial = shared.inbox[0][0].machine, shared.verifier.serial
    try:
        lines = handle_mail(shared)
    except (ValueError, KeyError, MessageError) as error:
        machine.refused[str(error)] = machine.refused.get(str(error), 0) + 1
    else:
        for line in lines:
            _write_line(line)
    if shared.verifier.serial > serial:
        _write_line({"serial": shared.verifier.serial})


def _refusals(clients: Sequence[DeviceClient]) -> dict[str, int]:
    total: dict[str, int] = {}
    for client in clients:
        for reason, count in client.machine.refused.items():
            total[reason] = total.get(reason, 0) + count
    return total


def _write_line(line: dict[str, Any]) -> None:
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
    """A fleet process as an async context; ``reactions`` grows in order of receipt.

    ``serial`` is that of the newest document of keys its devices know, to be given to the next
    fleet.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        broker: BrokerAddress,
        *,
        roots: Sequence[bytes],
        kinds: Mapping[str, KindPolicy] = KINDS,
        moving: float = 0.0,
        km_per_h: float = KM_PER_H,
        serial: int = 0,
    ) -> None:
        self.serial = serial
        self.reactions: list[dict[str, Any]] = []
        self.refused: dict[str, int] = {}
        self.receipts = 0
        self._orders = Orders(
            broker, list(devices), [root.hex() for root in roots], kinds, moving, km_per_h,
            serial=serial,
        )  # fmt: skip
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
            elif "serial" in data:
                self.serial = data["serial"]
            elif "done" in data:
                self.refused, self.receipts = data["refused"], data["receipts"]
            else:
                self.reactions.append(data)


def main() -> None:
    """Read the orders and run."""
    orders = Orders.from_json(sys.stdin.buffer.readline())
    with contextlib.suppress(KeyboardInterrupt):
        fast_run(run(orders))


if __name__ == "__main__":
    main()
