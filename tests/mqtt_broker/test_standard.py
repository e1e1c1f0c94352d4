"""The broker held to the OASIS standards in raw bytes: what a client may send, and what must come
back.
"""

import pytest

from mqtt_broker import encode
from mqtt_broker.packets import V311, Prop, Properties, Type
from mqtt_broker.requests import RECEIVE_MAXIMUM
from tests.mqtt_broker.conftest import Address
from tests.mqtt_broker.wire import connect, joined, will, wire


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (connect(items=[(Prop.AUTH_DATA, b"x")]), 0x82),
        (connect(items=[(Prop.AUTH_METHOD, "SCRAM")]), 0x8C),
        (connect(items=[(Prop.RECEIVE_MAXIMUM, 0)]), 0x82),
        (connect(items=[(Prop.MAXIMUM_PACKET_SIZE, 0)]), 0x82),
        (connect(items=[(Prop.SESSION_EXPIRY, 1), (Prop.SESSION_EXPIRY, 1)]), 0x82),
        (connect(items=[(Prop.REQUEST_PROBLEM, 2)]), 0x82),
        (connect(items=[(Prop.TOPIC_ALIAS, 2)]), 0x81),
        (connect(flags=3), 0x81),
        (connect(flags=0b11110, after=will("w", [])), 0x81),
        (connect(flags=0b01010), 0x81),
        (connect(flags=6, after=will("w/#", [])), 0x90),
        (connect(flags=6, after=will("w", [(Prop.RESPONSE_TOPIC, "a/+")])), 0x90),
        (connect(after=b"more"), 0x81),
        (connect("nul\x00"), 0x81),
    ],
)
@pytest.mark.rule("3.1.4")
async def test_connect_that_breaks_a_rule_is_answered_with_its_reason(
    broker: Address, packet: bytes, reason: int
) -> None:
    async with wire(broker, packet) as one:
        assert await one.end() == [(Type.CONNACK, 0, bytes([0, reason, 0]))]


def _wrong(kind: int, flags: int, body: bytes) -> bytes:
    return encode.packet(kind, flags, body)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (_wrong(0, 0, b""), 0x81),
        (_wrong(Type.PINGREQ, 0, b"x"), 0x81),
        (_wrong(Type.PINGREQ, 1, b""), 0x81),
        (b"\xc0\x80\x00", 0x81),  # remaining length 0 in two bytes
        (_wrong(Type.CONNACK, 0, b"\x00\x00\x00"), 0x82),
        (_wrong(Type.SUBACK, 0, b"\x00\x01\x00\x00"), 0x82),
        (_wrong(Type.SUBSCRIBE, 2, b"\x00\x01\x00" + encode.text("a") + b"\x31"), 0x82),
        (_wrong(Type.SUBSCRIBE, 2, b"\x00\x01\x00" + encode.text("a") + b"\x03"), 0x81),
        (_wrong(Type.SUBSCRIBE, 2, b"\x00\x01\x00" + encode.text("a") + b"\x41"), 0x81),
        (_wrong(Type.SUBSCRIBE, 2, b"\x00\x01\x00"), 0x82),
        (_wrong(Type.SUBSCRIBE, 2, b"\x00\x00\x00" + encode.text("a") + b"\x00"), 0x82),
        (_wrong(Type.SUBSCRIBE, 2, b"\x00\x01\x02\x0b\x00" + encode.text("a") + b"\x00"), 0x82),
        (_wrong(Type.SUBSCRIBE, 2, b"\x00\x01\x00" + encode.text("$share/g/a") + b"\x04"), 0x82),
        (_wrong(Type.SUBSCRIBE, 2, b"\x00\x01\x00\x00\x02\xed\xa0\x00"), 0x81),  # a surrogate
        (_wrong(Type.UNSUBSCRIBE, 2, b"\x00\x01\x00"), 0x82),
        (_wrong(Type.PUBLISH, 8, encode.text("a") + b"\x00"), 0x81),  # DUP at QoS 0
        (_wrong(Type.PUBLISH, 2, encode.text("a") + b"\x00\x00\x00"), 0x82),
        (_wrong(Type.PUBLISH, 0, encode.text("") + b"\x00"), 0x82),
        (_wrong(Type.PUBLISH, 0, encode.text("a\x00") + b"\x00"), 0x81),
        (_wrong(Type.PUBLISH, 0, encode.text("a") + b"\x02\x0b\x01"), 0x82),
        (_wrong(Type.PUBLISH, 0, encode.text("a") + b"\x03\x23\x00\x00"), 0x94),
        (_wrong(Type.PUBLISH, 0, encode.text("a") + b"\x02\x01\x02"), 0x82),
        (_wrong(Type.PUBLISH, 0, encode.text("a") + b"\x09\x01"), 0x81),
        (_wrong(Type.PUBREL, 0, b"\x00\x01"), 0x81),
        (_wrong(Type.PUBACK, 0, b"\x00\x01\x05"), 0x82),  # no such reason code
        (_wrong(Type.DISCONNECT, 0, b"\x00\x05\x11\x00\x00\x00\x05"), 0x82),
        (_wrong(Type.DISCONNECT, 0, b"\x8d\x00"), 0x82),  # only a server says that
        (_wrong(Type.DISCONNECT, 0, b"\x00\x00\x00"), 0x81),
        (_wrong(Type.AUTH, 0, b"\x18\x00"), 0x82),
    ],
)
@pytest.mark.rule("4.13")
async def test_packet_that_breaks_a_rule_ends_the_connection_with_its_reason(
    broker: Address, packet: bytes, reason: int
) -> None:
    async with joined(broker) as one:
        one.writer.write(packet)
        assert await one.end() == [(Type.DISCONNECT, 0, bytes([reason, 0]))]


