"""Users, passwords and roles that the program around the broker defines."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiomqtt
import pytest

from mqtt_broker.access import (
    UNRESTRICTED,
    Access,
    Unrestricted,
    User,
    UsersError,
    hash_password,
    is_password,
    parse_users,
)
from mqtt_broker.connection import Limits
from mqtt_broker.packets import V5, Type
from mqtt_broker.server import Server
from tests.mqtt_broker.conftest import Address
from tests.mqtt_broker.wire import connect, joined, will, wire


def test_password_is_known_by_its_hash_alone() -> None:
    hashed = hash_password(b"secret")
    assert b"secret" not in hashed.encode()
    assert hashed != hash_password(b"secret"), "salted"
    assert is_password(b"secret", hashed)
    access = Access({"a": User(UNRESTRICTED, hashed)})
    for _ in range(2):  # the second time by the fast hash
        assert access.check("a", b"secret") is UNRESTRICTED
        assert access.check("a", b"Secret") is None
    assert access.check("b", b"secret") is None


COSTLY = f"a:device:1048576$8$1$AA==${'A' * 43}="
"""A hash that would take a gigabyte to check."""


@pytest.mark.parametrize("line", ["a:device", "a:king:1$1$1$AA==$AA==", "a:device:plain", COSTLY])
def test_line_that_is_no_user_is_named_by_its_number_and_not_by_its_secret(line: str) -> None:
    with pytest.raises(UsersError, match=r"users, line 2") as caught:
        parse_users(f"\n{line}\n", "users", {"device": UNRESTRICTED})
    assert "plain" not in str(caught.value)


@dataclass(frozen=True, slots=True)
class Reader(Unrestricted):
    """May read ``open/`` and write to ``box`` alone."""

    rank: int = -1
    may_retain: bool = False
    max_packet_bytes: int | None = 1000

    def may_publish(self, topic: str) -> bool:
        return topic == "box"

    def may_subscribe(self, topic_filter: str) -> bool:
        return topic_filter.startswith("open/")


@pytest.fixture
async def guarded() -> AsyncIterator[Address]:
    """A broker in this process with one user, who may do all; the others are readers."""
    server = Server(access=Access({"owner": User(UNRESTRICTED, hash_password(b"right"))}, Reader()))
    await server.start()
    yield Address("127.0.0.1", server.port)
    await server.stop()


def owner(broker: Address, word: str = "right", **more: object) -> aiomqtt.Client:
    options = {"username": "owner", "password": word, **more}
    return aiomqtt.Client(broker.host, broker.port, **options)  # type: ignore[arg-type]


@pytest.mark.rule("3.4.2.1")
async def test_topic_that_is_not_allowed_is_refused_with_its_reason(guarded: Address) -> None:
    async with joined(guarded) as reader:
        reader.publish("open/a", qos=1)
        assert await reader.next() == (Type.PUBACK, 0, b"\x00\x01\x87")
        reader.publish("open/a", qos=2)
        assert await reader.next() == (Type.PUBREC, 0, b"\x00\x01\x87")
        reader.publish(
            "box", qos=2
        )  # the identifier is free again: a new message, which nobody gets
        assert await reader.next() == (Type.PUBREC, 0, b"\x00\x01\x10")
        for topic_filter, granted in (("open/#", 1), ("#", 0x87), ("$share/g/box", 0x87)):
            reader.subscribe(topic_filter)
            assert await reader.next() == (Type.SUBACK, 0, bytes([0, 7, 0, granted]))


@pytest.mark.rule("3.3.5")
async def test_client_of_3_1_1_that_publishes_where_it_may_not_is_disconnected(
    guarded: Address,
) -> None:
    async with joined(guarded, connect(version=4), 4) as reader:
        reader.publish("open/a", qos=1)
        assert await reader.end() == []


async def test_will_that_is_not_allowed_refuses_the_connection(guarded: Address) -> None:
    async with wire(guarded, connect(flags=6, after=will("open/a", []))) as reader:
        assert await reader.end() == [(Type.CONNACK, 0, bytes([0, 0x87, 0]))]


async def test_nothing_of_a_role_that_may_not_retain_is_retained(guarded: Address) -> None:
    async with joined(guarded) as reader:
        reader.publish("box", qos=1, retain=True)
        assert await reader.next() == (Type.PUBACK, 0, b"\x00\x01\x10")
    async with owner(guarded) as one, asyncio.timeout(10):
        await one.subscribe("box")
        retained_will = connect(flags=0x26, after=will("box", []))
        async with joined(guarded, retained_will) as dying:
            dying.send(Type.DISCONNECT, 0, b"\x04")  # with its will
            assert (await anext(one.messages)).payload == b"dead"
    async with owner(guarded) as one, asyncio.timeout(10):
        await one.subscribe("box")
        await one.publish("box", b"end")
        assert (await anext(one.messages)).payload == b"end"


async def test_packet_above_the_roles_limit_ends_the_connection(guarded: Address) -> None:
    async with joined(guarded) as reader:
        reader.publish("box", b"x" * 1000, qos=1)
        assert await reader.end() == [(Type.DISCONNECT, 0, b"\x95\x00")]


async def test_session_is_taken_over_by_a_higher_rank_alone(guarded: Address) -> None:
    async with joined(guarded, connect("name")) as reader, owner(guarded, identifier="name") as one:
        assert await reader.end() == [(Type.DISCONNECT, 0, b"\x8e\x00")]
        async with wire(guarded, connect("name", version=V5)) as again:
            assert await again.end() == [(Type.CONNACK, 0, bytes([0, 0x85, 0]))]
        await one.publish("box", b"still here", qos=1)


async def test_another_user_of_the_same_rank_does_not_take_a_session_over() -> None:
    users = {name: User(UNRESTRICTED, hash_password(b"right")) for name in ("owner", "other")}
    server = Server(access=Access(users))
    await server.start()
    broker = Address("127.0.0.1", server.port)
    async with owner(broker, identifier="name") as one:
        with pytest.raises(aiomqtt.MqttError):
            async with owner(broker, username="other", identifier="name"):
                pass
        await one.publish("box", b"still here", qos=1)
    await server.stop()


async def test_client_beyond_the_most_sessions_is_refused() -> None:
    server = Server(Limits(sessions=1))
    await server.start()
    broker = Address("127.0.0.1", server.port)
    async with joined(broker) as first, wire(broker, connect()) as second:
        assert await second.end() == [(Type.CONNACK, 0, bytes([0, 0x97, 0]))]
        await first.is_silent()
    await server.stop()


@pytest.mark.rule("3.1.4")
async def test_wrong_password_is_refused(guarded: Address) -> None:
    with pytest.raises(aiomqtt.MqttError, match=r"[Bb]ad user ?name"):
        async with owner(guarded, "wrong"):
            pass
