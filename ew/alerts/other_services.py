"""PURE: the event versions that other services of the same stations publish.

Their targets do not count as alerted: the service may have died amid its alerts, and devices ignore
a version that comes twice. But when an event is cancelled, all that may have been alerted by either
service are sent the cancel.
"""

from collections import deque

from ew.records import EventVersion
from ew.times import us_from_seconds

EVENTS_KEPT = 64
OURS_KEPT = 1000


class OtherServices:
    """The versions published by other services, by event."""

    def __init__(self) -> None:
        self._received: dict[str, list[EventVersion]] = {}
        self._newest: dict[str, int] = {}
        self._ours: deque[tuple[str, int, int]] = deque(maxlen=OURS_KEPT)

    def note_ours(self, version: EventVersion) -> None:
        """Note a version that we publish; the broker will send it to us as well."""
        self._ours.append(_name(version))
        self._note_newest(version)

    def receive(self, version: EventVersion) -> bool:
        """Take a published version; returns whether it is another's and newer than those known."""
        if _name(version) in self._ours:
            return False
        while version.event_id not in self._received and len(self._received) >= EVENTS_KEPT:
            del self._received[next(iter(self._received))]
        self._received.setdefault(version.event_id, []).append(version)
        return self._note_newest(version)

    def take(self, event_id: str) -> list[EventVersion]:
        """Remove and return the other services' versions of an event that ends, oldest first."""
        return sorted(self._received.pop(event_id, []), key=lambda one: one.version)

    def _note_newest(self, version: EventVersion) -> bool:
        before = self._newest.pop(version.event_id, 0)
        self._newest[version.event_id] = max(before, version.version)
        if len(self._newest) > EVENTS_KEPT:
            del self._newest[next(iter(self._newest))]
        return version.version > before


def _name(version: EventVersion) -> tuple[str, int, int]:
    return version.event_id, version.version, us_from_seconds(version.issued_s)
