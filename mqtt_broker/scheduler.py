"""PURE: fair shares of the event loop: urgent messages never wait behind much other work.

asyncio hands over whatever a socket holds, up to 256 KB at once: hundreds of publishes from each
client that has fallen behind. The scheduler counts the work of one iteration of the event loop,
each publish and each delivery as one. A client that comes when the iteration's budget is spent is
queued and not read from until the next iterations resume it, a share for each client in the order
they came. Between two iterations the loop looks at all sockets, and urgent messages are handled at
once (``connection``). No client starves: every iteration has a budget for the queue.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

ITERATION_WORK = 64
"""Publishes and deliveries in one iteration of the event loop, some 0.4 ms.

With 128 or 256 the broker carries no more (within 5 %).
"""
CLIENT_WORK = 16
"""Of these, the share of one queued client before the next one's."""


class Worker(Protocol):
    """A connection whose packets wait in the queue."""

    def resume(self, floor: int) -> None:
        """Work while ``budget`` is above ``floor``; queue again if that was not enough."""


class Scheduler:
    """The budget of the current iteration and the queue.

    ``call_soon`` calls a function in the event loop's next iteration.
    """

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self.budget = ITERATION_WORK
        self._call_soon = call_soon
        self._queue: deque[Worker] = deque()
        self._is_scheduled = False

    @property
    def floor(self) -> int:
        """How far a client outside the queue may spend the budget: not at all while others wait."""
        return self.budget if self._queue else 0

    def spend(self, work: int) -> None:
        """Count work; urgent messages are counted too, but may exceed the budget."""
        self.budget -= work
        self._schedule()

    def enqueue(self, worker: Worker) -> None:
        """Put a worker at the end of the queue."""
        self._queue.append(worker)
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._call_soon(self._begin_iteration)

    def _begin_iteration(self) -> None:
        self._is_scheduled = False
        self.budget = ITERATION_WORK
        try:
            while self._queue and self.budget > 0:
                self._queue.popleft().resume(max(0, self.budget - CLIENT_WORK))
        finally:  # an error in one worker does not stop the others
            if self._queue:
                self._schedule()
