"""SHELL: one connection of the embedded broker: bytes from its socket to ``state`` and back, within limits."""

import asyncio
import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ew.delivery.embedded import decode, encode
from ew.delivery.embedded.access import Access, Role
from ew.delivery.embedded.packets import (
    FAILED,
    MAX_VARINT,
    RETURN_CODES,
    V5,
    V311,
    Connect,
    Prop,
    Properties,
    ProtocolError,
    Publish,
    Reason,
    Type,
    number,
)
from ew.delivery.embedded.state import (
    Broker,
    Session,
    new_message,
)
from ew.delivery.embedded.subscriptions import SHARE, Subscription, unshared

log = logging.getLogger("ew.broker")

ALIAS_MAXIMUM = 32
PUBACK_HEAD = bytes([Type.PUBACK << 4, 2])
PINGRESP = encode.packet(Type.PINGRESP, 0, b"")
CONNECT_BYTE = Type.CONNECT << 4
RECEIVE_MAXIMUM = 1024
"""QoS 2 messages a client may have under way to us; QoS 1 is acknowledged at once."""
KEEP_ALIVE_MOST_S = 60
"""An MQTT 5 client is told to be heard this often: a dead phone is noticed within 90 s."""
LINGER_S = 2.0
"""How long a client that was refused may still talk, unheard: closing at once would reset the connection before it has read why."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may ask of the broker."""

    packet_bytes: int = 4 << 20
    write_buffer_bytes: int = 8 << 20
    sessions: int = 100_000


class Host(Protocol):
    """The server, as its connections see it."""

    limits: Limits
    access: Access
    logins: asyncio.Semaphore
    broker: Broker
    connections: "set[Connection]"

    @staticmethod
    def now() -> float:
        """The broker's time, seconds."""


