"""SHELL: one MQTT connection that only publishes, for the publisher.

A general client (paho under aiomqtt) costs 0.1 ms for each publish, twice the cost of making and
signing the alert; here a batch of alerts is encoded and written in one call, and their
acknowledgements are read in one. MQTT 3.1.1 and 5, with the packets of the embedded broker.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from mqtt_broker import decode, encode
from mqtt_broker.fields import Reader
from mqtt_broker.packets import (
    CONNACK_PROPERTIES,
    V5,
    Prop,
    ProtocolError,
    Publish,
    Reason,
    Type,
    number,
)

ANSWER_WITHIN_S = 10.0
CLOSES_WITHIN_S = 1.5
"""Silence longer than this many keep-alives ends a connection."""
PING_AFTER_S = 0.9
"""After this silence, s, the broker is sent a PINGREQ, so that a broker that hangs is noticed
soon."""
LARGEST_ANSWER = 1 << 16
REFUSALS = {
    1: "unsupported protocol version",
    Reason.UNSUPPORTED_VERSION: "unsupported protocol version",
    4: "wrong user name or password",
    Reason.BAD_USER_OR_PASSWORD: "wrong user name or password",
    5: "not authorized: is the user, or its password, missing or wrong?",
    Reason.NOT_AUTHORIZED: "not authorized: is the user, or its password, missing or wrong?",
}
"""CONNACK codes in words, for 3.1.1 and 5."""
PINGREQ = encode.packet(Type.PINGREQ, 0, b"")
DISCONNECT = encode.packet(Type.DISCONNECT, 0, b"")


class LinkError(Exception):
    """A connection can't be made or has broken.

    ``is_other_version``: the broker does not speak this MQTT version; ``is_unanswered``: it has
    closed the connection after CONNECT without an answer, as some do instead of CONNACK (RabbitMQ
    3.10); ``is_wrong_login``: the same password or certificates will be refused again.
    """

    def __init__(
        self,
        text: str,
        *,
        is_other_version: bool = False,
        is_unanswered: bool = False,
        is_wrong_login: bool = False,
    ) -> None:
        super().__init__(text)
        self.is_other_version = is_other_version
        self.is_unanswered = is_unanswered
        self.is_wrong_login = is_wrong_login


@dataclass(frozen=True, slots=True)
class Login:
    """The login and transport of a connection."""

    version: int = V5
    keep_alive_s: int = 5
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None


class Link(asyncio.Protocol):
    """A connection that publishes.

    ``on_ack(token, reason)`` is called for each acknowledged publish.
    """

    def __init__(self, login: Login, on_ack: Callable[[object, int], None]) -> None:
        loop = asyncio.get_running_loop()
        self.under_way: dict[int, object] = {}
        self.receive_maximum = 65_535
        self.lost: asyncio.Future[None] = loop.create_future()
        self._accepted: asyncio.Future[None] = loop.create_future()
        self._login, self._on_ack = login, on_ack
        self._splitter = decode.Splitter(LARGEST_ANSWER)
        self._transport: asyncio.Transport | None = None
        self._received_s = loop.time()
        self._last_id = 0
        self._is_full = False
        self._reason = "the broker closed the connection"

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT on the socket that has opened."""
        # uvloop's transport is not of asyncio's class
        self._transport = transport  # type: ignore[assignment]
        self.write([_connect(self._login)])

    def data_received(self, data: bytes) -> None:
        """Read acknowledgements."""
        self._received_s = asyncio.get_running_loop().time()
        try:
            for kind, _, body in self._splitter.feed(data):
                self._handle(kind, body)
        except ProtocolError as error:
            self.abort(f"the broker breaks the standard: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the socket is closed."""
        self._transport = None
        text = f"{exc}" if exc else self._reason
        for future in (self._accepted, self.lost):
            if not future.done():
                future.set_exception(LinkError(text, is_unanswered=future is self._accepted))
                future.exception()  # retrieved here: nobody has to wait for it

    def pause_writing(self) -> None:
        """Stop sending: the socket's buffer is full."""
        self._is_full = True

    def resume_writing(self) -> None:
        """Send again: the socket's buffer has room."""
        self._is_full = False
        self._on_ack(None, 0)

    # MQTT's side

    def _handle(self, kind: int, body: bytes) -> None:
        if kind == Type.PUBACK:
            packet_id = body[0] << 8 | body[1]
            token = self.under_way.pop(packet_id, None)
            if token is not None:
                self._on_ack(token, body[2] if len(body) > 2 else 0)
        elif kind == Type.CONNACK:
            self._welcome(body)
        elif kind == Type.DISCONNECT:
            self._reason = f"the broker closed the connection, reason {body[0] if body else 0:#x}"

    def _welcome(self, body: bytes) -> None:
        reader = Reader(body)
        reader.u8()
        reason = reader.u8()
        if self._accepted.done():
            return
        if reason:
            other = reason in (1, Reason.UNSUPPORTED_VERSION)
            text = REFUSALS.get(reason, f"refused, reason {reason:#x}")
            wrong = reason in REFUSALS and not other
            error = LinkError(text, is_other_version=other, is_wrong_login=wrong)
            self._accepted.set_exception(error)
            return
        if self._login.version == V5 and not reader.is_done:
            found = reader.properties(CONNACK_PROPERTIES)
            self.receive_maximum = number(found, Prop.RECEIVE_MAXIMUM, 65_535)
        self._accepted.set_result(None)

    def has_room(self, window: int) -> bool:
        """Whether one more may be sent with at most ``window`` unacknowledged."""
        return not self._is_full and len(self.under_way) < min(window, self.receive_maximum)

    def encode(self, publish: Publish, token: object) -> bytes:
        """A publish as bytes for ``write``; with QoS 1 its acknowledgement returns ``token``."""
        head, tail = encode.publish_parts(
            self._login.version,
            publish.topic,
            publish.payload,
            publish.qos,
            retain=publish.retain,
            items=publish.properties,
        )
        if not publish.qos:
            return head + tail
        packet_id = self._new_id()
        self.under_way[packet_id] = token
        return b"%b%c%c%b" % (head, packet_id >> 8, packet_id & 0xFF, tail)

    def write(self, parts: list[bytes]) -> None:
        """Send encoded packets in one call."""
        if self._transport is not None:
            self._transport.write(b"".join(parts))

    def tick(self) -> None:
        """Keep the connection alive, or close it if the broker is silent; call it each second."""
        if self.silent_s > CLOSES_WITHIN_S * self._login.keep_alive_s:
            self.abort(f"the broker was silent for {self.silent_s:.1f} s")
        elif self.silent_s > PING_AFTER_S:
            self.write([PINGREQ])

    @property
    def silent_s(self) -> float:
        """Seconds since the broker has sent anything; at most about 2 s while it answers."""
        return asyncio.get_running_loop().time() - self._received_s

    def abort(self, reason: str) -> None:
        """Close the connection without DISCONNECT."""
        self._reason = reason
        if self._transport is not None:
            self._transport.abort()

    def close(self) -> None:
        """Send DISCONNECT and close the connection."""
        if self._transport is not None:
            self.write([DISCONNECT])
            self._transport.close()

    def _new_id(self) -> int:
        while True:
            self._last_id = self._last_id % 65_535 + 1
            if self._last_id not in self.under_way:
                return self._last_id

    async def accepted(self) -> None:
        """Wait until the broker has accepted the connection."""
        await self._accepted


async def open_link(
    host: str, port: int, login: Login, on_ack: Callable[[object, int], None]
) -> Link:
    """A connection that the broker has accepted.

    Raises:
        LinkError: it can't be made; the text says why.
    """
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            transport, link = await loop.create_connection(
                lambda: Link(login, on_ack), host, port, ssl=login.tls
            )
            try:
                await link.accepted()
            except (LinkError, asyncio.CancelledError):
                transport.abort()
                raise
    except TimeoutError as error:
        raise LinkError(f"no answer within {ANSWER_WITHIN_S:.0f} s") from error
    except ssl.SSLCertVerificationError as error:
        text = f"certificate verify failed: {error.verify_message}"
        raise LinkError(text, is_wrong_login=True) from error
    except OSError as error:
        raise LinkError(str(error.strerror or error)) from error
    return link


def _connect(login: Login) -> bytes:
    flags = 2 | (0x80 if login.username is not None else 0)
    flags |= 0x40 if login.password is not None else 0
    head = encode.text("MQTT") + bytes([login.version, flags]) + login.keep_alive_s.to_bytes(2)
    properties = b"\x00" if login.version == V5 else b""
    secrets = [encode.text(part) for part in (login.username, login.password) if part is not None]
    return encode.packet(Type.CONNECT, 0, head + properties + encode.text("") + b"".join(secrets))
