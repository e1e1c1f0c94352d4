"""The service as a process while what stands beside the alert path fails: alerts go out all the
same."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import time
from pathlib import Path

import aiomqtt
import httpx

from simulators.network import shifted
from simulators.seedlink import SeedLinkServer
from tests.serving import play, serving
from tests.system.test_serve import write_config


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(one) for one in text.split()]


def web_of(pid: int) -> int | None:
    """The web process of a service."""
    for child in children(pid):
        with contextlib.suppress(OSError):
            if b"--child" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
    return None


async def test_locked_database_and_killed_web_process_cost_no_alert(tmp_path: Path) -> None:
    chosen = play()
    async with SeedLinkServer() as seedlink:
        config = write_config(tmp_path, chosen, seedlink.port)
        async with serving(config) as served, httpx.AsyncClient(base_url=served.http) as http:
            holder = sqlite3.connect(tmp_path / "ew.sqlite", isolation_level=None)
            holder.execute("BEGIN EXCLUSIVE")
            first = web_of(served.pid)
            assert first is not None
            os.kill(first, signal.SIGKILL)
            async with aiomqtt.Client(served.host, served.port) as mqtt:
                await mqtt.subscribe("ew/v1/alert/#", qos=1)
                packets = shifted(chosen.packets(0.5), time.time_ns())
                playing = asyncio.create_task(seedlink.play(packets, speed=1.0))
                async with asyncio.timeout(60):
                    await anext(mqtt.messages)
            async with asyncio.timeout(30):
                while "locked" not in (said := (await http.get("/health", timeout=20)).text):
                    await asyncio.sleep(0.1)
            assert "journal" in said
            assert web_of(served.pid) not in (None, first)
            holder.execute("ROLLBACK")
            holder.close()
            async with asyncio.timeout(30):
                while not (await http.get("/events", timeout=20)).json():
                    await asyncio.sleep(0.1)
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing
