"""PURE: one client's session at the SeedLink server: commands in, answers and packets out.

Written from the specifications and not from the client, so that the two do not share a mistake.
"""

import fnmatch
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from pymseed import DataEncoding, MS3Record, nslc2sourceid

from ew.times import NS_PER_US, us_from_seconds
from simulators import slinfo
from simulators.slinfo import About
from simulators.slring import Record, Ring

GREETING = {
    (3,): "SeedLink v3.1 ({}) :: SLPROTO:3.1\r\newnet\r\n",
    (4,): "SeedLink v4.0 ({}) :: SLPROTO:4.0\r\newnet\r\n",
    (3, 4): "SeedLink v4.0 ({}) :: SLPROTO:3.1 SLPROTO:4.0\r\newnet\r\n",
}
OK = b"OK\r\n"
END_OF_FETCH = b"END"
INFO_BYTES = 448
"""Bytes of an answer in XML in a record of 512 bytes."""


@dataclass(slots=True)
class _Wish:
    """One STATION command and what followed it; ``since`` ``None``: from the next record on.

    With a time window: records that end after ``begin_ns`` and begin no later than ``until_ns``.
    """

    station: str
    selectors: list[str] = field(default_factory=list)
    since: int | None = None
    begin_ns: int = -(2**63)
    until_ns: int = 2**63

    def is_for(self, seed_id: str) -> bool:
        net, sta, *_ = seed_id.split(".")
        return fnmatch.fnmatchcase(f"{net}_{sta}", self.station)

    def selects(self, names: tuple[str, ...]) -> bool:
        """Whether one of a stream's names matches a selector, and none a negative one."""
        matches = [
            (selector[0] == "!", fnmatch.fnmatchcase(name, selector.lstrip("!")))
            for selector in self.selectors
            for name in names
        ]
        if any(negative and hit for negative, hit in matches):
            return False
        return any(hit for negative, hit in matches if not negative) or not any(
            not negative for negative, _ in matches
        )


