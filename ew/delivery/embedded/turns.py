"""PURE: whose turn it is: ordinary work is done in small portions, so that an alert never waits behind much of it.

An event loop hands over whatever a socket holds, up to 256 KB: some 450 waveform records, 5 ms of work, from each station
that has fallen behind. Here the work of one turn of the loop is counted, a publish or a delivery as one; who comes when
nothing is left of the turn gets in line, is not read from meanwhile, and goes on in the next turns with the others in
line. Between two turns the loop looks at all sockets, and alerts are handled at once (``connection``). Nobody starves:
every turn has work for the line, and each in it gets a portion in his order.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol

TURN_WORK = 64
"""Publishes and deliveries in one turn of the loop, some 0.4 ms; with 128 or 256 the broker carries no more (within 5 %)."""
PORTION = 16
"""And of one connection in line, before the next in line has its turn."""


class Worker(Protocol):
    """Who waits in line: a connection with packets that are not handled."""

    def go_on(self, floor: int) -> None:
        """Work while more than ``floor`` is ``left``, and get in line again if that was not enough."""


class Turns:
    """The work of one turn and the line; ``call_soon`` calls in the loop's next turn."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self.left = TURN_WORK
        self._call_soon = call_soon
        self._line: deque[Worker] = deque()
        self._is_due = False

    @property
    def floor(self) -> int:
        """Down to what ``left`` may be spent by who does not stand in line: nothing while others do."""
        return self.left if self._line else 0

    def spend(self, work: int) -> None:
        """Count work; alerts count too, but do not ask."""
        self.left -= work
        if not self._is_due:
            self._call_next()

    def wait(self, worker: Worker) -> None:
        """Get in line."""
        self._line.append(worker)
        self._call_next()

    def _call_next(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._call_soon(self._next)

    def _next(self) -> None:
        """A new turn: first those in line."""
        self._is_due = False
        self.left = TURN_WORK
        try:
            while self._line and self.left > 0:
                self._line.popleft().go_on(max(0, self.left - PORTION))
        finally:  # whatever befalls one of them, the others have their turn
            if self._line:
                self._call_next()
