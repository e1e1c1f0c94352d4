"""Phones that cross cells' borders while alerts go out, over real brokers."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator

import h3
import pytest

from ew.alerts.message import TOPIC_CELL, TOPIC_KEYS, AlertTemplate
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.delivery.publisher import Publisher
from ew.delivery.roles import LIMITS
from ew.records import EventVersion, Origin
from ew.shaking.targets import cell_of
from mqtt_broker.server import Server
from simulators.fleet import Fleet
from simulators.population import Device, Journey
from tests import trust

KM_PER_H = 30_000.0
"""A cell's width in two seconds: a drive of an hour in the time of a test."""
VERSIONS = 20
PHONES = [Device(f"phone-{n}", "phone", 30.0 + n / 200, 103.0, "road") for n in range(24)]
AREA = h3.grid_disk(cell_of(30.0, 103.0), 9)


def messages(version: int, signer: Signer) -> list[tuple[str, bytes]]:
    """One version for every cell of the area, as the service would tell it."""
    now_s = time.time()
    origin = Origin(now_s - 5, 30.0, 103.0, 10.0, 7.5)
    made = EventVersion("ew-1", version, "alert", now_s, origin, 6)
    template = AlertTemplate(made, "exercise", "CSIS", signer.key_id)
    return [
        (
            TOPIC_CELL.format(cell),
            template.build(
                signer,
                kind="alert",
                address="cell",
                target_id=cell,
                p_arrival_s=now_s,
                s_arrival_s=now_s + 9,
                intensity=5.0,
                priority=0,
                expires_s=now_s + 60,
            ),
        )
        for cell in AREA
    ]


async def test_no_version_is_missed_or_doubled_at_a_border(broker: BrokerAddress) -> None:
    signer = Signer.ephemeral()
    async with Publisher(broker, signer) as publisher:
        publisher.publish(TOPIC_KEYS, trust.document([signer]), retain=True)
        await publisher.drain()
        begin_s = time.monotonic()
        async with Fleet(
            PHONES, broker, roots=[trust.ROOT_PUBLIC], moving=1.0, km_per_h=KM_PER_H
        ) as fleet:
            for version in range(1, VERSIONS + 1):
                for topic, payload in messages(version, signer):
                    publisher.publish(topic, payload, retain=True)
                await publisher.drain()
                await asyncio.sleep(0.25)
            async with asyncio.timeout(20):
                while (
                    len({(r["device_id"], r["version"]) for r in fleet.reactions})
                    < len(PHONES) * VERSIONS
                ):
                    await asyncio.sleep(0.05)
            since_s = time.monotonic() - begin_s
            reactions = await fleet.finish()
    acted = Counter((r["device_id"], r["version"]) for r in reactions)
    assert set(acted) == {(p.device_id, v) for p in PHONES for v in range(1, VERSIONS + 1)}
    assert set(acted.values()) == {1}
    assert sum(r["sounds"] for r in reactions) == len(PHONES)
    crossed = [
        len({cell_of(*Journey.of(phone, KM_PER_H).at(since_s * n / 100)) for n in range(60)})
        for phone in PHONES
    ]
    assert min(crossed) >= 2


@pytest.fixture
async def inside() -> AsyncIterator[Server]:
    """The embedded broker in this process, so that its subscriptions can be looked at."""
    server = Server(LIMITS)
    await server.start()
    yield server
    await server.stop()


async def test_cells_that_lie_behind_are_unsubscribed(inside: Server) -> None:
    address = BrokerAddress("127.0.0.1", inside.port)
    async with Fleet(PHONES[:3], address, roots=(), moving=1.0, km_per_h=KM_PER_H):
        seen: set[str] = set()
        async with asyncio.timeout(30):
            while len(seen) < 30:  # cells that were listened to by now
                await asyncio.sleep(0.05)
                sessions = [inside.broker.sessions[p.device_id] for p in PHONES[:3]]
                cells = [[t for t in s.subscriptions if "/cell/" in t] for s in sessions]
                seen.update(*cells)
                assert all(
                    1 <= len(one) <= 14 for one in cells
                )  # seven, for a moment the old seven too


async def test_phone_that_stays_listens_to_one_cell(inside: Server) -> None:
    address = BrokerAddress("127.0.0.1", inside.port)
    async with Fleet(PHONES[:2], address, roots=()):
        for phone in PHONES[:2]:
            cell = TOPIC_CELL.format(cell_of(phone.latitude, phone.longitude))
            wanted = set(inside.broker.sessions[phone.device_id].subscriptions)
            assert wanted == {cell, "ew/v1/keys", "ew/v1/heartbeat"}
