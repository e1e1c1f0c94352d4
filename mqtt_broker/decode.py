"""PURE: bytes to MQTT control packets, with the checks that the standards ask of a server."""

from collections.abc import Iterator
from functools import lru_cache

from mqtt_broker.encode import varint
from mqtt_broker.fields import Reader
from mqtt_broker.packets import (
    ALLOWED,
    LEAVING,
    RECEIVED,
    RELEASED,
    V5,
    V311,
    WILL,
    Connect,
    Filter,
    Prop,
    Properties,
    ProtocolError,
    Publish,
    Reason,
    Type,
    Will,
    number,
)


class Splitter:
    """Splits a stream of bytes into packets: (type, flags, body).

    ``is_strict``: lengths must use as few bytes as they need, as MQTT 5 demands (1.5.5) and MQTT
    3.1.1 does not.
    """

    def __init__(self, max_packet_bytes: int) -> None:
        self.is_strict = False
        self._max = max_packet_bytes
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether no part of a packet is held."""
        return not self._buffer

    def limit(self, max_packet_bytes: int) -> None:
        """Refuse larger packets from now on."""
        self._max = min(self._max, max_packet_bytes)

    def hold(self, data: bytes) -> None:
        """Keep bytes for ``packets``."""
        self._buffer += data

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Add bytes and yield the packets that are complete.

        Raises:
            ProtocolError: a packet is too large or its length malformed.
        """
        self._buffer += data
        return self.packets()

    def packets(self) -> Iterator[tuple[int, int, bytes]]:
        """Yield the packets that are complete; those not taken stay.

        Raises:
            ProtocolError: a packet is too large or its length malformed.
        """
        buffer = self._buffer
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


def check_topic(topic: str, *, can_be_empty: bool = False) -> str:
    """Return a topic name (4.7) if it is one: not empty, no wildcard."""
    if (not topic and not can_be_empty) or "+" in topic or "#" in topic:
        raise ProtocolError(Reason.TOPIC_INVALID, f"{topic!r} is no topic name")
    return topic


def is_filter(text: str) -> bool:
    """Whether a topic filter is well formed (4.7.1), a shared one too (4.8.2)."""
    if text.startswith("$share/"):
        _, group, text = [*text.split("/", 2), ""][:3]
        if not group or "+" in group or "#" in group:
            return False
    levels = text.split("/")
    if not text or ("#" in text and (text.count("#") > 1 or levels[-1] != "#")):
        return False
    return all(level == "+" or "+" not in level for level in levels)


def version_of(body: bytes) -> int:
    """Return the version in which a CONNECT is answered: 5 if it asks for it, else 3.1.1.

    A version yet unknown is answered as what it looks like: with properties as 5 (0x84), without
    them as 3.1.1 (0x01).
    """
    if body[:6] != b"\x00\x04MQTT" or body[6:7] < b"\x05":
        return V311
    if body[6] == V5:
        return V5
    try:
        parse_connect(body[:6] + bytes([V5]) + body[7:])
    except ProtocolError:
        return V311
    return V5


def parse_connect(body: bytes) -> Connect:
    """Parse CONNECT (3.1).

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
    properties = reader.properties(ALLOWED[Type.CONNECT]) if version == V5 else []
    client_id = reader.text()
    will = None
    if has_will:
        will_properties = reader.properties(WILL) if version == V5 else []
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
    """Check that a response topic is a topic name (3.3.2.3.5)."""
    for name, value in properties:
        if name == Prop.RESPONSE_TOPIC:
            check_topic(str(value))


_CACHED_BYTES = 64


@lru_cache(maxsize=256)
def _publish_properties(part: bytes) -> Properties:
    """Parse the properties of a PUBLISH, cached: thousands of messages carry equal ones.

    Parsing them is a third of the cost of a packet.
    """
    properties = Reader(varint(len(part)) + part).properties(ALLOWED[Type.PUBLISH])
    _check_response_topic(properties)
    return properties


def parse_publish(version: int, flags: int, body: bytes) -> Publish:
    """Parse PUBLISH (3.3).

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
    """Parse SUBSCRIBE (3.8): packet identifier, filters, subscription identifier or 0."""
    reader, packet_id = _list_head(flags, body)
    properties = reader.properties(ALLOWED[Type.SUBSCRIBE]) if version == V5 else []
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
    """Parse UNSUBSCRIBE (3.10): packet identifier and filters."""
    reader, packet_id = _list_head(flags, body)
    if version == V5:
        reader.properties(ALLOWED[Type.UNSUBSCRIBE])
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
    """Parse PUBACK, PUBREC, PUBREL or PUBCOMP: packet identifier and reason code."""
    reader = Reader(body)
    packet_id = reader.u16()
    reason = reader.u8() if version == V5 and not reader.is_done else 0
    if version == V5 and not reader.is_done:
        reader.properties(ALLOWED[Type.PUBACK])
    if not reader.is_done or not packet_id:
        raise ProtocolError(
            Reason.MALFORMED, "an acknowledgement is a packet identifier and no more"
        )
    if reason not in (RECEIVED if kind in (Type.PUBACK, Type.PUBREC) else RELEASED):
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"{kind.name} with reason code {reason:#x}")
    return packet_id, reason


def parse_disconnect(version: int, body: bytes) -> tuple[int, Properties]:
    """Parse DISCONNECT (3.14): reason code and properties."""
    if version != V5:
        check_empty(body)
    if not body:
        return 0, []
    reader = Reader(body)
    reason = reader.u8()
    items = reader.properties(ALLOWED[Type.DISCONNECT]) if len(body) > 1 else []
    if not reader.is_done:
        raise ProtocolError(Reason.MALFORMED, "bytes are left over in DISCONNECT")
    if reason not in LEAVING:
        raise ProtocolError(Reason.PROTOCOL_ERROR, f"DISCONNECT with reason code {reason:#x}")
    return reason, items


def check_empty(body: bytes) -> None:
    """Check that PINGREQ (3.12), or DISCONNECT of 3.1.1, has no body."""
    if body:
        raise ProtocolError(Reason.MALFORMED, "a packet without fields has a body")


# Bytes to send
