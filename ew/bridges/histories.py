"""PURE: the published versions of each event, from its verified messages."""

from dataclasses import dataclass, field
from typing import Protocol, cast

from ew.alerts.message import parse_event
from ew.alerts.trust import Verifier
from ew.records import EventVersion, Status

EVENTS_KEPT = 64


class FileWriter(Protocol):
    """Turns event messages into files."""

    @property
    def verifier(self) -> Verifier:
        """The verifier of the messages; documents of keys are given to it."""

    def take(self, payload: bytes, now_us: int) -> dict[str, bytes]:
        """The files of a message by name; none if it is not new. Raises MessageError."""


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
