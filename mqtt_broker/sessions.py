"""PURE: messages, and the sessions that deliver them to one client each; time is passed in.

A session outlives its connection as long as its client asked. Deliveries go to the session's link,
a thing with ``send``. They wait in the session while it has no link, or while as many of them are
unacknowledged as the client allows.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from mqtt_broker import encode
from mqtt_broker.packets import (
    MAX_VARINT,
    Prop,
    Properties,
    ProtocolError,
    Reason,
    Type,
    Will,
    number,
)
from mqtt_broker.subscriptions import Subscription

QUEUE_LIMIT = 1000
"""Messages kept for a client that is away or slow; beyond it the oldest is dropped."""
QUEUE_BYTES = 4 << 20
"""Bytes of their payloads: a thousand clients that are away must not fill the memory."""
INFLIGHT_LIMIT = 1024
"""Unacknowledged messages to one client at once, even if it accepts more."""
_FORWARDED = {1, 3, 8, 9, 0x26}


class Link(Protocol):
    """What a session needs of its connection."""

    def send(self, data: bytes) -> None:
        """Send bytes; a client that reads too slowly is disconnected."""


@dataclass(slots=True, eq=False)
class Message:
    """A published message; ``expires`` in the broker's time, s (``None``: never)."""

    topic: str
    payload: bytes
    qos: int
    properties: Properties
    publisher: str
    expires: float | None
    _parts: dict[tuple[int, int, bool, tuple[int, ...], int], tuple[bytes, bytes]] = field(
        default_factory=dict
    )
    _parts_left: int | None = None

    def is_expired(self, now: float) -> bool:
        """Whether it has expired."""
        return self.expires is not None and now >= self.expires

    def parts(
        self,
        version: int,
        qos: int,
        retain: bool,
        ids: tuple[int, ...],
        now: float,
        alias: int = 0,
    ) -> tuple[bytes, bytes]:
        """Return its PUBLISH in two parts, encoded once for all receivers of one kind.

        ``alias``: 0 for none, positive to set this alias for the topic, negative to use it in the
        topic's place.
        """
        key = (version, qos, retain, ids, alias)
        left = None if self.expires is None else max(0, round(self.expires - now))
        if (
            left != self._parts_left
        ):  # the expiry counts down: what was encoded earlier says too much
            self._parts.clear()
            self._parts_left = left
        known = self._parts.get(key)
        if known is not None:
            return known
        items = [(name, value) for name, value in self.properties if name in _FORWARDED]
        if left is not None:
            items.append((Prop.MESSAGE_EXPIRY, left))
        items += [(Prop.SUBSCRIPTION_ID, identifier) for identifier in ids]
        if alias:
            items.append((Prop.TOPIC_ALIAS, abs(alias)))
        topic = self.topic if alias >= 0 else ""
        made = encode.publish_parts(version, topic, self.payload, qos, retain=retain, items=items)
        self._parts[key] = made
        return made


def new_message(
    topic: str, payload: bytes, qos: int, properties: Properties, publisher: str, now: float
) -> Message:
    """Return a message whose expiry is a moment of the broker's time ``now``."""
    life = number(properties, Prop.MESSAGE_EXPIRY, -1)
    expires = None if life < 0 else now + life
    return Message(topic, payload, qos, properties, publisher, expires)


