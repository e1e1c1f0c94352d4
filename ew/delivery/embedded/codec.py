"""PURE: MQTT 3.1.1 and 5 control packets as bytes: framing, fields, properties.

Names and numbers are those of the OASIS standards (MQTT 3.1.1 of 2014, MQTT 5.0 of 2019); section numbers are MQTT 5's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import TypeAlias

V311, V5 = 4, 5
MAX_VARINT = 268_435_455
FAILED = 0x80
"""Reason codes from here on are refusals (2.4)."""


class Type(IntEnum):
    """Control packet types (2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class Reason(IntEnum):
    """Reason codes (2.4) this broker gives."""

    SUCCESS = 0x00
    WILL_DISCONNECT = 0x04
    NO_MATCHING_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION_EXISTED = 0x11
    MALFORMED = 0x81
    PROTOCOL_ERROR = 0x82
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_INVALID = 0x85
    BAD_USER_OR_PASSWORD = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTH_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    TAKEN_OVER = 0x8E
    FILTER_INVALID = 0x8F
    TOPIC_INVALID = 0x90
    PACKET_ID_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97


RETURN_CODES: dict[int, int] = {
    Reason.SUCCESS: 0,
    Reason.UNSUPPORTED_VERSION: 1,
    Reason.CLIENT_ID_INVALID: 2,
    Reason.QUOTA_EXCEEDED: 3,
    Reason.BAD_USER_OR_PASSWORD: 4,
    Reason.NOT_AUTHORIZED: 5,
}
"""What CONNACK of 3.1.1 says for a reason of MQTT 5 (its table 3.1); for any other reason it says nothing."""


class ProtocolError(Exception):
    """What a client sent breaks the standard; ``reason`` says how."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Prop(IntEnum):
    """Property identifiers (2.2.2.2)."""

    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_ID = 0x0B
    SESSION_EXPIRY = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    SERVER_KEEP_ALIVE = 0x13
    AUTH_METHOD = 0x15
    AUTH_DATA = 0x16
    REQUEST_PROBLEM = 0x17
    WILL_DELAY = 0x18
    REQUEST_RESPONSE = 0x19
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER_PROPERTY = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_AVAILABLE = 0x28
    SUBSCRIPTION_ID_AVAILABLE = 0x29
    SHARED_AVAILABLE = 0x2A
    RESPONSE_INFORMATION = 0x1A
    SERVER_REFERENCE = 0x1C


_BYTE, _U16, _U32, _VARINT, _TEXT, _BINARY, _PAIR = range(7)
_FORM = {
    Prop.PAYLOAD_FORMAT: _BYTE,
    Prop.MESSAGE_EXPIRY: _U32,
    Prop.CONTENT_TYPE: _TEXT,
    Prop.RESPONSE_TOPIC: _TEXT,
    Prop.CORRELATION_DATA: _BINARY,
    Prop.SUBSCRIPTION_ID: _VARINT,
    Prop.SESSION_EXPIRY: _U32,
    Prop.ASSIGNED_CLIENT_ID: _TEXT,
    Prop.SERVER_KEEP_ALIVE: _U16,
    Prop.AUTH_METHOD: _TEXT,
    Prop.AUTH_DATA: _BINARY,
    Prop.REQUEST_PROBLEM: _BYTE,
    Prop.WILL_DELAY: _U32,
    Prop.REQUEST_RESPONSE: _BYTE,
    Prop.REASON_STRING: _TEXT,
    Prop.RECEIVE_MAXIMUM: _U16,
    Prop.TOPIC_ALIAS_MAXIMUM: _U16,
    Prop.TOPIC_ALIAS: _U16,
    Prop.USER_PROPERTY: _PAIR,
    Prop.MAXIMUM_PACKET_SIZE: _U32,
    Prop.MAXIMUM_QOS: _BYTE,
    Prop.RETAIN_AVAILABLE: _BYTE,
    Prop.WILDCARD_AVAILABLE: _BYTE,
    Prop.SUBSCRIPTION_ID_AVAILABLE: _BYTE,
    Prop.SHARED_AVAILABLE: _BYTE,
    Prop.RESPONSE_INFORMATION: _TEXT,
    Prop.SERVER_REFERENCE: _TEXT,
}
CONNACK_PROPERTIES = {
    *(0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F),
    *(0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A),
}
"""What a server may tell in CONNACK (3.2.2.3)."""
_RECEIVED = {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}  # table 3-4 and 3-5
_RELEASED = {0, 0x92}  # tables 3-6 and 3-7
_LEAVING = {0, 4, *range(0x80, 0x84), 0x90, *range(0x93, 0x9A)}  # table 3-10, what a client may say
_FLAGS = {Prop.PAYLOAD_FORMAT, Prop.REQUEST_PROBLEM, Prop.REQUEST_RESPONSE}
_REPEATABLE = (Prop.USER_PROPERTY, Prop.SUBSCRIPTION_ID)
_WILL = {1, 2, 3, 8, 9, 0x18, 0x26}
_ALLOWED: dict[int, set[int]] = {
    Type.CONNECT: {0x11, 0x15, 0x16, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27},
    Type.PUBLISH: {1, 2, 3, 8, 9, 0x0B, 0x23, 0x26},
    Type.PUBACK: {0x1F, 0x26},
    Type.SUBSCRIBE: {0x0B, 0x26},
    Type.UNSUBSCRIBE: {0x26},
    Type.DISCONNECT: {0x11, 0x1F, 0x26},
}

Value: TypeAlias = "int | str | bytes | tuple[str, str]"
Properties: TypeAlias = list[tuple[int, Value]]


@dataclass(frozen=True, slots=True)
class Will:
    """The message a client leaves for its death."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    properties: Properties


@dataclass(frozen=True, slots=True)
class Connect:
    """CONNECT (3.1)."""

    version: int
    client_id: str
    clean_start: bool
    keep_alive_s: int
    will: Will | None
    properties: Properties = field(default_factory=list)
    username: str | None = None
    password: bytes | None = None

    def get(self, identifier: Prop, default: int) -> int:
        """A numeric property of it."""
        return number(self.properties, identifier, default)


@dataclass(frozen=True, slots=True)
class Publish:
    """PUBLISH (3.3)."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    packet_id: int
    properties: Properties = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Filter:
    """One topic filter of a SUBSCRIBE with its options (3.8.3.1)."""

    filter: str
    qos: int
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


def number(properties: Properties, identifier: int, default: int) -> int:
    """A numeric property, or the default where it is not there."""
    for name, value in properties:
        if name == identifier and isinstance(value, int):
            return value
    return default


class Splitter:
    """Bytes as they come to whole packets: (type, flags, body).

    ``is_strict``: lengths must use as few bytes as they need (MQTT 5, 1.5.5); MQTT 3.1.1 does not ask for it.
    """

    def __init__(self, max_packet_bytes: int) -> None:
        self.is_strict = False
        self._max = max_packet_bytes
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether no begun packet is held."""
        return not self._buffer

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The packets that are complete by now.

        Raises:
            ProtocolError: a packet is too large or its length malformed.
        """
        buffer = self._buffer
        buffer += data
        at = 0
        try:
            while len(buffer) - at >= 2:
                length, shift, i = 0, 0, at + 1
                while True:
                    if i == len(buffer):
                        return
                    byte = buffer[i]
                    length |= (byte & 0x7F) << shift
                    i += 1
                    if byte < 0x80:
                        if not byte and shift and self.is_strict:
                            raise ProtocolError(Reason.MALFORMED, "a length takes needless bytes")
                        break
                    shift += 7
                    if shift > 21:
                        raise ProtocolError(
                            Reason.MALFORMED, "remaining length is longer than four bytes"
                        )
                if i - at + length > self._max:
                    raise ProtocolError(Reason.PACKET_TOO_LARGE, f"packet of {length} bytes")
                if len(buffer) - i < length:
                    return
                first = buffer[at]
                body = bytes(buffer[i : i + length])
                at = i + length
                yield first >> 4, first & 0x0F, body
        finally:
            del buffer[:at]


class Reader:
    """Fields of one packet's body, read in order."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    @property
    def is_done(self) -> bool:
        """Whether nothing is left."""
        return self._at >= len(self._body)

    def take(self, count: int) -> bytes:
        """So many bytes."""
        if self._at + count > len(self._body):
            raise ProtocolError(Reason.MALFORMED, "packet ends too soon")
        part = self._body[self._at : self._at + count]
        self._at += count
        return part

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._body) - self._at)

    def u8(self) -> int:
        """A byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """A two-byte integer."""
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        """Binary data with its length."""
        return self.take(self.u16())

    def text(self) -> str:
        """A UTF-8 string (1.5.4): no NUL, no surrogates."""
        try:
            text = self.binary().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProtocolError(Reason.MALFORMED, "not UTF-8") from error
        if "\x00" in text:
            raise ProtocolError(Reason.MALFORMED, "a string holds NUL")
        return text

    def varint(self) -> int:
        """A variable byte integer (1.5.5)."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if not byte and shift:
                    raise ProtocolError(Reason.MALFORMED, "an integer takes needless bytes")
                return value
        raise ProtocolError(Reason.MALFORMED, "variable byte integer is longer than four bytes")

    def properties(self, allowed: set[int]) -> Properties:
        """Properties (2.2.2) that may stand in this packet, each at most once but for user properties."""
        part = Reader(self.take(self.varint()))
        found: Properties = []
        while not part.is_done:
            identifier = part.varint()
            if identifier not in _FORM or identifier not in allowed:
                raise ProtocolError(Reason.MALFORMED, f"property {identifier:#x} has no place here")
            if identifier not in _REPEATABLE and any(name == identifier for name, _ in found):
                raise ProtocolError(Reason.PROTOCOL_ERROR, f"property {identifier:#x} stands twice")
            value = part.value(_FORM[Prop(identifier)])
            if identifier in _FLAGS and value not in (0, 1):
                raise ProtocolError(Reason.PROTOCOL_ERROR, f"property {identifier:#x} is {value!r}")
            found.append((identifier, value))
        return found

    def value(self, form: int) -> Value:
        """A property's value."""
        if form == _BYTE:
            return self.u8()
        if form == _U16:
            return self.u16()
        if form == _U32:
            return int.from_bytes(self.take(4), "big")
        if form == _VARINT:
            return self.varint()
        if form == _TEXT:
            return self.text()
        return self.binary() if form == _BINARY else (self.text(), self.text())


