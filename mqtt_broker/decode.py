"""PURE: bytes to MQTT control packets, with the checks that the standards ask of a server."""

from collections.abc import Iterator
from functools import lru_cache

from mqtt_broker.encode import varint
from mqtt_broker.packets import (
    ALLOWED,
    BINARY,
    BYTE,
    FLAGS,
    FORM,
    LEAVING,
    RECEIVED,
    RELEASED,
    REPEATABLE,
    TEXT,
    U16,
    U32,
    V5,
    V311,
    VARINT,
    WILL,
    Connect,
    Filter,
    Prop,
    Properties,
    ProtocolError,
    Publish,
    Reason,
    Type,
    Value,
    Will,
    number,
)


class Splitter:
    """Bytes as they come to whole packets: (type, flags, body).

    ``is_strict``: lengths must use as few bytes as they need, as MQTT 5 demands (1.5.5) and MQTT
    3.1.1 does not.
    """

    def __init__(self, max_packet_bytes: int) -> None:
        self.is_strict = False
        self._max = max_packet_bytes
        self._buffer = bytearray()

    @property
    def is_empty(self) -> bool:
        """Whether no begun packet is held."""
        return not self._buffer

    def limit(self, max_packet_bytes: int) -> None:
        """Take no larger packets from now on."""
        self._max = min(self._max, max_packet_bytes)

    def hold(self, data: bytes) -> None:
        """Keep bytes until ``packets`` is asked for."""
        self._buffer += data

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The packets that are complete by now, with these bytes.

        Raises:
            ProtocolError: a packet is too large or its length malformed.
        """
        self._buffer += data
        return self.packets()

    def packets(self) -> Iterator[tuple[int, int, bytes]]:
        """The packets that are complete by now; those not asked for stay.

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
        """Properties allowed in this packet (2.2.2), each at most once but for user properties."""
        part = Reader(self.take(self.varint()))
        found: Properties = []
        while not part.is_done:
            identifier = part.varint()
            if identifier not in FORM or identifier not in allowed:
                raise ProtocolError(Reason.MALFORMED, f"property {identifier:#x} has no place here")
            if identifier not in REPEATABLE and any(name == identifier for name, _ in found):
                raise ProtocolError(Reason.PROTOCOL_ERROR, f"property {identifier:#x} stands twice")
            value = part.value(FORM[Prop(identifier)])
            if identifier in FLAGS and value not in (0, 1):
                raise ProtocolError(Reason.PROTOCOL_ERROR, f"property {identifier:#x} is {value!r}")
            found.append((identifier, value))
        return found

    def value(self, form: int) -> Value:
        """A property's value."""
        if form == BYTE:
            return self.u8()
        if form == U16:
            return self.u16()
        if form == U32:
            return int.from_bytes(self.take(4), "big")
        if form == VARINT:
            return self.varint()
        if form == TEXT:
            return self.text()
        return self.binary() if form == BINARY else (self.text(), self.text())


def check_topic(topic: str, *, can_be_empty: bool = False) -> str:
    """A topic name (4.7): not empty, no wildcard."""
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
    """The version in which a CONNECT is to be answered: 5 if it says so, else 3.1.1.

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
    """A response topic is a topic name (3.3.2.3.5)."""
    for name, value in properties:
        if name == Prop.RESPONSE_TOPIC:
            check_topic(str(value))


_CACHED_BYTES = 64


@lru_cache(maxsize=256)
def _publish_properties(part: bytes) -> Properties:
    """Properties of a PUBLISH, cached: thousands of messages carry equal ones.

    Parsing them is a third of the cost of a packet.
    """
    properties = Reader(varint(len(part)) + part).properties(ALLOWED[Type.PUBLISH])
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
    """UNSUBSCRIBE (3.10): packet identifier and filters."""
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
    """PUBACK, PUBREC, PUBREL, PUBCOMP: packet identifier and reason code."""
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
    """DISCONNECT (3.14): reason code and properties."""
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
    """PINGREQ (3.12), and DISCONNECT of 3.1.1, have no body."""
    if body:
        raise ProtocolError(Reason.MALFORMED, "a packet without fields has a body")


# Bytes to send
