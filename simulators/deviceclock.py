"""PURE: a device's clock, set by verified heartbeats of its service."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ew.times import US_PER_S

Heartbeat: TypeAlias = Literal["used", "late", "old"]
"""The use of a heartbeat: it set the clock, it came too late or out of order and was left, or it is
so much older than another that it is a replay."""

OFFSET_SHARE = 0.2
"""Share of a new heartbeat in the clock's offset: jitter averages out. A heartbeat ahead of the
clock sets it at once."""
STEP_US = 2 * US_PER_S
"""A heartbeat that is later than this, µs, has been held up on its way, and does not count."""
BEHIND_US = 5 * US_PER_S
"""When all heartbeats have been late for this long, µs, the clock is set back to them."""
OLD_US = 10 * US_PER_S
"""A heartbeat this much older, µs, than the newest one is a replay. One a little older comes from
another service that runs beside the first."""


@dataclass(slots=True)
class DeviceClock:
    """How far a device's clock is off the service's, µs; ``None`` until the first heartbeat."""

    offset_us: int | None = None
    _newest_us: int = 0  # the latest time in a heartbeat
    _behind_us: int | None = None  # since when heartbeats have been late, by the device's clock

    def now_us(self, clock_us: int) -> int:
        """The service's time, µs, when the device's clock shows ``clock_us``."""
        return clock_us + (self.offset_us or 0)

    def on_heartbeat(self, time_us: int, clock_us: int) -> Heartbeat:
        """Learn the offset from the time in a heartbeat and the device's own time of its arrival.

        A heartbeat never comes early, so the offset leans to the largest. One that tells no later
        time than an earlier one is not used: replayed, it must not make an old alert new again.
        """
        if time_us <= self._newest_us:
            return "old" if time_us < self._newest_us - OLD_US else "late"
        self._newest_us = time_us
        offset = time_us - clock_us
        if self.offset_us is None or offset > self.offset_us:
            self.offset_us = offset
        elif self.offset_us - offset <= STEP_US:
            self.offset_us += round(OFFSET_SHARE * (offset - self.offset_us))
        else:
            self._behind_us = clock_us if self._behind_us is None else self._behind_us
            if clock_us - self._behind_us < BEHIND_US:
                return "late"
            self.offset_us = offset
        self._behind_us = None
        return "used"

    def on_signed_time(self, time_us: int, clock_us: int) -> None:
        """Set the clock to at least the time in a signed message, which is never in the future."""
        self.offset_us = (self.offset_us or 0) + max(0, time_us - self.now_us(clock_us))

    def forget_heartbeats(self) -> None:
        """Let the next heartbeat count whatever time it tells."""
        self._newest_us = 0
