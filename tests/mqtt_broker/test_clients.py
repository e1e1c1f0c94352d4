"""The broker against clients that others wrote, and against what breaks the standard."""

import asyncio
import contextlib
import random
import shutil
import subprocess
from collections.abc import AsyncIterator

import aiomqtt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from mqtt_broker import decode, encode
from mqtt_broker import packets as mqtt_packets
from mqtt_broker.fields import Reader
from mqtt_broker.packets import MAX_VARINT, ProtocolError, Type
from mqtt_broker.subscriptions import matches
from tests.mqtt_broker.conftest import SBIN, Address

V5, V311 = aiomqtt.ProtocolVersion.V5, aiomqtt.ProtocolVersion.V311
VERSIONS = pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"])


@contextlib.asynccontextmanager
async def client(
    broker: Address, version: aiomqtt.ProtocolVersion = V5, **options: object
) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(broker.host, broker.port, protocol=version, **options) as made:  # type: ignore[arg-type]
        yield made


async def receive(one: aiomqtt.Client, count: int = 1) -> list[aiomqtt.Message]:
    async with asyncio.timeout(10):
        found = []
        async for message in one.messages:
            found.append(message)
            if len(found) == count:
                return found
    raise AssertionError


async def nothing_more(one: aiomqtt.Client, topic: str) -> None:
    """A message sent after is the next one received: nothing stood before it."""
    await one.publish(topic, b"the end", qos=1)
    (message,) = await receive(one)
    assert message.payload == b"the end"


@VERSIONS
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_message_arrives_at_its_quality_of_service(
    broker: Address, version: aiomqtt.ProtocolVersion, qos: int
) -> None:
    async with client(broker, version) as sub, client(broker, version) as pub:
        await sub.subscribe("a/b", qos=qos)
        await pub.publish("a/b", b"hello", qos=qos)
        (message,) = await receive(sub)
        assert (message.payload, message.qos, message.retain) == (b"hello", qos, False)


@VERSIONS
async def test_retained_message_waits_for_who_comes_later_until_it_is_cleared(
    broker: Address, version: aiomqtt.ProtocolVersion
) -> None:
    async with client(broker, version) as pub:
        await pub.publish("alert/1", b"drop", qos=1, retain=True)
        async with client(broker, version) as sub:
            await sub.subscribe("alert/#", qos=1)
            (message,) = await receive(sub)
            assert message.retain
        await pub.publish("alert/1", b"", qos=1, retain=True)
        async with client(broker, version) as sub:
            await sub.subscribe("alert/#", qos=1)
            await nothing_more(sub, "alert/2")


@pytest.mark.rule("3.3.2.3.3")
async def test_retained_message_expires(broker: Address) -> None:
    properties = Properties(PacketTypes.PUBLISH)
    properties.MessageExpiryInterval = 1
    async with client(broker) as one:
        await one.publish("alert/1", b"stale", qos=1, retain=True, properties=properties)
        await one.publish("alert/2", b"lasting", qos=1, retain=True)
        async with asyncio.timeout(10):
            while True:  # until the retained message is gone
                async with client(broker) as late:
                    await late.subscribe("alert/#", qos=1)
                    first = (await receive(late))[0].payload
                    if first == b"lasting":
                        await nothing_more(late, "alert/3")
                        return


@pytest.mark.rule("4.1")
async def test_session_keeps_messages_for_a_client_that_is_away(broker: Address) -> None:
    lasting = Properties(PacketTypes.CONNECT)
    lasting.SessionExpiryInterval = 60
    options = {"identifier": "phone-1", "clean_start": False, "properties": lasting}
    async with client(broker, **options) as phone:
        await phone.subscribe("cell/1", qos=1)
    async with client(broker) as pub:
        for number in range(3):
            await pub.publish("cell/1", str(number), qos=1)
    async with client(broker, **options) as phone:
        assert [m.payload for m in await receive(phone, 3)] == [b"0", b"1", b"2"]