@pytest.mark.parametrize("reason", [0x00, 0x04, 0x80])
@pytest.mark.rule("3.1.2.5")
async def test_only_a_disconnect_of_reason_0_discards_the_will(
    broker: Address, reason: int
) -> None:
    async with joined(broker) as watcher:
        watcher.subscribe("w")
        await watcher.next()
        async with joined(broker, connect(flags=6, after=will("w", []))) as one:
            one.send(Type.DISCONNECT, 0, bytes([reason]))
            assert await one.end() == []
        if reason:
            assert (await watcher.next_publish()).payload == b"dead"
        else:
            await watcher.is_silent()


@pytest.mark.rule("4.4")
async def test_what_was_under_way_comes_again_within_the_new_receive_maximum(
    broker: Address,
) -> None:
    lasting = (Prop.SESSION_EXPIRY, 60)
    async with joined(broker, connect("slow", items=[lasting])) as one:
        one.subscribe("a", 2)
        await one.next()
        for number in range(3):
            one.publish("a", b"%d" % number, qos=2, packet_id=number + 1)
        first = [p for p in [await one.next() for _ in range(6)] if p[0] == Type.PUBLISH]
        assert len(first) == 3
    again = connect("slow", flags=0, items=[lasting, (Prop.RECEIVE_MAXIMUM, 1)])
    async with joined(broker, again) as one:
        for number in range(3):
            found = await one.next_publish()
            assert (found.payload, found.dup) == (b"%d" % number, True)
            await one.is_silent()
            packet_id = found.packet_id.to_bytes(2, "big")
            one.send(Type.PUBREC, 0, packet_id)
            assert await one.next() == (Type.PUBREL, 2, packet_id)
            await one.is_silent()  # a message at QoS 2 is under way until its PUBCOMP
            one.send(Type.PUBCOMP, 0, packet_id)


@pytest.mark.rule("4.3.3")
async def test_message_at_qos_2_is_taken_once_however_often_it_is_sent(
    broker: Address,
) -> None:
    async with joined(broker) as watcher, joined(broker) as one:
        watcher.subscribe("a", 0)
        await watcher.next()
        for _ in range(3):
            one.publish("a", b"once", qos=2, packet_id=9)
            assert await one.next() == (Type.PUBREC, 0, b"\x00\x09")
        one.send(Type.PUBREL, 2, b"\x00\x09")
        assert await one.next() == (Type.PUBCOMP, 0, b"\x00\x09")
        one.send(Type.PUBREL, 2, b"\x00\x09")
        assert await one.next() == (Type.PUBCOMP, 0, b"\x00\x09\x92")
        assert (await watcher.next_publish()).payload == b"once"
        await watcher.is_silent()


