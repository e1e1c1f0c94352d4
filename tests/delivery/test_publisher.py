"""The publisher over real brokers: order, pace, loss of the broker, expiry."""

import asyncio
import contextlib
import json

import aiomqtt
import pytest

from benchmarks.faulty.proxy import Proxy
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress, parse_url
from ew.config import DeliveryConfig
from ew.delivery.broker import find_program, free_port, open_broker
from ew.delivery.publisher import BROKER_SILENT_S, Publisher
from ew.errors import BrokerError, ConfigError
from tests.delivery.conftest import PlanMaker

QUICK = DeliveryConfig(connections=1, window=4, retry_first_s=0.02, retry_most_s=0.05)
DEVICES = [f"tv-{number:03d}" for number in range(60)]


async def bodies(client: aiomqtt.Client, count: int) -> list[dict[str, object]]:
    found = []
    async with asyncio.timeout(20):
        async for message in client.messages:
            found.append(json.loads(bytes(message.payload)))  # type: ignore[arg-type]
            if len(found) == count:
                break
    return found


def devices_of(found: list[dict[str, object]]) -> list[str]:
    return [body["target"]["device"] for body in found]  # type: ignore[index]


async def test_alerts_arrive_most_urgent_first_over_one_connection(
    broker: BrokerAddress, signer: Signer, make_plan: PlanMaker
) -> None:
    async with aiomqtt.Client(broker.host, broker.port) as phone:
        await phone.subscribe("ew/v1/alert/device/+", qos=1)
        async with Publisher(broker, signer, QUICK) as publisher:
            publisher.submit(make_plan(DEVICES))
            found = await bodies(phone, len(DEVICES))
            await publisher.drain()
        assert devices_of(found) == DEVICES
        assert publisher.status.sent == len(DEVICES)
        told = publisher.take_acknowledged()
        assert sorted(record.topic.rsplit("/", 1)[1] for record in told) == DEVICES
        assert all(one.submitted_ns <= one.sent_ns <= one.acked_ns for one in told)
        assert publisher.take_acknowledged() == []


