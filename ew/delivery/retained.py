"""PURE: chooses the alert that a topic retains where two earthquakes concern it.

MQTT retains one message for each topic. It has to be the most urgent alert that has not expired:
neither a weaker earthquake's nor the cancel of another may replace it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ew.alerts.lanes import Due


@dataclass(slots=True)
class SendRecord:
    """When an alert passed each step inside ``ew``: wall-clock ns, 0 where not reached yet.

    ``row``: where its target stands among those of its plan; ``intensity``: that of the alert.
    """

    topic: str
    event_id: str
    version: int
    submitted_ns: int
    row: int
    intensity: float
    sent_ns: int = 0
    acked_ns: int = 0
    signed_ns: int = 0  # duration of making and signing


@dataclass(slots=True, eq=False)
class Published:
    """An alert that has been sent, and its expiry (epoch seconds).

    ``is_retained``: the broker retains it for its topic.
    """

    record: SendRecord
    due: Due
    expires_s: float
    is_retained: bool = True

    @property
    def is_cancel(self) -> bool:
        """Whether it ends its event."""
        return self.due.plan.version.kind == "cancel"

    def urgency(self, now_s: float) -> tuple[bool, float]:
        """Sort key: alerts whose S is still to come before others, then by intensity."""
        plan, place = self.due.plan, self.due.place
        is_coming = plan.s_arrival_s(place) > now_s
        return is_coming, float(plan.intensity[plan.order[place]])


@dataclass(slots=True)
class RetainedAlerts:
    """The newest alert of each event by topic, and which of them the broker retains."""

    _alone: dict[str, Published] = field(default_factory=dict)
    """Topics with one event: nearly all."""
    _several: dict[str, dict[str, Published]] = field(default_factory=dict)
    """Topics with several events, by event."""

    def __len__(self) -> int:
        return len(self._alone) + sum(map(len, self._several.values()))

    def __iter__(self) -> Iterator[Published]:
        yield from self._alone.values()
        for by_event in self._several.values():
            yield from by_event.values()

    def newest(self, topic: str, event_id: str) -> Published | None:
        """The newest alert of an event on a topic."""
        alone = self._alone.get(topic)
        if alone is not None:
            return alone if alone.record.event_id == event_id else None
        return self._several.get(topic, {}).get(event_id)

    def note(self, alert: Published, now_s: float) -> Published | None:
        """Add an alert that is about to be sent, and set its ``is_retained``.

        Returns the alert of another event that is to be retained (again) in its place, if any.
        """
        topic, event_id = alert.record.topic, alert.record.event_id
        alone = self._alone.get(topic)
        if topic not in self._several:
            if alone is None or alone.record.event_id == event_id or alone.expires_s <= now_s:
                alert.is_retained = True
                self._alone[topic] = alert
                return None
            del self._alone[topic]
            self._several[topic] = {alone.record.event_id: alone}
        by_event = self._several[topic]
        before = by_event.get(event_id)
        alert.is_retained = before is not None and before.is_retained
        by_event[event_id] = alert
        held = _retained_of(by_event)
        return self._choose(topic, now_s, held, sending=alert)

    def expire(self, now_s: float) -> tuple[list[str], list[Published]]:
        """Remove expired alerts; returns topics left empty, and alerts to retain instead."""
        emptied = [topic for topic, one in self._alone.items() if one.expires_s <= now_s]
        for topic in emptied:
            del self._alone[topic]
        put_back = []
        for topic, by_event in list(self._several.items()):
            held = _retained_of(by_event)
            for event_id in [i for i, one in by_event.items() if one.expires_s <= now_s]:
                del by_event[event_id]
            if not by_event:
                del self._several[topic]
                emptied.append(topic)
                continue
            again = self._choose(topic, now_s, held, sending=None)
            if again is not None:
                put_back.append(again)
            if len(by_event) == 1:
                del self._several[topic]
                (self._alone[topic],) = by_event.values()
        return emptied, put_back

    def _choose(
        self, topic: str, now_s: float, held: Published | None, sending: Published | None
    ) -> Published | None:
        """Retain the most urgent alert; returned if it has to be sent once more for that."""
        ones = list(self._several[topic].values())
        living = [one for one in ones if not one.is_cancel and one.expires_s > now_s]
        best = max(living, key=lambda one: one.urgency(now_s), default=sending or held)
        for one in ones:
            one.is_retained = one is best
        return None if best is held or best is sending else best


def _retained_of(by_event: Mapping[str, Published]) -> Published | None:
    """The alert that the broker retains now, of those on one topic."""
    return next((one for one in by_event.values() if one.is_retained), None)