class Session:
    """The state of one connection.

    Without STATION a client of version 3 is in uni-station mode: it selects from all stations, and
    DATA, FETCH or TIME begins the stream, without an answer and without END.
    """

    def __init__(self, protocols: tuple[int, ...], software: str = slinfo.SOFTWARE) -> None:
        self.version: Literal[3, 4] = 3
        self.is_streaming = self.is_fetch = False
        self.commands: list[str] = []
        self.user_agent = ""
        self._protocols, self._software = protocols, software
        self._has_chosen = False
        self._is_uni = False
        self._wishes: list[_Wish] = []
        self._wishes_of: dict[str, list[_Wish]] = {}  # by stream, once it streams

    @property
    def since(self) -> int:
        """The first sequence number any wish reaches back to."""
        return min(wish.since for wish in self._wishes if wish.since is not None)

    def answer(self, command: str, about: About) -> bytes | None:
        """The answer to a command, ``None`` to end the connection."""
        self.commands.append(command)
        name, *words = command.split()
        name = name.upper()
        if name == "BYE":
            return None
        if name == "INFO":  # at any time
            return self._info(words, about)
        return b"" if self.is_streaming else self._negotiate(name, words, about.ring)

    def _negotiate(self, name: str, words: list[str], ring: Ring) -> bytes:
        if name == "HELLO":
            return GREETING[self._protocols].format(self._software).encode()
        if name == "SLPROTO":
            return self._slproto(words)
        if self._protocols == (4,) and not self._has_chosen:
            return b"ERROR UNEXPECTED SLPROTO must come first\r\n"
        if name in ("END", "ENDFETCH") and self._wishes:
            return self._end(ring, is_fetch=self.is_fetch or name == "ENDFETCH")
        return self._modify(name, words, ring)

    def _modify(self, name: str, words: list[str], ring: Ring) -> bytes:
        if name == "STATION":
            return self._station(words)
        if name == "SELECT":
            return self._select(words)
        if name == ("USERAGENT" if self.version == 4 else "BATCH"):
            self.user_agent = " ".join(words)
            return OK
        if self.version == 3 and name == "CAT":
            return self._catalogue(ring)
        if name in (("DATA",) if self.version == 4 else ("DATA", "FETCH", "TIME")):
            self.is_fetch = self.is_fetch or name == "FETCH"
            return self._data(name, words, ring)
        return self._error("UNSUPPORTED", name)

    def _end(self, ring: Ring, *, is_fetch: bool) -> bytes:
        self.is_streaming, self.is_fetch = True, is_fetch
        newest = ring.next_sequence
        for wish in self._wishes:
            wish.since = newest if wish.since is None else min(wish.since, newest)
        return b""

    def wants(self, record: Record) -> bool:
        """Whether the client wants this record."""
        wishes = self._wishes_of.get(record.seed_id)
        if wishes is None:  # once for each stream: a client may name hundreds of stations
            wishes = self._wishes_of[record.seed_id] = self._fitting(record)
        return any(
            record.sequence >= (wish.since or 0)
            and record.end_ns > wish.begin_ns
            and record.begin_ns <= wish.until_ns
            for wish in wishes
        )

    def is_over(self, newest_ns: int) -> bool:
        """Whether no more is wanted once all has been sent; the data end at ``newest_ns``."""
        return self.is_fetch or all(newest_ns > wish.until_ns for wish in self._wishes)

    def _fitting(self, record: Record) -> list[_Wish]:
        """The wishes that match a stream."""
        _, _, loc, cha = record.seed_id.split(".")
        found = []
        for wish in self._wishes:
            if not wish.is_for(record.seed_id):
                continue
            names = (record.stream,) if self.version == 4 else (cha, (loc or "--") + cha)
            if wish.selects(names):
                found.append(wish)
            if self.version == 4:  # a station belongs to the first matching command alone
                break
        return found

    def packet(self, record: Record) -> bytes:
        """A record as bytes for the connection."""
        if self.version == 3:
            return b"SL%06X" % (record.sequence & 0xFFFFFF) + record.plain
        net, sta, *_ = record.seed_id.split(".")
        kind = b"3D" if record.payload.startswith(b"MS\x03") else b"2D"
        return self._frame(kind, record.sequence, f"{net}_{sta}", record.payload)

    @staticmethod
    def _frame(kind: bytes, sequence: int, station: str, payload: bytes) -> bytes:
        name = station.encode()
        return b"".join(
            (
                b"SE",
                kind,
                len(payload).to_bytes(4, "little"),
                sequence.to_bytes(8, "little"),
                len(name).to_bytes(1, "little"),
                name,
                payload,
            )
        )

    def _error(self, code: str, why: str) -> bytes:
        return b"ERROR\r\n" if self.version == 3 else f"ERROR {code} {why}\r\n".encode()

    def _slproto(self, words: list[str]) -> bytes:
        if 4 not in self._protocols:
            return b"ERROR\r\n"
        if words != ["4.0"]:
            return b"ERROR UNSUPPORTED no such version\r\n"
        if self._has_chosen or self._wishes:
            return b"ERROR UNEXPECTED SLPROTO comes once and first\r\n"
        self.version, self._has_chosen = 4, True
        return OK

    def _station(self, words: list[str]) -> bytes:
        if len(words) not in ((1,) if self.version == 4 else (1, 2)):
            return self._error("ARGUMENTS", "STATION takes one pattern")
        station = words[0] if self.version == 4 else f"{words[1] if words[1:] else '*'}_{words[0]}"
        self._wishes.append(_Wish(station))
        return OK

    def _select(self, words: list[str]) -> bytes:
        if self.version == 4 and (not self._wishes or not words):
            return self._error("ARGUMENTS", "SELECT follows STATION and names a stream")
        self._wish().selectors += [word.split(".")[0] for word in words]
        return OK

    def _wish(self) -> _Wish:
        """The wish of the last STATION, or of uni-station mode."""
        if not self._wishes:
            self._is_uni = True
            self._wishes.append(_Wish("*"))
        return self._wishes[-1]

    def _data(self, name: str, words: list[str], ring: Ring) -> bytes:
        if self.version == 4 and not self._wishes:
            return self._error("UNEXPECTED", "STATION comes first")
        wish = self._wish()
        times = [found for word in words if (found := _time_ns(word)) is not None]
        first = words[0] if words and _time_ns(words[0]) is None else ""
        if self.version == 4 and first and first != "ALL" and not first.isdecimal():
            return self._error("ARGUMENTS", "DATA [seq | ALL] [start [end]]")
        if first and first != "ALL":
            _go_on(wish, self._number(first, ring), times, ring)
        else:
            wish.since = 0 if first == "ALL" or name in ("TIME", "FETCH") else None
            wish.begin_ns, wish.until_ns = (
                *times[:2],
                *(wish.begin_ns, wish.until_ns)[len(times) :],
            )
        return self._end(ring, is_fetch=self.is_fetch) if self._is_uni else OK

    def _number(self, word: str, ring: Ring) -> int | None:
        """The number a client wants next; ``None``: no such record was sent."""
        if self.version == 4:
            return int(word)
        number = ring.next_sequence & ~0xFFFFFF | int(word, 16)
        # The latest with these 24 bits
        number = number if number <= ring.next_sequence else number - 0x1000000
        return number if number >= 0 else None

    def _info(self, words: list[str], about: About) -> bytes:
        level = words[0].upper() if words else "ID"
        if self.version == 3:
            return _info_records(slinfo.xml(level, about))
        found = slinfo.document(level, about, *words[1:3])
        if found is None:
            error = {"error": {"code": "ARGUMENTS", "message": f"no INFO {level}"}}
            return self._frame(b"JE", 0, "", slinfo.encoded(error))
        return self._frame(b"JI", 0, "", slinfo.encoded(found))

    @staticmethod
    def _catalogue(ring: Ring) -> bytes:
        stations = sorted({stream.last.station for stream in ring.streams().values()})
        lines = [f"{one.replace('_', ' ', 1)}\r\n" for one in stations]
        return "".join(lines).encode() + b"END"


