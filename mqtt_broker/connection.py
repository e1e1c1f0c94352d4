"""SHELL: one client's connection: bytes from its socket to ``requests`` and back, within limits."""

import asyncio
import logging
import uuid
from dataclasses import dataclass, replace
from typing import Protocol

from mqtt_broker import decode, encode
from mqtt_broker.access import UNRESTRICTED, Access, Role
from mqtt_broker.packets import (
    MAX_VARINT,
    RETURN_CODES,
    V5,
    V311,
    Connect,
    Prop,
    Properties,
    ProtocolError,
    Reason,
    Type,
)
from mqtt_broker.requests import ALIAS_MAXIMUM, RECEIVE_MAXIMUM, SUBSCRIBE_WORK, answer
from mqtt_broker.router import Broker
from mqtt_broker.scheduler import Scheduler
from mqtt_broker.sessions import Session

log = logging.getLogger("mqtt_broker")

PUBACK_HEAD = bytes([Type.PUBACK << 4, 2])
CONNECT_BYTE = Type.CONNECT << 4
ORDINARY = {Type.CONNECT, Type.SUBSCRIBE, Type.UNSUBSCRIBE, Type.PUBLISH}
"""Packets that wait for the scheduler, unless urgent; the others cost next to nothing."""
KEEP_ALIVE_MOST_S = 60
"""Longest keep-alive of an MQTT 5 client: a dead one is noticed within 90 s."""
LINGER_S = 2.0
"""How long a refused connection stays open, unread.

Closing at once would reset it before the client has read the reason.
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of what clients may use."""

    packet_bytes: int = 4 << 20
    write_buffer_bytes: int = 8 << 20
    sessions: int = 100_000
    urgent: tuple[str, ...] = ()
    """Messages on topics that begin so are handled at once, before all others."""


