"""PURE: what each packet of a connected client does, and how it is answered."""

import logging
from collections.abc import Callable
from typing import Protocol

from mqtt_broker import decode, encode
from mqtt_broker.access import Role
from mqtt_broker.packets import (
    FAILED,
    V5,
    Filter,
    Prop,
    ProtocolError,
    Publish,
    Reason,
    Type,
    number,
)
from mqtt_broker.router import Broker
from mqtt_broker.scheduler import Scheduler
from mqtt_broker.sessions import Session, new_message
from mqtt_broker.subscriptions import SHARE, Subscription, unshared

log = logging.getLogger("mqtt_broker")

ALIAS_MAXIMUM = 32
RECEIVE_MAXIMUM = 1024
"""QoS 2 messages that a client may have in flight; QoS 1 is acknowledged at once."""
SUBSCRIBE_WORK = 10
"""Work of a subscription in publishes (``scheduler``)."""
PINGRESP = encode.packet(Type.PINGRESP, 0, b"")


class Client(Protocol):
    """What a request needs of its connection; ``aliases``: topics by their alias."""

    version: int
    role: Role
    broker: Broker
    scheduler: Scheduler
    aliases: dict[int, str]

    def now(self) -> float:
        """The broker's time, seconds."""

    def send(self, data: bytes) -> None:
        """Send bytes."""

    def disconnect(self, *, is_clean: bool) -> None:
        """End the connection; ``is_clean``: the client's will is not published."""


def answer(client: Client, session: Session, kind: int, flags: int, body: bytes) -> None:
    """Handle a packet and answer it.

    Raises:
        ProtocolError: the standard forbids it, or the client may not do it.
    """
    if kind == Type.PUBLISH:
        _publish(client, session, decode.parse_publish(client.version, flags, body))
        return
    handler = _HANDLERS.get(kind)
    if not kind:
        raise ProtocolError(Reason.MALFORMED, "packet type 0 is forbidden (2.1.2)")
    if handler is None:
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"a client may not send packet type {kind}")
    if kind not in (Type.SUBSCRIBE, Type.UNSUBSCRIBE) and flags != (
        2 if kind == Type.PUBREL else 0
    ):
        raise ProtocolError(Reason.MALFORMED, f"reserved flags {flags:#x}")
    handler(client, session, flags, body)


def _publish(client: Client, session: Session, packet: Publish) -> None:
    topic = _resolve(client, packet)
    if number(packet.properties, Prop.SUBSCRIPTION_ID, -1) >= 0:
        text = "a client may not send a subscription identifier (3.3.4)"
        raise ProtocolError(Reason.PROTOCOL_ERROR, text)
    if packet.qos == 2 and packet.packet_id in session.received:
        client.send(encode.ack(client.version, Type.PUBREC, packet.packet_id))
        return
    if packet.qos == 2 and len(session.received) >= RECEIVE_MAXIMUM:
        raise ProtocolError(Reason.RECEIVE_MAXIMUM_EXCEEDED, "too many messages under way")
    if client.role.may_publish(topic):
        reason = _fan_out(client, session, topic, packet)
    else:
        reason = _refuse_topic(client, session, topic)
    if packet.qos == 1:
        client.send(encode.ack(client.version, Type.PUBACK, packet.packet_id, reason))
    elif packet.qos == 2:
        if reason < FAILED:
            session.received.add(packet.packet_id)
        client.send(encode.ack(client.version, Type.PUBREC, packet.packet_id, reason))


def _fan_out(client: Client, session: Session, topic: str, packet: Publish) -> Reason:
    now = client.now()
    message = new_message(
        topic, packet.payload, packet.qos, packet.properties, session.client_id, now
    )
    retain = packet.retain and client.role.may_retain
    receivers = client.broker.publish(message, retain=retain, now=now)
    client.scheduler.spend(1 + receivers)
    return Reason.SUCCESS if receivers else Reason.NO_MATCHING_SUBSCRIBERS


def _refuse_topic(client: Client, session: Session, topic: str) -> Reason:
    """Answer a forbidden publish: 3.1.1 has no reason code, its connection ends (3.3.5)."""
    if not session.refused:  # once: a client must not write the log full
        log.warning("%s may not publish to %s", session.client_id, topic)
    session.refused += 1
    client.scheduler.spend(1)
    if client.version != V5:
        raise ProtocolError(Reason.NOT_AUTHORIZED, f"not allowed: {topic!r}")
    return Reason.NOT_AUTHORIZED


def _resolve(client: Client, packet: Publish) -> str:
    """Return the topic of a publish, by its alias if it has one (3.3.2.3.4)."""
    alias = number(packet.properties, Prop.TOPIC_ALIAS, -1)
    if alias >= 0:
        if not 1 <= alias <= ALIAS_MAXIMUM:
            raise ProtocolError(Reason.TOPIC_ALIAS_INVALID, f"topic alias {alias}")
        if packet.topic:
            client.aliases[alias] = packet.topic
        elif alias in client.aliases:
            return client.aliases[alias]
    if not packet.topic:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "PUBLISH without a topic")
    return packet.topic


