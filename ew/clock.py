"""SHELL: the clock of the demo's service time, with a rate.

``serve`` runs on wall time (rate 1, no offset), ``demo --speed X`` on data time that passes X times
as fast, ``--speed max`` on data time that jumps to each packet as it is needed. ``replay`` needs
none.
"""

import asyncio
import math
import time

from ew.times import NS_PER_S


class Clock:
    """Service time in integer ns since the epoch (UTC), at ``rate`` times the speed of the wall's.

    ``start_ns`` is the service time at construction (default: the wall's). With an infinite rate
    the time stands still until someone waits for a later one, and then jumps to it.
    """

    def __init__(self, *, start_ns: int | None = None, rate: float = 1.0) -> None:
        if not rate > 0:
            raise ValueError(f"a clock's rate must be above 0, not {rate}")
        self.rate = rate
        self._wall_anchor = time.monotonic_ns()
        self._service_anchor = time.time_ns() if start_ns is None else start_ns

    def now_ns(self) -> int:
        """The service time now."""
        if math.isinf(self.rate):
            return self._service_anchor
        return self._service_anchor + round((time.monotonic_ns() - self._wall_anchor) * self.rate)

    def jump_to(self, service_ns: int) -> None:
        """Set the service time, to skip a part nobody needs to watch."""
        self._wall_anchor = time.monotonic_ns()
        self._service_anchor = service_ns

    async def wait_until(self, service_ns: int) -> None:
        """Return once the service time is ``service_ns``; it always lets other tasks run."""
        if math.isinf(self.rate):
            self._service_anchor = max(self._service_anchor, service_ns)
            await asyncio.sleep(0)
            return
        await asyncio.sleep(max(0.0, (service_ns - self.now_ns()) / self.rate / NS_PER_S))
