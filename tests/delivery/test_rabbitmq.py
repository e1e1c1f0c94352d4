"""RabbitMQ as in deploy/rabbitmq, on one node: MQTT 3.1.1 (Debian's 3.10) or newer. Skipped where
it is not installed."""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ew.alerts.message import TOPIC_KEYS
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.delivery.broker import free_port
from ew.delivery.publisher import Publisher
from simulators.fleet import Fleet
from simulators.population import Device
from tests import trust
from tests.delivery.conftest import PlanMaker

DEPLOY = Path(__file__).parents[2] / "deploy" / "rabbitmq"
PROGRAMS = Path("/usr/lib/rabbitmq/bin")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (PROGRAMS / "rabbitmq-server").exists(), reason="rabbitmq-server is not installed"
    ),
]


@dataclass(frozen=True)
class Rabbit:
    """A node of our own: its MQTT port and the environment its tools need."""

    port: int
    environment: dict[str, str]

    def run(self, *command: str | Path, **more: str) -> None:
        environment = {**self.environment, **more}
        subprocess.run(command, env=environment, check=True, capture_output=True, timeout=60)


def settle_in(folder: Path) -> Rabbit:
    """Write the configuration of deploy/ for a lone node on loopback."""
    port, amqp = free_port(), free_port()
    text = (DEPLOY / "rabbitmq.conf").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("cluster_")]
    listen = "mqtt.listeners.tcp.default = 1883"
    assert listen in lines
    lines[lines.index(listen)] = f"mqtt.listeners.tcp.1 = 127.0.0.1:{port}"
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "plugins").write_text("[rabbitmq_mqtt].\n", encoding="utf-8")
    (folder / ".erlang.cookie").write_text("a cookie of this test", encoding="utf-8")
    (folder / ".erlang.cookie").chmod(0o400)
    return Rabbit(
        port,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "RABBITMQ_NODENAME": f"ew{amqp}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(amqp),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
        },
    )


@pytest.fixture
async def rabbit(tmp_path: Path) -> AsyncIterator[Rabbit]:
    made = settle_in(tmp_path)
    with (tmp_path / "out").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            PROGRAMS / "rabbitmq-server", env=made.environment, stdout=out, stderr=out, cwd=tmp_path
        )
    try:
        async with asyncio.timeout(90):
            while True:
                assert process.returncode is None, (tmp_path / "out").read_text(errors="replace")
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", made.port)
                    writer.close()
                    break
                await asyncio.sleep(0.2)
        ctl = str(PROGRAMS / "rabbitmqctl")
        words = {"EW_PASSWORD": "speak", "DEVICE_PASSWORD": "listen", "RABBITMQCTL": ctl}
        await asyncio.to_thread(made.run, DEPLOY / "users.sh", **words)
        yield made
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(30):
                await process.wait()
        epmd = shutil.which("epmd")  # the node's own name server, which outlives it
        if epmd is not None:
            await asyncio.to_thread(made.run, epmd, "-kill")


@pytest.mark.timeout(180)
async def test_alerts_reach_devices_at_qos_1_now_and_retained_and_only_ew_may_alert(
    rabbit: Rabbit, signer: Signer, make_plan: PlanMaker
) -> None:
    tvs = [Device(f"tv-{n}", "tv", 30.3 + n / 100, 103.0, "here") for n in range(20)]
    everyone = BrokerAddress("127.0.0.1", rabbit.port)
    ew = BrokerAddress("127.0.0.1", rabbit.port, username="ew", password="speak")  # noqa: S106 - of this test
    async with Publisher(ew, signer) as publisher:  # it has to find out that MQTT 5 is not spoken
        publisher.publish(TOPIC_KEYS, trust.document([signer]), retain=True)
        await publisher.drain()
        async with Fleet(tvs[:10], everyone, roots=[trust.ROOT_PUBLIC]) as early:
            publisher.submit(make_plan([tv.device_id for tv in tvs]))
            await publisher.drain()
            assert publisher.status.sent == 1 + len(tvs)
            async with (
                Fleet(tvs[10:], everyone, roots=[trust.ROOT_PUBLIC]) as late,
                asyncio.timeout(30),
            ):
                while len(early.reactions) + len(late.reactions) < len(tvs):
                    await asyncio.sleep(0.05)
    assert {r["device_id"] for r in [*early.reactions, *late.reactions]} == {
        tv.device_id for tv in tvs
    }
    async with Publisher(everyone, signer) as stranger:
        stranger.submit(make_plan(["tv-0"], event_id="forged"))
        async with asyncio.timeout(30):
            while not stranger.status.reconnects:  # 3.1.1 has no word for it: the connection ends
                await asyncio.sleep(0.05)
        assert stranger.status.sent == 0