class Host(Protocol):
    """What a connection needs of its server."""

    limits: Limits
    access: Access
    logins: asyncio.Semaphore
    broker: Broker
    scheduler: Scheduler
    urgent: tuple[bytes, ...]
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
        self._kept: tuple[int, int, bytes] | None = None  # the packet that waits for the scheduler
        self._is_waiting = False  # for the scheduler, or for its password to be checked
        self._is_urgent = False  # it has sent urgent messages
        self._is_clean_end = False
        self._login: asyncio.Task[None] | None = None
        self.broker, self.scheduler = server.broker, server.scheduler
        self.aliases: dict[int, str] = {}
        self.role: Role = UNRESTRICTED  # until CONNECT, before which nothing is handled
        self._name = ""  # of a user whose password was right
        self.session: Session | None = None
        self.version = V311  # until CONNECT says more
        self._largest = server.limits.packet_bytes
        self.keep_alive_s = 0.0
        self.last_heard = server.now()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: a client has connected."""
        if not isinstance(transport, asyncio.Transport) and not hasattr(transport, "write"):
            raise TypeError("a stream transport is needed")
        # uvloop's transport is not asyncio's class
        self._transport = transport  # type: ignore[assignment]
        self._server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Handle bytes that a client sent."""
        if self._is_gone():
            return
        self.last_heard = self.now()
        if self._is_waiting:
            self._splitter.hold(data)
            return
        session = self.session
        if session is not None and len(data) == 4 and data[:2] == PUBACK_HEAD:
            # A plain PUBACK, nearly all that devices send: a quarter of the general path's cost
            if self._splitter.is_empty:
                packet_id = data[2] << 8 | data[3]
                try:
                    session.acknowledge(Type.PUBACK, packet_id, 0, self.last_heard)
                except ProtocolError as error:
                    self._refuse(error)
                return
        elif session is None and self._splitter.is_empty and data[0] != CONNECT_BYTE:
            # No MQTT client begins otherwise; waiting for its "packet" would hold the socket
            self.close()
            return
        self._splitter.hold(data)
        self._work(self.scheduler.floor)

    def resume(self, floor: int) -> None:
        """Go on with the packets that waited for the scheduler."""
        if self._is_gone():
            return
        self.last_heard = self.now()  # what it sent meanwhile was not read
        self._is_waiting = False
        self._work(floor)
        transport = self._transport
        if not self._is_waiting and transport is not None and not transport.is_closing():
            transport.resume_reading()

    def _work(self, floor: int) -> None:
        """Handle the packets that have come, ordinary ones while the budget is above ``floor``."""
        kept, self._kept = self._kept, None
        try:
            if kept is not None:
                self._handle(*kept)
                if self._is_waiting or self._is_gone():
                    return
            for packet in self._splitter.packets():
                if self.scheduler.budget <= floor and self._is_ordinary(packet):
                    self._kept = packet
                    self._wait()
                    self.scheduler.enqueue(self)
                    return
                self._handle(*packet)
                if self._is_waiting or self._is_gone():
                    return
        except ProtocolError as error:
            self._refuse(error)
        except Exception:  # our own mistake ends the connection that met it, and no other
            log.exception("packet not handled")
            self.close(Reason.UNSPECIFIED)

    def _is_ordinary(self, packet: tuple[int, int, bytes]) -> bool:
        """Whether a packet waits for the scheduler.

        Nothing does of a connection that has sent urgent messages: they would wait with it.
        """
        kind, _, body = packet
        if self._is_urgent or kind not in ORDINARY:
            return False
        if kind != Type.PUBLISH or not self.role.may_be_urgent:
            return True
        self._is_urgent = body.startswith(self._server.urgent, 2)
        return not self._is_urgent

    def _wait(self) -> None:
        """Stop reading until ``resume``: the client's own kernel holds what it sends."""
        self._is_waiting = True
        if self._transport is not None:
            self._transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: the client has disconnected or its connection broke."""
        del exc
        self._server.connections.discard(self)
        self._transport = None
        if self._login is not None:
            self._login.cancel()
        self._leave()

    def send(self, data: bytes) -> None:
        """Send bytes; a client that reads too slowly (``Limits``) is disconnected."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self._server.limits.write_buffer_bytes:
            log.warning("slow consumer dropped: %s", self.session and self.session.client_id)
            self._transport = None
            transport.abort()

    def now(self) -> float:
        """The broker's time, seconds."""
        return self._server.now()

    def close(self, reason: int | None = None) -> None:
        """End the connection; an MQTT 5 client is sent the reason."""
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
                transport.resume_reading()  # if it was queued
                asyncio.get_running_loop().call_later(LINGER_S, transport.abort)
        self._leave()

    def _is_gone(self) -> bool:
        return self._transport is None

    def _leave(self) -> None:
        session, self.session = self.session, None
        if session is not None and session.link is self:
            self.broker.leave(session, self.now(), with_will=not self._is_clean_end)

    def disconnect(self, *, is_clean: bool) -> None:
        """End at the client's request; ``is_clean``: its will is not published."""
        self._is_clean_end = is_clean
        self.close()

    def shut_down(self) -> None:
        """End because the broker ends; no will is published."""
        self._is_clean_end = True
        self.close(Reason.SERVER_SHUTTING_DOWN)

    # MQTT's side

    def _handle(self, kind: int, flags: int, body: bytes) -> None:
        if self.session is None:
            if kind != Type.CONNECT or flags:
                raise ProtocolError(Reason.PROTOCOL_ERROR, "the first packet must be CONNECT")
            self.scheduler.spend(SUBSCRIBE_WORK)
            self.version = decode.version_of(body)
            self._ask_who(decode.parse_connect(body))
            return
        answer(self, self.session, kind, flags, body)

    def _refuse(self, error: ProtocolError) -> None:
        log.info("client refused: %s", error)
        if self.session is None and self._transport is not None and self._is_answered(error):
            self._transport.write(
                encode.connack(self.version, session_present=False, reason=error.reason, items=[])
            )
        self.close(error.reason)

    def _is_answered(self, error: ProtocolError) -> bool:
        """Whether a refused CONNECT gets a CONNACK; 3.1.1 has none for a malformed one (3.1.4)."""
        return self.version == V5 or error.reason in RETURN_CODES

    def _ask_who(self, asked: Connect) -> None:
        """Connect the client, or first check its password in a thread (some 50 ms by design)."""
        self.version = asked.version
        access = self._server.access
        if any(name == Prop.AUTH_METHOD for name, _ in asked.properties):
            raise ProtocolError(Reason.BAD_AUTH_METHOD, "no authentication method is known here")
        if access.anonymous is not None and not access.needs_password(asked.username):
            self.role = access.anonymous
            self._connect(asked)
            return
        self._login = asyncio.create_task(self._log_in(asked), name="broker-login")
        self._wait()  # what comes before the password is checked has to wait

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
        self.role, self._name = role, asked.username or ""
        try:
            self._connect(asked)
        except ProtocolError as error:
            self._refuse(error)
            return
        self.resume(self.scheduler.floor)

    def _connect(self, asked: Connect) -> None:
        self.version = asked.version
        self._splitter.is_strict = asked.version == V5
        largest = self.role.max_packet_bytes or MAX_VARINT
        self._largest = min(self._server.limits.packet_bytes, largest)
        self._splitter.limit(self._largest)
        now = self.now()
        if asked.will is not None and not self.role.may_publish(asked.will.topic):
            text = f"its will may not go to {asked.will.topic!r}"
            raise ProtocolError(Reason.NOT_AUTHORIZED, text)
        if not asked.client_id and asked.version != V5 and not asked.clean_start:
            text = "an empty client identifier needs a clean session"
            raise ProtocolError(Reason.CLIENT_ID_INVALID, text)
        client_id = asked.client_id or f"auto-{uuid.uuid4().hex[:16]}"
        items = self._terms(asked, client_id)
        welcome = encode.connack(self.version, session_present=False, reason=0, items=items)
        if len(welcome) > asked.get(Prop.MAXIMUM_PACKET_SIZE, MAX_VARINT):
            text = "its largest packet is smaller than a CONNACK (3.1.2.11.4)"
            raise ProtocolError(Reason.PACKET_TOO_LARGE, text)
        session, is_present = self._take_over(asked, client_id, now)
        session.version = asked.version
        session.will = asked.will
        if asked.will is not None and not self.role.may_retain:
            session.will = replace(asked.will, retain=False)
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
        self.session = session
        self.send(encode.connack(self.version, session_present=is_present, reason=0, items=items))
        session.resend(now)

    def _terms(self, asked: Connect, client_id: str) -> Properties:
        """Return the properties of CONNACK (3.2.2.3) and set the keep-alive."""
        items: Properties = []
        if client_id != asked.client_id:
            items.append((Prop.ASSIGNED_CLIENT_ID, client_id))
        self.keep_alive_s = float(asked.keep_alive_s)
        if asked.version == V5 and asked.keep_alive_s > KEEP_ALIVE_MOST_S:
            self.keep_alive_s = float(KEEP_ALIVE_MOST_S)
            items.append((Prop.SERVER_KEEP_ALIVE, KEEP_ALIVE_MOST_S))
        return [
            *items,
            (Prop.RECEIVE_MAXIMUM, RECEIVE_MAXIMUM),
            (Prop.TOPIC_ALIAS_MAXIMUM, ALIAS_MAXIMUM),
            (Prop.MAXIMUM_PACKET_SIZE, self._largest),
        ]

    def _take_over(self, asked: Connect, client_id: str, now: float) -> tuple[Session, bool]:
        """Return the client's session and whether it existed; end its old connection (3.1.4).

        A session belongs to its owner: guessing a client identifier neither reveals what its owner
        subscribed to nor ends the owner's connection. Only a higher role takes an identifier over.
        """
        broker = self.broker
        old = broker.sessions.get(client_id)
        owner = (self.role.rank, self._name)
        is_others = old is not None and old.owner != owner
        if is_others and old is not None and self.role.rank <= old.owner[0]:
            text = f"client identifier {client_id!r} is another user's"
            raise ProtocolError(Reason.CLIENT_ID_INVALID, text)
        if old is not None and isinstance(old.link, Connection):
            old.link.close(Reason.TAKEN_OVER)
            old = broker.sessions.get(client_id)
        if old is not None and (asked.clean_start or is_others or broker.is_over(old, now)):
            broker.end(old, now)
            old = None
        if old is not None:
            broker.back(old)
            return old, True
        if len(broker.sessions) >= self._server.limits.sessions:
            raise ProtocolError(Reason.QUOTA_EXCEEDED, "too many sessions")
        session = broker.sessions[client_id] = Session(client_id, asked.version, owner)
        return session, False
