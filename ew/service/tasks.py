"""SHELL: tasks that are restarted with growing pauses when they fail, and counted."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

log = logging.getLogger("ew.tasks")

RETRY_FIRST_S, RETRY_MOST_S = 0.5, 30.0
NAMED_S = 60.0
"""Health names a failure for this long after it, s."""


@dataclass(slots=True)
class TaskStatus:
    """The number of a task's failures, and time (epoch seconds) and reason of the last one."""

    failures: int = 0
    failed_s: float = 0.0
    reason: str = ""


@dataclass(slots=True)
class Watch:
    """Starts tasks in a group and keeps them running."""

    group: asyncio.TaskGroup
    tasks: dict[str, TaskStatus] = field(default_factory=dict)
    _running: list[asyncio.Task[None]] = field(default_factory=list)

    def keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run ``run`` for ever: whenever it fails or ends it is started again."""
        self.tasks[name] = TaskStatus()
        self._running.append(self.group.create_task(self._keep(name, run), name=name))

    def stop(self) -> None:
        """Cancel all of them."""
        for task in self._running:
            task.cancel()

    def failing(self, now_s: float) -> list[str]:
        """The tasks that failed lately, each with its reason."""
        return [
            f"{name} failed: {status.reason}"
            for name, status in self.tasks.items()
            if status.failures and now_s - status.failed_s < NAMED_S
        ]

    async def _keep(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        status = self.tasks[name]
        wait_s = RETRY_FIRST_S
        while True:
            begin = time.monotonic()
            try:
                await run()
                status.reason = "it ended by itself"
            except Exception as error:  # a task's top: named, counted and started again
                status.reason = f"{type(error).__name__}: {error}"
                log.exception("task %s failed; starting it again in %.1f s", name, wait_s)
            status.failures += 1
            status.failed_s = time.time()
            if time.monotonic() - begin > RETRY_MOST_S:
                wait_s = RETRY_FIRST_S
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_MOST_S)
