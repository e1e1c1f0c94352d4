"""`ew serve` as a process, for tests of the whole."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import numpy as np

from ew import Channel, Origin
from ew.geo import distance_km
from simulators import scenario
from simulators.scenario import Play


def play() -> Play:
    everyone = scenario.stations()
    away = distance_km(29.5, 103.5, [s.latitude for s in everyone], [s.longitude for s in everyone])
    stations = [replace(everyone[i], noise=0.2) for i in np.argsort(away)[:16]]
    return Play(stations, [Origin(1e9 + 14.0, 29.5, 103.5, 10.0, 5.5)], 1e9, 30.0)


def write_inventory(path: Path, channels: Iterable[Channel]) -> None:
    rows = ["seed_id,latitude,longitude,elevation_m,gain,input_units"]
    rows += [
        f"{c.seed_id},{c.latitude},{c.longitude},{c.elevation_m},{c.gain},{c.input_units}"
        for c in channels
    ]
    path.write_text("\n".join(rows) + "\n")


@dataclass(frozen=True)
class Served:
    """Where a service listens, and its process."""

    http: str
    host: str
    port: int
    pid: int


@contextlib.asynccontextmanager
async def serving(config: Path) -> AsyncIterator[Served]:
    """A service that has started and is well; it is ended with SIGTERM if it still runs.

    It works in the directory of its configuration.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ew", "serve", "--config", str(config),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=config.parent,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        found = re.search(r"(http://\S+)\s+mqtt://(\S+):(\d+)", line)
        assert found is not None, line
        async with asyncio.timeout(60), httpx.AsyncClient(base_url=found[1]) as http:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get("/health")).status_code == 200:
                        break
                await asyncio.sleep(0.1)
        yield Served(found[1], found[2], int(found[3]), process.pid)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            async with asyncio.timeout(20):
                await process.wait()