def check_topic(topic: str, *, can_be_empty: bool = False) -> str:
    """A topic name (4.7): not empty, no wildcard."""
    if (not topic and not can_be_empty) or "+" in topic or "#" in topic:
        raise ProtocolError(Reason.TOPIC_INVALID, f"{topic!r} is no topic name")
    return topic


def is_filter(text: str) -> bool:
    """Whether a topic filter is well formed (4.7.1), a shared one too (4.8.2)."""
    if text.startswith("$share/"):
        _, group, rest = [*text.split("/", 2), ""][:3]
        return bool(group) and "+" not in group and "#" not in group and is_filter(rest)
    levels = text.split("/")
    if not text or ("#" in text and (text.count("#") > 1 or levels[-1] != "#")):
        return False
    return all(level == "+" or "+" not in level for level in levels)


def version_of(body: bytes) -> int:
    """The version in which a CONNECT is to be answered: 5 if it says so, else 3.1.1."""
    return V5 if body[:6] == b"\x00\x04MQTT" and body[6:7] == b"\x05" else V311


def parse_connect(body: bytes) -> Connect:
    """CONNECT (3.1).

    Raises:
        ProtocolError: it is malformed or of another version.
    """
    reader = Reader(body)
    name, version = reader.text(), reader.u8()
    if (name, version) not in (("MQTT", V311), ("MQTT", V5)):
        raise ProtocolError(
            Reason.UNSUPPORTED_VERSION, f"{name} {version}: 3.1.1 (4) and 5 are spoken here"
        )
    flags, keep_alive = reader.u8(), reader.u16()
    has_will, qos, retain = bool(flags & 4), (flags >> 3) & 3, bool(flags & 0x20)
    if flags & 1 or qos == 3 or (not has_will and (qos or retain)):
        raise ProtocolError(Reason.MALFORMED, f"connect flags {flags:#x}")
    if version == V311 and flags & 0x40 and not flags & 0x80:
        raise ProtocolError(Reason.MALFORMED, "a password without a user name")
    properties = reader.properties(_ALLOWED[Type.CONNECT]) if version == V5 else []
    client_id = reader.text()
    will = None
    if has_will:
        will_properties = reader.properties(_WILL) if version == V5 else []
        _check_response_topic(will_properties)
        topic = check_topic(reader.text())
        will = Will(topic, reader.binary(), qos, retain, will_properties)
    username = reader.text() if flags & 0x80 else None
    password = reader.binary() if flags & 0x40 else None
    if not reader.is_done:
        raise ProtocolError(Reason.MALFORMED, "bytes are left over in CONNECT")
    for one in (Prop.RECEIVE_MAXIMUM, Prop.MAXIMUM_PACKET_SIZE):
        if number(properties, one, 1) == 0:
            raise ProtocolError(Reason.PROTOCOL_ERROR, f"{one.name} is 0")
    given = {name for name, _ in properties}
    if Prop.AUTH_DATA in given and Prop.AUTH_METHOD not in given:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "authentication data without a method")
    return Connect(
        version, client_id, bool(flags & 2), keep_alive, will, properties, username, password
    )


