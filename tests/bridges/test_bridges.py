"""Bridges between real brokers: what Home Assistant, a channel and a folder are given."""

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiomqtt
import obspy
import pytest
from lxml import etree

from ew import Config, EventVersion, Origin
from ew.alerts.message import (
    TOPIC_EVENT,
    TOPIC_HEARTBEAT,
    TOPIC_KEYS,
    event_body,
    heartbeat,
    signed,
)
from ew.alerts.planner import AlertPlanner
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.config import PolicyConfig
from ew.delivery.broker import find_program, open_broker
from ew.delivery.publisher import Publisher
from ew.shaking.targets import cell_of, cell_targets
from ew.traveltimes import TravelTimes
from tests import trust

HOME = (30.3, 103.0)
PLACE = f"home={HOME[0]},{HOME[1]}"


class Region:
    """A service's messages about one earthquake 145 km from home, as drills."""

    def __init__(self, publisher: Publisher, signer: Signer) -> None:
        self.publisher, self.signer = publisher, signer
        config = Config(policy=PolicyConfig(mode="exercise"))
        self.planner = AlertPlanner(
            config, TravelTimes.load(), [cell_targets([cell_of(*HOME)])], signer.key_id
        )
        self.origin_s = time.time() - 3.0
        publisher.publish(TOPIC_KEYS, trust.document([signer]), retain=True)
        self.beat()

    def beat(self) -> None:
        beat = heartbeat(
            now_us=time.time_ns() // 1000,
            version="1",
            mode="exercise",
            last_event_id=None,
            health="ok",
        )
        self.publisher.publish(TOPIC_HEARTBEAT, signed(beat, self.signer, "exercise"))

    def tell(self, version: int, kind: str = "alert", magnitude: float = 7.5) -> None:
        now_s = time.time()
        origin = Origin(self.origin_s, 29.0, 103.0, 10.0, magnitude)
        told = EventVersion("ew-1", version, kind, now_s, origin, 6)  # type: ignore[arg-type]
        for plan in self.planner.plan(told, now_s):
            self.publisher.submit(plan)
        body = event_body(told, "exercise", round((now_s + 300) * 1e6))
        topic = TOPIC_EVENT.format("ew-1")
        self.publisher.publish(topic, signed(body, self.signer, "exercise"), retain=True)


@pytest.fixture
async def broker() -> AsyncIterator[BrokerAddress]:
    async with open_broker("embedded") as address:
        yield address


@pytest.fixture
async def region(broker: BrokerAddress) -> AsyncIterator[Region]:
    signer = Signer.ephemeral()
    async with Publisher(broker, signer) as publisher:
        yield Region(publisher, signer)


@contextlib.asynccontextmanager
async def bridge(broker: BrokerAddress, folder: Path, *words: str) -> AsyncIterator[None]:
    """`ew bridge` as a process, until it has said that it runs."""
    root = trust.root_file(folder)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ew", "bridge", *words,
        "--broker", f"mqtt://{broker.host}:{broker.port}", "--root", str(root),
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            assert b"ew bridge" in await process.stdout.readline()
        yield
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def home() -> AsyncIterator[BrokerAddress]:
    """A broker as Home Assistant's add-on runs it."""
    if find_program("mosquitto") is None:
        pytest.skip("mosquitto is not installed")
    async with open_broker("mosquitto") as address:
        yield address


async def test_home_assistant_finds_a_device_that_counts_down_and_a_test_that_is_no_alert(
    broker: BrokerAddress, region: Region, home: BrokerAddress, tmp_path: Path
) -> None:
    async with aiomqtt.Client(home.host, home.port) as hass:
        await hass.subscribe("homeassistant/#", qos=1)
        await hass.subscribe("ew-bridge/#", qos=1)
        seen: dict[str, Any] = {}
        states: list[dict[str, Any]] = []

        async def until(is_there: Any) -> None:
            async with asyncio.timeout(20):
                while not is_there():
                    message = await anext(hass.messages)
                    topic, payload = str(message.topic), bytes(message.payload)  # type: ignore[arg-type]
                    seen[topic] = payload
                    if topic == "ew-bridge/home/state":
                        states.append(json.loads(payload))

        words = ("home-assistant", "--place", PLACE, "--to", f"mqtt://{home.host}:{home.port}")
        async with bridge(broker, tmp_path, *words):
            await until(lambda: states and seen.get("ew-bridge/status") == b"online")
            configs = {t: json.loads(p) for t, p in seen.items() if t.endswith("/config")}
            assert len(configs) == 7
            assert len({body["unique_id"] for body in configs.values()}) == 7
            assert {body["device"]["identifiers"][0] for body in configs.values()} == {"ew_home"}
            for topic, body in configs.items():
                is_button = topic.split("/")[1] == "button"
                assert ("command_topic" in body, "state_topic" in body) == (
                    is_button,
                    not is_button,
                )
            assert (states[-1]["alert"], states[-1]["seconds_left"]) == ("OFF", None)

            await hass.publish("ew-bridge/home/test", b"TEST", qos=1)
            await until(lambda: states[-1]["test"] == "ON")
            assert (states[-1]["alert"], states[-1]["drill"]) == ("OFF", "OFF")

            region.tell(1)
            await until(lambda: states[-1]["drill"] == "ON")
            assert states[-1]["alert"] == "OFF", "a drill is never on as real"
            assert states[-1]["magnitude"] == 7.5
            first = states[-1]["seconds_left"]
            assert 0 < first < 45
            await until(lambda: states[-1]["seconds_left"] < first)
            region.tell(2, "cancel")
            await until(lambda: states[-1]["drill"] == "OFF")
        await until(lambda: seen["ew-bridge/status"] == b"offline")


