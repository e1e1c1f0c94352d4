"""``ew serve`` as a process, a SeedLink network, a broker and phones, on which a fault is tried
amid an earthquake.

The same earthquake meets the same phones each time, so that an undisturbed run tells who is to be
alerted, and when.
"""

import asyncio
import contextlib
import json
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import httpx
import numpy as np

from benchmarks.faulty.proxy import Proxy
from ew import Channel, Origin, Packet
from ew.alerts.trust import root_from_pem
from ew.broker_address import BrokerAddress
from ew.delivery.broker import free_port, open_broker
from ew.delivery.child import end
from ew.geo import destination, distance_km
from simulators import scenario
from simulators.fleet import Fleet
from simulators.network import shifted
from simulators.population import Device
from simulators.scenario import Play
from simulators.seedlink import SeedLinkServer

LATITUDE, LONGITUDE = 29.5, 103.5
ORIGIN_AFTER_S, AFTER_S = 14.0, 16.0
"""Warm pickers take 10 s before it; after it, the last phone within 60 km has its S-wave."""
OVER_S = 13.0
PHONES, WITHIN_KM = 120, 60.0
START_WITHIN_S = 60.0
END_WITHIN_S = 15.0
CLOCK = Path(__file__).with_name("clock")
"""Folder of the ``sitecustomize`` through which a Python's wall clock is stepped."""

Broker = Literal["embedded", "mosquitto", "proxied"]


@dataclass(frozen=True, slots=True)
class Setting:
    """What a case begins with.

    ``proxied``: a Mosquitto that the service reaches through a proxy. ``is_split``: picks are made
    by a detector, a process of its own, and come over this broker.
    """

    broker: Broker = "embedded"
    packet_s: float = 0.5
    silent_share: float = 0.0
    takes_waveforms: bool = False
    is_split: bool = False
    has_own_clock: bool = False
    database: Path | None = None
    phones: int = PHONES


@dataclass(slots=True)
class Outcome:
    """What came of a run: the first receipt of each phone (s after the origin), sounds by phone,
    event ids."""

    first_s: dict[str, float] = field(default_factory=dict)
    sounds: dict[str, int] = field(default_factory=dict)
    event_ids: set[str] = field(default_factory=set)
    health: list[str] = field(default_factory=list)
    is_alive: bool = True
    notes: list[str] = field(default_factory=list)
    log: str = ""
    """What the service wrote to its standard error."""

    def late_s(self, undisturbed: "Outcome") -> list[float]:
        """How much later than undisturbed each phone heard."""
        both = self.first_s.keys() & undisturbed.first_s.keys()
        return [self.first_s[one] - undisturbed.first_s[one] for one in both]

    def lost(self, undisturbed: "Outcome") -> int:
        return len(undisturbed.first_s.keys() - self.first_s.keys())

    @property
    def doubled(self) -> int:
        return sum(count > 1 for count in self.sounds.values())

    @property
    def ghosts(self) -> int:
        return max(0, len(self.event_ids) - 1)


@cache
def earthquake(before_s: float = ORIGIN_AFTER_S, after_s: float = AFTER_S) -> Play:
    """An M 5.5 amid 16 stations, played from so long before its origin until so long after it."""
    everyone = scenario.stations()
    away = distance_km(
        LATITUDE, LONGITUDE, [s.latitude for s in everyone], [s.longitude for s in everyone]
    )
    stations = [replace(everyone[i], noise=0.2) for i in np.argsort(away)[:16]]
    origin = Origin(1e9, LATITUDE, LONGITUDE, 10.0, 5.5)
    return Play(stations, [origin], 1e9 - before_s, before_s + after_s)


@cache
def _packets(packet_s: float) -> list[tuple[int, Packet]]:
    return list(earthquake().packets(packet_s))


def packets_of(play: Play, packet_s: float) -> list[tuple[int, Packet]]:
    """All packets of a play; those of the one that most cases share are made once."""
    return _packets(packet_s) if play is earthquake() else list(play.packets(packet_s))


def phones(count: int) -> list[Device]:
    """Phones spread evenly about the epicentre."""
    found = []
    for number in range(count):
        away_km = WITHIN_KM * math.sqrt((number + 0.5) / count)
        azimuth = number * 137.508  # a sunflower's angle leaves no gap
        lat, lon = destination(LATITUDE, LONGITUDE, azimuth % 360, away_km)
        found.append(Device(f"phone-{number:04d}", "phone", float(lat), float(lon), ""))
    return found