def _check_response_topic(properties: Properties) -> None:
    """A response topic is a topic name (3.3.2.3.5)."""
    for name, value in properties:
        if name == Prop.RESPONSE_TOPIC:
            check_topic(str(value))


_CACHED_BYTES = 64


@lru_cache(maxsize=256)
def _publish_properties(part: bytes) -> Properties:
    """Properties of a PUBLISH; thousands of alerts carry the same, and reading them is a third of the cost of a packet."""
    properties = Reader(varint(len(part)) + part).properties(_ALLOWED[Type.PUBLISH])
    _check_response_topic(properties)
    return properties


def parse_publish(version: int, flags: int, body: bytes) -> Publish:
    """PUBLISH (3.3).

    Raises:
        ProtocolError: it is malformed.
    """
    qos = (flags >> 1) & 3
    if qos == 3 or (qos == 0 and flags & 8):
        raise ProtocolError(Reason.MALFORMED, f"publish flags {flags:#x}")
    reader = Reader(body)
    topic = check_topic(reader.text(), can_be_empty=version == V5)
    packet_id = reader.u16() if qos else 0
    if qos and not packet_id:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "packet identifier 0")
    properties: Properties = []
    if version == V5:
        part = reader.take(reader.varint())
        short = len(part) <= _CACHED_BYTES
        properties = (_publish_properties if short else _publish_properties.__wrapped__)(part)
    return Publish(
        topic, reader.rest(), qos, bool(flags & 1), bool(flags & 8), packet_id, properties
    )


