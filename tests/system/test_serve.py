"""The service as a process: SeedLink in, alerts over MQTT and events over HTTP out."""

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest
import websockets

from ew.alerts.message import parse_alert
from ew.alerts.trust import Verifier, root_from_pem
from ew.storage.keyring import Keyring
from simulators.network import shifted
from simulators.scenario import Play
from simulators.seedlink import SeedLinkServer
from tests import asyncapi
from tests.serving import play, serving, write_inventory

OPEN_TO_ALL = ("ew/v1/keys", "ew/v1/heartbeat", "ew/v1/alert/#", "ew/v1/event/#")
TOKEN = "let me in"  # noqa: S105 - of a service that lives for a test


def write_config(folder: Path, chosen: Play, seedlink_port: int) -> Path:
    write_inventory(folder / "stations.csv", chosen.inventory.values())
    config = folder / "ew.toml"
    config.write_text(
        f"""
[delivery]
broker_port = 0
[service]
inventory = "{folder}/stations.csv"
database = "{folder}/ew.sqlite"
http_port = 0
api_token = "{TOKEN}"
seedlink = [{{ host = "127.0.0.1", port = {seedlink_port}, select = ["XS_*:H?Z"] }}]
[policy]
mode = "exercise"
"""
    )
    return config


async def test_earthquake_over_seedlink_becomes_signed_alerts_and_an_event(tmp_path: Path) -> None:
    chosen = play()
    async with (
        SeedLinkServer() as seedlink,
        serving(write_config(tmp_path, chosen, seedlink.port)) as served,
    ):
        async with asyncio.timeout(20):
            while seedlink.connections == 0:
                await asyncio.sleep(0.02)
        async with (
            httpx.AsyncClient(
                base_url=served.http, headers={"Authorization": f"Bearer {TOKEN}"}
            ) as web,
            aiomqtt.Client(served.host, served.port) as mqtt,
            websockets.connect(served.http.replace("http", "ws") + "/live") as live,
        ):
            tv = {"device_id": "tv-1", "kind": "tv", "latitude": 29.8, "longitude": 103.8}
            assert (await web.post("/devices", json=tv)).status_code == 201
            for topic in OPEN_TO_ALL:
                await mqtt.subscribe(topic, qos=1)
            playing = asyncio.create_task(
                seedlink.play(shifted(chosen.packets(0.5), time.time_ns()), speed=1.0)
            )
            root = root_from_pem((tmp_path / "ew.root.pub.pem").read_bytes(), "root")
            verifier, seen = Verifier([root]), set()
            async with asyncio.timeout(60):
                async for message in mqtt.messages:
                    topic = str(message.topic)
                    payload = message.payload
                    assert isinstance(payload, bytes)
                    asyncapi.check(topic, payload)
                    if topic == "ew/v1/keys":
                        verifier.update(payload)
                    elif topic.startswith("ew/v1/alert/"):
                        body, plain = parse_alert(payload)
                        verifier.verify(plain, time.time_ns() // 1000)
                        assert body.status == "exercise"
                        seen.add("device" if body.target.device == "tv-1" else "cell")
                    elif topic.startswith("ew/v1/event/"):
                        seen.add("event")
                    if seen == {"device", "cell", "event"}:
                        break
            async with asyncio.timeout(20):
                while json.loads(await live.recv())["type"] != "event":
                    pass
            (event,) = (await web.get("/events")).json()
            assert event["origin"]["latitude"] == pytest.approx(29.5, abs=0.2)
            history = (await web.get(f"/events/{event['event_id']}")).json()
            assert [v["version"] for v in history] == list(range(1, len(history) + 1))
            async with asyncio.timeout(20):
                while (counts := json.loads(await live.recv()))["type"] != "devices":
                    pass
                told: list[dict[str, Any]] = []
                while not any(one["device"] == "tv-1" for one in told):
                    told = (await web.get(f"/events/{event['event_id']}/alerts")).json()["alerts"]
            assert counts["kinds"]["tv"]["expected"] == 1
            assert all(one["sent_us"] <= one["acknowledged_us"] for one in told)
            assert {bool(one["cell"]) for one in told} == {True, False}
            stations = (await web.get("/stations")).json()
            picked = [one for one in stations if one["state"] == "picked"]
            assert len(picked) >= 4
            assert all(abs(one["latency_s"]) < 10 and one["last_data"] for one in picked)
            assert b"ew_versions_total" in (await web.get("/metrics")).content
            assert "ew" in (await web.get("/")).text
            playing.cancel()


async def test_doors_are_kept(tmp_path: Path) -> None:
    async with (
        SeedLinkServer() as seedlink,
        serving(write_config(tmp_path, play(), seedlink.port)) as served,
    ):
        async with httpx.AsyncClient(base_url=served.http) as stranger:
            origin = {
                "source": "icl",
                "event_id": "1",
                "time": datetime.now(UTC).isoformat(),
                "latitude": 29.5,
                "longitude": 103.5,
                "magnitude": 6.0,
            }
            assert (await stranger.post("/origins", json=origin)).status_code == 401
            tv = {"device_id": "tv-1", "kind": "tv", "latitude": 29.8, "longitude": 103.8}
            assert (await stranger.post("/devices", json=tv)).status_code == 401
            token = {"Authorization": f"Bearer {TOKEN}"}
            assert (
                await stranger.post("/devices", json={**tv, "kind": "toaster"}, headers=token)
            ).status_code == 422
            assert (
                await stranger.post("/devices", json={**tv, "latitude": 95}, headers=token)
            ).status_code == 422
            assert (await stranger.get("/events/none")).status_code == 404
            accepted = await stranger.post("/origins", json=origin, headers=token)
            assert accepted.status_code == 202
            assert accepted.json()["event_id"] == "icl-1"
            assert (await stranger.get("/events")).json()[0]["source"] == "icl"


async def test_partner_that_no_station_bears_out_is_told_as_real_only_where_it_is_trusted_alone(
    tmp_path: Path,
) -> None:
    keyring = Keyring.init(tmp_path / "keys", time.time_ns() // 1000)
    async with SeedLinkServer() as seedlink:
        config = write_config(tmp_path, play(), seedlink.port)
        text = config.read_text().replace(
            '[policy]\nmode = "exercise"',
            f"""key_file = "{keyring.path}/signing/actual-1.pem"
key_id = "actual-1"
keys_document = "{keyring.path}/keys.json"
partners = [{{ name = "trusted", trusted_alone = true }}]
[policy]
mode = "actual\"""",
        )
        config.write_text(text)
        origin = {
            "event_id": "1",
            "time": datetime.now(UTC).isoformat(),
            "latitude": 29.5,
            "longitude": 103.5,
            "magnitude": 8.1,
        }
        async with (
            serving(config) as served,
            httpx.AsyncClient(
                base_url=served.http, headers={"Authorization": f"Bearer {TOKEN}"}
            ) as web,
            aiomqtt.Client(served.host, served.port) as mqtt,
        ):
            await mqtt.subscribe("ew/v1/event/#", qos=1)
            answer = await web.post("/origins", json={**origin, "source": "stranger"})
            assert answer.json()["kind"] == "unchanged"
            elsewhere = {**origin, "source": "trusted", "longitude": 105.5}
            answer = await web.post("/origins", json=elsewhere)
            assert answer.json()["kind"] == "alert"
            message = await anext(mqtt.messages)
            assert isinstance(message.payload, bytes)
            told = json.loads(message.payload)
            assert (told["event_id"], told["status"]) == ("trusted-1", "actual")
            verifier = Verifier([root_from_pem((keyring.path / "root.pub.pem").read_bytes(), "")])
            verifier.update((keyring.path / "keys.json").read_bytes())
            verifier.verify(told, time.time_ns() // 1000)
            async with asyncio.timeout(20):
                while "held back" not in (told := (await web.get("/health")).json()["health"]):
                    await asyncio.sleep(0.1)
            assert "held back: stranger-1 M 8.1: stranger's origin is borne out by 0 of our" in told


@pytest.mark.parametrize("name", ["http_port", "broker_port"])
def test_port_in_use_is_one_clear_line(name: str, tmp_path: Path) -> None:
    import socket  # noqa: PLC0415

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = write_config(tmp_path, play(), 1)
        port = taken.getsockname()[1]
        config.write_text(config.read_text().replace(f"{name} = 0", f"{name} = {port}"))
        done = subprocess.run(
            [sys.executable, "-m", "ew", "serve", "--config", str(config)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert f"{name}: can't listen on 127.0.0.1:{port}" in done.stderr
    assert "choose another port" in done.stderr
    assert "Traceback" not in done.stderr
