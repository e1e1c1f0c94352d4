"""``python -m benchmarks.faulty.loads KIND PORT COUNT``: a load on a service, in a process of its
own.

``http``: COUNT requests as fast as they are answered. ``websockets``: COUNT of them on the live
feed, every third never reads. ``garbage``: COUNT messages a second of noise on the waveform topics.
``picks``: COUNT messages a second on the pick and detector topics, noise and lies in turn.
``deaf``: COUNT MQTT subscribers of everything that never read. It prints what it has done at the
end, or when it is terminated.
"""

import asyncio
import contextlib
import json
import random
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import aiomqtt
import numpy as np

from benchmarks.faulty.stage import earthquake
from ew import Pick
from ew.locate.magnitude import CORNERS_HZ
from ew.locate.reports import PickReport
from ew.sources.picks import encode_report
from mqtt_broker import encode
from mqtt_broker.packets import V311, Type

CLIENTS = 50
NEVER_READ = 3
IN_2099_NS = 4_070_908_800 * 10**9
HANDSHAKE = (
    "GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
REQUEST = b"GET /api/v1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"

done: dict[str, int] = {}


def _count(what: str) -> None:
    done[what] = done.get(what, 0) + 1


async def http(port: int, count: int) -> None:
    left = iter(range(count))
    await asyncio.gather(*(_ask(port, left) for _ in range(CLIENTS)))


async def _ask(port: int, left: "object") -> None:
    connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
    for _ in left:  # type: ignore[attr-defined] # one iterator is shared by all
        try:
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", port)
            reader, writer = connection
            writer.write(REQUEST)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            _count(head.split(b" ")[1].decode())
        except (OSError, asyncio.IncompleteReadError, ValueError):
            connection = None
            _count("broken off")
            await asyncio.sleep(0.1)


async def websockets(port: int, count: int) -> None:
    await asyncio.gather(*(_watch(port, number) for number in range(count)))


async def _watch(port: int, number: int) -> None:
    await asyncio.sleep(number / 500)
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 12)
        writer.write(HANDSHAKE.encode())
        head = await reader.readuntil(b"\r\n\r\n")
        _count(head.split(b" ")[1].decode())
        if number % NEVER_READ == 0:
            await asyncio.Event().wait()
        while await reader.read(1 << 12):
            pass
        writer.close()
        _count("closed")


async def garbage(port: int, count: int) -> None:
    await _publish(port, count, _noise)


async def picks(port: int, count: int) -> None:
    stations = list(earthquake().inventory)
    await _publish(port, count, partial(_lie, stations))


async def _publish(
    port: int, count: int, message: Callable[[random.Random], tuple[str, bytes]]
) -> None:
    """Publish ``count`` messages a second, each a topic and a payload."""
    chance = random.Random(0)
    async with aiomqtt.Client("127.0.0.1", port) as client:
        while True:
            for _ in range(count // 20):
                name, payload = message(chance)
                await client.publish(name, payload, qos=0)
                _count("sent")
            await asyncio.sleep(0.05)


def _noise(chance: random.Random) -> tuple[str, bytes]:
    name = f"ew/v1/waveform/XS.{chance.randrange(9999)}..HHZ"
    return name, chance.randbytes(chance.randrange(1, 600))


def _lie(stations: Sequence[str], chance: random.Random) -> tuple[str, bytes]:
    """Topic and payload of a report that must count for nothing: bytes, a pick with members left
    out, one of an unknown station, one of a known station at an impossible time, or a detector
    whose data end in 2099."""
    station = chance.choice(stations)
    topic = f"ew/v1/pick/{station}"
    kind = chance.randrange(5)
    if kind == 0:
        return topic, chance.randbytes(chance.randrange(1, 600))
    if kind == 1:
        return topic, json.dumps({"v": 1, "seed_id": station, "snr": chance.random()}).encode()
    if kind == 2:
        unknown = f"XX.{chance.randrange(9999)}..HHZ"
        return f"ew/v1/pick/{unknown}", _pick(unknown, time.time_ns())
    if kind == 3:
        return topic, _pick(
            station, chance.choice((0, time.time_ns() - 86_400 * 10**9, IN_2099_NS))
        )
    ends = {"v": 1, "detector": "liar", "ends_ns": {station: IN_2099_NS, "": 1}}
    return "ew/v1/detector/liar", json.dumps(ends).encode()


def _pick(seed_id: str, time_ns: int) -> bytes:
    """A report as a detector sends it, of a strong and clear onset."""
    pick = Pick(seed_id, time_ns, time_ns, 500.0, time_ns, 0.3, 1e-2, 0.02, 1.0)
    corners = len(CORNERS_HZ)
    peaks = np.full((corners, 20), 1e-2)
    return encode_report(PickReport(pick, np.full(corners, 1e-8), peaks, 0, time_ns), "liar")


async def deaf(port: int, count: int) -> None:
    connect = encode.text("MQTT") + bytes([V311, 2, 0, 0])
    wanted = b"".join(
        encode.text(name) + b"\x01" for name in ("ew/v1/alert/#", "ew/v1/event/#", "ew/v1/keys")
    )
    sockets = []
    for number in range(count):
        one = socket.create_connection(("127.0.0.1", port))
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        name = encode.text(f"deaf-{number}")
        one.sendall(encode.packet(Type.CONNECT, 0, connect + name))
        one.sendall(encode.packet(Type.SUBSCRIBE, 2, b"\x00\x01" + wanted))
        sockets.append(one)
        _count("subscribed")
    await asyncio.Event().wait()


async def run(kind: str, port: int, count: int) -> None:
    load = {
        "http": http,
        "websockets": websockets,
        "garbage": garbage,
        "picks": picks,
        "deaf": deaf,
    }[kind]
    task = asyncio.create_task(load(port, count))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    print(json.dumps(done), flush=True)


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