def parse_subscribe(version: int, flags: int, body: bytes) -> tuple[int, list[Filter], int]:
    """SUBSCRIBE (3.8): packet identifier, filters, subscription identifier (0: none)."""
    reader, packet_id = _list_head(flags, body)
    properties = reader.properties(_ALLOWED[Type.SUBSCRIBE]) if version == V5 else []
    identifier = number(properties, Prop.SUBSCRIPTION_ID, 0)
    given = sum(name == Prop.SUBSCRIPTION_ID for name, _ in properties)
    if given > 1 or (given and not identifier):
        raise ProtocolError(Reason.PROTOCOL_ERROR, "one subscription identifier above 0 may stand")
    filters = []
    while not reader.is_done:
        text, options = reader.text(), reader.u8()
        reserved = 0xC0 if version == V5 else 0xFC
        handling = (options >> 4) & 3
        if options & reserved or options & 3 == 3:
            raise ProtocolError(Reason.MALFORMED, f"subscription options {options:#x}")
        if handling == 3:
            raise ProtocolError(Reason.PROTOCOL_ERROR, "retain handling 3 (3.8.3.1)")
        filters.append(Filter(text, options & 3, bool(options & 4), bool(options & 8), handling))
    if not filters:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "SUBSCRIBE without a filter")
    return packet_id, filters, identifier


def parse_unsubscribe(version: int, flags: int, body: bytes) -> tuple[int, list[str]]:
    """UNSUBSCRIBE (3.10): packet identifier and filters."""
    reader, packet_id = _list_head(flags, body)
    if version == V5:
        reader.properties(_ALLOWED[Type.UNSUBSCRIBE])
    filters = []
    while not reader.is_done:
        filters.append(reader.text())
    if not filters:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "UNSUBSCRIBE without a filter")
    return packet_id, filters


def _list_head(flags: int, body: bytes) -> tuple[Reader, int]:
    if flags != 2:
        raise ProtocolError(Reason.MALFORMED, f"reserved flags {flags:#x}")
    reader = Reader(body)
    packet_id = reader.u16()
    if not packet_id:
        raise ProtocolError(Reason.PROTOCOL_ERROR, "packet identifier 0")
    return reader, packet_id


