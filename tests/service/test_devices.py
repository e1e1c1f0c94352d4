"""Registered devices taken into a service: what a database that can't be read changes."""

import asyncio
import os
from uuid import uuid4

from ew import Origin
from ew.records import EventVersion
from ew.service.runtime import Service
from ew.storage.store import RegisteredDevice, Store

PLACE = (29.5, 103.5)


def alerted(service: Service) -> list[str]:
    """The devices that a new earthquake under ``PLACE`` is told to."""
    origin = Origin(1e9, *PLACE, 10.0, 6.0)
    version = EventVersion(uuid4().hex, 1, "alert", 1e9, origin, stations=6)
    plans = service.planner.plan(version, 1e9 + 4.0)
    return sorted(
        plan.topic(place).rpartition("/")[2]
        for plan in plans
        for place in range(len(plan))
        if "/device/" in plan.topic(place)
    )


async def test_devices_known_so_far_stay_while_the_database_cannot_be_read(
    service: Service,
) -> None:
    path = service.config.service.database
    async with Store(path) as store:
        await store.register(RegisteredDevice("tv-1", "tv", *PLACE))
        await service.targets.reload()
        assert alerted(service) == ["tv-1"]
        await store.register(RegisteredDevice("tv-2", "tv", *PLACE))
        await service.targets.reload()
        assert alerted(service) == ["tv-1", "tv-2"]
    whole = path.read_bytes()
    path.write_bytes(os.urandom(4096))
    await service.targets.reload()
    assert alerted(service) == ["tv-1", "tv-2"]
    assert "devices: " in service.health
    path.write_bytes(whole)
    await service.targets.reload()
    assert alerted(service) == ["tv-1", "tv-2"]
    assert "devices: " not in service.health


async def test_devices_that_come_move_and_go_are_taken_one_by_one(service: Service) -> None:
    path = service.config.service.database
    async with Store(path) as store:
        for number in range(3):
            await store.register(RegisteredDevice(f"tv-{number}", "tv", *PLACE))
        await service.targets.reload()
        await store.register(RegisteredDevice("tv-0", "tv", -PLACE[0], PLACE[1]))
        await store.register(RegisteredDevice("tv-9", "tv", *PLACE))
        await store.register(RegisteredDevice("tv-8", "of no kind that is configured", *PLACE))
        await store.unregister("tv-1")
        await asyncio.gather(
            *(service.targets.take_changes([f"tv-{number}"]) for number in (0, 1, 8, 9))
        )
        assert alerted(service) == ["tv-2", "tv-9"]
        await store.register(RegisteredDevice("tv-1", "tv", *PLACE))
        await service.targets.take_changes(["tv-1"])
        assert alerted(service) == ["tv-1", "tv-2", "tv-9"]
        await service.targets.reload()
        assert alerted(service) == ["tv-1", "tv-2", "tv-9"]


async def test_a_change_that_cannot_be_read_is_made_up_for_in_full(service: Service) -> None:
    path = service.config.service.database
    async with Store(path) as store:
        await store.register(RegisteredDevice("tv-1", "tv", *PLACE))
    await service.targets.reload()
    async with Store(path) as store:
        await store.register(RegisteredDevice("tv-2", "tv", *PLACE))
    whole = path.read_bytes()
    path.write_bytes(os.urandom(4096))
    await service.targets.take_changes(["tv-2"])
    assert alerted(service) == ["tv-1"]
    assert "devices: " in service.health
    path.write_bytes(whole)
    await service.targets.take_changes(["nobody"])
    assert alerted(service) == ["tv-1", "tv-2"]


async def test_a_database_deleted_while_the_service_runs_takes_no_device_away(
    service: Service,
) -> None:
    path = service.config.service.database
    async with Store(path) as store:
        await store.register(RegisteredDevice("tv-1", "tv", *PLACE))
    await service.targets.reload()
    path.unlink()
    assert "deleted or replaced" in service.health
    async with Store(path) as store:
        await store.register(RegisteredDevice("tv-2", "tv", *PLACE))
    await service.targets.reload()
    assert alerted(service) == ["tv-1"]
    assert "deleted or replaced" in service.health
