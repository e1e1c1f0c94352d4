"""PURE: what another service of the same stations tells beside us, as we hear it.

Nobody is taken to have been told by it: it may have died amid its alerts, and what is told twice devices
act on once. But when an event is cancelled, all who may have heard of it from either are to hear that.
"""

from collections import deque

from ew.records import EventVersion
from ew.times import us_from_seconds

EVENTS_KEPT = 64
OURS_KEPT = 1000


class OtherServices:
    """The versions told elsewhere, by event."""

    def __init__(self) -> None:
        self._heard: dict[str, list[EventVersion]] = {}
        self._newest: dict[str, int] = {}
        self._ours: deque[tuple[str, int, int]] = deque(maxlen=OURS_KEPT)

    def note_ours(self, version: EventVersion) -> None:
        """We tell a version; the broker will tell us of it too."""
        self._ours.append(_name(version))
        self._note_newest(version)

    def receive(self, version: EventVersion) -> bool:
        """Take in a version that was told; whether it is another's, and newer than what is known of its event."""
        if _name(version) in self._ours:
            return False
        while version.event_id not in self._heard and len(self._heard) >= EVENTS_KEPT:
            del self._heard[next(iter(self._heard))]
        self._heard.setdefault(version.event_id, []).append(version)
        return self._note_newest(version)

    def take(self, event_id: str) -> list[EventVersion]:
        """The versions of an event that were told elsewhere, oldest first, for its end."""
        return sorted(self._heard.pop(event_id, []), key=lambda one: one.version)

    def _note_newest(self, version: EventVersion) -> bool:
        before = self._newest.pop(version.event_id, 0)
        self._newest[version.event_id] = max(before, version.version)
        if len(self._newest) > EVENTS_KEPT:
            del self._newest[next(iter(self._newest))]
        return version.version > before


def _name(version: EventVersion) -> tuple[str, int, int]:
    return version.event_id, version.version, us_from_seconds(version.issued_s)
