"""Three real NATS nodes on loopback: one dies between publish and delivery, and no device goes
without its alert."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import aiomqtt
import pytest

from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.config import DeliveryConfig
from ew.delivery.broker import find_program, free_port
from ew.delivery.publisher import Publisher
from simulators.swarm import Swarm
from tests.delivery.conftest import PlanMaker

NODE = Path(__file__).parents[2] / "deploy/nats/node.conf"
DEVICES = [f"tv-{number:03d}" for number in range(60)]

pytestmark = pytest.mark.skipif(
    find_program("nats-server") is None, reason="nats-server is not installed"
)


@contextlib.asynccontextmanager
async def cluster(
    folder: Path,
) -> AsyncIterator[tuple[BrokerAddress, list[subprocess.Popen[bytes]]]]:
    names = ("a", "b", "c")
    ports = {name: [free_port() for _ in range(3)] for name in names}
    routes = ", ".join(f"nats://127.0.0.1:{ports[name][2]}" for name in names)
    nodes = []
    try:
        for name in names:
            settings = {
                "EW_NODE": name,
                "EW_HOST": "127.0.0.1",
                "EW_PORT": str(ports[name][0]),
                "EW_MQTT_PORT": str(ports[name][1]),
                "EW_CLUSTER_PORT": str(ports[name][2]),
                "EW_STORE": str(folder / name),
                "EW_ROUTES": f"[{routes}]",
            }
            nodes.append(
                subprocess.Popen(  # noqa: ASYNC220 - starts at once
                    [
                        str(find_program("nats-server")),
                        "-c",
                        str(NODE),
                        "-l",
                        str(folder / f"{name}.log"),
                    ],
                    env={**os.environ, **settings},
                )
            )
        mqtt = [("127.0.0.1", ports[name][1]) for name in names]
        for host, port in mqtt:
            await answers(host, port)
        yield BrokerAddress(*mqtt[0], others=tuple(mqtt[1:])), nodes
    finally:
        for node in nodes:
            node.kill()
            node.wait()


async def answers(host: str, port: int) -> None:
    """Wait until a node takes a retained message: its streams have found their leaders."""
    async with asyncio.timeout(40):
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(host, port, timeout=5) as client:
                    await client.publish("ew/v1/ready", b"yes", qos=1, retain=True)
                    return
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_every_device_is_alerted_though_a_node_dies_between_publish_and_delivery(
    tmp_path: Path, signer: Signer, make_plan: PlanMaker
) -> None:
    topics = [[f"ew/v1/alert/device/{name}"] for name in DEVICES]
    config = DeliveryConfig(connections=3, window=64)
    async with contextlib.AsyncExitStack() as stack:
        address, nodes = await stack.enter_async_context(cluster(tmp_path))
        devices = await stack.enter_async_context(Swarm(address, topics, qos=0, processes=1))
        publisher = await stack.enter_async_context(Publisher(address, signer, config))
        publisher.submit(make_plan(DEVICES))
        assert (await devices.report(1, within_s=10.0)).reached == len(DEVICES)

        nodes[2].send_signal(signal.SIGSTOP)  # it holds a third of the devices and answers nobody
        publisher.submit(make_plan(DEVICES, event_id="round-002"))
        early = await devices.report(2, within_s=1.0)
        assert early.reached < len(DEVICES)
        nodes[2].kill()
        await publisher.drain()
        late = await devices.report(2, within_s=30.0)
        assert late.reached == len(DEVICES)
        await devices.all_subscribed()