def _acknowledge(client: Client, kind: Type, session: Session, body: bytes) -> None:
    packet_id, reason = decode.parse_ack(client.version, kind, body)
    said = session.acknowledge(kind, packet_id, reason, client.now())
    if said:
        client.send(said)


def _release(client: Client, session: Session, _flags: int, body: bytes) -> None:
    packet_id, _ = decode.parse_ack(client.version, Type.PUBREL, body)
    known = packet_id in session.received
    session.received.discard(packet_id)
    reason = Reason.SUCCESS if known else Reason.PACKET_ID_NOT_FOUND
    client.send(encode.ack(client.version, Type.PUBCOMP, packet_id, reason))


def _subscribe(client: Client, session: Session, flags: int, body: bytes) -> None:
    packet_id, filters, identifier = decode.parse_subscribe(client.version, flags, body)
    client.scheduler.spend(SUBSCRIBE_WORK * len(filters))
    reasons: list[int] = []
    accepted: list[tuple[str, Subscription]] = []
    for one in filters:
        refused = _refusal(client, one)
        if refused is not None:
            reasons.append(refused)
            continue
        sub = Subscription(one.qos, one.no_local, one.retain_as_published, identifier)
        is_new = client.broker.subscriptions.add(session, one.filter, sub)
        if one.filter.startswith(SHARE):
            pass  # retained messages do not come to shared subscriptions (4.8.2)
        elif one.retain_handling == 0 or (one.retain_handling == 1 and is_new):
            accepted.append((one.filter, sub))
        reasons.append(one.qos)
    _answer_list(client, session, encode.suback(client.version, Type.SUBACK, packet_id, reasons))
    for text, sub in accepted:
        client.broker.send_retained(session, text, sub, client.now())


def _refusal(client: Client, one: Filter) -> Reason | None:
    if not decode.is_filter(one.filter):
        return Reason.FILTER_INVALID
    if not client.role.may_subscribe(unshared(one.filter)):
        return Reason.NOT_AUTHORIZED
    if one.filter.startswith(SHARE) and one.no_local:
        raise ProtocolError(
            Reason.PROTOCOL_ERROR, "a shared subscription can't be no-local (3.8.3.1)"
        )
    return None


def _unsubscribe(client: Client, session: Session, flags: int, body: bytes) -> None:
    packet_id, filters = decode.parse_unsubscribe(client.version, flags, body)
    client.scheduler.spend(len(filters))
    subscriptions = client.broker.subscriptions
    reasons: list[int] = [
        Reason.SUCCESS if subscriptions.remove(session, text) else Reason.NO_SUBSCRIPTION_EXISTED
        for text in filters
    ]
    _answer_list(client, session, encode.suback(client.version, Type.UNSUBACK, packet_id, reasons))


def _answer_list(client: Client, session: Session, data: bytes) -> None:
    """Send an answer with a reason for each filter, if the client accepts its size (3.1.2.11.4)."""
    if len(data) > session.maximum_packet:
        raise ProtocolError(Reason.PACKET_TOO_LARGE, f"an answer of {len(data)} bytes")
    client.send(data)


def _disconnect(client: Client, session: Session, _flags: int, body: bytes) -> None:
    reason, items = decode.parse_disconnect(client.version, body)
    expiry = number(items, Prop.SESSION_EXPIRY, -1)
    if expiry > 0 and session.expiry_s == 0:
        raise ProtocolError(
            Reason.PROTOCOL_ERROR, "a session without expiry can't be given one at its end"
        )
    if expiry >= 0:
        session.expiry_s = float("inf") if expiry == 0xFFFFFFFF else float(expiry)
    # Any other reason publishes the will (3.1.2.5)
    client.disconnect(is_clean=reason == Reason.SUCCESS)


def _ping(client: Client, _session: Session, _flags: int, body: bytes) -> None:
    decode.check_empty(body)
    client.send(PINGRESP)


_Handler = Callable[[Client, Session, int, bytes], None]
_HANDLERS: dict[int, _Handler] = {
    Type.PUBACK: lambda c, s, _, b: _acknowledge(c, Type.PUBACK, s, b),
    Type.PUBREC: lambda c, s, _, b: _acknowledge(c, Type.PUBREC, s, b),
    Type.PUBCOMP: lambda c, s, _, b: _acknowledge(c, Type.PUBCOMP, s, b),
    Type.PUBREL: _release,
    Type.SUBSCRIBE: _subscribe,
    Type.UNSUBSCRIBE: _unsubscribe,
    Type.PINGREQ: _ping,
    Type.DISCONNECT: _disconnect,
}
