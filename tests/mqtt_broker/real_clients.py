"""MQTT clients that others wrote, behind one interface: Paho, aiomqtt and Mosquitto's programs."""

import asyncio
import contextlib
import queue
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

import aiomqtt
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.mqtt_broker.conftest import SBIN, Address

V311, V5 = 4, 5
KEPT_S = 3600
WITHIN_S = 20


class Received(NamedTuple):
    """A message as a client's user sees it."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


Receive = Callable[[], Awaitable[Received]]
Will = tuple[str, bytes]


class RealClient(Protocol):
    """One client program or library."""

    def subscriber(
        self, broker: Address, version: int, filters: Sequence[str], qos: int, keep: str = ""
    ) -> contextlib.AbstractAsyncContextManager[Receive]:
        """A subscribed client; ``keep``: the name of a session that outlives its connection."""

    async def publish(
        self, broker: Address, version: int, topic: str, payload: bytes, qos: int, retain: bool
    ) -> None:
        """Publish one message and wait for what its QoS promises."""

    async def die(self, broker: Address, version: int, will: Will) -> None:
        """Connect with a will and be cut off."""


class Paho:
    """Eclipse Paho for Python, with its own thread."""

    def _made(self, version: int, keep: str) -> paho.Client:
        more = {} if version == V5 else {"clean_session": not keep}
        return paho.Client(
            CallbackAPIVersion.VERSION2, keep, protocol=MQTTProtocolVersion(version), **more
        )  # type: ignore[arg-type]

    async def _connected(self, broker: Address, version: int, one: paho.Client, keep: str) -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        one.on_connect = lambda *_: loop.call_soon_threadsafe(done.set)
        more = {}
        if version == V5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = KEPT_S if keep else 0
            more = {"clean_start": not keep, "properties": properties}
        one.connect(broker.host, broker.port, **more)  # type: ignore[arg-type]
        one.loop_start()
        async with asyncio.timeout(WITHIN_S):
            await done.wait()

    @contextlib.asynccontextmanager
    async def subscriber(
        self, broker: Address, version: int, filters: Sequence[str], qos: int, keep: str = ""
    ) -> AsyncIterator[Receive]:
        one = self._made(version, keep)
        found: queue.Queue[Received] = queue.Queue()
        one.on_message = lambda _c, _u, m: found.put(Received(m.topic, m.payload, m.qos, m.retain))
        subscribed = asyncio.Event()
        loop = asyncio.get_running_loop()
        one.on_subscribe = lambda *_: loop.call_soon_threadsafe(subscribed.set)
        await self._connected(broker, version, one, keep)
        one.subscribe([(text, qos) for text in filters])
        async with asyncio.timeout(WITHIN_S):
            await subscribed.wait()
        try:
            yield lambda: asyncio.to_thread(found.get, timeout=WITHIN_S)
        finally:
            one.disconnect()
            await asyncio.to_thread(one.loop_stop)

    async def publish(
        self, broker: Address, version: int, topic: str, payload: bytes, qos: int, retain: bool
    ) -> None:
        one = self._made(version, "")
        await self._connected(broker, version, one, "")
        sent = one.publish(topic, payload, qos, retain)
        await asyncio.to_thread(sent.wait_for_publish, WITHIN_S)
        one.disconnect()
        await asyncio.to_thread(one.loop_stop)

    async def die(self, broker: Address, version: int, will: Will) -> None:
        one = self._made(version, "")
        one.will_set(will[0], will[1], qos=1)
        await self._connected(broker, version, one, "")
        socket = one.socket()
        assert socket is not None
        one.disconnect_callback = None  # type: ignore[attr-defined]
        one._reconnect_on_failure = False
        socket.shutdown(2)
        await asyncio.to_thread(one.loop_stop)


class Aiomqtt:
    """aiomqtt, on asyncio."""

    def _made(self, broker: Address, version: int, keep: str, **more: object) -> aiomqtt.Client:
        if version == V5:
            properties = Properties(PacketTypes.CONNECT)
            properties.SessionExpiryInterval = KEPT_S if keep else 0
            more |= {"clean_start": not keep, "properties": properties}
        else:
            more["clean_session"] = not keep
        protocol = aiomqtt.ProtocolVersion(version)
        return aiomqtt.Client(
            broker.host, broker.port, identifier=keep or None, protocol=protocol, **more
        )  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def subscriber(
        self, broker: Address, version: int, filters: Sequence[str], qos: int, keep: str = ""
    ) -> AsyncIterator[Receive]:
        async with self._made(broker, version, keep) as one:
            await one.subscribe([(text, qos) for text in filters])

            async def receive() -> Received:
                async with asyncio.timeout(WITHIN_S):
                    found = await anext(one.messages)
                assert isinstance(found.payload, bytes)
                return Received(found.topic.value, found.payload, found.qos, found.retain)

            yield receive

    async def publish(
        self, broker: Address, version: int, topic: str, payload: bytes, qos: int, retain: bool
    ) -> None:
        async with self._made(broker, version, "") as one:
            await one.publish(topic, payload, qos, retain)

    async def die(self, broker: Address, version: int, will: Will) -> None:
        last = aiomqtt.Will(will[0], will[1], qos=1)
        with contextlib.suppress(aiomqtt.MqttError):
            async with self._made(broker, version, "", will=last) as one:
                socket = one._client.socket()
                assert socket is not None
                socket.shutdown(2)
                async with asyncio.timeout(WITHIN_S):
                    await anext(one.messages)


class Mosquitto:
    """``mosquitto_sub`` and ``mosquitto_pub``, written in C."""

    def _where(self, broker: Address, version: int) -> list[str]:
        name = "mqttv5" if version == V5 else "mqttv311"
        return ["-h", broker.host, "-p", str(broker.port), "-V", name]

    @contextlib.asynccontextmanager
    async def subscriber(
        self, broker: Address, version: int, filters: Sequence[str], qos: int, keep: str = ""
    ) -> AsyncIterator[Receive]:
        session = ["-c", "-i", keep] if keep else []
        session += ["-x", str(KEPT_S)] if keep and version == V5 else []
        topics = [part for text in filters for part in ("-t", text)]
        process = await asyncio.create_subprocess_exec(
            *("stdbuf", "-oL", "mosquitto_sub", *self._where(broker, version), *session, *topics),
            *("-q", str(qos), "-d", "-F", "message %t %q %r %p"),
            stdout=asyncio.subprocess.PIPE, limit=1 << 24,
        )  # fmt: skip
        assert process.stdout is not None
        lines = process.stdout
        early: list[Received] = []  # of the session, before its subscriptions are made again

        async def line(begins: bytes) -> bytes:
            async with asyncio.timeout(WITHIN_S):
                while not (text := await lines.readline()).startswith(begins):
                    assert text, "mosquitto_sub has ended"
                    if text.startswith(b"message "):
                        early.append(_parsed(text))
            return text

        async def receive() -> Received:
            return early.pop(0) if early else _parsed(await line(b"message "))

        try:
            await line(b"Subscribed")
            yield receive
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()

    async def publish(
        self, broker: Address, version: int, topic: str, payload: bytes, qos: int, retain: bool
    ) -> None:
        process = await asyncio.create_subprocess_exec(
            *("mosquitto_pub", *self._where(broker, version), "-t", topic, "-q", str(qos)),
            *(["-r"] if retain else []),
            "-s" if payload else "-n",
            stdin=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WITHIN_S):
            await process.communicate(payload)
        assert process.returncode == 0

    async def die(self, broker: Address, version: int, will: Will) -> None:
        last = ["--will-topic", will[0], "--will-payload", will[1].decode(), "--will-qos", "1"]
        process = await asyncio.create_subprocess_exec(
            *(
                "stdbuf",
                "-oL",
                "mosquitto_sub",
                *self._where(broker, version),
                *last,
                "-t",
                "nothing",
                "-d",
            ),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(WITHIN_S):
            while not (await process.stdout.readline()).startswith(b"Subscribed"):
                pass
        process.kill()
        await process.wait()


def _parsed(line: bytes) -> Received:
    _, topic, qos, retain, payload = line.rstrip(b"\n").split(b" ", 4)
    return Received(topic.decode(), payload, int(qos), retain == b"1")


CLIENTS: dict[str, RealClient] = {"paho": Paho(), "aiomqtt": Aiomqtt()}
if shutil.which("mosquitto_sub", path=SBIN):
    CLIENTS["mosquitto"] = Mosquitto()
