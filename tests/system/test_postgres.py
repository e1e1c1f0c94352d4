"""A service whose registry and journal are in PostgreSQL, and that server's crash amid an
earthquake."""

import asyncio
import contextlib
import time
from pathlib import Path

import aiomqtt
import httpx

from simulators.network import shifted
from simulators.seedlink import SeedLinkServer
from tests.postgres import postgres
from tests.serving import play, serving
from tests.system.test_serve import TOKEN, write_config

DEVICE = {"device_id": "tv-1", "kind": "tv", "latitude": 29.5, "longitude": 103.5}


async def test_a_crashed_database_costs_a_registered_device_no_alert(tmp_path: Path) -> None:
    chosen = play()
    with postgres() as server:
        async with SeedLinkServer() as seedlink:
            config = write_config(tmp_path, chosen, seedlink.port)
            text = config.read_text()
            config.write_text(text.replace(f"{tmp_path}/ew.sqlite", server.url))
            async with (
                serving(config) as served,
                httpx.AsyncClient(
                    base_url=served.http, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20
                ) as http,
            ):
                assert (await http.post("/api/v1/devices", json=DEVICE)).status_code == 201
                server.stop()
                assert (await http.post("/api/v1/devices", json=DEVICE)).status_code == 503
                async with aiomqtt.Client(served.host, served.port) as mqtt:
                    await mqtt.subscribe("ew/v1/alert/device/tv-1", qos=1)
                    packets = shifted(chosen.packets(0.5), time.time_ns())
                    playing = asyncio.create_task(seedlink.play(packets, speed=1.0))
                    async with asyncio.timeout(60):
                        await anext(mqtt.messages)
                async with asyncio.timeout(60):
                    while "journal" not in (said := (await http.get("/api/v1/health")).text):
                        await asyncio.sleep(0.1)
                assert "secret" not in said
                server.start()
                async with asyncio.timeout(60):
                    while not await _events(http):
                        await asyncio.sleep(0.1)
                    while "journal:" in (await http.get("/api/v1/health")).text:
                        await asyncio.sleep(0.1)
                playing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await playing


async def _events(http: httpx.AsyncClient) -> list[object]:
    answer = await http.get("/api/v1/events")
    return list(answer.json()) if answer.status_code == 200 else []