class Connection(asyncio.Protocol):
    """One client: reads packets, answers them, and is the link of its session."""

    def __init__(self, server: Host) -> None:
        self._server = server
        self._splitter = decode.Splitter(server.limits.packet_bytes)
        self._transport: asyncio.Transport | None = None
        self._aliases: dict[int, str] = {}
        self._is_clean_end = False
        self._role = Role.SERVICE
        self._login: asyncio.Task[None] | None = None
        self._held = b""
        self.session: Session | None = None
        self.version = V311  # until CONNECT says more
        self.keep_alive_s = 0.0
        self.last_heard = server.now()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has come."""
        if not isinstance(transport, asyncio.Transport) and not hasattr(transport, "write"):
            raise TypeError("a stream transport is needed")
        self._transport = transport  # type: ignore[assignment] # uvloop's transport is not asyncio's class
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._is_gone():
            return
        self.last_heard = self._server.now()
        if self._is_checking():  # what comes before the password is checked has to wait
            self._held += data
            if len(self._held) > self._server.limits.packet_bytes:
                self.close()
            return
        session = self.session
        if session is not None and len(data) == 4 and data[:2] == PUBACK_HEAD:
            # One plain PUBACK, what nearly all that devices send is: a quarter of the cost of the long way
            if self._splitter.is_empty:
                packet_id = data[2] << 8 | data[3]
                session.acknowledge(Type.PUBACK, packet_id, 0, self.last_heard)
                return
        elif session is None and self._splitter.is_empty and data[0] != CONNECT_BYTE:
            # Whatever speaks first in another way is no MQTT client; waiting for its "packet" would hold the socket
            self.close()
            return
        try:
            for kind, flags, body in self._splitter.feed(data):
                self._handle(kind, flags, body)
                if self._is_gone() or self._is_checking():
                    return
        except ProtocolError as error:
            self._refuse(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        del exc
        self._server.connections.discard(self)
        self._transport = None
        if self._login is not None:
            self._login.cancel()
        self._leave()

    def send(self, data: bytes) -> None:
        """Send, unless the client reads so slowly that others would suffer: then it is dropped."""
        transport = self._transport
        if transport is None:
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self._server.limits.write_buffer_bytes:
            log.warning("slow consumer dropped: %s", self.session and self.session.client_id)
            self._transport = None
            transport.abort()

    def close(self, reason: int | None = None) -> None:
        """End the connection, telling an MQTT 5 client why."""
        transport, self._transport = self._transport, None
        if transport is None:
            return
        if reason is None:
            transport.close()
        else:
            if self.version == V5 and self.session is not None:
                transport.write(encode.disconnect(reason))
            if not transport.is_closing():
                if transport.can_write_eof():  # TLS can't: what was written is sent, then it is cut
                    transport.write_eof()
                asyncio.get_running_loop().call_later(LINGER_S, transport.abort)
        self._leave()

    def _is_checking(self) -> bool:
        return self._login is not None

    def _is_gone(self) -> bool:
        return self._transport is None

    def _leave(self) -> None:
        session, self.session = self.session, None
        if session is not None and session.link is self:
            self._server.broker.leave(session, self._server.now(), with_will=not self._is_clean_end)

    def shut_down(self) -> None:
        """End because the broker ends: nobody has died, so there is no will."""
        self._is_clean_end = True
        self.close(Reason.SERVER_SHUTTING_DOWN)

    # MQTT's side

    def _handle(self, kind: int, flags: int, body: bytes) -> None:
        if self.session is None:
            if kind != Type.CONNECT or flags:
                raise ProtocolError(Reason.PROTOCOL_ERROR, "the first packet must be CONNECT")
            self.version = decode.version_of(body)
            self._ask_who(decode.parse_connect(body))
            return
        if kind == Type.PUBLISH:
            self._publish(self.session, decode.parse_publish(self.version, flags, body))
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
        handler(self, self.session, flags, body)

    def _refuse(self, error: ProtocolError) -> None:
        log.info("client refused: %s", error)
        if self.session is None and self._transport is not None and self._is_answered(error):
            self._transport.write(
                encode.connack(self.version, session_present=False, reason=error.reason, items=[])
            )
        self.close(error.reason)

    def _is_answered(self, error: ProtocolError) -> bool:
        """Whether a refused CONNECT gets a CONNACK: 3.1.1 has no code for malformed ones and closes (3.1.4)."""
        return self.version == V5 or error.reason in RETURN_CODES

    def _ask_who(self, asked: Connect) -> None:
        """Let the client in at once, or check its password beside the loop: that takes some 50 ms by design."""
        self.version = asked.version
        access = self._server.access
        if any(name == Prop.AUTH_METHOD for name, _ in asked.properties):
            raise ProtocolError(Reason.BAD_AUTH_METHOD, "no authentication method is known here")
        if not access.asks(asked.username):
            self._role = access.anonymous_role
            self._connect(asked)
            return
        self._login = asyncio.create_task(self._log_in(asked), name="broker-login")

    async def _log_in(self, asked: Connect) -> None:
        async with self._server.logins:
            role = await asyncio.to_thread(
                self._server.access.check, asked.username or "", asked.password or b""
            )
        self._login = None
        if self._is_gone():
            return
        if role is None:
            self._refuse(ProtocolError(Reason.BAD_USER_OR_PASSWORD, f"user {asked.username!r}"))
            return
        self._role = role
        try:
            self._connect(asked)
        except ProtocolError as error:
            self._refuse(error)
            return
        held, self._held = self._held, b""
        self.data_received(held)

    def _connect(self, asked: Connect) -> None:
        self.version = asked.version
        self._splitter.is_strict = asked.version == V5
        now = self._server.now()
        if asked.will is not None and not self._role.may_publish(asked.will.topic):
            text = f"its will may not go to {asked.will.topic!r}"
            raise ProtocolError(Reason.NOT_AUTHORIZED, text)
        items: Properties = []
        client_id = asked.client_id
        if not client_id:
            if asked.version != V5 and not asked.clean_start:
                raise ProtocolError(
                    Reason.CLIENT_ID_INVALID, "an empty client identifier needs a clean session"
                )
            client_id = f"ew-{uuid.uuid4().hex[:16]}"
            items.append((Prop.ASSIGNED_CLIENT_ID, client_id))
        session, is_present = self._take_over(asked, client_id, now)
        session.will, session.version = asked.will, asked.version
        session.attach(
            self,
            asked.get(Prop.RECEIVE_MAXIMUM, 65_535),
            asked.get(Prop.MAXIMUM_PACKET_SIZE, MAX_VARINT),
            asked.get(Prop.TOPIC_ALIAS_MAXIMUM, 0),
        )
        forever = float("inf")
        if asked.version == V5:
            expiry = asked.get(Prop.SESSION_EXPIRY, 0)
            session.expiry_s = forever if expiry == 0xFFFFFFFF else float(expiry)
        else:
            session.expiry_s = 0.0 if asked.clean_start else forever
        self.session, self.keep_alive_s = session, float(asked.keep_alive_s)
        if asked.version == V5 and asked.keep_alive_s > KEEP_ALIVE_MOST_S:
            self.keep_alive_s = float(KEEP_ALIVE_MOST_S)
            items.append((Prop.SERVER_KEEP_ALIVE, KEEP_ALIVE_MOST_S))
        items += [
            (Prop.RECEIVE_MAXIMUM, RECEIVE_MAXIMUM),
            (Prop.TOPIC_ALIAS_MAXIMUM, ALIAS_MAXIMUM),
            (Prop.MAXIMUM_PACKET_SIZE, self._server.limits.packet_bytes),
        ]
        self.send(encode.connack(self.version, session_present=is_present, reason=0, items=items))
        session.resend(now)

    def _take_over(self, asked: Connect, client_id: str, now: float) -> tuple[Session, bool]:
        """The client's session, new or its own from before; a connection still in it is ended (3.1.4)."""
        broker = self._server.broker
        old = broker.sessions.get(client_id)
        if old is not None and isinstance(old.link, Connection):
            old.link.close(Reason.TAKEN_OVER)
            old = broker.sessions.get(client_id)
        if old is not None and (asked.clean_start or broker.is_over(old, now)):
            broker.end(old, now)
            old = None
        if old is not None:
            broker.back(old)
            return old, True
        if len(broker.sessions) >= self._server.limits.sessions:
            raise ProtocolError(Reason.QUOTA_EXCEEDED, "too many sessions")
        session = broker.sessions[client_id] = Session(client_id, asked.version)
        return session, False

    def _publish(self, session: Session, packet: Publish) -> None:
        broker, now = self._server.broker, self._server.now()
        topic = self._resolve(packet)
        if number(packet.properties, Prop.SUBSCRIPTION_ID, -1) >= 0:
            text = "a client may not send a subscription identifier (3.3.4)"
            raise ProtocolError(Reason.PROTOCOL_ERROR, text)
        if packet.qos == 2 and packet.packet_id in session.received:
            self.send(encode.ack(self.version, Type.PUBREC, packet.packet_id))
            return
        if packet.qos == 2 and len(session.received) >= RECEIVE_MAXIMUM:
            raise ProtocolError(Reason.RECEIVE_MAXIMUM_EXCEEDED, "too many messages under way")
        if not self._role.may_publish(topic):
            reason = self._refuse_topic(topic)
        else:
            message = new_message(
                topic, packet.payload, packet.qos, packet.properties, session.client_id, now
            )
            receivers = broker.publish(message, retain=packet.retain, now=now)
            reason = Reason.SUCCESS if receivers else Reason.NO_MATCHING_SUBSCRIBERS
        if packet.qos == 1:
            self.send(encode.ack(self.version, Type.PUBACK, packet.packet_id, reason))
        elif packet.qos == 2:
            if reason < FAILED:
                session.received.add(packet.packet_id)
            self.send(encode.ack(self.version, Type.PUBREC, packet.packet_id, reason))

    def _refuse_topic(self, topic: str) -> Reason:
        """A publish that is not allowed is acknowledged as such; 3.1.1 has no word for it and the connection ends (3.3.5)."""
        log.warning("%s may not publish to %s", self.session and self.session.client_id, topic)
        if self.version != V5:
            raise ProtocolError(Reason.NOT_AUTHORIZED, f"not allowed: {topic!r}")
        return Reason.NOT_AUTHORIZED

    def _resolve(self, packet: Publish) -> str:
        """The topic, by its alias if it has one (3.3.2.3.4)."""
        alias = number(packet.properties, Prop.TOPIC_ALIAS, -1)
        if alias >= 0:
            if not 1 <= alias <= ALIAS_MAXIMUM:
                raise ProtocolError(Reason.TOPIC_ALIAS_INVALID, f"topic alias {alias}")
            if packet.topic:
                self._aliases[alias] = packet.topic
            elif alias in self._aliases:
                return self._aliases[alias]
        if not packet.topic:
            raise ProtocolError(Reason.PROTOCOL_ERROR, "PUBLISH without a topic")
        return packet.topic

    def _acknowledge(self, kind: Type, session: Session, body: bytes) -> None:
        packet_id, reason = decode.parse_ack(self.version, kind, body)
        answer = session.acknowledge(kind, packet_id, reason, self._server.now())
        if answer:
            self.send(answer)

    def _release(self, session: Session, body: bytes) -> None:
        packet_id, _ = decode.parse_ack(self.version, Type.PUBREL, body)
        known = packet_id in session.received
        session.received.discard(packet_id)
        reason = Reason.SUCCESS if known else Reason.PACKET_ID_NOT_FOUND
        self.send(encode.ack(self.version, Type.PUBCOMP, packet_id, reason))

    def _subscribe(self, session: Session, flags: int, body: bytes) -> None:
        packet_id, filters, identifier = decode.parse_subscribe(self.version, flags, body)
        broker, now = self._server.broker, self._server.now()
        reasons: list[int] = []
        accepted: list[tuple[str, Subscription]] = []
        for one in filters:
            if not decode.is_filter(one.filter):
                reasons.append(Reason.FILTER_INVALID)
            elif not self._role.may_subscribe(unshared(one.filter)):
                reasons.append(Reason.NOT_AUTHORIZED)
            elif one.filter.startswith(SHARE) and one.no_local:
                raise ProtocolError(
                    Reason.PROTOCOL_ERROR, "a shared subscription can't be no-local (3.8.3.1)"
                )
            else:
                sub = Subscription(one.qos, one.no_local, one.retain_as_published, identifier)
                is_new = broker.subscriptions.add(session, one.filter, sub)
                if one.filter.startswith(SHARE):
                    pass  # retained messages do not come to shared subscriptions (4.8.2)
                elif one.retain_handling == 0 or (one.retain_handling == 1 and is_new):
                    accepted.append((one.filter, sub))
                reasons.append(one.qos)
        self.send(encode.suback(self.version, Type.SUBACK, packet_id, reasons))
        for text, sub in accepted:
            broker.send_retained(session, text, sub, now)

    def _unsubscribe(self, session: Session, flags: int, body: bytes) -> None:
        packet_id, filters = decode.parse_unsubscribe(self.version, flags, body)
        subscriptions = self._server.broker.subscriptions
        reasons: list[int] = [
            Reason.SUCCESS
            if subscriptions.remove(session, text)
            else Reason.NO_SUBSCRIPTION_EXISTED
            for text in filters
        ]
        self.send(encode.suback(self.version, Type.UNSUBACK, packet_id, reasons))

    def _disconnect(self, session: Session, body: bytes) -> None:
        reason, items = decode.parse_disconnect(self.version, body)
        expiry = number(items, Prop.SESSION_EXPIRY, -1)
        if expiry > 0 and session.expiry_s == 0:
            raise ProtocolError(
                Reason.PROTOCOL_ERROR, "a session without expiry can't be given one at its end"
            )
        if expiry >= 0:
            session.expiry_s = float("inf") if expiry == 0xFFFFFFFF else float(expiry)
        self._is_clean_end = reason == Reason.SUCCESS  # any other reason leaves the will (3.1.2.5)
        self.close()

    def _ping(self, _session: Session, body: bytes) -> None:
        decode.check_empty(body)
        self.send(PINGRESP)


_Handler = Callable[[Connection, Session, int, bytes], None]
_HANDLERS: dict[int, _Handler] = {
    Type.PUBACK: lambda c, s, _, b: c._acknowledge(Type.PUBACK, s, b),  # noqa: SLF001 - one class's table
    Type.PUBREC: lambda c, s, _, b: c._acknowledge(Type.PUBREC, s, b),  # noqa: SLF001
    Type.PUBCOMP: lambda c, s, _, b: c._acknowledge(Type.PUBCOMP, s, b),  # noqa: SLF001
    Type.PUBREL: lambda c, s, _, b: c._release(s, b),  # noqa: SLF001
    Type.SUBSCRIBE: Connection._subscribe,  # noqa: SLF001
    Type.UNSUBSCRIBE: Connection._unsubscribe,  # noqa: SLF001
    Type.PINGREQ: lambda c, s, _, b: c._ping(s, b),  # noqa: SLF001
    Type.DISCONNECT: lambda c, s, _, b: c._disconnect(s, b),  # noqa: SLF001
}
