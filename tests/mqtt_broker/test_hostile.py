"""What a client may try, by mistake or on purpose, costs it its own connection at worst."""

import asyncio
import contextlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mqtt_broker import encode
from mqtt_broker.connection import Connection
from mqtt_broker.packets import V5, V311, Prop, ProtocolError, Type
from mqtt_broker.server import Server
from tests.mqtt_broker.conftest import Address
from tests.mqtt_broker.wire import connect, joined, will, wire

TOPICS = st.sampled_from(["a", "a/b", "w", "$x/y", "/", "a/" * 60])
FILTERS = st.sampled_from(
    ["a", "#", "+/b", "a/#", "$share/g/a", "$share/g/#", "$share/" * 3000 + "x", "+/" * 900, ""]
)
PAIRS = st.lists(
    st.sampled_from(
        [
            (Prop.MESSAGE_EXPIRY, 0),
            (Prop.MESSAGE_EXPIRY, 9),
            (Prop.TOPIC_ALIAS, 1),
            (Prop.TOPIC_ALIAS, 40),
            (Prop.USER_PROPERTY, ("k", "v")),
            (Prop.RESPONSE_TOPIC, "r"),
        ]
    ),
    max_size=3,
)


@st.composite
def publishes(draw: st.DrawFn, version: int) -> bytes:
    qos = draw(st.integers(0, 2))
    head, tail = encode.publish_parts(
        version,
        draw(TOPICS),
        draw(st.binary(max_size=60)),
        qos,
        retain=draw(st.booleans()),
        items=draw(PAIRS),
    )
    return head + (draw(st.integers(0, 3)).to_bytes(2, "big") if qos else b"") + tail


@st.composite
def others(draw: st.DrawFn, version: int) -> bytes:
    properties = b"\x00" if version == V5 else b""
    kind = draw(st.sampled_from([*Type]))
    if kind in (Type.SUBSCRIBE, Type.UNSUBSCRIBE):
        options = bytes([draw(st.integers(0, 0x2F))]) if kind == Type.SUBSCRIBE else b""
        return encode.packet(
            kind, 2, b"\x00\x07" + properties + encode.text(draw(FILTERS)) + options
        )
    flags = 2 if kind == Type.PUBREL else draw(st.sampled_from([0, 0, 0, 15]))
    return encode.packet(kind, flags, draw(st.binary(max_size=6)))


@st.composite
def talks(draw: st.DrawFn) -> bytes:
    """All a client says: a CONNECT, then packets that are right, almost right or noise."""
    version = draw(st.sampled_from([V311, V5]))
    size = (Prop.MAXIMUM_PACKET_SIZE, draw(st.sampled_from([1, 10, 100, 10_000])))
    items = [(Prop.SESSION_EXPIRY, draw(st.sampled_from([0, 60]))), size]
    dead = will("w", [(Prop.WILL_DELAY, 1)]) if version == V5 else will("w", [])[1:]
    name = draw(st.sampled_from(["", "x", "y"]))
    first = connect(name, version=version, flags=6, items=items, after=dead)
    said = draw(st.lists(publishes(version) | others(version) | st.binary(max_size=9), max_size=12))
    data = bytearray(first + b"".join(said))
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data)


@settings(max_examples=150, deadline=None, suppress_health_check=[*HealthCheck])
@given(st.lists(talks(), min_size=1, max_size=4), st.integers(1, 200))
def test_whatever_clients_say_the_broker_goes_on_and_nothing_of_its_own_fails(
    said: list[bytes], step: int
) -> None:
    async def run() -> None:
        trouble: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, what: trouble.append(what))
        server = Server(connection=_Strict)
        await server.start()
        address = Address("127.0.0.1", server.port)
        async with joined(address, connect("bystander", version=V311), V311) as bystander:
            bystander.subscribe("safe", 1)
            assert (await bystander.next())[0] == Type.SUBACK
            for data in said:
                async with wire(address, data[:step], V311) as one:
                    await asyncio.sleep(0)
                    one.writer.write(data[step:])
                    one.writer.write_eof()
                    with contextlib.suppress(ConnectionError):
                        async with asyncio.timeout(10):
                            await one.reader.read()
            bystander.publish("safe", b"here", qos=1)
            found = [await bystander.next(), await bystander.next()]
            assert {kind for kind, _, _ in found} == {Type.PUBLISH, Type.PUBACK}
        await server.stop()
        assert trouble == []

    asyncio.run(run())


class _Strict(Connection):
    """A connection that lets its own mistakes be seen."""

    def _handle(self, kind: int, flags: int, body: bytes) -> None:
        try:
            super()._handle(kind, flags, body)
        except ProtocolError:
            raise
        except Exception as error:
            asyncio.get_running_loop().call_exception_handler({"message": repr(error)})
            raise


class _Faulty(Connection):
    def _handle(self, kind: int, flags: int, body: bytes) -> None:
        if kind == Type.PUBLISH and b"bug" in body:
            raise ZeroDivisionError
        super()._handle(kind, flags, body)


async def test_mistake_of_the_brokers_own_ends_one_connection_and_nobody_in_line_waits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(connection=_Faulty)
    await server.start()
    address = Address("127.0.0.1", server.port)
    async with joined(address) as unlucky, joined(address) as other:
        for one in (unlucky, other):
            for number in range(400):  # more than a turn: both stand in line
                one.publish("t", b"bug" if one is unlucky and number == 300 else b"x")
        other.publish("t", qos=1)
        assert (await other.next())[0] == Type.PUBACK
        assert await unlucky.end() == [(Type.DISCONNECT, 0, b"\x80\x00")]
    await server.stop()
    assert "packet not handled" in caplog.text


async def test_shares_within_shares_are_plain_text_however_many(broker: Address) -> None:
    async with joined(broker) as one:
        one.subscribe("$share/g/" * 7000 + "a")
        assert (await one.next())[0] == Type.SUBACK
        await one.is_silent()


async def test_client_of_another_protocol_is_disconnected_at_once(broker: Address) -> None:
    async with wire(broker, b"GET / HTTP/1.1\r\n\r\n") as one:
        assert await one.end() == []


class _Hurried(Server):
    """A hundred seconds pass in one."""

    @staticmethod
    def now() -> float:
        return 100 * asyncio.get_running_loop().time()


async def test_client_that_never_sends_connect_is_disconnected() -> None:
    server = _Hurried()
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(10):
        assert await reader.read() == b""
    writer.close()
    await server.stop()
