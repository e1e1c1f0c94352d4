"""deploy/compose as far as it can be tried without containers: its files fit each other and ew."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ew.config import load_config
from tests.obspy_event import write_event_dir

DEPLOY = Path(__file__).parents[2] / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose/compose.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/ in which ./prepare was run, with this ew instead of a container's."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("compose")
    stations = write_event_dir(folder / "event") / "stations.csv"
    shutil.copytree(DEPLOY, folder / "deploy")
    ew = f"{sys.executable} -m ew"
    subprocess.run(
        [folder / "deploy/compose/prepare", stations, "sl.example.org", "other.example.org:18500"],
        env={**os.environ, "EW": ew},
        check=True,
        capture_output=True,
    )
    return folder / "deploy/compose"


def test_prepare_makes_a_configuration_that_holds(prepared: Path) -> None:
    config = load_config(prepared / "local/etc/ew.toml")
    assert [one.servers for one in config.service.seedlink] == [
        (("sl.example.org", 18000),),
        (("other.example.org", 18500),),
    ]
    assert config.service.database == "postgresql://ew@postgres/ew"
    assert [key.scopes for key in config.service.api_keys] == [("operator",), ("operator",)]
    assert config.delivery.broker == "mqtt://ew@mosquitto:1883"


def test_prepare_overwrites_nothing(prepared: Path) -> None:
    again = subprocess.run([prepared / "prepare", "x"], capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert "local/ is there already" in again.stderr


def test_all_that_is_mounted_is_there_and_every_password_is_made(prepared: Path) -> None:
    made = (prepared / ".env").read_text()
    for name, service in COMPOSE["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (prepared / source).exists(), (name, source)
            else:
                assert source in COMPOSE["volumes"], (name, source)
        for word in re.findall(r"\$\{(\w+):\?", str(service)):
            assert re.search(rf"^{word}=\w{{20,}}$", made, re.MULTILINE), word


def test_services_may_write_nowhere_but_to_their_volumes() -> None:
    for name, service in COMPOSE["services"].items():
        if name != "postgres":  # its image sets up as root and then leaves it
            assert service["read_only"], name
            assert service["cap_drop"] == ["ALL"], name


def test_the_container_copies_what_is_there_and_starts_ew() -> None:
    text = (DEPLOY / "compose/Containerfile").read_text(encoding="utf-8")
    for source in re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE):
        assert (DEPLOY.parent / source).exists(), source
    assert re.search(r'^ENTRYPOINT \["ew"\]$', text, re.MULTILINE)
    assert re.search(r"^USER ew$", text, re.MULTILINE)


def test_prometheus_takes_its_configuration_and_rules(prepared: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian's package prometheus) is not installed")
    done = subprocess.run(
        [promtool, "check", "rules", prepared / "alerts.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