def write_inventory(path: Path, channels: Iterable[Channel]) -> None:
    rows = ["seed_id,latitude,longitude,elevation_m,gain,input_units"]
    rows += [
        f"{c.seed_id},{c.latitude},{c.longitude},{c.elevation_m},{c.gain},{c.input_units}"
        for c in channels
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


class Stage:
    """An async context; what a fault takes hold of are its processes, ports and files."""

    def __init__(self, setting: Setting, chosen: Play | None = None) -> None:
        self.setting = setting
        self.play = chosen or earthquake()
        self.outcome = Outcome()
        self.proxy: Proxy | None = None
        self.http_port, self.mqtt_port = free_port(), free_port()
        self.origin_s = math.inf
        self._stack = contextlib.AsyncExitStack()
        self._service: asyncio.subprocess.Process | None = None
        self._playing: asyncio.Task[None] | None = None
        self._is_faulty = False

    async def __aenter__(self) -> Self:
        try:
            await self._set_up()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def _set_up(self) -> None:
        enter = self._stack.enter_async_context
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="ew-f-")))
        self.database = self.setting.database or self.folder / "ew.sqlite"
        self.clock_file = self.folder / "clock"
        self.step_clock(0.0)
        self.seedlink = await enter(SeedLinkServer())
        broker, devices_port = self.setting.broker, self.mqtt_port
        spec: str = broker
        if broker == "proxied":
            own = await enter(open_broker("mosquitto"))
            self.proxy = await enter(Proxy(own.port))
            devices_port, spec = own.port, f"mqtt://127.0.0.1:{self.proxy.port}"
        self._configure(spec)
        self._stack.push_async_callback(self.end)
        await self.serve()
        await self._until_connected()
        if self.setting.is_split:
            detector = await self._start("detector.toml")
            self._stack.push_async_callback(end, detector, END_WITHIN_S)
        root = root_from_pem((self.folder / "ew.root.pub.pem").read_bytes(), "root")
        address = BrokerAddress("127.0.0.1", devices_port)
        self.devices_port = devices_port
        self.fleet = await enter(Fleet(phones(self.setting.phones), address, roots=[root]))
        watcher = asyncio.create_task(self._watch_health(), name="health")
        self._stack.callback(watcher.cancel)

    async def __aexit__(self, *_: object) -> None:
        if self._playing is not None:
            self._playing.cancel()
        await self._stack.aclose()

    def _configure(self, broker: str) -> None:
        write_inventory(self.folder / "stations.csv", self.play.inventory.values())
        seedlink = f'seedlink = [{{ host = "127.0.0.1", port = {self.seedlink.port} }}]\n'
        delivery = f'[delivery]\nbroker = "{broker}"\nbroker_port = {self.mqtt_port}\n'
        if self.setting.is_split:
            (self.folder / "detector.toml").write_text(
                f'[service]\nrole = "detect"\nname = "detector"\nhttp_port = 0\n'
                f'inventory = "{self.folder}/stations.csv"\n'
                f'database = "{self.folder}/detector.sqlite"\n' + seedlink + delivery,
                encoding="utf-8",
            )
        (self.folder / "ew.toml").write_text(
            f'[service]\ninventory = "{self.folder}/stations.csv"\ndatabase = "{self.database}"\n'
            f"http_port = {self.http_port}\n"
            f"mqtt_waveforms = {str(self.setting.takes_waveforms).lower()}\n"
            + ('role = "associate"\n' if self.setting.is_split else seedlink)
            + delivery
            + ('stations = "open"\n' if self.setting.takes_waveforms else "")
            + '[policy]\nmode = "exercise"\n',
            encoding="utf-8",
        )

    # The service

    async def serve(self) -> None:
        """Start the service, and return when it has said where it listens."""
        self._service = await self._start("ew.toml")

    async def _start(self, config: str) -> asyncio.subprocess.Process:
        environment = dict(os.environ)
        if self.setting.has_own_clock:
            environment |= {"PYTHONPATH": str(CLOCK), "EW_CLOCK_STEP": str(self.clock_file)}
        with (self.folder / "serve.err").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ew", "serve", "--config", str(self.folder / config)),
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
            )
        if process.stdout is None:
            raise RuntimeError("the service was started without its pipe")
        async with asyncio.timeout(START_WITHIN_S):
            line = (await process.stdout.readline()).decode()
        if not re.search(r"http://\S+\s+mqtt://", line):
            raise RuntimeError((self.folder / "serve.err").read_text(encoding="utf-8")[-2000:])
        return process

    @property
    def pid(self) -> int:
        if self._service is None:
            raise RuntimeError("no service runs")
        return self._service.pid

    def child(self, word: str) -> int:
        """The child process of the service with this word in its command line."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        for child in map(int, children.split()):
            if word.encode() in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        raise RuntimeError(f"the service has no child {word}")

    @property
    def broker_pid(self) -> int:
        return self.child("mosquitto" if self.setting.broker == "mosquitto" else "embedded")

    def step_clock(self, by_s: float) -> None:
        """Set the wall clock of the service and its children so far off the true one."""
        with self.clock_file.open("r+b" if self.clock_file.exists() else "wb") as file:
            file.write(struct.pack("d", by_s))

    async def kill(self) -> None:
        """SIGKILL, and start it again at once, as the supervisor does."""
        if self._service is None:
            raise RuntimeError("no service runs")
        self._service.kill()
        await self._service.wait()
        await self.serve()

    async def end(self) -> None:
        """End the service."""
        if self._service is not None:
            await end(self._service, END_WITHIN_S)

    async def _until_connected(self) -> None:
        async with asyncio.timeout(START_WITHIN_S):
            while not (await self.health()).get("broker", {}).get("connected"):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)

    async def health(self) -> dict[str, Any]:
        try:
            async with httpx.AsyncClient(timeout=3) as client:
                told = await client.get(f"http://127.0.0.1:{self.http_port}/api/v1/health")
            return dict(told.json())
        except (httpx.HTTPError, ValueError):
            return {}

    async def _watch_health(self) -> None:
        while True:
            await asyncio.sleep(0.4)
            said = (await self.health()).get("health", "no answer")
            if self._is_faulty and said not in self.outcome.health:
                self.outcome.health.append(said)

    # The earthquake

    async def begin(self) -> None:
        """Let the network speak; the earthquake comes ``ORIGIN_AFTER_S`` later."""
        while not self.seedlink.connections:  # noqa: ASYNC110 - counted by the server
            await asyncio.sleep(0.02)
        arrivals = packets_of(self.play, self.setting.packet_s)
        first_ns, start_ns = arrivals[0][0], time.time_ns()
        whole = self._heard(first_ns, arrivals)
        self.origin_s = self.play.origins[0].time_s + (start_ns - first_ns) / 1e9
        self._playing = asyncio.create_task(self.seedlink.play(shifted(whole, start_ns)))

    def _heard(
        self, first_ns: int, arrivals: Sequence[tuple[int, Packet]]
    ) -> Iterator[tuple[int, Packet]]:
        """The packets of the stations that are not silent from shortly before the earthquake."""
        codes = sorted({s.code for s in self.play.stations})
        share = self.setting.silent_share
        silent = set(codes[:: round(1 / share)]) if share else set()
        for at_ns, packet in arrivals:
            is_early = at_ns - first_ns < (ORIGIN_AFTER_S - 4.0) * 1e9
            if is_early or packet.seed_id.split(".")[1] not in silent:
                yield at_ns, packet

    async def until(self, after_origin_s: float) -> None:
        """Wait until so long after the origin."""
        await asyncio.sleep(max(0.0, self.origin_s + after_origin_s - time.time()))

    async def first_alert(self) -> None:
        """Wait until the first phone has heard, or nothing can be expected any more."""
        until_s = self.origin_s + OVER_S
        while not self.fleet.reactions and time.time() < until_s:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.001)

    def fault(self) -> None:
        """The fault begins: from now on what health says counts."""
        self._is_faulty = True

    @contextlib.asynccontextmanager
    async def load(self, kind: str, port: int, count: int) -> AsyncIterator[None]:
        """A load while the context lasts; what it did goes to the notes."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.faulty.loads", kind, str(port), str(count)),
            stdout=subprocess.PIPE,
        )
        try:
            yield
        finally:
            if process.returncode is None:
                process.terminate()
            told, _ = await process.communicate()
            text = told.decode().strip()
            self.outcome.notes.append(f"{kind}: {json.loads(text) if text else 'nothing'}")

    async def finish(self, after_s: float = OVER_S) -> Outcome:
        """What came of it, so long after the origin."""
        await self.until(after_s)
        return self.judge(self.fleet.reactions)

    def judge(self, reactions: Sequence[dict[str, Any]]) -> Outcome:
        """Sort the phones' reactions."""
        outcome = self.outcome
        outcome.log = (self.folder / "serve.err").read_text(encoding="utf-8", errors="replace")
        outcome.is_alive = self._service is not None and self._service.returncode is None
        for one in list(reactions):
            name = one["device_id"]
            outcome.event_ids.add(one["event_id"])
            outcome.first_s.setdefault(name, one["clock_us"] / 1e6 - self.origin_s)
            outcome.sounds[name] = outcome.sounds.get(name, 0) + bool(one["sounds"])
        return outcome
