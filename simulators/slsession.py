"""PURE: one client's talk with the SeedLink server: commands in, answers out, and what it is then sent.

Written from the specifications and not from the client, so that the two do not share a mistake.
"""

import fnmatch
import json
from dataclasses import dataclass, field
from typing import Literal

GREETING = {
    (3,): b"SeedLink v3.1 (ew simulator) :: SLPROTO:3.1\r\newnet\r\n",
    (4,): b"SeedLink v4.0 (ew simulator) :: SLPROTO:4.0\r\newnet\r\n",
    (3, 4): b"SeedLink v4.0 (ew simulator) :: SLPROTO:3.1 SLPROTO:4.0\r\newnet\r\n",
}
OK = b"OK\r\n"
END_OF_FETCH = b"END"


@dataclass(frozen=True, slots=True)
class Record:
    """A record in the ring: ``plain`` is 512 bytes of miniSEED 2, ``payload`` what version 4 is sent of it."""

    sequence: int
    seed_id: str
    plain: bytes
    payload: bytes


@dataclass(slots=True)
class _Wish:
    """One STATION command and what followed it; ``since`` ``None``: from the next record on."""

    station: str
    selectors: list[str] = field(default_factory=list)
    since: int | None = None

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
    """The state of one connection."""

    def __init__(self, protocols: tuple[int, ...]) -> None:
        self.version: Literal[3, 4] = 3
        self.is_streaming = self.is_fetch = False
        self.commands: list[str] = []
        self._protocols = protocols
        self._has_chosen = False
        self._wishes: list[_Wish] = []
        self._sinces: dict[str, list[int]] = {}  # by stream, once it streams

    @property
    def since(self) -> int:
        """The first sequence number any wish reaches back to."""
        return min(wish.since for wish in self._wishes if wish.since is not None)

    def answer(self, command: str, newest: int) -> bytes | None:
        """The answer to a command, ``None`` to end the connection; ``newest`` is the number the next record will have."""
        self.commands.append(command)
        name, *words = command.split()
        name = name.upper()
        if name == "BYE":
            return None
        if name == "HELLO":
            return GREETING[self._protocols]
        if name == "SLPROTO":
            return self._slproto(words)
        if self._protocols == (4,) and not self._has_chosen:
            return b"ERROR UNEXPECTED SLPROTO must come first\r\n"
        if name in ("END", "ENDFETCH") and self._wishes:
            return self._end(newest, is_fetch=self.is_fetch or name == "ENDFETCH")
        return self._modify(name, words, newest)

    def _modify(self, name: str, words: list[str], newest: int) -> bytes:
        if name == "STATION":
            return self._station(words)
        if name == "SELECT":
            return self._select(words)
        if self.version == 4 and name in ("USERAGENT", "INFO"):
            return OK if name == "USERAGENT" else self._info(words)
        if name in (("DATA",) if self.version == 4 else ("DATA", "FETCH", "TIME")):
            self.is_fetch = self.is_fetch or name == "FETCH"
            return self._data(words, newest)
        return self._error("UNSUPPORTED", name)

    def _end(self, newest: int, *, is_fetch: bool) -> bytes:
        self.is_streaming, self.is_fetch = True, is_fetch
        for wish in self._wishes:
            wish.since = newest if wish.since is None else min(wish.since, newest)
        return b""

    def wants(self, record: Record) -> bool:
        """Whether the client is to have this record."""
        sinces = self._sinces.get(record.seed_id)
        if sinces is None:  # once a stream: a client may name hundreds of stations
            sinces = self._sinces[record.seed_id] = self._sinces_of(record.seed_id)
        return any(record.sequence >= since for since in sinces)

    def _sinces_of(self, seed_id: str) -> list[int]:
        """From which numbers on a stream is wanted, one for each wish it fits."""
        _, _, loc, cha = seed_id.split(".")
        found = []
        for wish in self._wishes:
            if not wish.is_for(seed_id):
                continue
            names = (f"{loc}_{'_'.join(cha)}",) if self.version == 4 else (cha, (loc or "--") + cha)
            if wish.selects(names):
                found.append(wish.since or 0)
            if self.version == 4:  # a station is the first matching command's alone
                break
        return found

    def packet(self, record: Record) -> bytes:
        """A record as it goes over the line."""
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
        if len(words) != (1 if self.version == 4 else 2):
            return self._error("ARGUMENTS", "STATION takes one pattern")
        self._wishes.append(_Wish(words[0] if self.version == 4 else f"{words[1]}_{words[0]}"))
        return OK

    def _select(self, words: list[str]) -> bytes:
        if not self._wishes or not words:
            return self._error("ARGUMENTS", "SELECT follows STATION and names a stream")
        self._wishes[-1].selectors += [word.split(".")[0] for word in words]
        return OK

    def _data(self, words: list[str], newest: int) -> bytes:
        if not self._wishes:
            return self._error("UNEXPECTED", "STATION comes first")
        first = words[0] if words else ""
        if self.version == 4 and first and first != "ALL" and not first.isdecimal():
            return self._error("ARGUMENTS", "DATA [seq]")
        if first == "ALL":
            self._wishes[-1].since = 0
        elif self.version == 4 and first:
            self._wishes[-1].since = int(first)
        elif first and "," not in first:  # a time has commas
            number = newest & ~0xFFFFFF | int(first, 16)
            # The latest with these 24 bits that can have been sent
            self._wishes[-1].since = number if number <= newest else max(0, number - 0x1000000)
        return OK

    def _info(self, words: list[str]) -> bytes:
        if [word.upper() for word in words] != ["ID"]:
            error = {"error": {"code": "UNSUPPORTED", "message": "INFO ID alone"}}
            return self._frame(b"JE", 0, "", json.dumps(error).encode())
        said = {"software": "ew simulator", "organization": "ewnet"}
        return self._frame(b"JI", 0, "", json.dumps(said).encode())
