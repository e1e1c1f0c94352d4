"""The rules of MQTT 3.1.1 and 5 that the broker keeps, tried with clients that others wrote.

``pytest tests/mqtt_broker -m rule`` is the conformance run: it prints each section of the
standard with the outcome of its tests. The sections are those listed in the package's README.
"""

import asyncio

import pytest

from tests.mqtt_broker.conftest import Address
from tests.mqtt_broker.real_clients import CLIENTS, V5, V311, Received

pytestmark = [
    pytest.mark.parametrize("name", ["paho", "aiomqtt", "mosquitto"]),
    pytest.mark.parametrize("version", [V311, V5], ids=["3.1.1", "5"]),
]


@pytest.fixture
def one(name: str) -> object:
    if name not in CLIENTS:
        pytest.skip("mosquitto-clients is not installed")
    return CLIENTS[name]


@pytest.mark.rule("4.3")
@pytest.mark.parametrize("qos", [0, 1, 2])
async def test_message_arrives_at_its_quality_of_service(broker, one, version, qos) -> None:
    async with one.subscriber(broker, version, ["a/b"], qos) as receive:
        await one.publish(broker, version, "a/b", b"hello", qos, False)
        assert await receive() == Received("a/b", b"hello", qos, False)


@pytest.mark.rule("3.3.1.2")
async def test_message_comes_at_the_lower_of_both_qualities_of_service(
    broker, one, version
) -> None:
    async with one.subscriber(broker, version, ["a"], 0) as receive:
        await one.publish(broker, version, "a", b"x", 2, False)
        assert (await receive()).qos == 0


@pytest.mark.rule("3.3.1.3")
async def test_retained_message_reaches_later_subscribers_until_it_is_cleared(
    broker, one, version
) -> None:
    await one.publish(broker, version, "kept/a", b"kept", 1, True)
    async with one.subscriber(broker, version, ["kept/#"], 1) as receive:
        assert await receive() == Received("kept/a", b"kept", 1, True)
    await one.publish(broker, version, "kept/a", b"", 1, True)
    async with one.subscriber(broker, version, ["kept/#"], 1) as receive:
        await one.publish(broker, version, "kept/b", b"new", 1, False)
        assert await receive() == Received("kept/b", b"new", 1, False)


@pytest.mark.rule("4.7")
async def test_wildcards_match_their_levels(broker, one, version) -> None:
    async with one.subscriber(broker, version, ["+/x", "deep/#"], 1) as receive:
        for topic in ("a/y", "a/x", "a/x/b", "deep", "$SYS/x", "deep/1/2"):
            await one.publish(broker, version, topic, b"m", 1, False)
        assert [(await receive()).topic for _ in range(3)] == ["a/x", "deep", "deep/1/2"]


@pytest.mark.rule("4.6")
async def test_messages_of_a_publisher_keep_their_order(broker, one, version) -> None:
    async with one.subscriber(broker, version, ["o"], 2) as receive:
        for number in range(5):
            await one.publish(broker, version, "o", b"%d" % number, 1 + number % 2, False)
        assert [(await receive()).payload for _ in range(5)] == [b"%d" % n for n in range(5)]


@pytest.mark.rule("3.1.2.5")
async def test_will_of_a_client_that_died_is_published(broker, one, version) -> None:
    async with one.subscriber(broker, version, ["will"], 1) as receive:
        await one.die(broker, version, ("will", b"gone"))
        assert await receive() == Received("will", b"gone", 1, False)


@pytest.mark.rule("4.1", "3.1.2.4")
async def test_session_keeps_messages_for_a_client_that_is_away(broker, one, version) -> None:
    async with one.subscriber(broker, version, ["s"], 1, "phone"):
        pass
    for number in range(3):
        await one.publish(broker, version, "s", b"%d" % number, 1, False)
    async with one.subscriber(broker, version, ["s"], 1, "phone") as receive:
        assert [(await receive()).payload for _ in range(3)] == [b"0", b"1", b"2"]


@pytest.mark.rule("2.1.4")
async def test_payload_of_a_megabyte_passes_whole(broker, one, version) -> None:
    payload = b"0123456789abcdef" * (1 << 16)
    async with one.subscriber(broker, version, ["big"], 1) as receive:
        await one.publish(broker, version, "big", payload, 1, False)
        assert (await receive()).payload == payload


@pytest.mark.rule("4.8.2")
async def test_shared_subscription_gives_each_message_to_one_of_its_group(
    broker, one, version
) -> None:
    group = ["$share/g/work"]  # in 3.1.1 an extension, as in Mosquitto
    async with (
        one.subscriber(broker, version, group, 1) as first,
        one.subscriber(broker, version, group, 1) as second,
    ):
        for number in range(4):
            await one.publish(broker, version, "work", b"%d" % number, 1, False)
        halves = [await receive() for receive in (first, second) for _ in range(2)]
        assert sorted(message.payload for message in halves) == [b"0", b"1", b"2", b"3"]


async def _mixed(broker: Address, publisher: str, receiver: str, version: int) -> bytes:
    async with CLIENTS[receiver].subscriber(broker, version, ["m"], 1) as receive:
        await CLIENTS[publisher].publish(broker, V5 + V311 - version, "m", b"across", 1, False)
        return (await receive()).payload


@pytest.mark.rule("4.3.2")
async def test_clients_of_different_makers_and_versions_understand_each_other(
    broker, one, name, version
) -> None:
    del one
    found = await asyncio.gather(*(_mixed(broker, other, name, version) for other in CLIENTS))
    assert set(found) == {b"across"}
