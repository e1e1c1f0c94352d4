"""`ew devices import`."""

import subprocess
from pathlib import Path

from ew.storage.store import RegisteredDevice, Store
from tests.command import ew

HEAD = "device_id,kind,latitude,longitude\n"


def imported(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "ew.toml").write_text(f'[service]\ndatabase = "{folder}/ew.sqlite"\n')
    (folder / "devices.csv").write_text(text)
    return ew("devices", "import", "devices.csv", "--config", "ew.toml", cwd=folder)


async def listed(folder: Path) -> list[RegisteredDevice]:
    async with Store(folder / "ew.sqlite") as store:
        return await store.listed("", 100)


async def test_devices_of_a_file_are_registered_and_moved_by_a_second(tmp_path: Path) -> None:
    done = imported(tmp_path, f"{HEAD}tv-1,tv,30.5,104.0\nlift-1,lift,30.6,104.1\n")
    assert (done.returncode, done.stdout) == (0, "2 devices registered\n"), done.stderr
    assert imported(tmp_path, f"{HEAD}tv-1,tv,31.0,104.0\n").returncode == 0
    assert await listed(tmp_path) == [
        RegisteredDevice("lift-1", "lift", 30.6, 104.1),
        RegisteredDevice("tv-1", "tv", 31.0, 104.0),
    ]


async def test_each_wrong_line_is_named_and_nothing_is_registered(tmp_path: Path) -> None:
    rows = "tv-1,tv,30.5,104.0\ntv-2,toaster,30.5,104.0\ntv-3,tv,95,104.0\n"
    done = imported(tmp_path, HEAD + rows)
    assert done.returncode == 1
    assert "devices.csv line 3: kind 'toaster'" in done.stderr
    assert "devices.csv line 4: latitude '95'" in done.stderr
    assert "Traceback" not in done.stderr
    assert await listed(tmp_path) == []
