"""PURE: the SeedLink protocol, versions 3 and 4, without a socket: commands, answers, packets.

Version 3 follows IRIS's SeedLink 3.1 (2012): ``STATION STA NET``, selectors ``LLCCC``, 24-bit
sequence numbers in hexadecimal, packets of 8 + 512 bytes. Version 4 follows the FDSN (SeedLink 4.0,
2024): ``SLPROTO 4.0``, ``STATION NET_STA``, selectors on the stream id ``LOC_B_S_SS``, 64-bit
sequence numbers in decimal, packets of 17 bytes, the station's name and any number of bytes.
"""

import fnmatch
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ew.errors import InputError
from ew.times import iso_from_ns

Version: TypeAlias = Literal[3, 4]

V3_HEADER, V3_RECORD = 8, 512
V4_HEADER = struct.Struct("<2s c c I Q B")
"""Signature, format, subformat, length of the payload, sequence number, length of the station's
name."""
LONGEST_PAYLOAD = 1 << 20
"""Most bytes of a payload: a miniSEED record has at most 64 KiB in version 2, and no stream has
larger ones in version 3."""
MINISEED = (b"2", b"3")

_V3_SELECTOR = re.compile(r"(!?)([A-Z0-9?-]{2})?([A-Z0-9?]{3})(?:\.([A-Z]))?")
_V4_SELECTOR = re.compile(r"(!?)([A-Z0-9?*]*)_([A-Z0-9?*])_([A-Z0-9?*])_([A-Z0-9?*])(?:\..*)?")


@dataclass(frozen=True, slots=True)
class Frame:
    """A packet.

    ``station`` is NET_STA where the header contains it, ``sequence`` ``None`` where it can't be
    read.
    """

    sequence: int | None
    station: str | None
    payload: bytes


@dataclass(frozen=True, slots=True)
class Command:
    """One line to the server.

    ``station``: the NET_STA, or pattern, that it concerns. ``resumes``: it only asks for missed
    data; a station that has gone since may be refused silently.
    """

    text: str
    station: str
    resumes: bool = False


def versions_of(greeting: bytes) -> set[Version]:
    """The versions that a server's answer to HELLO offers.

    Raises:
        InputError: it is no SeedLink server.
    """
    if not greeting.lower().startswith(b"seedlink"):
        raise InputError(f"no SeedLink server: it says {greeting[:60]!r}")
    offered = set(re.findall(rb"SLPROTO:(\d+)\.", greeting))
    versions: set[Version] = {4} if b"4" in offered else set()
    return versions | {3} if b"3" in offered or not versions else versions


def resume_key(version: Version, station: str) -> str:
    """The key of a station's last sequence number: versions 3 and 4 count separately."""
    return station if version == 3 else f"v4 {station}"


@dataclass(frozen=True, slots=True)
class Resume:
    """Where to resume: last sequence numbers by ``resume_key``, and times (ns) of their packets.

    Times are for servers that check the number against them (``checks_times``), else empty.
    """

    sequences: Mapping[str, int]
    times_ns: Mapping[str, int] = field(default_factory=dict)

    def data(self, version: Version, key: str) -> str:
        """The DATA command that resumes after the last packet of a key."""
        last = self.sequences.get(key)
        if last is None:
            return "DATA"
        number = f"{(last + 1) & 0xFFFFFF:06X}" if version == 3 else str(last + 1)
        time_ns = self.times_ns.get(key)
        if time_ns is None:
            return f"DATA {number}"
        iso = iso_from_ns(time_ns)[:19]
        return f"DATA {number} {re.sub('[-T:]', ',', iso) if version == 3 else f'{iso}Z'}"


def checks_times(greeting: bytes) -> bool:
    """Whether a server checks a number against its packet's time, else resumes by the time.

    ringserver does (``slclient.c``), so that nothing is lost when its ring and its numbers begin
    anew. SeisComP's treats the time as a limit: older packets of other channels would be lost.
    """
    return b"ringserver" in greeting.lower()


def commands(version: Version, select: Sequence[str], resume: Resume) -> Iterator[Command]:
    """The commands to send, in order, except END.

    ``select`` is the configuration's list of NET_STA or NET_STA:SELECTORS. A wildcard resumes, in
    version 3, from the last packet of all; in version 4, where stations may count separately, each
    known station is requested by name first (FDSN SeedLink 4.0, Reconnection).

    Raises:
        InputError: a selector has no form in this version.
    """
    for one in select:
        station, _, selectors = one.partition(":")
        if version == 3:
            yield from _v3(station, selectors.split(), resume)
        else:
            yield from _v4(station, selectors.split(), resume)


def is_pattern(station: str) -> bool:
    """Whether NET_STA has a wildcard."""
    return "*" in station or "?" in station


