"""PURE: the fields of a packet's body (1.5, 2.2.2): integers, strings and properties, checked."""

from mqtt_broker.packets import (
    BINARY,
    BYTE,
    FLAGS,
    FORM,
    REPEATABLE,
    TEXT,
    U16,
    U32,
    VARINT,
    Prop,
    Properties,
    ProtocolError,
    Reason,
    Value,
)


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
        """Read a number of bytes."""
        if self._at + count > len(self._body):
            raise ProtocolError(Reason.MALFORMED, "packet ends too soon")
        part = self._body[self._at : self._at + count]
        self._at += count
        return part

    def rest(self) -> bytes:
        """Read all bytes that are left."""
        return self.take(len(self._body) - self._at)

    def u8(self) -> int:
        """Read a byte."""
        return self.take(1)[0]

    def u16(self) -> int:
        """Read a two-byte integer."""
        return int.from_bytes(self.take(2), "big")

    def binary(self) -> bytes:
        """Read binary data with its length."""
        return self.take(self.u16())

    def text(self) -> str:
        """Read a UTF-8 string (1.5.4): no NUL, no surrogates."""
        try:
            text = self.binary().decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProtocolError(Reason.MALFORMED, "not UTF-8") from error
        if "\x00" in text:
            raise ProtocolError(Reason.MALFORMED, "a string holds NUL")
        return text

    def varint(self) -> int:
        """Read a variable byte integer (1.5.5)."""
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
        """Read properties (2.2.2): those allowed here, each once but for user properties."""
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
        """Read a property's value."""
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
