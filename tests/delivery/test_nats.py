"""NATS as devices are to use it: delivery at QoS 0, and nothing lost, because every alert is
retained and repeated by version."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator

import pytest

from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.config import DeliveryConfig
from ew.delivery.broker import find_program, open_broker
from ew.delivery.publisher import Publisher
from simulators.swarm import Swarm
from tests.delivery.conftest import PlanMaker

pytestmark = pytest.mark.skipif(
    find_program("nats-server") is None, reason="nats-server is not installed"
)
DEVICES = [f"tv-{number:03d}" for number in range(120)]


class Network:
    """A relay between devices and broker that can lose what the broker says, as a dying cell tower
    does.
    """

    def __init__(self, broker: BrokerAddress) -> None:
        self.is_losing = False
        self.lost_bytes = 0
        self._broker = broker
        self._writers: set[asyncio.StreamWriter] = set()

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        out_reader, out_writer = await asyncio.open_connection(self._broker.host, self._broker.port)
        self._writers |= {writer, out_writer}
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                self._pass(reader, out_writer), self._pass(out_reader, writer, can_lose=True)
            )

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        can_lose: bool = False,
    ) -> None:
        while data := await reader.read(1 << 16):
            if can_lose and self.is_losing:
                self.lost_bytes += len(data)
            else:
                writer.write(data)
        writer.close()

    def cut(self) -> None:
        """All connections break, and those that come after are sound."""
        self.is_losing = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()


@contextlib.asynccontextmanager
async def network(broker: BrokerAddress) -> AsyncIterator[tuple[BrokerAddress, Network]]:
    relay = Network(broker)
    server = await asyncio.start_server(relay.take, "127.0.0.1", 0, backlog=1024)
    try:
        yield BrokerAddress("127.0.0.1", server.sockets[0].getsockname()[1]), relay
    finally:
        server.close()
        relay.cut()


@pytest.mark.parametrize("repair", ["retained", "next version"])
async def test_alert_that_was_lost_on_its_way_at_qos_0_reaches_every_device(
    signer: Signer, make_plan: PlanMaker, repair: str
) -> None:
    topics = [("ew/v1/alert/cell/none", f"ew/v1/alert/device/{one}") for one in DEVICES]
    config = DeliveryConfig(retain=repair == "retained")
    async with (
        open_broker("nats") as broker,
        network(broker) as (address, relay),
        Swarm(address, topics, qos=0) as swarm,
        Publisher(broker, signer, config) as publisher,
    ):
        relay.is_losing = True
        first = make_plan(DEVICES)
        publisher.submit(first)
        await publisher.drain()
        async with asyncio.timeout(10):
            while relay.lost_bytes < len(DEVICES) * 600:
                await asyncio.sleep(0.02)
        assert (await swarm.report(1, within_s=0.0)).reached == 0
        if repair == "retained":
            relay.cut()
        else:
            relay.is_losing = False
            second = make_plan(DEVICES, version=2)
            publisher.submit(dataclasses.replace(second, targets=first.targets))
        assert (await swarm.report(1, within_s=20.0)).reached == len(DEVICES)