def expand(select: Sequence[str], stations: Sequence[str]) -> list[str]:
    """A selection with its patterns replaced by the stations (NET_STA) that match them."""
    found: list[str] = []
    for one in select:
        pattern, colon, selectors = one.partition(":")
        names = [name for name in stations if fnmatch.fnmatchcase(name, pattern)]
        found += [f"{name}{colon}{selectors}" for name in names]
    return found


def _v3(station: str, selectors: Sequence[str], resume: Resume) -> Iterator[Command]:
    net, _, sta = station.partition("_")
    yield Command(f"STATION {sta} {net}", station)
    for selector in selectors:
        yield Command(f"SELECT {v3_selector(selector)}", station)
    yield Command(resume.data(3, "*" if is_pattern(station) else station), station)


def _v4(station: str, selectors: Sequence[str], resume: Resume) -> Iterator[Command]:
    known = [key.removeprefix("v4 ") for key in resume.sequences if key[:3] == "v4 "]
    if is_pattern(station):
        wanted = re.compile(re.escape(station).replace(r"\*", ".*").replace(r"\?", "."))
        names = [name for name in known if wanted.fullmatch(name)]
    else:
        names = []
    for name in [*names, station]:
        resumes = name is not station
        yield Command(f"STATION {name}", name, resumes)
        for selector in selectors:
            yield Command(f"SELECT {v4_selector(selector)}", name, resumes)
        yield Command(resume.data(4, resume_key(4, name)), name, resumes)


def v3_selector(selector: str) -> str:
    """A selector, or one on stream ids, in the form of version 3.

    Raises:
        InputError: version 3 has no such form.
    """
    found = _V4_SELECTOR.fullmatch(selector)
    if found is None:
        return selector
    negative, location, *codes = found.groups()
    channel = "".join(codes).replace("*", "?")
    if location in ("*", "**"):
        return f"{negative}{channel}"
    location = location or "--"
    if len(location) != 2 or "*" in location:
        raise InputError(f"selector {selector!r} has no form in SeedLink 3: give it as LLCCC")
    return f"{negative}{location}{channel}"


def v4_selector(selector: str) -> str:
    """A selector in the form of version 4: itself, or that of ``LLCCC.T``; T: the record's type.

    Raises:
        InputError: it has neither form.
    """
    if "_" in selector:
        return selector
    found = _V3_SELECTOR.fullmatch(selector)
    if found is None:
        raise InputError(f"selector {selector!r} is neither CCC or LLCCC nor LOC_B_S_SS")
    negative, location, channel, kind = found.groups()
    location = "*" if location is None else location.replace("-", "")
    return f"{negative}{location}_{'_'.join(channel)}" + (f".?{kind}" if kind else "")


class Framer:
    """Cuts the server's bytes into packets."""

    def __init__(self, version: Version) -> None:
        self._version = version
        self._waiting = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """The packets that are complete now, except those with anything but miniSEED.

        Raises:
            InputError: no packet where one must begin.
        """
        self._waiting += data
        frames: list[Frame] = []
        cut = self._cut_v3 if self._version == 3 else self._cut_v4
        at = 0
        while (after := cut(at, frames)) > at:
            at = after
        del self._waiting[:at]
        return frames

    def _cut_v3(self, at: int, frames: list[Frame]) -> int:
        head = bytes(self._waiting[at : at + V3_HEADER])
        self._check(head, b"SL")
        end = at + V3_HEADER + V3_RECORD
        if len(self._waiting) < end:
            return at
        if not head.startswith(b"SLINFO"):
            digits = head[2:].decode("latin1")
            try:
                sequence = int(digits, base=16)
            except ValueError:
                sequence = None
            frames.append(Frame(sequence, None, bytes(self._waiting[at + V3_HEADER : end])))
        return end

    def _cut_v4(self, at: int, frames: list[Frame]) -> int:
        head = bytes(self._waiting[at : at + V4_HEADER.size])
        self._check(head, b"SE")
        if len(head) < V4_HEADER.size:
            return at
        form, length, sequence, name_length = self._unpacked(head)
        if length > LONGEST_PAYLOAD:
            raise InputError(f"a packet of {length} bytes, more than {LONGEST_PAYLOAD}")
        begin = at + V4_HEADER.size + name_length
        if len(self._waiting) < begin + length:
            return at
        if form in MINISEED:
            name = self._waiting[at + V4_HEADER.size : begin].decode("latin1")
            frames.append(Frame(sequence, name, bytes(self._waiting[begin : begin + length])))
        return begin + length

    @staticmethod
    def _unpacked(head: bytes) -> tuple[bytes, int, int, int]:
        _, form, _, length, sequence, name_length = V4_HEADER.unpack(head)
        return form, length, sequence, name_length

    @staticmethod
    def _check(head: bytes, signature: bytes) -> None:
        if head[:2] != signature[: len(head)]:
            raise InputError(f"no packet where one must begin: {head!r}")
