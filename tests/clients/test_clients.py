"""The devices of clients/ in their own languages: against the test vectors, and at a live
broker."""

import asyncio
import contextlib
import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.delivery.broker import open_broker
from ew.delivery.publisher import Publisher
from ew.shaking.targets import cell_of
from tests import trust
from tests.bridges.test_bridges import HOME, Region

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
VECTORS: dict[str, Any] = json.loads((ROOT / "docs" / "test-vectors.json").read_text("utf-8"))
NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
needs_mqtt_js = pytest.mark.skipif(
    NODE is None or not (CLIENTS / "javascript" / "node_modules" / "mqtt").is_dir(),
    reason="MQTT.js is not installed: npm ci in clients/javascript",
)


def python_device() -> Any:
    make = runpy.run_path(str(CLIENTS / "python" / "device.py"))["Device"]
    return make([VECTORS["root"].encode()], ("cell", VECTORS["cell"]))


def test_device_in_python_judges_each_step_as_the_file_says() -> None:
    device = python_device()
    for step in VECTORS["steps"]:
        actions = device.take(step["topic"], step["payload"].encode(), step["at_us"])
        assert bool(actions) == step["accept"], step["why"]


def test_alert_that_comes_before_keys_and_time_is_looked_at_again() -> None:
    device = python_device()
    keys, beat, *_ = (step for step in VECTORS["steps"] if step["accept"])
    alert = next(step for step in VECTORS["steps"] if step["accept"] and "alert" in step["topic"])
    took = [
        device.take(step["topic"], step["payload"].encode(), step["at_us"])
        for step in (alert, keys, beat)
    ]
    assert [[action["do"] for action in actions] for actions in took] == [
        [],
        ["trust"],
        ["time", "alert"],
    ]
    assert took[2][1]["sounds"]
    assert took[2][1]["left_s"] == pytest.approx(25.0)


def test_messages_of_no_form_are_refused_in_silence() -> None:
    device = python_device()
    for payload in (b"", b"[]", b"{}", b"\xff", b'{"v": 2, "serial": "9"}', b"[" * 60_000):
        for topic in ("ew/v1/keys", "ew/v1/heartbeat", "ew/v1/alert/cell/x"):
            assert device.take(topic, payload, 0) == []


@pytest.fixture
async def region_at_broker() -> AsyncIterator[tuple[BrokerAddress, Region]]:
    async with open_broker("embedded") as address:
        signer = Signer.ephemeral()
        async with Publisher(address, signer) as publisher:
            yield address, Region(publisher, signer)


@pytest.mark.parametrize(
    ("program", "scheme"),
    [
        ([sys.executable, str(CLIENTS / "python" / "device.py")], ""),
        pytest.param(
            [str(NODE), str(CLIENTS / "javascript" / "main.mjs")], "mqtt://", marks=needs_mqtt_js
        ),
    ],
    ids=["python", "javascript"],
)
async def test_device_counts_down_to_a_drill_and_hears_its_cancel(
    program: list[str],
    scheme: str,
    region_at_broker: tuple[BrokerAddress, Region],
    tmp_path: Path,
) -> None:
    address, region = region_at_broker
    state = tmp_path / "state.json"
    process = await asyncio.create_subprocess_exec(
        *program, "--broker", f"{scheme}{address.host}:{address.port}",
        "--root", trust.root_file(tmp_path), "--cell", cell_of(*HOME), "--state", state,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        await line_with(process, '"trust"')
        region.beat()
        region.tell(1)
        await region.publisher.drain()
        alert = await line_with(process, '"alert"')
        assert (alert["is_drill"], alert["level"], alert["sounds"]) == (True, "full", True)
        await line_with(process, "EXERCISE ")
        region.tell(2, "cancel")
        await region.publisher.drain()
        cancel = await line_with(process, '"cancel"')
        assert (cancel["event_id"], cancel["version"]) == ("ew-1", 2)
        assert "1" in state.read_text("utf-8")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def line_with(process: asyncio.subprocess.Process, word: str) -> dict[str, Any]:
    """The next line that holds a word; as an object where it is one."""
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while word not in (line := (await process.stdout.readline()).decode()):
            assert line, "the device ended"
    found: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
    return found
