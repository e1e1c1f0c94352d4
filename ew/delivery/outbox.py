"""PURE: messages other than alerts that wait for the broker, and those that topics retain."""

from collections import deque
from dataclasses import dataclass

from ew.delivery.retained import SendRecord

OTHERS_MOST = 10_000
"""Most messages that wait; beyond it the oldest are dropped and counted."""


@dataclass(slots=True, eq=False)
class Outgoing:
    """A message to be sent: the ``number``-th; ``record`` is that of an alert."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    expires_s: float | None = None
    record: SendRecord | None = None
    number: int = 0

    def is_over(self, now_s: float) -> bool:
        """Whether it has expired."""
        return self.expires_s is not None and self.expires_s <= now_s


class Outbox:
    """A bounded queue, first in, first out.

    It also holds what topics retain, to publish it again to a broker that has lost it.
    """

    def __init__(self, most: int = OTHERS_MOST) -> None:
        self.dropped = 0
        self._most = most
        self._waiting: deque[Outgoing] = deque()
        self._standing: dict[str, Outgoing] = {}

    def __len__(self) -> int:
        """The number of messages that wait."""
        return len(self._waiting)

    def put(self, outgoing: Outgoing, now_s: float, *, is_connected: bool) -> None:
        """Add a message; one of QoS 0 is dropped while the broker is lost: it would be too late."""
        if outgoing.retain:
            self._stand(outgoing, now_s)
        if not outgoing.qos and not is_connected:
            self.dropped += 1
        else:
            self._add(outgoing)

    def pop(self) -> Outgoing | None:
        """Remove and return the next message."""
        return self._waiting.popleft() if self._waiting else None

    def send_again(self, now_s: float) -> int:
        """Queue all that topics retain once more; returns their number."""
        standing = [one for one in self._standing.values() if not one.is_over(now_s)]
        for outgoing in standing:
            self._add(outgoing)
        return len(standing)

    def _add(self, outgoing: Outgoing) -> None:
        if len(self._waiting) >= self._most:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(outgoing)

    def _stand(self, outgoing: Outgoing, now_s: float) -> None:
        gone = [topic for topic, one in self._standing.items() if one.is_over(now_s)]
        for topic in [*gone, outgoing.topic]:
            self._standing.pop(topic, None)
        if outgoing.payload:
            self._standing[outgoing.topic] = outgoing
