"""TLS, passwords and access rules of the embedded broker, with clients that others wrote."""

import asyncio
import dataclasses
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest
from pydantic import ValidationError

from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.config import DeliveryConfig
from ew.delivery.broker import open_broker
from ew.delivery.publisher import Publisher
from ew.delivery.roles import USER_ROLES, Role
from ew.errors import BrokerError
from mqtt_broker.access import hash_password, is_password, parse_users
from mqtt_broker.packets import Type
from tests.conftest import SBIN
from tests.delivery.conftest import PlanMaker
from tests.mqtt_broker.wire import connect, joined
from tests.tls import make_certificate

USERS = {"sta-1": ("station", b"waves"), "tv-1": ("device", b"screen"), "ops": ("service", b"all")}
ALERTS = "ew/v1/alert/#"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> DeliveryConfig:
    """A configuration with a certificate for 127.0.0.1 made now, and three users."""
    folder = tmp_path_factory.mktemp("tls")
    make_certificate(folder)
    lines = [f"{name}:{role}:{hash_password(word)}" for name, (role, word) in USERS.items()]
    (folder / "users").write_text("# who may\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return DeliveryConfig(
        certificate=folder / "server.crt",
        private_key=folder / "server.key",
        tls_host="127.0.0.1",
        tls_port=0,
        users=folder / "users",
    )


@pytest.fixture
async def guarded(secured: DeliveryConfig) -> AsyncIterator[BrokerAddress]:
    async with open_broker("embedded", config=secured) as address:
        yield address


def tls_client(
    broker: BrokerAddress, secured: DeliveryConfig, name: str | None = None, **more: object
) -> aiomqtt.Client:
    context = ssl.create_default_context(cafile=str(secured.certificate))
    word = USERS[name][1].decode() if name else None
    options = {"username": name, "password": word, "protocol": aiomqtt.ProtocolVersion.V5, **more}
    return aiomqtt.Client(broker.host, broker.tls_port or 0, tls_context=context, **options)  # type: ignore[arg-type]


async def test_alerts_of_the_service_reach_a_device_over_tls(
    guarded: BrokerAddress, secured: DeliveryConfig, signer: Signer, make_plan: PlanMaker
) -> None:
    async with tls_client(guarded, secured) as phone:
        await phone.subscribe(ALERTS, qos=1)
        async with Publisher(guarded, signer, secured) as publisher:
            publisher.submit(make_plan(["tv-1"]))
            await publisher.drain()
            assert publisher.status.refused == 0
        async with asyncio.timeout(10):
            async for message in phone.messages:
                assert message.topic.value == "ew/v1/alert/device/tv-1"
                break


@pytest.mark.parametrize("name", [None, "tv-1", "sta-1"])
async def test_only_the_service_may_alert(
    guarded: BrokerAddress, secured: DeliveryConfig, name: str | None
) -> None:
    topics = {None: "ew/v1/receipt/x", "tv-1": "ew/v1/receipt/tv-1", "sta-1": "ew/v1/waveform/x"}
    async with (
        tls_client(guarded, secured, "ops") as watcher,
        tls_client(guarded, secured, name) as one,
    ):
        await watcher.subscribe("#", qos=1)
        await one.publish("ew/v1/alert/cell/85", b"forged", qos=1)
        await one.publish("ew/v1/heartbeat", b"forged", qos=0)
        await one.publish(topics[name], b"allowed", qos=1)
        async with asyncio.timeout(10):
            async for message in watcher.messages:
                assert message.payload == b"allowed"
                break


async def test_publisher_that_may_not_alert_says_so_and_does_not_try_for_ever(
    guarded: BrokerAddress, signer: Signer, make_plan: PlanMaker
) -> None:
    address = dataclasses.replace(guarded, username="tv-1", password="screen")  # noqa: S106 - of this test
    async with Publisher(address, signer) as publisher:
        publisher.submit(make_plan(["tv-1"]))
        await publisher.drain()
        assert (publisher.status.refused, publisher.status.sent) == (1, 0)
        assert "0x87" in (publisher.status.last_error or "")


async def test_device_hears_alerts_and_no_receipts_of_others(
    guarded: BrokerAddress, secured: DeliveryConfig
) -> None:
    async with tls_client(guarded, secured, "tv-1") as one:
        filters = [(ALERTS, 1), ("ew/v1/keys", 1), ("ew/v1/receipt/+", 1), ("#", 1), ("+/v1/x", 1)]
        granted = await one.subscribe(filters)
        assert [int(code.value) for code in granted] == [1, 1, 0x87, 0x87, 0x87]  # type: ignore[union-attr]


@pytest.mark.parametrize("protocol", [aiomqtt.ProtocolVersion.V311, aiomqtt.ProtocolVersion.V5])
@pytest.mark.parametrize(("name", "word"), [("tv-1", "wrong"), ("nobody", "screen")])
async def test_wrong_password_is_refused(
    guarded: BrokerAddress, name: str, word: str, protocol: aiomqtt.ProtocolVersion
) -> None:
    client = aiomqtt.Client(
        guarded.host, guarded.port, username=name, password=word, protocol=protocol
    )
    with pytest.raises(aiomqtt.MqttError, match=r"[Bb]ad user ?name"):
        async with client:
            pass


