"""PURE: what became of the alerts of one event version between the plan and the broker, counted as they go."""

from collections.abc import Callable
from dataclasses import dataclass

VERSIONS_KEPT = 256


@dataclass(slots=True)
class VersionProgress:
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


class SendProgress:
    """The tallies of the newest versions, by event and version; ``clock_ns`` is the wall."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._known: dict[tuple[str, int], VersionProgress] = {}

    def submit(self, event_id: str, version: int) -> None:
        """A plan has been handed over; a version may have several, one for each group of targets."""
        if (event_id, version) in self._known:
            return
        while len(self._known) >= VERSIONS_KEPT:
            del self._known[next(iter(self._known))]
        self._known[event_id, version] = VersionProgress(self._clock_ns())

    def of(self, event_id: str, version: int) -> VersionProgress | None:
        """One version's, if it is among the newest."""
        return self._known.get((event_id, version))

    def sent(self, event_id: str, version: int, now_ns: int, signed_ns: int) -> None:
        """One alert has been written to a broker."""
        progress = self._known.get((event_id, version))
        if progress is None:
            return
        if not progress.alerts:
            progress.first_sent_ns, progress.signed_ns = now_ns, signed_ns
        progress.alerts += 1
        progress.last_sent_ns = now_ns

    def acknowledged(self, event_id: str, version: int, now_ns: int) -> None:
        """The broker has one alert."""
        progress = self._known.get((event_id, version))
        if progress is not None:
            progress.acknowledged += 1
            progress.last_acknowledged_ns = now_ns