@pytest.mark.rule("3.1.4")
async def test_second_client_of_a_name_takes_the_session_over(broker: Address) -> None:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(client(broker, identifier="same"))
        async with client(broker, identifier="same") as second:
            await second.subscribe("a", qos=1)
            with pytest.raises(aiomqtt.MqttError):
                await receive(first)
            await nothing_more(second, "a")
        stack.pop_all()  # the first is gone already


@VERSIONS
@pytest.mark.rule("3.1.2.5")
async def test_will_is_published_when_a_client_dies_and_not_when_it_leaves(
    broker: Address, version: aiomqtt.ProtocolVersion
) -> None:
    will = aiomqtt.Will("wills", b"gone", qos=1)
    async with client(broker, version) as watcher:
        await watcher.subscribe("wills", qos=1)
        async with client(broker, version, will=will):
            pass
        reader, writer = await asyncio.open_connection(broker.host, broker.port)
        body = encode.text("MQTT") + bytes([4, 0b110]) + b"\x00\x3c" + encode.text("dies")
        writer.write(
            encode.packet(Type.CONNECT, 0, body + encode.text("wills") + encode.text("died"))
        )
        await reader.readexactly(4)
        writer.transport.abort()
        assert (await receive(watcher))[0].payload == b"died"


@pytest.mark.rule("3.8.3.1")
async def test_options_no_local_and_identifiers_and_user_properties(
    broker: Address,
) -> None:
    properties = Properties(PacketTypes.SUBSCRIBE)
    properties.SubscriptionIdentifier = 7
    sent = Properties(PacketTypes.PUBLISH)
    sent.UserProperty = ("made", "by hand")
    async with client(broker) as one, client(broker) as other:
        await one.subscribe(
            "x/+", options=SubscribeOptions(qos=1, noLocal=True), properties=properties
        )
        await one.publish("x/1", b"own", qos=1)
        await other.publish("x/2", b"other's", qos=1, properties=sent)
        (message,) = await receive(one)
        assert message.payload == b"other's"
        assert message.properties is not None
        assert message.properties.SubscriptionIdentifier == [7]
        assert message.properties.UserProperty == [("made", "by hand")]


@pytest.mark.rule("3.3.4")
async def test_overlapping_subscriptions_give_one_copy_at_the_highest_quality(
    broker: Address,
) -> None:
    async with client(broker) as one:
        await one.subscribe([("o/#", 0), ("o/+", 1), ("o/1", 0)])
        await one.publish("o/1", b"once", qos=1)
        (message,) = await receive(one)
        assert message.qos == 1
        await nothing_more(one, "o/1")


@pytest.mark.rule("4.8.2")
async def test_shared_subscription_gives_each_message_to_one_of_the_group(
    broker: Address,
) -> None:
    async with client(broker) as one, client(broker) as other, client(broker) as apart:
        for member in (one, other):
            await member.subscribe("$share/group/s/+", qos=1)
        await apart.subscribe("s/+", qos=1)
        for number in range(4):
            await apart.publish("s/1", str(number), qos=1)
        assert len(await receive(apart, 4)) == 4
        shares = [[m.payload for m in await receive(member, 2)] for member in (one, other)]
        assert sorted(shares[0] + shares[1]) == [b"0", b"1", b"2", b"3"]


@pytest.mark.rule("3.1.3.2.2")
async def test_will_that_waits_is_void_when_its_client_is_back(broker: Address) -> None:
    lasting, patient = Properties(PacketTypes.CONNECT), Properties(PacketTypes.WILLMESSAGE)
    lasting.SessionExpiryInterval = 60
    patient.WillDelayInterval = 60
    will = aiomqtt.Will("wills", b"gone", qos=1, properties=patient)
    options = {"identifier": "back-soon", "properties": lasting, "will": will}
    async with client(broker) as watcher:
        await watcher.subscribe("wills", qos=1)
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(client(broker, clean_start=False, **options))
            async with client(broker, clean_start=False, **options):
                pass  # takes the session over: the first one's will waits and is void
            await nothing_more(watcher, "wills")
            stack.pop_all()  # the first is gone already