async def test_nobody_without_a_name_where_that_is_asked(secured: DeliveryConfig) -> None:
    strict = secured.model_copy(update={"anonymous": False})
    async with open_broker("embedded", config=strict) as broker:
        with pytest.raises(aiomqtt.MqttError):
            async with tls_client(broker, strict):
                pass
        async with tls_client(broker, strict, "tv-1"):
            pass


async def test_packets_sent_before_the_password_is_checked_are_not_lost(
    guarded: BrokerAddress,
) -> None:
    connect = b"\x10\x1a\x00\x04MQTT\x04\xc2\x00\x00\x00\x00\x00\x04tv-1\x00\x06screen"
    subscribe = b"\x82\x12\x00\x01\x00\x0dew/v1/alert/#\x01"
    reader, writer = await asyncio.open_connection(guarded.host, guarded.port)
    writer.write(connect + subscribe[:5])
    await writer.drain()
    writer.write(subscribe[5:] + b"\xc0\x00")
    async with asyncio.timeout(10):
        assert await reader.readexactly(11) == b"\x20\x02\x00\x00\x90\x03\x00\x01\x01\xd0\x00"
    writer.close()


async def test_will_that_would_alert_is_refused(
    guarded: BrokerAddress, secured: DeliveryConfig
) -> None:
    with pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori"):
        async with tls_client(guarded, secured, will=aiomqtt.Will("ew/v1/alert/cell/85", b"x")):
            pass


@pytest.mark.skipif(
    shutil.which("mosquitto_pub", path=SBIN) is None, reason="mosquitto-clients is not installed"
)
async def test_mosquittos_clients_speak_over_tls_with_a_password(
    guarded: BrokerAddress, secured: DeliveryConfig
) -> None:
    where = ["-h", guarded.host, "-p", str(guarded.tls_port), "--cafile", str(secured.certificate)]
    login = ["-u", "sta-1", "-P", "waves"]
    async with tls_client(guarded, secured, "ops") as watcher:
        await watcher.subscribe("ew/v1/waveform/+", qos=1)
        pub = await asyncio.create_subprocess_exec(
            *("mosquitto_pub", *where, *login, "-t", "ew/v1/waveform/x", "-q", "1", "-m", "from C")
        )
        assert await pub.wait() == 0
        async with asyncio.timeout(10):
            async for message in watcher.messages:
                assert message.payload == b"from C"
                break


def test_lines_are_made_by_the_command_line() -> None:
    command = [sys.executable, "-m", "ew.delivery.embedded", "--hash-password", "tv-2", "device"]
    made = subprocess.run(command, input="word\n", capture_output=True, text=True, check=True)
    user = parse_users(made.stdout, "made", USER_ROLES)["tv-2"]
    assert user.role is Role.DEVICE
    assert is_password(b"word", user.hashed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"certificate": Path("a")},
        {"anonymous": False},
        {"certificate": Path("a"), "private_key": Path("b")},
        {"broker": "mosquitto", "users": Path("a")},
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        DeliveryConfig(**wrong)  # type: ignore[arg-type]


async def test_file_of_users_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="can't read the users"):
        async with open_broker("embedded", config=DeliveryConfig(users=tmp_path / "none")):
            pass


TOPICS = {
    "ew/v1/alert/cell/85": "alert", "ew/v1/alert/device/tv-1": "alert", "ew/v1/event/ew1": "event",
    "ew/v1/heartbeat": "heartbeat", "ew/v1/keys": "keys", "ew/v1/receipt/tv-1": "receipt",
    "ew/v1/waveform/XX.A..HHZ": "waveform", "ew/v1/pick/XX.A..HHZ": "pick",
    "ew/v1/detector/north": "detector", "ew/v1/status/ew": "inside", "ew/v1/live/ew": "inside",
    "ew/v1/command/ew": "inside", "ew/v1/answer/ew": "inside", "elsewhere": "inside",
}  # fmt: skip
STATIONS = {"waveform", "pick", "detector"}
SPEAKS = {
    Role.DEVICE: {"receipt"},
    Role.STATION: STATIONS | {"receipt"},
    Role.OPEN_STATION: STATIONS | {"receipt"},
    Role.SERVICE: set(TOPICS.values()),
}


@pytest.mark.parametrize("role", list(Role))
def test_each_role_speaks_on_its_topics_and_hears_what_is_for_all(role: Role) -> None:
    for topic, what in TOPICS.items():
        assert role.may_publish(topic) == (what in SPEAKS[role]), topic
        is_for_all = what in {"alert", "event", "heartbeat", "keys"}
        assert role.may_subscribe(topic) == (is_for_all or role is Role.SERVICE), topic
    inside = ["#", "+/#", "ew/#", "ew/v1/#", "ew/v1/+", "ew/v1/+/ew", "+/v1/keys", "ew/v1/keys/#"]
    for text in inside:
        assert role.may_subscribe(text) == (role is Role.SERVICE), text
    for text in ("ew/v1/alert/#", "ew/v1/alert/cell/+", "ew/v1/event/+"):
        assert role.may_subscribe(text)
    for topic in ("ew/v1/receipt/", "ew/v1/receipt", "ew/v1/receipt/a/b", "ew/v1/waveform/a/b"):
        assert role.may_publish(topic) == (role is Role.SERVICE), topic


