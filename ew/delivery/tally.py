"""PURE: what became of the alerts of one event version between the plan and the broker, counted as they go."""

from collections.abc import Callable
from dataclasses import dataclass

VERSIONS_KEPT = 256


@dataclass(slots=True)
class Tally:
    """Wall-clock nanoseconds of the first and last of its alerts, 0 where it did not happen yet.

    ``signed_ns`` is what building and signing the first message took.
    """

    submitted_ns: int
    alerts: int = 0
    signed_ns: int = 0
    first_sent_ns: int = 0
    last_sent_ns: int = 0
    acknowledged: int = 0
    last_acknowledged_ns: int = 0


class Tallies:
    """The tallies of the newest versions, by event and version; ``clock_ns`` is the wall."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._known: dict[tuple[str, int], Tally] = {}

    def submit(self, event_id: str, version: int) -> None:
        """A plan has been handed over; a version may have several, one for each group of targets."""
        if (event_id, version) in self._known:
            return
        while len(self._known) >= VERSIONS_KEPT:
            del self._known[next(iter(self._known))]
        self._known[event_id, version] = Tally(self._clock_ns())

    def of(self, event_id: str, version: int) -> Tally | None:
        """One version's, if it is among the newest."""
        return self._known.get((event_id, version))

    def sent(self, event_id: str, version: int, now_ns: int, signed_ns: int) -> None:
        """One alert has been written to a broker."""
        tally = self._known.get((event_id, version))
        if tally is None:
            return
        if not tally.alerts:
            tally.first_sent_ns, tally.signed_ns = now_ns, signed_ns
        tally.alerts += 1
        tally.last_sent_ns = now_ns

    def acknowledged(self, event_id: str, version: int, now_ns: int) -> None:
        """The broker has one alert."""
        tally = self._known.get((event_id, version))
        if tally is not None:
            tally.acknowledged += 1
            tally.last_acknowledged_ns = now_ns
