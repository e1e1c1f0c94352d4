"""The service as a process, read from a directory that is written to, a Shake's data cast and a
stranger's."""

import asyncio
import socket
from pathlib import Path

import httpx
import numpy as np

from ew.records import Packet
from ew.sources import miniseed
from tests.casts import CAST, free_udp_port
from tests.serving import serving

CSV = "seed_id,latitude,longitude,elevation_m,gain,input_units\n"


def record(second: int) -> bytes:
    samples = np.arange(100, dtype=np.int32) + second
    return miniseed.encode(Packet("XX.A..HHZ", (1_600_000_000 + second) * 10**9, 100.0, samples))


async def test_what_sources_take_and_leave_aside_is_told_by_health(tmp_path: Path) -> None:
    port, incoming = free_udp_port(), tmp_path / "incoming"
    incoming.mkdir()
    (tmp_path / "stations.csv").write_text(
        CSV + "XX.A..HHZ,29,103,0,1,M/S\nAM.R3BCF.00.EHZ,29,104,0,1,M/S\n"
    )
    config = tmp_path / "ew.toml"
    config.write_text(
        f"""
[delivery]
broker_port = 0
[service]
inventory = "{tmp_path}/stations.csv"
database = "{tmp_path}/ew.sqlite"
http_port = 0
watch = "{incoming}"
shakes = [{{ station = "AM.R3BCF.00", sender = "127.0.0.2", port = {port} }}]
[policy]
mode = "exercise"
"""
    )
    growing = incoming / "today"
    growing.write_bytes(record(0))
    (incoming / "notes.txt").write_text("calibrated in May")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as shake,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        shake.bind(("127.0.0.2", 0))
        stranger.bind(("127.0.0.3", 0))
        async with serving(config) as served, httpx.AsyncClient(base_url=served.http) as web:
            with growing.open("ab") as opened:
                opened.write(record(1))
            async with asyncio.timeout(30):
                while True:
                    for sender in (shake, stranger):
                        sender.sendto(CAST, ("127.0.0.1", port))
                    status = (await web.get("/health")).json()
                    told = status.get("watch", {}), status.get("shakes", {})
                    if told[0].get("packets") == 2 and told[1].get("strangers"):
                        break
                    await asyncio.sleep(0.1)
    assert status["watch"]["left_aside"] == {"notes.txt": "no miniSEED record in it"}
    assert status["shakes"]["packets"]["AM.R3BCF.00"] > 0
    assert status["shakes"]["last_stranger"] == "127.0.0.3"
