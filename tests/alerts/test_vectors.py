"""The published test vectors: made anew they are the same, and each receiver judges them alike."""

import json
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ew.alerts.trust import Verifier, root_from_pem
from ew.errors import MessageError
from ew.traveltimes import TravelTimes
from simulators.device import DeviceMachine, check_with
from simulators.population import Device

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILE = ROOT / "docs" / "test-vectors.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
NODE = shutil.which("node")


def test_file_is_what_the_script_makes() -> None:
    make = runpy.run_path(str(ROOT / "scripts" / "make_test_vectors.py"))["text"]
    assert make() == FILE.read_text(encoding="utf-8")


def test_simulated_phone_judges_each_step_as_the_file_says() -> None:
    verifier = Verifier([root_from_pem(VECTORS["root"].encode(), "root")])
    place = Device("phone", "phone", VECTORS["latitude"], VECTORS["longitude"], "Chengdu")
    phone = DeviceMachine(place, check_with(verifier), TravelTimes.load())
    for step in VECTORS["steps"]:
        phone.on_heartbeat(step["at_us"], step["at_us"])
        payload = step["payload"].encode()
        if step["topic"] == "ew/v1/keys":
            try:
                verifier.update(payload)
                found = True
            except MessageError:
                found = False
        else:
            found = phone.on_alert(payload, step["at_us"]) is not None
        assert found == step["accept"], step["why"]


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_phone_in_another_language_judges_each_step_as_the_file_says() -> None:
    assert NODE is not None
    done = subprocess.run(
        [NODE, str(HERE / "vectors.mjs"), str(FILE)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(VECTORS['steps'])} steps, 0 wrong\n"


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_phone_in_another_language_finds_a_step_that_is_wrong(tmp_path: Path) -> None:
    """So that the check above can fail."""
    assert NODE is not None
    steps = [dict(step, accept=not step["accept"]) for step in VECTORS["steps"][:3]]
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({**VECTORS, "steps": steps}), encoding="utf-8")
    done = subprocess.run(
        [NODE, str(HERE / "vectors.mjs"), str(wrong)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == "3 steps, 3 wrong\n"
