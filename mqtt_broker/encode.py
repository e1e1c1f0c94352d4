"""PURE: MQTT control packets to bytes."""

from mqtt_broker.packets import (
    BYTE,
    FORM,
    RETURN_CODES,
    U16,
    V5,
    VARINT,
    Prop,
    Properties,
    Type,
    Value,
)


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
    out = b"".join(varint(name) + _encoded(FORM[Prop(name)], value) for name, value in items)
    return varint(len(out)) + out


def _encoded(form: int, value: Value) -> bytes:
    if isinstance(value, int):
        if form == VARINT:
            return varint(value)
        return value.to_bytes({BYTE: 1, U16: 2}.get(form, 4), "big")
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
