"""Background traffic for the delivery benchmark: stations publish waveforms through the same
broker, one archive subscribes to all.

``python -m benchmarks.rivals.traffic HOST PORT``: each line of standard input is a rate, messages
of 512 bytes a second over four connections (``inf``: as fast as the broker takes them; 0, as at
first: none). Prints the rate that came out at the subscriber, a line a second while anything does.
"""

import asyncio
import math
import os
import sys
import time

from mqtt_broker import encode
from mqtt_broker.loop import fast_run
from mqtt_broker.packets import V311, Type

USER, PASSWORD = "EW_TRAFFIC_USER", "EW_TRAFFIC_PASSWORD"
"""The broker's login in the environment: stations and archives need one."""
STATIONS = 4
PAYLOAD = bytes(512)
STEP_S = 0.005
FLOOD_CHUNK = 64


def _connect(name: str) -> bytes:
    login = [os.environ[key] for key in (USER, PASSWORD) if os.environ.get(key)]
    head = encode.text("MQTT") + bytes([V311, 0xC2 if login else 2, 0, 0])
    words = b"".join(encode.text(word) for word in (name, *login))
    return encode.packet(Type.CONNECT, 0, head + words)


def _waveform(number: int) -> bytes:
    topic = f"ew/v1/waveform/XX.S{number:03d}.00.HHZ"
    head, tail = encode.publish_parts(V311, topic, PAYLOAD, 0, retain=False, items=[])
    return head + tail


class _Rate:
    """What is asked for now, messages a second in all."""

    each = 0.0


async def _station(host: str, port: int, number: int, rate: _Rate) -> None:
    _, writer = await asyncio.open_connection(host, port)
    writer.write(_connect(f"traffic-{number}"))
    record, owed, last = _waveform(number), 0.0, time.monotonic()
    while True:
        now = time.monotonic()
        if math.isinf(rate.each):
            writer.write(record * FLOOD_CHUNK)
        else:
            owed += (now - last) * rate.each
            writer.write(record * int(owed))
            owed -= int(owed)
            await asyncio.sleep(STEP_S)
        last = now
        await writer.drain()


async def _archive(host: str, port: int) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=1 << 22)
    filters = encode.text("ew/v1/waveform/#") + b"\x00"
    writer.write(_connect("archive") + encode.packet(Type.SUBSCRIBE, 2, b"\x00\x01" + filters))
    taken, since = 0, time.monotonic()
    size = len(_waveform(0))
    while data := await reader.read(1 << 20):
        taken += len(data)
        now = time.monotonic()
        if now - since >= 1.0:
            print(round(taken / size / (now - since)), flush=True)
            taken, since = 0, now


async def _run(host: str, port: int) -> None:
    rate, orders = _Rate(), asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(_archive(host, port))
        for number in range(STATIONS):
            group.create_task(_station(host, port, number, rate))
        async for line in orders:
            rate.each = float(line) / STATIONS


if __name__ == "__main__":
    fast_run(_run(sys.argv[1], int(sys.argv[2])))