@dataclass(frozen=True, slots=True)
class _Delivery:
    message: Message
    qos: int
    retain: bool
    ids: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Session:
    """The state of one client's session (4.1)."""

    client_id: str
    version: int
    owner: tuple[int, str] = (0, "")  # rank and name of whom it belongs to
    receive_maximum: int = 65_535
    maximum_packet: int = MAX_VARINT
    expiry_s: float = 0.0
    alias_maximum: int = 0
    link: Link | None = None
    will: Will | None = None
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)  # QoS 2 identifiers between PUBLISH and PUBREL
    dropped: int = 0
    refused: int = 0  # publishes to topics it may not use
    _inflight: dict[int, _Delivery | None] = field(default_factory=dict)  # None: PUBREL was sent
    _waiting: deque[_Delivery] = field(default_factory=deque)
    _waiting_bytes: int = 0
    _again: deque[int] = field(default_factory=deque)  # under way before, not yet sent on this link
    _last_id: int = 0
    _aliases: dict[str, int] = field(default_factory=dict)

    @property
    def is_connected(self) -> bool:
        """Whether it has a connection now."""
        return self.link is not None

    def attach(self, link: Link, receive_maximum: int, maximum_packet: int, aliases: int) -> None:
        """Attach a new connection, with the limits of its client."""
        self.link = link
        self.receive_maximum = min(receive_maximum, INFLIGHT_LIMIT)
        self.maximum_packet = maximum_packet
        self.alias_maximum = aliases
        self._aliases.clear()  # an alias lives as long as its connection (3.3.2.3.4)

    def deliver(
        self, message: Message, qos: int, retain: bool, ids: tuple[int, ...], now: float
    ) -> None:
        """Send a message, or keep it until it can be sent (QoS above 0)."""
        link = self.link
        if qos == 0:
            if link is not None:
                parts = self._encode(message, 0, retain, ids, now)
                if parts is not None:
                    link.send(parts[0] + parts[1])
            return
        delivery = _Delivery(message, qos, retain, ids)
        if link is None or len(self._inflight) >= self.receive_maximum:
            self._keep(delivery)
            return
        self._send(link, self._new_id(), delivery, now, dup=False)

    def _keep(self, delivery: _Delivery) -> None:
        """Queue a message; beyond the limits the oldest are dropped."""
        self._waiting.append(delivery)
        self._waiting_bytes += len(delivery.message.payload)
        while len(self._waiting) > QUEUE_LIMIT or self._waiting_bytes > QUEUE_BYTES:
            self._waiting_bytes -= len(self._waiting.popleft().message.payload)
            self.dropped += 1

    def acknowledge(self, kind: Type, packet_id: int, reason: int, now: float) -> bytes:
        """Handle a PUBACK, PUBREC or PUBCOMP and return the answer to send, if any."""
        if packet_id not in self._inflight:
            missing = Reason.PACKET_ID_NOT_FOUND
            return (
                encode.ack(self.version, Type.PUBREL, packet_id, missing)
                if kind == Type.PUBREC
                else b""
            )
        self._check_turn(kind, packet_id)
        if kind == Type.PUBREC and reason < 0x80:
            self._inflight[packet_id] = None
            return encode.ack(self.version, Type.PUBREL, packet_id)
        del self._inflight[packet_id]
        self.flush(now)
        return b""

    def _check_turn(self, kind: Type, packet_id: int) -> None:
        """Check that PUBACK answers QoS 1, PUBREC QoS 2 and PUBCOMP a PUBREL (4.3)."""
        delivery = self._inflight[packet_id]
        if delivery is None:
            fits = kind != Type.PUBACK  # a repeated PUBREC is answered by PUBREL once more
        else:
            fits = kind == (Type.PUBACK if delivery.qos == 1 else Type.PUBREC)
        if not fits:
            text = f"{kind.name} is no answer to packet {packet_id}"
            raise ProtocolError(Reason.PROTOCOL_ERROR, text)

    def flush(self, now: float) -> None:
        """Send what waits, as far as the client allows, unacknowledged messages first."""
        while (
            self._again
            and self.link is not None
            and len(self._inflight) - len(self._again) < self.receive_maximum
        ):
            packet_id = self._again.popleft()
            delivery = self._inflight.get(packet_id)
            if delivery is None:
                continue
            # What was sent at QoS 2 is sent to its end, expired or not (4.3.3)
            if delivery.qos == 1 and delivery.message.is_expired(now):
                del self._inflight[packet_id]
            else:
                self._send(self.link, packet_id, delivery, now, dup=True)
        while (
            self._waiting and self.link is not None and len(self._inflight) < self.receive_maximum
        ):
            waiting = self._waiting.popleft()
            self._waiting_bytes -= len(waiting.message.payload)
            if not waiting.message.is_expired(now):
                self._send(self.link, self._new_id(), waiting, now, dup=False)

    def resend(self, now: float) -> None:
        """Send after a reconnect what was not acknowledged, then what waits (4.4).

        Never more at once than this connection's receive maximum, which may be less than that of
        the last one (3.3.4).
        """
        link = self.link
        if link is None:
            return
        self._again.clear()
        for packet_id, delivery in self._inflight.items():
            if delivery is None:
                link.send(encode.ack(self.version, Type.PUBREL, packet_id))
            else:
                self._again.append(packet_id)
        self.flush(now)

    def _send(
        self, link: Link, packet_id: int, delivery: _Delivery, now: float, *, dup: bool
    ) -> None:
        parts = self._encode(delivery.message, delivery.qos, delivery.retain, delivery.ids, now)
        if parts is None:
            self._inflight.pop(packet_id, None)
            return
        head, tail = parts
        self._inflight[packet_id] = delivery
        if dup:
            head = bytes([head[0] | 8]) + head[1:]
        link.send(b"%b%c%c%b" % (head, packet_id >> 8, packet_id & 0xFF, tail))

    def _encode(
        self, message: Message, qos: int, retain: bool, ids: tuple[int, ...], now: float
    ) -> tuple[bytes, bytes] | None:
        """Return a message for this client, or ``None`` if it is too large for it (3.1.2.11.4)."""
        alias = self._alias(message.topic) if self.alias_maximum else 0
        parts = message.parts(self.version, qos, retain, ids, now, alias)
        if len(parts[0]) + len(parts[1]) + (2 if qos else 0) > self.maximum_packet:
            return None
        if alias > 0:
            self._aliases[message.topic] = alias
        return parts

    def _alias(self, topic: str) -> int:
        known = self._aliases.get(topic, 0)
        if known:
            return -known
        return len(self._aliases) + 1 if len(self._aliases) < self.alias_maximum else 0

    def _new_id(self) -> int:
        while True:
            self._last_id = self._last_id % 65_535 + 1
            if self._last_id not in self._inflight:
                return self._last_id
