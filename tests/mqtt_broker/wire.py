"""A socket that speaks MQTT in raw packets, for tests of brokers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from mqtt_broker import decode, encode
from mqtt_broker.packets import V5, Properties, Publish, Type, Value
from tests.mqtt_broker.conftest import Address

PINGREQ, PINGRESP = b"\xc0\x00", (Type.PINGRESP, 0, b"")
Packet = tuple[int, int, bytes]


@dataclass
class Wire:
    """A socket to the broker that speaks in packets."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    version: int = V5
    splitter: decode.Splitter = field(default_factory=lambda: decode.Splitter(1 << 24))
    ready: list[Packet] = field(default_factory=list)

    def send(self, kind: int, flags: int, body: bytes) -> None:
        self.writer.write(encode.packet(kind, flags, body))

    def subscribe(self, text: str, options: int = 1, items: Properties | None = None) -> None:
        head = b"\x00\x07" + (encode.properties(items or []) if self.version == V5 else b"")
        self.send(Type.SUBSCRIBE, 2, head + encode.text(text) + bytes([options]))

    def publish(
        self, topic: str, payload: bytes = b"x", *, qos: int = 0, packet_id: int = 1, **more: object
    ) -> None:
        items: Properties = more.get("items", [])  # type: ignore[assignment]
        retain = bool(more.get("retain"))
        head, tail = encode.publish_parts(
            self.version, topic, payload, qos, retain=retain, items=items
        )
        self.writer.write(head + (packet_id.to_bytes(2, "big") if qos else b"") + tail)

    async def next(self) -> Packet:
        async with asyncio.timeout(10):
            while not self.ready:
                data = await self.reader.read(1 << 16)
                assert data, "the broker has closed"
                self.ready += self.splitter.feed(data)
        return self.ready.pop(0)

    async def next_publish(self) -> Publish:
        kind, flags, body = await self.next()
        assert kind == Type.PUBLISH, (kind, body)
        return decode.parse_publish(self.version, flags, body)

    async def is_silent(self) -> None:
        """Nothing stands before the answer to a ping."""
        self.writer.write(PINGREQ)
        assert await self.next() == PINGRESP

    async def end(self) -> list[Packet]:
        """All that comes until the broker closes."""
        async with asyncio.timeout(10):
            rest = await self.reader.read()
        return self.ready + list(self.splitter.feed(rest))


def connect(
    name: str = "",
    *,
    version: int = V5,
    flags: int = 2,
    keep_alive: int = 0,
    items: Sequence[tuple[int, Value]] = (),
    after: bytes = b"",
) -> bytes:
    head = encode.text("MQTT") + bytes([version, flags]) + keep_alive.to_bytes(2, "big")
    middle = encode.properties(list(items)) if version == V5 else b""
    return encode.packet(Type.CONNECT, 0, head + middle + encode.text(name) + after)


@contextlib.asynccontextmanager
async def wire(broker: Address, first: bytes = b"", version: int = V5) -> AsyncIterator[Wire]:
    """A connection that has sent its first packet; by default a CONNECT that has been answered."""
    reader, writer = await asyncio.open_connection(broker.host, broker.port)
    one = Wire(reader, writer, version)
    try:
        writer.write(first or connect(version=version))
        yield one
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def joined(broker: Address, first: bytes = b"", version: int = V5) -> AsyncIterator[Wire]:
    async with wire(broker, first, version) as one:
        kind, _, body = await one.next()
        assert (kind, body[1]) == (Type.CONNACK, 0)
        yield one


def will(topic: str, items: Properties, payload: bytes = b"dead") -> bytes:
    return encode.properties(items) + encode.text(topic) + encode.text(payload.decode())