@pytest.mark.rule("4.9")
async def test_client_with_too_many_qos_2_messages_in_flight_is_disconnected(
    broker: Address,
) -> None:
    async with joined(broker) as one:
        for number in range(1, RECEIVE_MAXIMUM + 2):
            one.publish("a", qos=2, packet_id=number)
        *received, last = await one.end()
        assert {kind for kind, _, _ in received} == {Type.PUBREC}
        assert len(received) == RECEIVE_MAXIMUM
        assert last == (Type.DISCONNECT, 0, b"\x93\x00")


@pytest.mark.rule("3.8.3.1")
async def test_no_local_holds_for_retained_messages_too(broker: Address) -> None:
    async with joined(broker, connect("me")) as one:
        one.publish("a/1", b"mine", retain=True)
        one.subscribe("a/+", 0b101)
        assert (await one.next())[0] == Type.SUBACK
        await one.is_silent()


@pytest.mark.rule("3.1.2.11.4")
async def test_message_of_just_the_largest_size_is_sent_and_one_more_is_not(
    broker: Address,
) -> None:
    async with joined(broker, connect(items=[(Prop.MAXIMUM_PACKET_SIZE, 64)])) as one:
        one.subscribe("a", 0)
        await one.next()
        one.publish("a", bytes(59))  # 2 of head, 3 of topic, 1 of properties: 65
        one.publish("a", bytes(58))
        assert len((await one.next_publish()).payload) == 58


@pytest.mark.parametrize("handling", [0, 1, 2])
@pytest.mark.rule("3.8.3.1")
async def test_retain_handling_says_when_retained_messages_come(
    broker: Address, handling: int
) -> None:
    async with joined(broker) as one:
        one.publish("a", b"kept", retain=True)
        for is_new in (True, False):
            one.subscribe("a", handling << 4)
            assert (await one.next())[0] == Type.SUBACK
            if handling == 0 or (handling == 1 and is_new):
                assert (await one.next_publish()).retain
            await one.is_silent()


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.rule("3.3.1.3")
async def test_retain_flag_is_kept_only_as_asked(broker: Address, keeps: bool) -> None:
    async with joined(broker) as one:
        one.subscribe("a", keeps << 3)
        await one.next()
        one.publish("a", retain=True)
        assert (await one.next_publish()).retain is keeps


@pytest.mark.rule("3.3.2.3")
async def test_properties_are_handed_on_as_they_came_and_in_their_order(
    broker: Address,
) -> None:
    items: Properties = [
        (Prop.USER_PROPERTY, ("b", "1")),
        (Prop.USER_PROPERTY, ("a", "2")),
        (Prop.USER_PROPERTY, ("b", "1")),
        (Prop.PAYLOAD_FORMAT, 1),
        (Prop.CONTENT_TYPE, "text/plain"),
        (Prop.RESPONSE_TOPIC, "back"),
        (Prop.CORRELATION_DATA, b"\x00\xff"),
    ]
    async with joined(broker) as one:
        one.subscribe("a/#", 0, [(Prop.SUBSCRIPTION_ID, 268_435_455)])
        one.subscribe("a/+", 0, [(Prop.SUBSCRIPTION_ID, 2)])
        await one.next()
        await one.next()
        one.publish("a/1", items=[*items, (Prop.TOPIC_ALIAS, 3)])
        found = await one.next_publish()
        assert [p for p in found.properties if p[0] != Prop.SUBSCRIPTION_ID] == items
        ids = {value for name, value in found.properties if name == Prop.SUBSCRIPTION_ID}
        assert ids == {2, 268_435_455}
        one.publish("", b"by alias", items=[(Prop.TOPIC_ALIAS, 3)])
        assert (await one.next_publish()).topic == "a/1"


@pytest.mark.rule("2.1.4")
async def test_largest_packets_of_four_length_bytes_pass(broker: Address) -> None:
    async with joined(broker, version=V311) as one:
        one.subscribe("big", 0)
        await one.next()
        payload = bytes(range(256)) * 8300  # above 2,097,151 bytes
        one.publish("big", payload)
        assert (await one.next_publish()).payload == payload


@pytest.mark.rule("3.1.2.10")
async def test_client_silent_for_one_and_a_half_keep_alives_is_told_and_dropped(
    broker: Address,
) -> None:
    async with joined(broker, connect(keep_alive=1)) as one:
        assert await one.end() == [(Type.DISCONNECT, 0, b"\x8d\x00")]


