"""ew's own MQTT clients at brokers that want TLS, a user and a password: Mosquitto as in deploy/,
and the embedded one."""

import asyncio
import contextlib
import dataclasses
import getpass
import json
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ew.alerts.message import TOPIC_KEYS, parse_event
from ew.alerts.signing import Signer
from ew.broker_address import PASSWORD, BrokerAddress, parse_url
from ew.config import DeliveryConfig
from ew.delivery.broker import find_program, free_port, open_broker, run_program
from ew.delivery.publisher import Publisher
from ew.errors import BrokerError, ConfigError
from ew.records import EventVersion, Packet
from ew.sources.mqtt import MqttWaveforms
from ew.sources.picks import PickExchange, encode_ends
from mqtt_broker.access import hash_password
from simulators import scenario
from simulators.faults import Faults
from simulators.fleet import Fleet
from simulators.network import over_mqtt
from simulators.population import Device
from tests import trust
from tests.delivery.conftest import PlanMaker
from tests.tls import make_certificate

DEPLOY = Path(__file__).parents[2] / "deploy" / "mosquitto"
WORDS = {"ew": "service-word", "ops": "service-word", "station": "station-word"}
ROLES = {"ops": "service", "station": "station"}


@dataclasses.dataclass(frozen=True)
class Door:
    """Where a guarded broker serves TLS, and the files one needs to come in."""

    port: int
    folder: Path
    service: str

    def address(self, user: str | None = None, word: str | None = None) -> BrokerAddress:
        url = f"mqtts://{f'{user}@' if user else ''}127.0.0.1:{self.port}"
        file = None
        if user:
            file = self.folder / f"{user}.{word or 'right'}"
            file.write_text(f"{word or WORDS[user]}\n", encoding="utf-8")
        return parse_url(url, ca_file=self.folder / "server.crt", password_file=file)


def _write_passwords(file: Path) -> None:
    file.touch(mode=0o600)
    for user, word in WORDS.items():
        subprocess.run(["mosquitto_passwd", "-b", file, user, word], check=True)


@contextlib.asynccontextmanager
async def _mosquitto(folder: Path) -> AsyncIterator[int]:
    """Mosquitto with the configuration of deploy/, its paths and ports replaced by ours."""
    if find_program("mosquitto") is None or shutil.which("mosquitto_passwd") is None:
        pytest.skip("mosquitto is not installed")
    _write_passwords(folder / "passwords")
    plain, port = free_port(), free_port()
    text = (DEPLOY / "mosquitto.conf").read_text(encoding="utf-8")
    for old, new in (
        ("listener 1883 127.0.0.1", f"listener {plain} 127.0.0.1"),
        ("listener 8883", f"listener {port} 127.0.0.1"),
        ("/etc/mosquitto/certs/", f"{folder}/"),
        ("/etc/mosquitto/passwords", f"{folder}/passwords"),
        ("/etc/mosquitto/ew.acl", f"{DEPLOY}/ew.acl"),
    ):
        assert old in text
        text = text.replace(old, new)
    text = f"{text}\nuser {getpass.getuser()}\n"
    async with run_program("mosquitto", "mosquitto", text, port):
        yield port


@pytest.fixture(params=["mosquitto", "embedded"])
async def door(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Door]:
    make_certificate(tmp_path)
    if request.param == "mosquitto":
        async with _mosquitto(tmp_path) as port:
            yield Door(port, tmp_path, "ew")
        return
    lines = [f"{user}:{role}:{hash_password(WORDS[user].encode())}" for user, role in ROLES.items()]
    (tmp_path / "users").write_text("\n".join(lines) + "\n", encoding="utf-8")
    config = DeliveryConfig(
        certificate=tmp_path / "server.crt",
        private_key=tmp_path / "server.key",
        users=tmp_path / "users",
        tls_host="127.0.0.1",
        tls_port=0,
    )
    async with open_broker("embedded", config=config) as address:
        yield Door(address.tls_port or 0, tmp_path, "ops")


async def test_alert_goes_from_the_service_to_simulated_devices_over_tls(
    door: Door, signer: Signer, make_plan: PlanMaker, caplog: pytest.LogCaptureFixture
) -> None:
    tvs = [Device(f"tv-{n}", "tv", 30.3 + n / 100, 103.0, "here") for n in range(20)]
    async with Publisher(door.address(door.service), signer) as publisher:
        publisher.publish(TOPIC_KEYS, trust.document([signer]), retain=True)
        await publisher.drain()
        async with (
            Fleet(tvs[:10], door.address(), roots=[trust.ROOT_PUBLIC]) as first,
            Fleet(tvs[10:], door.address(door.service), roots=[trust.ROOT_PUBLIC]) as last,
        ):
            publisher.submit(make_plan([tv.device_id for tv in tvs]))
            await publisher.drain()
            async with asyncio.timeout(20):
                while len(first.reactions) + len(last.reactions) < len(tvs):
                    await asyncio.sleep(0.02)
        assert publisher.status.refused == 0
        assert WORDS["ew"] not in repr(publisher.address) + publisher.address.url + caplog.text


