"""The systemd units: well formed, with few rights, and a watchdog that the service feeds."""

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from ew.service.systemd import SystemdNotifier

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


@pytest.fixture(params=["ew.service", "ew-web.service"])
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A unit whose program is one that exists here."""
    text = (UNITS / request.param).read_text(encoding="utf-8")
    path = tmp_path / str(request.param)
    path.write_text(text.replace("/opt/ew/bin/ew", sys.executable), encoding="utf-8")
    return path


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)], capture_output=True, text=True, check=False
    )


@needs_systemd
def test_unit_has_no_mistake(unit: Path) -> None:
    done = analyze("verify", unit)
    assert unit.name not in done.stderr, done.stderr
    assert done.returncode == 0


@needs_systemd
def test_unit_is_exposed_as_little_as_the_docs_say(unit: Path) -> None:
    docs = (UNITS.parents[1] / "docs" / "reliability.md").read_text(encoding="utf-8")
    said = re.search(r"exposure of ([\d.]+)", docs)
    assert said is not None
    threshold = round(10 * float(said[1]))
    done = analyze("security", "--offline=true", f"--threshold={threshold}", unit)
    assert done.returncode == 0, done.stdout[-300:]


def test_supervisor_hears_that_the_service_is_ready_and_lives(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(5)
        speaks = SystemdNotifier({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "10000000"})
        speaks.ready()
        speaks.alive()
        speaks.alive()  # at once again: not said twice
        speaks.status("ok")
        said = [listener.recv(100) for _ in range(3)]
    assert said == [b"READY=1", b"WATCHDOG=1", b"STATUS=health: ok"]


def test_without_a_supervisor_nothing_is_said_and_nothing_fails() -> None:
    silent = SystemdNotifier({})
    silent.ready()
    silent.alive()
    silent.status("ok")


def test_a_supervisor_that_has_gone_holds_nothing_up(tmp_path: Path) -> None:
    SystemdNotifier({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()


def test_what_the_service_is_made_of_runs_where_no_memory_is_both_written_and_executed() -> None:
    """As MemoryDenyWriteExecute of the units has it."""
    program = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, from Linux 6.3
    sys.exit(77)
import numpy, orjson, sqlalchemy, uvicorn, uvloop, obspy, pymseed
from ew import Packet, PickerBank
from ew.alerts.signing import Signer
from ew.cli.main import main
from ew.shaking.targets import cell_of
uvloop.new_event_loop().close()
PickerBank().process([Packet("XX.A..HHZ", 0, 100.0, numpy.zeros(100, numpy.int32))])
Signer.ephemeral().sign(b"x", "test")
cell_of(30.0, 103.0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    if done.returncode == 77:
        pytest.skip("this kernel can't forbid it")
    assert done.returncode == 0, done.stderr
