"""Each rule of the access list, tried by every role: at Mosquitto as in deploy/, and at the
embedded broker."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

import aiomqtt
import pytest

from tests.delivery.test_login import WORDS, Door, door  # noqa: F401 - a fixture

STATIONS = [
    "ew/v1/waveform/XX.A..HHZ",
    "ew/v1/pick/XX.A..HHZ",
    "ew/v1/detector/north",
]
FOR_ALL = [
    "ew/v1/alert/cell/85",
    "ew/v1/alert/device/tv-1",
    "ew/v1/event/ew1",
    "ew/v1/heartbeat",
    "ew/v1/keys",
]
INSIDE = ["ew/v1/status/ew", "ew/v1/live/ew", "ew/v1/command/ew", "ew/v1/answer/ew"]
RECEIPT = "ew/v1/receipt/tv-1"
TOPICS = [*STATIONS, *FOR_ALL, *INSIDE, RECEIPT]
SPEAKS = {None: {RECEIPT}, "station": {*STATIONS, RECEIPT}, "service": set(TOPICS)}
HEARS = {None: set(FOR_ALL), "station": set(FOR_ALL), "service": set(TOPICS)}


@contextlib.asynccontextmanager
async def client(door: Door, role: str | None) -> AsyncIterator[aiomqtt.Client]:  # noqa: F811
    name = door.service if role == "service" else role
    async with aiomqtt.Client(
        "127.0.0.1",
        door.port,
        username=name,
        password=WORDS[name] if name else None,
        protocol=aiomqtt.ProtocolVersion.V5,
        tls_context=ssl.create_default_context(cafile=str(door.folder / "server.crt")),
    ) as connected:
        yield connected


async def heard_until_end(listener: aiomqtt.Client, end: bytes) -> set[tuple[str, bytes]]:
    found = set()
    async with asyncio.timeout(10):
        async for message in listener.messages:
            if message.payload == end:
                return found
            found.add((str(message.topic), bytes(message.payload)))  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("role", [None, "station", "service"])
async def test_each_role_speaks_where_it_may_and_nowhere_else(
    door: Door,  # noqa: F811
    role: str | None,
) -> None:
    async with client(door, "service") as listener, client(door, role) as speaker:
        for topic in TOPICS:
            await listener.subscribe(topic, qos=1)
        for topic in TOPICS:
            await speaker.publish(topic, topic.encode(), qos=0)
        await speaker.publish(RECEIPT, b"last", qos=1)  # what came before it has been judged
        await listener.publish("ew/v1/heartbeat", b"end", qos=1)
        found = await heard_until_end(listener, b"end")
    assert {topic for topic, payload in found if payload != b"last"} == SPEAKS[role]


@pytest.mark.parametrize("role", [None, "station", "service"])
async def test_each_role_hears_what_it_may_and_nothing_else(
    door: Door,  # noqa: F811
    role: str | None,
) -> None:
    async with client(door, "service") as speaker, client(door, role) as listener:
        for topic in TOPICS:
            # One broker refuses the subscription, the other delivers nothing on it
            with contextlib.suppress(aiomqtt.MqttError):
                await listener.subscribe(topic, qos=1)
        with contextlib.suppress(aiomqtt.MqttError):
            await listener.subscribe("ew/v1/#", qos=1)
        for topic in TOPICS:
            await speaker.publish(topic, topic.encode(), qos=1)
        await speaker.publish("ew/v1/heartbeat", b"end", qos=1)
        found = await heard_until_end(listener, b"end")
    assert {topic for topic, _ in found} == HEARS[role]