def _go_on(wish: _Wish, number: int | None, times: list[int], ring: Ring) -> None:
    """Resume from a number.

    With a time, the packet before it must have begun in that second, else the time counts (as in
    ringserver).
    """
    wish.since = number
    if not times:
        return
    last = ring.since(number - 1)[:1] if number else []
    if not last or last[0].sequence + 1 != number or last[0].begin_ns // 10**9 != times[0] // 10**9:
        wish.since, wish.begin_ns = 0, times[0]


def _time_ns(word: str) -> int | None:
    """A time in the form of version 3 (``2024,1,31,12,0,0``) or 4 (ISO 8601), ``None`` for none."""
    if re.fullmatch(r"\d{4}(,\d+){5}", word):
        moment = datetime.strptime(word, "%Y,%m,%d,%H,%M,%S").replace(tzinfo=UTC)
    elif re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z?", word):
        moment = datetime.fromisoformat(word.rstrip("Z")).replace(tzinfo=UTC)
    else:
        return None
    return us_from_seconds(moment.timestamp()) * NS_PER_US


def _info_records(text: bytes | None) -> bytes:
    """Text in records of SeedLink 3, marked as continued except the last; ``None``: no level."""
    channel = "INF" if text is not None else "ERR"
    content = text or b'<?xml version="1.0"?><seedlink/>'
    packets = []
    for at in range(0, len(content), INFO_BYTES):
        part = content[at : at + INFO_BYTES]
        record = MS3Record()
        record.sourceid, record.reclen = nslc2sourceid("SL", "INFO", "", channel), 512
        record.formatversion, record.encoding = 2, DataEncoding.TEXT
        record.starttime, record.samprate = 0, 0
        (packed,) = record.generate(np.frombuffer(part, np.uint8), "t")
        mark = b"SLINFO *" if at + INFO_BYTES < len(content) else b"SLINFO  "
        packets.append(mark + bytes(packed))
    return b"".join(packets)
