"""PURE: MQTT's packet types, reason codes and properties, and packets as records.

Names and numbers are those of the OASIS standards (MQTT 3.1.1 of 2014, MQTT 5.0 of 2019); section
numbers here and in all modules of the package are MQTT 5's.
"""

from dataclasses import dataclass, field
from enum import IntEnum
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
    UNSPECIFIED = 0x80
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
"""The return code of CONNACK in 3.1.1 (its table 3.1) for a reason of MQTT 5.

Other reasons have none.
"""


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


BYTE, U16, U32, VARINT, TEXT, BINARY, _PAIR = range(7)
FORM = {
    Prop.PAYLOAD_FORMAT: BYTE,
    Prop.MESSAGE_EXPIRY: U32,
    Prop.CONTENT_TYPE: TEXT,
    Prop.RESPONSE_TOPIC: TEXT,
    Prop.CORRELATION_DATA: BINARY,
    Prop.SUBSCRIPTION_ID: VARINT,
    Prop.SESSION_EXPIRY: U32,
    Prop.ASSIGNED_CLIENT_ID: TEXT,
    Prop.SERVER_KEEP_ALIVE: U16,
    Prop.AUTH_METHOD: TEXT,
    Prop.AUTH_DATA: BINARY,
    Prop.REQUEST_PROBLEM: BYTE,
    Prop.WILL_DELAY: U32,
    Prop.REQUEST_RESPONSE: BYTE,
    Prop.REASON_STRING: TEXT,
    Prop.RECEIVE_MAXIMUM: U16,
    Prop.TOPIC_ALIAS_MAXIMUM: U16,
    Prop.TOPIC_ALIAS: U16,
    Prop.USER_PROPERTY: _PAIR,
    Prop.MAXIMUM_PACKET_SIZE: U32,
    Prop.MAXIMUM_QOS: BYTE,
    Prop.RETAIN_AVAILABLE: BYTE,
    Prop.WILDCARD_AVAILABLE: BYTE,
    Prop.SUBSCRIPTION_ID_AVAILABLE: BYTE,
    Prop.SHARED_AVAILABLE: BYTE,
    Prop.RESPONSE_INFORMATION: TEXT,
    Prop.SERVER_REFERENCE: TEXT,
}
CONNACK_PROPERTIES = {
    *(0x11, 0x12, 0x13, 0x15, 0x16, 0x1A, 0x1C, 0x1F),
    *(0x21, 0x22, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2A),
}
"""What a server may tell in CONNACK (3.2.2.3)."""
RECEIVED = {0, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99}  # table 3-4 and 3-5
RELEASED = {0, 0x92}  # tables 3-6 and 3-7
LEAVING = {0, 4, *range(0x80, 0x84), 0x90, *range(0x93, 0x9A)}  # table 3-10, what a client may say
FLAGS = {Prop.PAYLOAD_FORMAT, Prop.REQUEST_PROBLEM, Prop.REQUEST_RESPONSE}
REPEATABLE = (Prop.USER_PROPERTY, Prop.SUBSCRIPTION_ID)
WILL = {1, 2, 3, 8, 9, 0x18, 0x26}
ALLOWED: dict[int, set[int]] = {
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
