"""PURE: the published versions of each event, from its verified messages."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, cast

from ew.alerts.message import parse_event
from ew.alerts.trust import Verifier
from ew.records import EventVersion, Status

EVENTS_KEPT = 64


class FileWriter(Protocol):
    """Turns the versions of an event into files."""

    def files(self, history: Sequence[EventVersion], status: Status) -> dict[str, bytes]:
        """The files to write for an event's newest version, by name."""


@dataclass(slots=True)
class Histories:
    """The versions of the newest events, each verified."""

    verifier: Verifier
    _by_event: dict[str, list[EventVersion]] = field(default_factory=dict)

    def take(self, payload: bytes, now_us: int) -> tuple[list[EventVersion], Status] | None:
        """All versions so far of a message's event, and its status; ``None``: nothing new.

        Raises:
            MessageError: it is no event message, or is not signed with a key that the roots vouch
                for.
        """
        version, plain = parse_event(payload)
        self.verifier.verify(plain, now_us)
        history = self._by_event.setdefault(version.event_id, [])
        if history and version.version <= history[-1].version:
            return None
        history.append(version)
        while len(self._by_event) > EVENTS_KEPT:
            del self._by_event[next(iter(self._by_event))]
        return history, cast("Status", plain["status"])  # validated by ``parse_event``
