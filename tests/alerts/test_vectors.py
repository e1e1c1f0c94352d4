"""The published test vectors: made anew they are the same, and each receiver judges them alike."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ew.alerts.message import parse_heartbeat
from ew.alerts.trust import Verifier, root_from_pem
from ew.errors import MessageError
from ew.traveltimes import TravelTimes
from simulators.device import DeviceMachine, check_with
from simulators.population import Device
from tests import asyncapi

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILE = ROOT / "docs" / "test-vectors.json"
VECTORS: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
NODE = shutil.which("node")


def test_file_is_what_the_script_makes() -> None:
    make = runpy.run_path(str(ROOT / "scripts" / "make_test_vectors.py"))["text"]
    assert make() == FILE.read_text(encoding="utf-8")


def test_each_rule_of_the_page_names_vectors_and_each_vector_has_a_rule() -> None:
    page = (ROOT / "docs" / "device-protocol.md").read_text(encoding="utf-8")
    rules = re.findall(r"^\*\*([A-Z]\d+)\*\* (.*?)(?=\n\n)", page, re.MULTILINE | re.DOTALL)
    assert len(rules) > 25
    assert len({number for number, _ in rules}) == len(rules)
    ids = [step["id"] for step in VECTORS["steps"]]
    assert len(set(ids)) == len(ids)
    named: set[str] = set()
    for number, text in rules:
        found = re.findall(r"`([^`]+)`", text.rpartition("*Vectors:*")[2])
        assert found, number
        assert set(found) <= set(ids), number
        named.update(found)
    assert named == set(ids)


def test_simulated_phone_judges_each_step_as_the_file_says() -> None:
    verifier = Verifier([root_from_pem(VECTORS["root"].encode(), "root")])
    place = Device("phone", "phone", VECTORS["latitude"], VECTORS["longitude"], "Chengdu")
    phone = DeviceMachine(place, check_with(verifier), TravelTimes.load())
    for step in VECTORS["steps"]:
        try:
            is_taken = take(phone, verifier, step)
        except MessageError:
            is_taken = False
        assert is_taken == step["accept"], step["why"]


def test_messages_that_are_right_have_the_form_of_the_asyncapi_document() -> None:
    right = [step for step in VECTORS["steps"] if step["accept"]]
    found = {asyncapi.check(step["topic"], step["payload"].encode()) for step in right}
    assert found == {"keys", "heartbeat", "cellAlert"}


def take(phone: DeviceMachine, verifier: Verifier, step: dict[str, Any]) -> bool:
    payload, at_us = step["payload"].encode(), step["at_us"]
    if step["topic"] == "ew/v1/keys":
        phone.on_keys(verifier.update(payload).serial, at_us)
        return True
    if step["topic"] == "ew/v1/heartbeat":
        body, plain = parse_heartbeat(payload)
        verifier.verify(plain, body.time_us)
        phone.on_heartbeat(body.time_us, at_us)
        return phone.refused.pop("old heartbeat", 0) == 0
    reaction = phone.on_alert(payload, at_us)
    expect = step.get("expect", {})
    if reaction is not None and "level" in expect:
        assert (reaction.level, reaction.sounds) == (expect["level"], expect["sounds"]), step["why"]
    return reaction is not None


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_phone_in_another_language_judges_each_step_as_the_file_says() -> None:
    assert NODE is not None
    done = subprocess.run(
        [NODE, "--no-warnings", str(HERE / "vectors.mjs"), str(FILE)],
        capture_output=True,
        text=True,
        check=False,
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
        [NODE, "--no-warnings", str(HERE / "vectors.mjs"), str(wrong)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == "3 steps, 3 wrong\n"