async def test_broker_lost_while_alerting_loses_no_alert(
    signer: Signer, make_plan: PlanMaker
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with open_broker("embedded") as broker:
            publisher = await stack.enter_async_context(Publisher(broker, signer, QUICK))
        async with asyncio.timeout(10):
            while publisher.status.connected:
                await asyncio.sleep(0.01)
        publisher.submit(make_plan(DEVICES))
        async with open_broker("embedded", port=broker.port, secret=broker.password) as again:
            await publisher.drain()
            async with aiomqtt.Client(again.host, again.port) as phone:
                await phone.subscribe("ew/v1/alert/device/+", qos=1)
                found = await bodies(phone, len(DEVICES))  # they are retained
        assert sorted(devices_of(found)) == DEVICES
        assert publisher.status.reconnects >= 1
        assert publisher.status.last_error


async def test_a_broker_that_falls_silent_is_known_within_seconds(signer: Signer) -> None:
    async with open_broker("embedded") as broker, Proxy(broker.port) as proxy:
        between = BrokerAddress("127.0.0.1", proxy.port)
        async with Publisher(between, signer, QUICK) as publisher, asyncio.timeout(20):
            proxy.freeze()
            while publisher.silent_s < BROKER_SILENT_S:
                assert publisher.status.connected, "it hangs, but it has not closed"
                await asyncio.sleep(0.01)
            proxy.thaw()
            while publisher.silent_s > BROKER_SILENT_S:
                await asyncio.sleep(0.01)
            assert publisher.status.reconnects == 0


async def test_alerts_that_a_restarted_broker_has_forgotten_are_said_once_more(
    signer: Signer, make_plan: PlanMaker
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with open_broker("embedded") as broker:
            publisher = await stack.enter_async_context(Publisher(broker, signer, QUICK))
            publisher.submit(make_plan(DEVICES))
            await publisher.drain()
        async with open_broker(
            "embedded", port=broker.port, secret=broker.password
        ) as again:  # it keeps nothing on disk
            async with aiomqtt.Client(again.host, again.port) as phone:
                await phone.subscribe("ew/v1/alert/device/+", qos=1)
                found = await bodies(phone, len(DEVICES))
        assert sorted(devices_of(found)) == DEVICES
        assert publisher.status.repeated == len(DEVICES)


async def test_alert_that_expired_while_the_broker_was_away_is_not_sent(
    embedded: BrokerAddress, signer: Signer, make_plan: PlanMaker
) -> None:
    async with Publisher(embedded, signer, QUICK) as publisher:
        publisher.submit(make_plan(DEVICES, before_s=7200.0))
        publisher.submit(make_plan(["tv-new"], event_id="round-002"))
        await publisher.drain()
        assert (publisher.status.sent, publisher.status.expired) == (1, len(DEVICES))


@pytest.mark.skipif(find_program("nats-server") is None, reason="nats-server is not installed")
async def test_device_at_qos_0_that_comes_late_to_nats_finds_its_alert(
    signer: Signer, make_plan: PlanMaker
) -> None:
    async with open_broker("nats") as broker, Publisher(broker, signer, QUICK) as publisher:
        publisher.submit(make_plan(DEVICES))
        await publisher.drain()
        assert publisher.status.reconnects == 0, "3.1.1 is a choice, not a trouble"
        async with aiomqtt.Client(broker.host, broker.port) as late:
            await late.subscribe("ew/v1/alert/device/tv-007", qos=0)
            (found,) = await bodies(late, 1)
        assert found["target"] == {"device": "tv-007"}


async def test_newer_version_replaces_what_is_not_yet_sent(
    embedded: BrokerAddress, signer: Signer, make_plan: PlanMaker
) -> None:
    plans = [make_plan(DEVICES, version=number) for number in (1, 2)]
    plans[1] = type(plans[1])(**{**_fields(plans[1]), "targets": plans[0].targets})
    async with aiomqtt.Client(embedded.host, embedded.port) as phone:
        await phone.subscribe("ew/v1/alert/device/+", qos=1)
        async with Publisher(embedded, signer, QUICK) as publisher:
            for plan in plans:
                publisher.submit(plan)
            found = await bodies(phone, len(DEVICES))
            await publisher.drain()
        assert {body["version"] for body in found} == {2}
        assert publisher.status.sent == len(DEVICES)


def _fields(plan: object) -> dict[str, object]:
    return {name: getattr(plan, name) for name in type(plan).__slots__}


async def test_broker_that_answers_nowhere_is_named_with_its_address(signer: Signer) -> None:
    nobody = BrokerAddress("127.0.0.1", free_port())
    with pytest.raises(BrokerError, match=f"{nobody.port}"):
        async with open_broker(nobody.url):
            pass


async def test_connection_goes_to_the_next_node_when_one_does_not_answer(
    embedded: BrokerAddress, signer: Signer, make_plan: PlanMaker
) -> None:
    cluster = BrokerAddress("127.0.0.1", free_port(), others=((embedded.host, embedded.port),))
    async with open_broker(cluster.url) as address, Publisher(address, signer, QUICK) as publisher:
        publisher.submit(make_plan(DEVICES))
        await publisher.drain()
        assert publisher.status.sent == len(DEVICES)


def test_addresses_are_read_and_refused_with_what_would_do() -> None:
    assert parse_url("mqtt://there").nodes == (("there", 1883),)
    assert parse_url("mqtt://a:1,b,c:3").nodes == (("a", 1), ("b", 1883), ("c", 3))
    assert parse_url("mqtt://a:1,b:2").url == "mqtt://a:1,b:2"
    for wrong in ("mosquito", "http://x", "mqtt://", "mqtt://a:99999", "mqtt://a,,b"):
        with pytest.raises(ConfigError, match="broker"):
            parse_url(wrong)