def parse_ack(version: int, kind: Type, body: bytes) -> tuple[int, int]:
    """PUBACK, PUBREC, PUBREL, PUBCOMP: packet identifier and reason code."""
    reader = Reader(body)
    packet_id = reader.u16()
    reason = reader.u8() if version == V5 and not reader.is_done else 0
    if version == V5 and not reader.is_done:
        reader.properties(_ALLOWED[Type.PUBACK])
    if not reader.is_done or not packet_id:
        raise ProtocolError(
            Reason.MALFORMED, "an acknowledgement is a packet identifier and no more"
        )
    if reason not in (_RECEIVED if kind in (Type.PUBACK, Type.PUBREC) else _RELEASED):
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"{kind.name} with reason code {reason:#x}")
    return packet_id, reason


def parse_disconnect(version: int, body: bytes) -> tuple[int, Properties]:
    """DISCONNECT (3.14): reason code and properties."""
    if version != V5:
        check_empty(body)
    if not body:
        return 0, []
    reader = Reader(body)
    reason = reader.u8()
    items = reader.properties(_ALLOWED[Type.DISCONNECT]) if len(body) > 1 else []
    if not reader.is_done:
        raise ProtocolError(Reason.MALFORMED, "bytes are left over in DISCONNECT")
    if reason not in _LEAVING:
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"DISCONNECT with reason code {reason:#x}")
    return reason, items


def check_empty(body: bytes) -> None:
    """PINGREQ (3.12), and DISCONNECT of 3.1.1, have no body."""
    if body:
        raise ProtocolError(Reason.MALFORMED, "a packet without fields has a body")


# Bytes to send


def varint(value: int) -> bytes:
    """A variable byte integer."""
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        if not value:
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def text(value: str) -> bytes:
    """A UTF-8 string with its length."""
    data = value.encode()
    return len(data).to_bytes(2, "big") + data


def properties(items: Properties) -> bytes:
    """Properties with their length."""
    out = b"".join(varint(name) + _encoded(_FORM[Prop(name)], value) for name, value in items)
    return varint(len(out)) + out


def _encoded(form: int, value: Value) -> bytes:
    if isinstance(value, int):
        if form == _VARINT:
            return varint(value)
        return value.to_bytes({_BYTE: 1, _U16: 2}.get(form, 4), "big")
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bytes):
        return len(value).to_bytes(2, "big") + value
    return text(value[0]) + text(value[1])


def packet(kind: int, flags: int, body: bytes) -> bytes:
    """A whole packet."""
    return bytes([kind << 4 | flags]) + varint(len(body)) + body


def publish_parts(
    version: int, topic: str, payload: bytes, qos: int, *, retain: bool, items: Properties
) -> tuple[bytes, bytes]:
    """A PUBLISH in two parts, between which the packet identifier goes when ``qos`` is above 0.

    Encoded once and sent to thousands: only the identifier differs.
    """
    tail = (properties(items) if version == V5 else b"") + payload
    name = text(topic)
    length = len(name) + len(tail) + (2 if qos else 0)
    return bytes([Type.PUBLISH << 4 | qos << 1 | retain]) + varint(length) + name, tail


def ack(version: int, kind: Type, packet_id: int, reason: int = 0) -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    body = packet_id.to_bytes(2, "big")
    if version == V5 and reason:
        body += bytes([reason])
    return packet(kind, 2 if kind == Type.PUBREL else 0, body)


def connack(version: int, *, session_present: bool, reason: int, items: Properties) -> bytes:
    """CONNACK (3.2); for 3.1.1 the reason becomes its return code."""
    if version == V5:
        return packet(Type.CONNACK, 0, bytes([session_present, reason]) + properties(items))
    return packet(Type.CONNACK, 0, bytes([session_present, RETURN_CODES.get(reason, 3)]))


def suback(version: int, kind: Type, packet_id: int, reasons: list[int]) -> bytes:
    """SUBACK or UNSUBACK; 3.1.1 knows only 0x80 for a refusal, and no reasons in UNSUBACK."""
    body = packet_id.to_bytes(2, "big")
    if version == V5:
        return packet(kind, 0, body + b"\x00" + bytes(reasons))
    if kind == Type.UNSUBACK:
        return packet(kind, 0, body)
    return packet(kind, 0, body + bytes(min(reason, 0x80) for reason in reasons))


def disconnect(reason: int) -> bytes:
    """DISCONNECT from the server (MQTT 5 only)."""
    return packet(Type.DISCONNECT, 0, bytes([reason, 0]))