@pytest.mark.skipif(
    shutil.which("mosquitto_sub", path=SBIN) is None, reason="mosquitto-clients is not installed"
)
async def test_mosquittos_own_clients_are_served(broker: Address) -> None:
    where = ["-h", broker.host, "-p", str(broker.port), "-V", "mqttv5"]
    async with client(broker) as one:
        await one.publish("m/1", b"from aiomqtt", qos=1, retain=True)
    sub = await asyncio.create_subprocess_exec(
        "mosquitto_sub", *where, "-t", "m/#", "-q", "1", "-C", "2", stdout=subprocess.PIPE
    )
    assert sub.stdout is not None
    assert await sub.stdout.readline() == b"from aiomqtt\n"
    pub = await asyncio.create_subprocess_exec(
        "mosquitto_pub", *where, "-t", "m/2", "-q", "1", "-m", "from C"
    )
    assert await pub.wait() == 0
    assert await sub.stdout.readline() == b"from C\n"
    assert await sub.wait() == 0


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\x05\x00\x01a1",  # PUBLISH before CONNECT
        b"\x10\xff\xff\xff\xff\x7f",  # a length of five bytes
        encode.packet(
            Type.CONNECT, 0, encode.text("MQIsdp") + bytes([3, 2, 0, 60]) + encode.text("old")
        ),
        encode.packet(
            Type.CONNECT, 0, encode.text("MQTT") + bytes([5, 3, 0, 60, 0]) + encode.text("x")
        ),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
@pytest.mark.rule("4.13")
async def test_who_breaks_the_standard_is_disconnected_and_others_are_not(
    broker: Address, data: bytes
) -> None:
    async with client(broker) as other:
        await other.subscribe("a", qos=1)
        reader, writer = await asyncio.open_connection(broker.host, broker.port)
        writer.write(data)
        async with asyncio.timeout(15):
            await reader.read()  # until the broker closes
        writer.close()
        await nothing_more(other, "a")


async def test_slow_consumer_is_dropped_without_hurting_others(broker: Address) -> None:
    body = encode.text("MQTT") + bytes([4, 2]) + b"\x00\x00" + encode.text("slow")
    subscribe = encode.packet(Type.SUBSCRIBE, 2, b"\x00\x01" + encode.text("flood") + b"\x00")
    reader, writer = await asyncio.open_connection(broker.host, broker.port, limit=1 << 14)
    writer.write(encode.packet(Type.CONNECT, 0, body) + subscribe)
    await reader.readexactly(9)
    async with client(broker) as fast, client(broker) as pub:
        await fast.subscribe("flood", qos=0)
        payload = bytes(200_000)
        reading = asyncio.create_task(receive(fast, 200))
        for _ in range(200):
            await pub.publish("flood", payload, qos=1)
        assert len(await reading) == 200
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(200 * 200_000)
    writer.close()


async def test_noise_after_a_connect_ends_its_connection_at_worst(broker: Address) -> None:
    rng = random.Random(20260617)
    async with client(broker) as other:
        await other.subscribe("a", qos=1)
        for number in range(150):
            version = rng.choice((mqtt_packets.V311, mqtt_packets.V5))
            body = encode.text("MQTT") + bytes([version, 2]) + b"\x00\x00"
            body += (b"\x00" if version == mqtt_packets.V5 else b"") + encode.text(
                f"noise-{number}"
            )
            packets = [
                encode.packet(
                    rng.randrange(1, 16), rng.randrange(16), rng.randbytes(rng.randrange(40))
                )
                for _ in range(5)
            ]
            reader, writer = await asyncio.open_connection(broker.host, broker.port)
            writer.write(encode.packet(Type.CONNECT, 0, body) + b"".join(packets))
            writer.write_eof()
            async with asyncio.timeout(10):
                with contextlib.suppress(ConnectionError):
                    await reader.read()
            writer.close()
        await nothing_more(other, "a")