class Channel(BaseHTTPRequestHandler):
    """What Apprise's json:// speaks to."""

    heard: list[dict[str, Any]]

    def do_POST(self) -> None:
        self.heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def channel() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    heard: list[dict[str, Any]] = []
    handler = type("Handler", (Channel,), {"heard": heard})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port, heard
        server.shutdown()
        thread.join()


@pytest.mark.skipif(find_spec("apprise") is None, reason="apprise is not installed")
async def test_channel_gets_one_message_an_earthquake_and_its_end(
    broker: BrokerAddress,
    region: Region,
    tmp_path: Path,
    channel: tuple[int, list[dict[str, Any]]],
) -> None:
    port, heard = channel
    words = ("notify", "--place", PLACE, "--to", f"json://127.0.0.1:{port}/", "--drills")
    async with bridge(broker, tmp_path, *words):
        for version, magnitude in ((1, 7.5), (2, 7.7), (3, 7.6)):
            region.tell(version, magnitude=magnitude)
            await region.publisher.drain()
        region.tell(4, "cancel")
        await wait_for(lambda: len(heard) >= 2)
    titles = [one["title"] for one in heard]
    assert titles[0].startswith("EXERCISE: Earthquake M 7.5: shaking in ")
    assert titles[1:] == ["EXERCISE: Earthquake alert cancelled"]
    assert "may be late" in heard[0]["message"]


async def wait_for(is_there: Any) -> None:
    async with asyncio.timeout(20):
        while not is_there():
            await asyncio.sleep(0.05)


async def test_each_version_becomes_a_cap_file_and_the_feed_lists_it(
    broker: BrokerAddress, region: Region, tmp_path: Path
) -> None:
    folder = tmp_path / "cap"
    async with bridge(broker, tmp_path, "cap", str(folder)):
        region.tell(1)
        await wait_for((folder / "ew-1.1.xml").exists)
        region.tell(2, "cancel")
        await wait_for((folder / "ew-1.2.xml").exists)
        await wait_for(lambda: b"ew-1.2.xml" in (folder / "feed.atom").read_bytes())
    first, last = (texts((folder / f"ew-1.{n}.xml").read_bytes()) for n in (1, 2))
    assert (first["status"], first["msgType"], last["msgType"]) == ("Exercise", "Alert", "Cancel")
    assert last["references"].startswith("ew,ew-1.1,")
    links = [e.get("href") for e in etree.parse(folder / "feed.atom").iter("{*}link")]
    assert links == ["ew-1.2.xml", "ew-1.1.xml"]


async def test_each_version_becomes_a_quakeml_file_and_drills_are_marked(
    broker: BrokerAddress, region: Region, tmp_path: Path
) -> None:
    quiet, folder = tmp_path / "actual", tmp_path / "all"
    async with (
        bridge(broker, tmp_path, "quakeml", str(quiet)),
        bridge(broker, tmp_path, "quakeml", str(folder), "--drills"),
    ):
        region.tell(1)
        await wait_for((folder / "ew-1.1.xml").exists)
        region.tell(2, "cancel")
        await wait_for((folder / "ew-1.2.xml").exists)
    assert list(quiet.iterdir()) == []
    first, last = (obspy.read_events(str(folder / f"ew-1.{n}.xml"))[0] for n in (1, 2))
    assert first.preferred_magnitude().mag == 7.5
    assert first.event_type == "earthquake"
    assert last.event_type == "not existing"
    assert "EXERCISE" in first.comments[0].text


def texts(payload: bytes) -> dict[str, str]:
    return {e.tag.split("}")[1]: e.text or "" for e in etree.fromstring(payload).iter()}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--place", "home"], "NAME=LAT,LON"),
        (["--place", "home=95,0"], "lies nowhere"),
        (["--place", "a b=1,2"], "letters, digits"),
        (["--place", "a=1,2", "--place", "a=3,4"], "one name"),
    ],
)
def test_mistake_is_one_clear_line(words: Sequence[str], reason: str, tmp_path: Path) -> None:
    root = trust.root_file(tmp_path)
    command = [
        sys.executable, "-m", "ew", "bridge", "notify", "--broker", "mqtt://127.0.0.1",
        "--root", str(root), "--to", "json://127.0.0.1/", *words,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
