"""The faults that are tried, each with what health is to say of it."""

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faulty.stage import Setting, Stage
from ew.delivery.broker import find_program

AWAY_S = 3.0
"""So long a broker is stopped or cut off."""
STEP_S = 5.0

Act = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Case:
    """``act`` runs from the first packet on and does its own waiting; ``says``: a part of what
    health is to say."""

    name: str
    act: Act
    setting: Setting = field(default_factory=Setting)
    says: str = ""
    stops_path: bool = False
    """Whether the way to the phones itself is interrupted."""
    lacks: str = ""
    """What this machine lacks for it."""


async def nothing(_stage: Stage) -> None:
    """An undisturbed run."""


def at(moment: str, act: Act) -> Act:
    """The same before, during or after the fan-out."""

    async def wait_and_act(stage: Stage) -> None:
        if moment == "before":
            await stage.until(1.0)
        else:
            await stage.first_alert()
            if moment == "after":
                await asyncio.sleep(0.5)
        stage.fault()
        await act(stage)

    return wait_and_act


async def kill_broker(stage: Stage) -> None:
    os.kill(stage.broker_pid, signal.SIGKILL)


async def stop_broker(stage: Stage) -> None:
    pid = stage.broker_pid
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(AWAY_S)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


async def cut_broker(stage: Stage) -> None:
    if stage.proxy is not None:
        stage.proxy.cut()
        await asyncio.sleep(AWAY_S)
        stage.proxy.mend()


async def freeze_broker(stage: Stage) -> None:
    if stage.proxy is not None:
        stage.proxy.freeze()
        await asyncio.sleep(AWAY_S)
        stage.proxy.thaw()


async def kill_service(stage: Stage) -> None:
    await stage.kill()


async def kill_web(stage: Stage) -> None:
    os.kill(stage.child("--child"), signal.SIGKILL)


async def lock_database(stage: Stage) -> None:
    await stage.until(-5.0)
    stage.fault()
    holder = sqlite3.connect(stage.database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    await stage.until(12.0)
    holder.execute("ROLLBACK")
    holder.close()


async def delete_database(stage: Stage) -> None:
    await stage.until(-5.0)
    stage.fault()
    for file in stage.database.parent.glob(f"{stage.database.name}*"):
        file.unlink()


@contextlib.asynccontextmanager
async def small_disk() -> AsyncIterator[Path]:
    """A file system of 2 MiB of its own."""
    folder = Path(tempfile.mkdtemp(prefix="ew-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    await asyncio.to_thread(subprocess.run, mount, check=True)
    try:
        yield folder
    finally:
        await asyncio.to_thread(subprocess.run, ["umount", "-l", str(folder)], check=True)
        await asyncio.to_thread(folder.rmdir)


async def fill_disk(stage: Stage) -> None:
    await stage.until(-5.0)
    stage.fault()
    with (
        contextlib.suppress(OSError),
        (stage.database.parent / "fill").open("wb", buffering=0) as fill,
    ):
        while True:
            fill.write(b"\0" * 1024)


async def make_read_only(stage: Stage) -> None:
    await stage.until(-5.0)
    stage.fault()
    folder = str(stage.database.parent)
    flags = ["chattr", "+i", str(stage.database), folder]
    await asyncio.to_thread(subprocess.run, flags, check=True)
    try:
        await stage.until(12.0)
    finally:
        flags[1] = "-i"
        await asyncio.to_thread(subprocess.run, flags, check=True)


def step_clock(by_s: float) -> Act:
    async def step(stage: Stage) -> None:
        await stage.until(-3.0)
        stage.fault()
        stage.step_clock(by_s)

    return step


def load(kind: str, count: int, *, is_http: bool = False, from_s: float = -3.0) -> Act:
    async def run(stage: Stage) -> None:
        await stage.until(from_s)
        stage.fault()
        async with stage.load(kind, stage.http_port if is_http else stage.devices_port, count):
            await stage.until(12.0)

    return run


async def silence(stage: Stage) -> None:
    stage.fault()


def cases() -> list[Case]:
    """All of them, the undisturbed runs first."""
    found = [
        Case("undisturbed", nothing),
        Case("undisturbed", nothing, Setting("mosquitto")),
        Case("undisturbed", nothing, Setting("proxied")),
    ]
    for broker in ("embedded", "mosquitto"):
        setting = Setting(broker)  # type: ignore[arg-type] # one of its literals
        for moment in ("before", "during", "after"):
            found += [
                Case(f"broker killed {moment}", at(moment, kill_broker), setting, "broker", True),
                Case(f"broker stopped {moment}", at(moment, stop_broker), setting, "", True),
            ]
        found += [
            Case("50 deaf subscribers", load("deaf", 50), setting),
            Case("service killed before", at("before", kill_service), setting, "", True),
            Case("service killed after", at("after", kill_service), setting, "", True),
        ]
    cut = Setting("proxied")
    for moment in ("before", "during", "after"):
        found.append(Case(f"broker cut off {moment}", at(moment, cut_broker), cut, "broker", True))
    no_root = "" if os.geteuid() == 0 else "needs root"
    stepped = Setting(has_own_clock=True)
    split = Setting("proxied", is_split=True)
    found += [
        Case("1,000 garbage picks/s", load("picks", 1000), split),
        Case("link frozen during", at("during", freeze_broker), cut, "", True),
        Case("web process killed", at("before", kill_web), says="web"),
        Case("database locked", lock_database, says="journal"),
        Case("database deleted", delete_database),
        Case("database read-only", make_read_only, says="", lacks=no_root or _no("chattr")),
        Case("disk full", fill_disk, says="resume file", lacks=no_root),
        Case("clock 5 s forward", step_clock(STEP_S), stepped),
        Case("clock 5 s back", step_clock(-STEP_S), stepped, "clock"),
        Case("half of the stations silent", silence, Setting(silent_share=0.5)),
        Case("10 times the packets", silence, Setting(packet_s=0.05)),
        Case("1,000 garbage messages/s", load("garbage", 1000), Setting(takes_waveforms=True)),
        Case("50,000 HTTP requests", load("http", 50_000, is_http=True, from_s=-12.0)),
        Case("1,000 WebSockets, 334 deaf", load("websockets", 1000, is_http=True, from_s=-9.0)),
    ]
    no_mosquitto = "" if find_program("mosquitto") else "needs mosquitto"
    return [
        case if case.setting.broker == "embedded" else _lacking(case, no_mosquitto)
        for case in found
    ]


def _no(program: str) -> str:
    return "" if shutil.which(program) else f"needs {program}"


def _lacking(case: Case, what: str) -> Case:
    return Case(case.name, case.act, case.setting, case.says, case.stops_path, case.lacks or what)