@pytest.fixture
async def default_broker() -> AsyncIterator[BrokerAddress]:
    """The embedded broker as `ew serve` starts it without a word in the configuration."""
    async with open_broker("embedded") as address:
        yield address


def unnamed(broker: BrokerAddress, protocol: int = 5, **more: object) -> aiomqtt.Client:
    version = aiomqtt.ProtocolVersion(protocol)
    return aiomqtt.Client(broker.host, broker.port, protocol=version, **more)  # type: ignore[arg-type]


def service(broker: BrokerAddress, **more: object) -> aiomqtt.Client:
    return unnamed(broker, username=broker.username, password=broker.password, **more)


async def test_unnamed_client_speaks_receipts_alone_on_the_default_broker(
    default_broker: BrokerAddress,
) -> None:
    reader, writer = await asyncio.open_connection(default_broker.host, default_broker.port)
    writer.write(b"\x10\x10\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x03one")
    await reader.readexactly((await reader.readexactly(2))[1])
    for number, (topic, what) in enumerate(TOPICS.items(), 1):
        body = len(topic).to_bytes(2, "big") + topic.encode() + number.to_bytes(2, "big") + b"\x00x"
        writer.write(bytes([0x32, len(body)]) + body)
        async with asyncio.timeout(10):
            head = await reader.readexactly(2)
            answer = await reader.readexactly(head[1])
        reason = answer[2] if len(answer) > 2 else 0
        assert (head[0], reason == 0x87) == (0x40, what != "receipt"), topic
    writer.close()


async def say_and_wait(client: aiomqtt.Client, topic: str, payload: bytes) -> None:
    """Publish, and wait until the connection ends (as ``MqttError``)."""
    await client.publish(topic, payload)
    async with asyncio.timeout(10):
        await anext(client.messages)


@pytest.mark.parametrize("topic", [t for t, what in TOPICS.items() if what != "receipt"])
async def test_unnamed_client_of_mqtt_3_is_cut_off_when_it_speaks(
    default_broker: BrokerAddress, topic: str
) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with unnamed(default_broker, 4) as one:
            await say_and_wait(one, topic, b"forged")


async def test_nobody_comes_into_anothers_session_by_its_client_identifier(
    default_broker: BrokerAddress,
) -> None:
    async with service(default_broker, identifier="associator", clean_start=False) as ours:
        await ours.subscribe("ew/v1/receipt/+", qos=1)
        for protocol in (4, 5):
            with pytest.raises(aiomqtt.MqttError):
                async with unnamed(default_broker, protocol, identifier="associator"):
                    pass
        async with unnamed(default_broker, identifier="phone") as phone:
            await phone.publish("ew/v1/receipt/a", b"still here", qos=1)
        async with asyncio.timeout(10):
            assert (await anext(ours.messages)).payload == b"still here"
    async with unnamed(default_broker, identifier="claimed") as squatter:
        async with service(default_broker, identifier="claimed") as ours:
            await ours.publish("ew/v1/keys", b"x", qos=1)
        with pytest.raises(aiomqtt.MqttError):
            await squatter.publish("ew/v1/receipt/a", b"x", qos=1)


async def test_nothing_of_unnamed_clients_is_retained_or_large(
    default_broker: BrokerAddress,
) -> None:
    will = aiomqtt.Will("ew/v1/receipt/will", b"x", retain=True)
    async with unnamed(default_broker) as one:
        await one.publish("ew/v1/receipt/a", b"x", qos=1, retain=True)
    with pytest.raises(aiomqtt.MqttError):
        async with unnamed(default_broker, will=will) as one:
            await say_and_wait(one, "ew/v1/receipt/a", b"x" * 70_000)
    async with service(default_broker) as ours:
        await ours.subscribe("ew/v1/receipt/+", qos=1)
        await ours.publish("ew/v1/receipt/end", b"end", qos=1)
        async with asyncio.timeout(10):
            assert (await anext(ours.messages)).payload == b"end"


async def test_refused_clients_do_not_stop_the_broker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each refusal was a line in a pipe that nobody read: after a thousand the broker stood
    still."""
    users = tmp_path / "users"
    users.write_text(f"tv-1:device:{hash_password(b'screen')}\n", encoding="utf-8")
    forbidden = f"ew/v1/alert/cell/{'8' * 100}"
    async with open_broker("embedded", config=DeliveryConfig(users=users)) as address:
        for number in range(600):
            async with joined(address, connect(f"{'n' * 80}-{number}")) as one:
                for _ in range(3):
                    one.publish(forbidden, qos=1)
                    assert await one.next() == (Type.PUBACK, 0, b"\x00\x01\x87")
    # All of it can be read, a line for each client
    assert sum("may not publish" in record.getMessage() for record in caplog.records) >= 500