@pytest.mark.rule("4.13")
async def test_who_breaks_the_standard_in_mqtt_5_is_told_why(broker: Address) -> None:
    body = encode.text("MQTT") + bytes([5, 2]) + b"\x00\x00\x00" + encode.text("told")
    for wrong, reason in (
        (encode.packet(Type.PUBLISH, 0, encode.text("a/#") + b"\x00"), 0x90),
        (encode.packet(Type.PUBLISH, 0b110, encode.text("a") + b"\x00\x01\x00"), 0x81),
        (encode.packet(Type.SUBSCRIBE, 0, b"\x00\x01\x00" + encode.text("a") + b"\x00"), 0x81),
        (encode.packet(Type.PUBLISH, 0, encode.text("") + b"\x03\x23\x00\x63"), 0x94),
        (encode.packet(Type.CONNECT, 0, body), 0x82),
        (encode.packet(Type.AUTH, 0, b""), 0x82),
        (b"\x30\xff\xff\xff\x7f", 0x95),
    ):
        reader, writer = await asyncio.open_connection(broker.host, broker.port)
        writer.write(encode.packet(Type.CONNECT, 0, body) + wrong)
        async with asyncio.timeout(10):
            answers = list(decode.Splitter(1 << 20).feed(await reader.read()))
        writer.close()
        assert [kind for kind, _, _ in answers] == [Type.CONNACK, Type.DISCONNECT]
        assert answers[1][2][0] == reason


@given(st.binary(max_size=400), st.integers(1, 50))
def test_splitter_gives_the_same_packets_however_the_bytes_are_cut(
    payload: bytes, step: int
) -> None:
    data = encode.packet(3, 2, payload) + encode.packet(12, 0, b"")
    whole = list(decode.Splitter(1 << 20).feed(data))
    splitter = decode.Splitter(1 << 20)
    parts = [p for at in range(0, len(data), step) for p in splitter.feed(data[at : at + step])]
    assert parts == whole == [(3, 2, payload), (12, 0, b"")]


@given(st.integers(0, MAX_VARINT))
@pytest.mark.rule("1.5.5")
def test_variable_byte_integers_survive(value: int) -> None:
    assert Reader(encode.varint(value)).varint() == value


@given(
    st.sampled_from([mqtt_packets.V311, mqtt_packets.V5]),
    st.text(st.characters(codec="utf-8", exclude_characters="\x00+#"), min_size=1, max_size=40),
    st.binary(max_size=200),
    st.integers(0, 2),
    st.booleans(),
)
def test_publish_survives_encoding_and_parsing(
    version: int, topic: str, payload: bytes, qos: int, retain: bool
) -> None:
    head, tail = encode.publish_parts(version, topic, payload, qos, retain=retain, items=[])
    data = head + (b"\x00\x09" if qos else b"") + tail
    ((kind, flags, body),) = decode.Splitter(1 << 20).feed(data)
    found = decode.parse_publish(version, flags, body)
    assert kind == Type.PUBLISH
    assert (found.topic, found.payload, found.qos, found.retain) == (topic, payload, qos, retain)


@given(
    st.sampled_from(range(1, 16)),
    st.integers(0, 15),
    st.binary(max_size=120),
    st.sampled_from([4, 5]),
)
def test_any_body_is_parsed_or_refused_never_worse(
    kind: int, flags: int, body: bytes, version: int
) -> None:
    parsers = {
        1: lambda: decode.parse_connect(body),
        3: lambda: decode.parse_publish(version, flags, body),
        4: lambda: decode.parse_ack(version, Type.PUBACK, body),
        8: lambda: decode.parse_subscribe(version, flags, body),
        10: lambda: decode.parse_unsubscribe(version, flags, body),
        14: lambda: decode.parse_disconnect(version, body),
    }
    with contextlib.suppress(ProtocolError):
        parsers.get(kind, lambda: None)()


@pytest.mark.parametrize(
    ("pattern", "topic", "does"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "$SYS/x", False),
        ("+/x", "$SYS/x", False),
        ("$SYS/#", "$SYS/x", True),
        ("+", "/a", False),
        ("/+", "/a", True),
        ("+/+", "/a", True),
    ],
)
@pytest.mark.rule("4.7")
def test_wildcards_match_as_the_standard_says(pattern: str, topic: str, does: bool) -> None:
    assert matches(pattern.split("/"), topic.split("/")) is does
