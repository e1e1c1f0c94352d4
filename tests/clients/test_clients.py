"""The devices of clients/ in their own languages: against the test vectors, and at a live
broker."""

import asyncio
import contextlib
import json
import os
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ew.alerts.message import heartbeat, signed
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


@pytest.fixture(scope="session")
def c_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The device in C, built with its makefile, watched by sanitizers."""
    if shutil.which("make") is None or shutil.which("cc") is None:
        pytest.skip("make or a C compiler is not installed")
    folder = tmp_path_factory.mktemp("c") / "c"
    shutil.copytree(CLIENTS / "c", folder)
    flags = "-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
    done = subprocess.run(
        ["make", "-C", folder, f"CFLAGS={flags}", f"LDFLAGS={flags}"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "MAKEFLAGS": ""},
    )
    if "No such file or directory" in done.stderr or "cannot find -l" in done.stderr:
        pytest.skip("libcjson-dev, libmosquitto-dev or libsodium-dev is not installed")
    assert done.returncode == 0, done.stderr
    return folder / "device"


def judged_in_c(
    program: Path, folder: Path, root: str, target: str, steps: Sequence[tuple[int, str, str]]
) -> list[int]:
    """How many things the device does at each step (own time, topic, payload)."""
    (folder / "root.pem").write_text(root)
    done = subprocess.run(
        [program, "--steps", "--root", folder / "root.pem", "--cell", target],
        input="".join(f"{at_us} {topic} {payload}\n" for at_us, topic, payload in steps),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [int(line) for line in done.stdout.splitlines()]


def test_device_in_c_judges_each_step_as_the_file_says(c_device: Path, tmp_path: Path) -> None:
    steps = [(step["at_us"], step["topic"], step["payload"]) for step in VECTORS["steps"]]
    found = judged_in_c(c_device, tmp_path, VECTORS["root"], VECTORS["cell"], steps)
    for step, count in zip(VECTORS["steps"], found, strict=True):
        assert bool(count) == step["accept"], step["why"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcXYZ_09"), inner),
    max_leaves=8,
)


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(VALUES, min_size=60, max_size=60))
def test_device_in_c_writes_canonical_json_as_the_standard_says(
    c_device: Path, tmp_path: Path, values: list[Any]
) -> None:
    """Members it does not know are signed as well: whatever they hold, the signature holds."""
    signer = Signer.ephemeral()
    now_us = time.time_ns() // 1000
    steps = [(now_us, "ew/v1/keys", trust.document([signer]).decode())]
    for number, value in enumerate(values):
        beat = heartbeat(
            now_us=now_us + number,
            version="1",
            mode="exercise",
            last_event_id=None,
            health="ok",
        )
        payload = signed({**beat, "unknown": value}, signer, "exercise")
        steps.append((now_us + number, "ew/v1/heartbeat", json.dumps(json.loads(payload))))
    root = trust.root_file(tmp_path).read_text()
    assert judged_in_c(c_device, tmp_path, root, "x", steps) == [1] * len(steps)


def test_device_in_c_takes_nothing_of_a_message_with_one_byte_changed(
    c_device: Path, tmp_path: Path
) -> None:
    keys, beat, *_ = (step for step in VECTORS["steps"] if step["accept"])
    alert = next(step for step in VECTORS["steps"] if step["accept"] and "alert" in step["topic"])
    text = alert["payload"]
    steps = [(one["at_us"], one["topic"], one["payload"]) for one in (keys, beat)]
    for position, letter in enumerate(text):
        changed = text[:position] + ("x" if letter != "x" else "y") + text[position + 1 :]
        steps.append((alert["at_us"], alert["topic"], changed))
        steps.append((alert["at_us"], alert["topic"], text[:position]))
    found = judged_in_c(c_device, tmp_path, VECTORS["root"], VECTORS["cell"], steps)
    assert found[:2] == [1, 1]
    assert not any(found[2:])


def python_device() -> Any:
    make = runpy.run_path(str(CLIENTS / "python" / "device.py"))["Device"]
    return make([VECTORS["root"].encode()], ("cell", VECTORS["cell"]))


def test_device_in_python_judges_each_step_as_the_file_says() -> None:
    device = python_device()
    for step in VECTORS["steps"]:
        actions = device.take(step["topic"], step["payload"].encode(), step["at_us"])
        assert bool(actions) == step["accept"], step["why"]
        for name, value in step.get("expect", {}).items():
            assert actions[-1][name] == pytest.approx(value), step["why"]


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
    await follows_a_drill(program, scheme, region_at_broker, tmp_path)


async def test_device_in_c_counts_down_to_a_drill_and_hears_its_cancel(
    c_device: Path, region_at_broker: tuple[BrokerAddress, Region], tmp_path: Path
) -> None:
    await follows_a_drill([str(c_device)], "", region_at_broker, tmp_path)


async def follows_a_drill(
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