async def test_stations_records_come_in_over_tls(door: Door) -> None:
    heard: list[Packet] = []
    source = MqttWaveforms(door.address(door.service), heard.append)
    listening = asyncio.create_task(source.run())
    quiet = scenario.load("quiet")
    quiet = dataclasses.replace(quiet, stations=quiet.stations[:2])
    sending = asyncio.create_task(
        over_mqtt(quiet, door.address("station"), packet_s=1.0, speed=20.0, faults=Faults())
    )
    async with asyncio.timeout(20):
        while len(heard) < 5:
            await asyncio.sleep(0.02)
    for task in (listening, sending):
        task.cancel()
    await asyncio.gather(listening, sending, return_exceptions=True)
    assert {packet.seed_id for packet in heard} <= set(quiet.play().inventory)


async def test_detectors_reports_come_in_over_tls(door: Door, signer: Signer) -> None:
    def check(payload: bytes) -> EventVersion:
        return parse_event(payload)[0]

    exchange = PickExchange(door.address(door.service), check)
    listening = asyncio.create_task(exchange.run())
    async with Publisher(door.address("station"), signer) as detector, asyncio.timeout(20):
        while not exchange.received:
            detector.publish("ew/v1/detector/north", encode_ends({"XN.A..HHZ": 7}, "north"), qos=0)
            await asyncio.sleep(0.05)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert exchange.take().ends_s == {"XN.A..HHZ": pytest.approx(7e-9)}


@pytest.mark.parametrize("user", [None, "station"])
async def test_nobody_but_the_service_may_alert(
    door: Door, signer: Signer, make_plan: PlanMaker, user: str | None
) -> None:
    async with Publisher(door.address(user), signer) as stranger:
        stranger.submit(make_plan(["tv-1"]))
        await stranger.drain()
        assert (stranger.status.refused, stranger.status.sent) == (1, 0)
    tv = Device("tv-1", "tv", 30.3, 103.0, "here")
    async with Fleet([tv], door.address(), roots=[trust.ROOT_PUBLIC]) as fleet:
        pass  # the forged alert would be retained
    assert fleet.reactions == []
    assert fleet.refused == {}


async def test_wrong_password_and_wrong_authority_are_told_and_the_password_is_not(
    door: Door, signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(BrokerError, match=r"wrong user name or password|not authorized") as told:
        await Publisher(door.address(door.service, "guess-me"), signer).__aenter__()
    assert "guess-me" not in str(told.value) + caplog.text
    other = door.folder / "other"
    other.mkdir()
    make_certificate(other)
    stranger = dataclasses.replace(door.address(door.service), ca_file=other / "server.crt")
    with pytest.raises(BrokerError, match="certificate verify failed"):
        await Publisher(stranger, signer).__aenter__()


def test_password_comes_from_a_file_or_the_environment_and_never_from_the_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD, raising=False)
    with pytest.raises(ConfigError, match=r"user 'ew' needs a password.*EW_BROKER_PASSWORD"):
        parse_url("mqtts://ew@a")
    monkeypatch.setenv(PASSWORD, "from-outside")
    assert parse_url("mqtt://ew@a").password == "from-outside"  # noqa: S105 - of this test
    (tmp_path / "word").write_text("from-a-file\n", encoding="utf-8")
    found = parse_url("mqtts://ew@a,b:99", password_file=tmp_path / "word")
    assert (found.password, found.username) == ("from-a-file", "ew")
    assert found.nodes == (("a", 8883), ("b", 99))
    assert found.url == "mqtts://a:8883,b:99"
    with pytest.raises(ConfigError, match="no password in the URL") as told:
        parse_url("mqtts://ew:secret@a")
    assert "secret" not in str(told.value)
    with pytest.raises(ConfigError, match="can't read the broker's password"):
        parse_url("mqtt://ew@a", password_file=tmp_path / "none")
    with pytest.raises(ConfigError, match="for mqtts"):
        parse_url("mqtt://a", ca_file=tmp_path / "word")
    with pytest.raises(ConfigError, match="no certificates to trust"):
        parse_url("mqtts://a", ca_file=tmp_path / "word").tls_context()
    assert json.dumps(found.url).find("ew@") < 0
