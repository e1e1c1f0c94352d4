"""PURE: counts what was sent and acknowledged, in all and of each event version."""

from collections.abc import Callable
from dataclasses import dataclass

VERSIONS_KEPT = 256


@dataclass(slots=True)
class PublisherStatus:
    """Numbers and state of the publisher, for health and metrics."""

    connected: int = 0
    sent: int = 0
    expired: int = 0
    refused: int = 0
    repeated: int = 0
    reconnects: int = 0
    last_error: str | None = None


@dataclass(slots=True)
class VersionProgress:
    """Number and times of an event version's alerts: wall-clock ns, 0 where not reached yet.

    ``signed_ns`` is the time that making and signing the first message took.
    """

    submitted_ns: int
    alerts: int = 0
    signed_ns: int = 0
    first_sent_ns: int = 0
    last_sent_ns: int = 0
    acknowledged: int = 0
    last_acknowledged_ns: int = 0


class SendProgress:
    """The progress of the newest versions, by event and version; ``clock_ns`` is the wall clock."""

    def __init__(self, clock_ns: Callable[[], int]) -> None:
        self._clock_ns = clock_ns
        self._known: dict[tuple[str, int], VersionProgress] = {}

    def submit(self, event_id: str, version: int) -> None:
        """Note that a plan was submitted; a version may have one for each group of targets."""
        if (event_id, version) in self._known:
            return
        while len(self._known) >= VERSIONS_KEPT:
            del self._known[next(iter(self._known))]
        self._known[event_id, version] = VersionProgress(self._clock_ns())

    def of(self, event_id: str, version: int) -> VersionProgress | None:
        """The progress of one version, if it is among the newest."""
        return self._known.get((event_id, version))

    def sent(self, event_id: str, version: int, now_ns: int, signed_ns: int) -> None:
        """Count an alert that has been written to a broker."""
        progress = self._known.get((event_id, version))
        if progress is None:
            return
        if not progress.alerts:
            progress.first_sent_ns, progress.signed_ns = now_ns, signed_ns
        progress.alerts += 1
        progress.last_sent_ns = now_ns

    def acknowledged(self, event_id: str, version: int, now_ns: int) -> None:
        """Count an alert that the broker has acknowledged."""
        progress = self._known.get((event_id, version))
        if progress is not None:
            progress.acknowledged += 1
            progress.last_acknowledged_ns = now_ns
