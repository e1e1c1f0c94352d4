"""PURE: other agencies' solutions of the earthquakes under way, by the event they were told under.

An event may rest on our own picks, on one or several partners, or on both. A partner's cancel
withdraws that partner's part; the event ends when no part is left.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ew.locate.event import Event, is_same_earthquake
from ew.records import EventVersion, Origin, VersionKind


@dataclass(slots=True)
class PartnerSolutions:
    """The newest solution of each partner, by the id of the event it was told under."""

    _parts: dict[str, dict[str, EventVersion]] = field(default_factory=dict)
    _newest: dict[str, int] = field(default_factory=dict)
    """The partner's own version number, by its own id, cancelled ones too."""
    _silenced: set[str] = field(default_factory=set)
    """Events and partners' ids that an operator has cancelled."""

    def add(
        self, theirs: EventVersion, events: Sequence[Event], told: dict[str, EventVersion]
    ) -> EventVersion | None:
        """A partner's solution, with the partner's own id and version numbers.

        ``events``: ours; ``told``: the newest version by id of what was told and is not ours, which
        is kept up here. Returns the version to be told, under the id of the event that is the same
        earthquake; ``None`` if there is nothing to tell: the solution is known or older than one
        that is, or it cancels what stands on others as well.
        """
        is_known = theirs.version <= self._newest.get(theirs.event_id, 0)
        if is_known or theirs.event_id in self._silenced:
            return None
        self._newest[theirs.event_id] = theirs.version
        event_id = next((i for i, p in self._parts.items() if theirs.event_id in p), None)
        if event_id is None:
            same = [e.event_id for e in events if e.is_same(theirs.origin)]
            same += [i for i in self._parts if self._is_like(i, theirs.origin)]
            event_id = next((i for i in same if not self._has_part_of(i, theirs.source)), None)
        if event_id in self._silenced:
            return None
        ours = next((event for event in events if event.event_id == event_id), None)
        if theirs.kind == "cancel":
            return self._withdraw(event_id, ours, told, theirs)
        event_id = event_id or theirs.event_id
        self._parts.setdefault(event_id, {})[theirs.event_id] = theirs
        return self.next_version(event_id, ours, told, theirs)

    def next_version(
        self,
        event_id: str,
        ours: Event | None,
        told: dict[str, EventVersion],
        theirs: EventVersion,
    ) -> EventVersion:
        """The next version of an event, with a partner's solution."""
        before = max(ours.version if ours else 0, told[event_id].version if event_id in told else 0)
        kind: VersionKind = "cancel" if theirs.kind == "cancel" else "update" if before else "alert"
        version = replace(theirs, event_id=event_id, version=before + 1, kind=kind)
        if ours is None:
            told[event_id] = version
        else:
            # What we told last stays as it was: ours is told again when it changes, not in answer
            ours.version, ours.looked_s = before + 1, theirs.issued_s
        return version

    def _withdraw(
        self,
        event_id: str | None,
        ours: Event | None,
        told: dict[str, EventVersion],
        theirs: EventVersion,
    ) -> EventVersion | None:
        if event_id is None:
            return None
        parts = self._parts.get(event_id, {})
        parts.pop(theirs.event_id, None)
        if not parts:
            self._parts.pop(event_id, None)
        if ours is not None:
            ours.issued, ours.looked_s = None, -math.inf  # what we know of it is told again
            return None
        left = self.standing(event_id)
        if left is not None:
            theirs = replace(left, issued_s=theirs.issued_s)
        elif event_id not in told:
            return None
        return self.next_version(event_id, None, told, theirs)

    def _is_like(self, event_id: str, origin: Origin) -> bool:
        """Whether an event has a partner's solution of this earthquake."""
        parts = self._parts[event_id].values()
        return any(is_same_earthquake(part.origin, origin) for part in parts)

    def _has_part_of(self, event_id: str, source: str) -> bool:
        """Whether a partner's solution of an event is known: its other ids are other earthquakes."""
        return any(part.source == source for part in self._parts.get(event_id, {}).values())

    def drop(self, event_id: str) -> None:
        """An operator has cancelled an event: what partners say of it is heard no more."""
        self._silenced.update(self._parts.pop(event_id, {}))
        self._silenced.add(event_id)

    def recall(self, told: EventVersion) -> None:
        """Know a partner's event again that was told before a restart."""
        if told.kind == "cancel":
            self._parts.pop(told.event_id, None)
        else:
            self._parts.setdefault(told.event_id, {}).setdefault(told.event_id, told)

    def standing(self, event_id: str) -> EventVersion | None:
        """The newest solution of the partners that still stands for an event."""
        parts: Iterable[EventVersion] = self._parts.get(event_id, {}).values()
        return max(parts, key=lambda part: part.issued_s, default=None)

    def rename(self, before: str, event_id: str) -> None:
        """An event has got another id."""
        if before != event_id and before in self._parts:
            self._parts.setdefault(event_id, {}).update(self._parts.pop(before))

    def forget(self, before_s: float) -> None:
        """Let go of solutions with origins before a time (epoch seconds)."""
        for event_id, parts in list(self._parts.items()):
            for partner_id in [i for i, p in parts.items() if p.origin.time_s < before_s]:
                del parts[partner_id]
                self._newest.pop(partner_id, None)
            if not parts:
                del self._parts[event_id]