@pytest.mark.parametrize(
    "packet",
    [
        _wrong(Type.DISCONNECT, 0, b"\x00"),
        _wrong(Type.PINGREQ, 0, b"\x00"),
        _wrong(Type.SUBSCRIBE, 2, b"\x00\x01" + encode.text("a") + b"\x04"),
        _wrong(Type.PUBLISH, 0, encode.text("")),
        connect(version=V311),
    ],
)
@pytest.mark.rule("4.13")
async def test_mqtt_3_1_1_client_that_breaks_a_rule_is_cut_off_without_a_word(
    broker: Address, packet: bytes
) -> None:
    async with joined(broker, version=V311) as one:
        one.writer.write(packet)
        assert await one.end() == []


@pytest.mark.rule("3.2.2.2")
async def test_mqtt_3_1_1_refusals_have_their_return_codes(broker: Address) -> None:
    for packet, code in (
        (connect(version=6), 1),
        (connect(version=V311, flags=0), 2),  # no name, yet a session to keep
    ):
        async with wire(broker, packet, V311) as one:
            assert await one.end() == [(Type.CONNACK, 0, bytes([0, code]))]


@pytest.mark.rule("3.1.2.2")
async def test_connect_of_a_version_to_come_is_answered_as_what_it_looks_like(
    broker: Address,
) -> None:
    to_come = bytearray(connect("me"))
    to_come[8] = 99  # the protocol version; with properties, as in MQTT 5
    async with wire(broker, bytes(to_come)) as one:
        assert await one.end() == [(Type.CONNACK, 0, b"\x00\x84\x00")]
    async with wire(broker, connect("me", version=99)) as one:  # without
        assert await one.end() == [(Type.CONNACK, 0, b"\x00\x01")]


@pytest.mark.rule("3.1.2.11.4")
async def test_no_answer_is_larger_than_the_client_can_take(broker: Address) -> None:
    tiny = connect("me", items=[(Prop.MAXIMUM_PACKET_SIZE, 10)])
    async with wire(broker, tiny) as one:
        assert await one.end() == [(Type.CONNACK, 0, b"\x00\x95\x00")]
    small = connect("me", items=[(Prop.MAXIMUM_PACKET_SIZE, 30)])
    for kind, options in ((Type.SUBSCRIBE, b"\x00"), (Type.UNSUBSCRIBE, b"")):
        async with joined(broker, small) as one:
            one.send(kind, 2, b"\x00\x01\x00" + (encode.text("a") + options) * 30)
            assert await one.end() == [(Type.DISCONNECT, 0, b"\x95\x00")]


@pytest.mark.rule("3.3.2.3.3")
async def test_expired_message_that_was_sent_at_qos_2_comes_again_at_qos_1_it_does_not(
    broker: Address,
) -> None:
    lasting = [(Prop.SESSION_EXPIRY, 60)]
    async with joined(broker, connect("phone", items=lasting)) as one:
        one.subscribe("a/+", 2)
        await one.next()
        for qos in (1, 2):
            one.publish(f"a/{qos}", qos=qos, packet_id=qos, items=[(Prop.MESSAGE_EXPIRY, 1)])
            assert (await one.next_publish()).qos == qos
            await one.next()
    async with joined(broker) as other:  # what is retained expires in the same second
        other.publish("b", retain=True, items=[(Prop.MESSAGE_EXPIRY, 1)])
        while True:
            other.subscribe("b", 0)
            assert (await other.next())[0] == Type.SUBACK
            other.writer.write(b"\xc0\x00")
            if (await other.next())[0] == Type.PINGRESP:
                break
            assert (await other.next())[0] == Type.PINGRESP
    async with joined(broker, connect("phone", flags=0, items=lasting)) as one:
        again = await one.next_publish()
        assert (again.topic, again.qos, again.dup) == ("a/2", 2, True)
        await one.is_silent()


@pytest.mark.rule("4.3.3")
async def test_puback_for_a_message_at_qos_2_is_a_protocol_error(broker: Address) -> None:
    async with joined(broker) as one:
        one.subscribe("a", 2)
        await one.next()
        one.publish("a", qos=2)
        found = await one.next_publish()
        await one.next()
        one.send(Type.PUBACK, 0, found.packet_id.to_bytes(2, "big"))
        assert await one.end() == [(Type.DISCONNECT, 0, b"\x82\x00")]
