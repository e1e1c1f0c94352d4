"""``python -m benchmarks.faulty.soaking SECONDS``: a long run with earthquakes, noise and faults;
prints JSON.

``benchmarks soak`` starts it, and all it starts, with clocks that run 20 times as fast
(libfaketime): data, service, broker, network and phones alike. SECONDS are of those clocks.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiomqtt
import numpy as np
import orjson

from benchmarks.faulty import stage as stages
from benchmarks.faulty.stage import LATITUDE, LONGITUDE, Setting, Stage
from ew import Origin
from ew.delivery import broker
from ew.geo import distance_km
from simulators import fleet
from simulators.scenario import Play

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

EVERY_S = 150.0
FIRST_S = 60.0
SAMPLE_EVERY_S = 10.0
PHONES = 60
SAME_S, SAME_KM = 10.0, 100.0
IN_REAL_SECONDS = 20.0
"""The waits of what only waits for a process to start are as long as ever."""
LOCKED_S = 20.0


@dataclass(slots=True)
class Samples:
    """Resident memory (KiB) and open files of the service and its web process, again and again."""

    service_kib: list[int] = field(default_factory=list)
    service_files: list[int] = field(default_factory=list)
    web_files: list[int] = field(default_factory=list)

    def take(self, stage: Stage) -> None:
        self.service_kib.append(_kib(stage.pid))
        self.service_files.append(_files(stage.pid))
        with contextlib.suppress(RuntimeError, OSError):  # it may be starting again
            self.web_files.append(_files(stage.child("--child")))


def _kib(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


def _files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def earthquakes(seconds: float) -> Play:
    """One every ``EVERY_S``, M 4.5-6, within 40 km of the network's middle."""
    chance = np.random.default_rng(5)
    base = stages.earthquake()
    origins = [
        Origin(
            base.start_s + at_s,
            LATITUDE + float(chance.uniform(-0.35, 0.35)),
            LONGITUDE + float(chance.uniform(-0.4, 0.4)),
            float(chance.uniform(5, 20)),
            float(chance.uniform(4.5, 6.0)),
        )
        for at_s in np.arange(FIRST_S, seconds - 60.0, EVERY_S)
    ]
    return replace(base, origins=origins, seconds=seconds)


class Events:
    """All event versions that are told, as a partner hears them."""

    def __init__(self) -> None:
        self.last: dict[str, dict[str, Any]] = {}

    async def hear(self, port: int) -> None:
        async with aiomqtt.Client("127.0.0.1", port, timeout=600, keepalive=1200) as client:
            await client.subscribe("ew/v1/event/+", qos=1)
            async for message in client.messages:
                if isinstance(message.payload, bytes) and message.payload:
                    body = orjson.loads(message.payload)
                    self.last[body["event_id"]] = body

    def judge(self, origins: list[Origin], shift_s: float) -> tuple[int, int, int]:
        """(told once, told more than once, false)."""
        told = dict.fromkeys(range(len(origins)), 0)
        false = 0
        for body in self.last.values():
            found = [n for n, one in enumerate(origins) if _is_same(body["origin"], one, shift_s)]
            if found:
                told[found[0]] += 1
            else:
                false += body["kind"] != "cancel"
        once = sum(count == 1 for count in told.values())
        return once, sum(count > 1 for count in told.values()), false


def _is_same(told: dict[str, Any], origin: Origin, shift_s: float) -> bool:
    apart_km = distance_km(
        told["latitude"], told["longitude"], [origin.latitude], [origin.longitude]
    )
    late_s = told["time_us"] / 1e6 - shift_s - origin.time_s
    return abs(late_s) < SAME_S and float(apart_km[0]) < SAME_KM


async def _disturb(stage: Stage, chance: random.Random, done: dict[str, int]) -> None:
    """A fault at a random moment of each earthquake."""

    async def cut_source() -> None:
        stage.seedlink.cut()

    async def cut_link() -> None:
        if stage.proxy is not None:
            stage.proxy.cut()
            await asyncio.sleep(3.0)
            stage.proxy.mend()

    async def kill_web() -> None:
        with contextlib.suppress(RuntimeError, OSError):
            os.kill(stage.child("--child"), signal.SIGKILL)

    async def lock() -> None:
        holder = sqlite3.connect(stage.database, isolation_level=None)
        with contextlib.suppress(sqlite3.OperationalError):
            holder.execute("BEGIN EXCLUSIVE")
            await asyncio.sleep(LOCKED_S)
            holder.execute("ROLLBACK")
        holder.close()

    kinds: list[Callable[[], Awaitable[None]]] = [cut_source, cut_link, kill_web, lock]
    shift_s = stage.origin_s - stage.play.origins[0].time_s
    for number, origin in enumerate(stage.play.origins):
        moment_s = origin.time_s + shift_s + chance.uniform(-10, 15)
        await asyncio.sleep(max(0.0, moment_s - time.time()))
        kind = kinds[number % len(kinds)]
        done[kind.__name__] = done.get(kind.__name__, 0) + 1
        await kind()


async def soak(seconds: float) -> dict[str, Any]:
    play, events, samples = earthquakes(seconds), Events(), Samples()
    done: dict[str, int] = {}
    setting = Setting("proxied", packet_s=1.0, phones=PHONES)
    async with Stage(setting, play) as stage:
        hearing = asyncio.create_task(events.hear(stage.devices_port))
        await stage.begin()
        shift_s = stage.origin_s - play.origins[0].time_s
        disturbing = asyncio.create_task(_disturb(stage, random.Random(1), done))
        while time.time() < play.start_s + shift_s + seconds - 5.0:
            await asyncio.sleep(SAMPLE_EVERY_S)
            samples.take(stage)
            for task in (hearing, disturbing):
                if task.done():
                    task.result()
        for task in (hearing, disturbing):
            task.cancel()
        once, twice, false = events.judge(list(play.origins), shift_s)
        outcome = stage.judge(stage.fleet.reactions)
        return {
            "seconds": seconds,
            "earthquakes": len(play.origins),
            "told once": once,
            "told twice": twice,
            "false": false,
            "is_alive": outcome.is_alive,
            "faults": done,
            "service_kib": samples.service_kib,
            "service_files": samples.service_files,
            "web_files": samples.web_files,
        }


def main() -> None:
    seconds, speed = float(sys.argv[1]), float(sys.argv[2])
    for module in (stages, broker):
        module.START_WITHIN_S = IN_REAL_SECONDS * speed  # type: ignore[attr-defined]
    fleet.READY_WITHIN_S = IN_REAL_SECONDS * speed
    print(json.dumps(asyncio.run(soak(seconds))), flush=True)


if __name__ == "__main__":
    main()
