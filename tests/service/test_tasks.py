"""Tasks beside the alert path: what fails is named and started again, and ends nothing else."""

import asyncio
import time

import pytest

from ew.service import tasks
from ew.service.tasks import Watch


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "RETRY_FIRST_S", 0.01)
    monkeypatch.setattr(tasks, "RETRY_MOST_S", 0.05)


async def test_a_task_that_fails_is_started_again_and_named() -> None:
    runs = 0
    is_well = asyncio.Event()

    async def fails_twice() -> None:
        nonlocal runs
        runs += 1
        if runs <= 2:
            raise ValueError("no such thing")
        is_well.set()
        await asyncio.Event().wait()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        watch = Watch(group)
        watch.keep("one", fails_twice)
        await is_well.wait()
        assert watch.tasks["one"].failures == 2
        assert watch.failing(time.time()) == ["one failed: ValueError: no such thing"]
        assert watch.failing(time.time() + tasks.NAMED_S + 1) == []
        watch.stop()


async def test_a_task_that_ends_by_itself_is_started_again() -> None:
    runs = asyncio.Semaphore(0)

    async def ends() -> None:
        runs.release()

    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        watch = Watch(group)
        watch.keep("one", ends)
        for _ in range(3):
            await runs.acquire()
        assert watch.tasks["one"].reason == "it ended by itself"
        watch.stop()
