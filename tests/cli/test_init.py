"""A service set up by `ew init`, looked over by `ew doctor`, and run."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.command import ew
from tests.serving import play, serving, write_inventory


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    path = tmp_path / "stations.csv"
    write_inventory(path, play().inventory.values())
    return path


async def test_what_init_writes_runs_and_an_operators_key_opens_it(
    tmp_path: Path, inventory: Path
) -> None:
    folder = tmp_path / "new"
    words = ["--inventory", str(inventory), "--http-port", "0"]
    made = await asyncio.to_thread(ew, "init", str(folder), *words)
    assert made.returncode == 0, made.stderr
    config = folder / "ew.toml"
    text = await asyncio.to_thread(config.read_text)
    key = made.stdout.partition("operator-first  ")[2].split()[0]
    assert key not in text
    await asyncio.to_thread(config.write_text, text.replace("_port = 1883", "_port = 0"))
    async with (
        serving(config) as served,
        httpx.AsyncClient(base_url=f"{served.http}/api/v1") as web,
    ):
        assert (await web.get("/devices")).status_code == 401
        bearer = {"Authorization": f"Bearer {key}"}
        assert (await web.get("/devices", headers=bearer)).json() == []
    again = await asyncio.to_thread(ew, "init", str(folder), *words)
    assert again.returncode == 2
    assert "is there already" in again.stderr


def test_doctor_finds_nothing_wrong_where_nothing_is(tmp_path: Path, inventory: Path) -> None:
    folder = tmp_path / "new"
    assert ew("init", str(folder), "--inventory", str(inventory)).returncode == 0
    looked = ew("doctor", "--config", str(folder / "ew.toml"))
    lines = verdicts(looked.stdout)
    lines.pop("clock")  # this machine's own
    assert {"configuration", "keys", "database", "inventory", "HTTP port"} <= set(lines)
    assert set(lines.values()) == {"ok"}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"keys/keys.json": "{}"}, "keys"),
        ({"../stations.csv": "seed_id,latitude\n"}, "inventory"),
        ({"ew.toml": "[service]\nhttp_prt = 1\n"}, "configuration"),
    ],
)
def test_doctor_names_what_is_wrong(
    tmp_path: Path, inventory: Path, change: dict[str, str], what: str
) -> None:
    folder = tmp_path / "new"
    assert ew("init", str(folder), "--inventory", str(inventory)).returncode == 0
    for name, text in change.items():
        (folder / name).write_text(text)
    looked = ew("doctor", "--config", str(folder / "ew.toml"))
    assert looked.returncode == 1
    assert verdicts(looked.stdout)[what] == "wrong"
    assert "Traceback" not in looked.stderr


def verdicts(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        verdict, _, rest = line.partition(" ")
        if verdict in ("ok", "look", "wrong"):
            found[rest.strip().partition(":")[0]] = verdict
    return found


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)
def test_unit_that_init_writes_is_well_formed(tmp_path: Path, inventory: Path) -> None:
    folder = tmp_path / "new"
    assert ew("init", str(folder), "--inventory", str(inventory)).returncode == 0
    unit = folder / "ew.service"
    text = unit.read_text()
    assert f"serve --config {folder}/ew.toml" in text
    unit.write_text(text.replace(str(Path(sys.executable).with_name("ew")), sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    assert "Failed" not in done.stderr, done.stderr
    assert "Unknown" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--mode", "real"], "none of exercise"),
        (["--seedlink", "a b"], "HOST or HOST:PORT"),
        (["--http-host", "nowhere\n"], "control character"),
    ],
)
def test_mistake_leaves_no_configuration(
    tmp_path: Path, inventory: Path, words: list[str], reason: str
) -> None:
    done = ew("init", str(tmp_path / "new"), "--inventory", str(inventory), *words)
    assert done.returncode == 2
    assert reason in " ".join(done.stderr.replace("│", " ").split())
    assert not (tmp_path / "new" / "ew.toml").exists()
