"""The latency receipt of an earthquake, end to end: SeedLink in, alerts out, devices that say when
they heard.
"""

import asyncio
import contextlib
import json
import time
from pathlib import Path
from typing import Any

import httpx
import websockets

from ew.alerts.trust import root_from_pem
from ew.broker_address import BrokerAddress
from simulators.fleet import Fleet
from simulators.network import shifted
from simulators.population import Device
from simulators.seedlink import SeedLinkServer
from tests.serving import play, serving
from tests.system.test_serve import TOKEN, write_config

TVS = [Device(f"tv-{n}", "tv", 29.8 + n / 100, 103.8, "here") for n in range(5)]
PHONES = [Device(f"phone-{n}", "phone", 29.6, 103.6 + n / 1000, "here") for n in range(5)]


def _is_told(shown: dict[int, dict[str, Any]]) -> bool:
    """Whether as many receipts are shown as there are devices, and all that was sent is
    acknowledged."""
    if sum(said.get("receipts", 0) for said in shown.values()) < len(TVS) + len(PHONES):
        return False
    return all(said.get("acknowledged") == said.get("alerts") for said in shown.values())


async def test_latency_receipt_has_each_stage_and_what_devices_said(tmp_path: Path) -> None:
    chosen = play()
    async with SeedLinkServer() as seedlink:
        config = write_config(tmp_path, chosen, seedlink.port)
        config.write_text(
            f"{config.read_text()}[delivery.receipts]\ncells = 1.0\ndevices = 1.0\nwithin_s = 5\n"
        )
        async with (
            serving(config) as served,
            httpx.AsyncClient(
                base_url=served.http, headers={"Authorization": f"Bearer {TOKEN}"}
            ) as web,
        ):
            for tv in TVS:
                body = {
                    "device_id": tv.device_id,
                    "kind": tv.kind,
                    "latitude": tv.latitude,
                    "longitude": tv.longitude,
                }
                assert (await web.post("/devices", json=body)).status_code == 201
            async with asyncio.timeout(20):
                while seedlink.connections == 0:
                    await asyncio.sleep(0.02)
            broker = BrokerAddress(served.host, served.port)
            root = root_from_pem((tmp_path / "ew.root.pub.pem").read_bytes(), "root")
            async with (
                Fleet([*TVS, *PHONES], broker, roots=[root]),
                websockets.connect(served.http.replace("http", "ws") + "/live") as live,
            ):
                playing = asyncio.create_task(
                    seedlink.play(shifted(chosen.packets(0.5), time.time_ns()), speed=1.0)
                )
                async with asyncio.timeout(60):
                    # Which version tells whom first hangs on when packets came; all are told sooner
                    # or later
                    shown: dict[int, dict[str, Any]] = {}
                    while not _is_told(shown):
                        said = json.loads(await live.recv())
                        if said["type"] == "latency":
                            shown[said["version"]] = said
                playing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await playing
            heard = min(version for version, said in shown.items() if said.get("receipts"))
            versions = (await web.get(f"/events/{shown[heard]['event_id']}")).json()
            (found,) = (one["latency"] for one in versions if one["version"] == heard)
            assert set(found["stages_ms"]) == {
                "pick", "associate", "locate", "size", "estimate", "sign",
            }  # fmt: skip
            assert all(ms >= 0 for ms in found["stages_ms"].values())
            assert found["p_first_us"] < found["p_fourth_us"] < found["issued_us"]
            assert found["issued_us"] <= found["first_publish_us"] <= found["last_publish_us"]
            age_ms = found["packet_age_ms"]  # none where it was a wait for the magnitude that ended
            assert age_ms is None or 0 < age_ms < 5000
            assert found["acknowledged"] == found["alerts"] > 0
            assert 0 <= found["received_p50_ms"] <= found["received_p99_ms"]
            async with asyncio.timeout(20):  # the newest version's follows within a second or so
                while (await web.get("/events")).json()[0]["latency"] is None:
                    await asyncio.sleep(0.1)
            assert b"ew_receipts_total" in (await web.get("/metrics")).content
