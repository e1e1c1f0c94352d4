"""PURE: reads COSMOS strong-motion files, which obspy does not: V0, V1 and V2 of 2001 (v1.20).

Each channel has 13 lines of text, 100 integers, 100 reals, comments, values in a Fortran format,
and a line ``End-of-data``. Numbers of headers count from 1 as in the format's tables; -999 is
unknown. Values are used where they are accelerations in cm/s² or g.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ew.records import Channel, Packet
from ew.times import NS_PER_S, ns_from_seconds

TEXT_LINES = 13
GAINS = {4: 100.0, 2: 1 / 9.80665}
"""Units in 1 m/s² by the code of the unit (table 2): cm/s², g."""
ACCELERATION = 1
"""The code of acceleration (parameter, table 1)."""
UP, DOWN, VERTICAL = 400, 401, 402
"""Codes that stand in place of a horizontal azimuth (table 8)."""
_BEGIN = re.compile(r"^[^\n]*\(Format v0?1\.\d+ +with +13 text lines\)", re.MULTILINE)
_FORMAT = re.compile(r"Format= *\((\d+)([IFEG])(\d+)(?:\.(\d+))?\)")
_CODE = re.compile(r"Code:\s*([A-Z0-9]{1,2})-([A-Z0-9]{1,8})")


class Part(NamedTuple):
    """One channel of a file: its samples as a packet, and its metadata."""

    packet: Packet
    channel: Channel


@dataclass(slots=True)
class _Lines:
    """The lines that have not been read yet."""

    lines: list[str]
    at: int = 0

    def next(self) -> str:
        if self.at >= len(self.lines):
            raise ValueError("it ends too early")
        self.at += 1
        return self.lines[self.at - 1]

    def numbers(self) -> list[float]:
        """The values announced by a line that gives their number and Fortran format."""
        head = self.next()
        count, found = int(head.split()[0]), _FORMAT.search(head)
        if found is None:
            raise ValueError(f"no format in {head.strip()[:60]!r}")
        a_line, width = int(found[1]), int(found[3])
        values: list[float] = []
        while len(values) < count:
            line = self.next().rstrip()
            fields = [line[at : at + width] for at in range(0, len(line), width)][:a_line]
            if not fields:
                raise ValueError("an empty line among the values")
            values += [float(text) for text in fields]
        return values[:count]


def begins(data: bytes) -> bool:
    """Whether bytes look like a COSMOS file."""
    return _BEGIN.match(data[:200].decode("latin1")) is not None


def parse(data: bytes, name: str) -> tuple[list[Part], list[str]]:
    """The channels of a file called ``name``, and a line for each that can't be used."""
    parts: list[Part] = []
    notes: list[str] = []
    for number, text in enumerate(_sections(data.decode("latin1")), start=1):
        try:
            part = _part(_Lines(text.splitlines()))
        except (ValueError, IndexError, OverflowError) as error:
            notes.append(f"{name}: channel {number} can't be used: {error}")
        else:
            parts.append(_apart(part, {one.packet.seed_id for one in parts}))
    return parts, notes


def _sections(text: str) -> Iterator[str]:
    begins_at = [found.start() for found in _BEGIN.finditer(text)]
    for begin, end in pairwise([*begins_at, len(text)]):
        yield text[begin:end]


def _part(lines: _Lines) -> Part:
    heading = [lines.next() for _ in range(TEXT_LINES)]
    integers, reals = lines.numbers(), lines.numbers()
    for _ in range(int(lines.next().split()[0])):  # comments
        lines.next()
    values = np.array(lines.numbers(), np.float64)
    gain = GAINS.get(int(integers[2]))
    if int(integers[1]) != ACCELERATION or gain is None:
        raise ValueError(
            f"parameter {integers[1]:.0f} in unit {integers[2]:.0f}, not acceleration in cm/s² or g"
        )
    found = _CODE.search("\n".join(heading))
    if found is None:
        raise ValueError("no station code (Code:NET-STATION)")
    interval_ms = reals[61]
    if not 1 <= interval_ms <= 100:
        raise ValueError(f"a sample every {interval_ms} ms")
    axis, dip_deg = _axis(int(integers[53]))
    seed_id = f"{found[1]}.{found[2]}..HN{axis}"
    if not (abs(reals[0]) <= 90 and abs(reals[1]) <= 180):
        raise ValueError(f"{seed_id} lies nowhere ({reals[0]}, {reals[1]})")
    elevation_m = reals[2] if reals[2] != -999 else 0.0
    channel = Channel(seed_id, reals[0], reals[1], elevation_m, gain, "M/S**2", dip_deg)
    return Part(
        Packet(seed_id, _start_ns(integers, reals[29]), 1000 / interval_ms, values), channel
    )


def _start_ns(integers: list[float], seconds: float) -> int:
    """The first sample's time, ns UTC, from year, (day of year), month, day, hour and so on."""
    year, _, month, day, hour, minute = (int(value) for value in integers[39:45])
    if not 0 <= seconds < 61:
        raise ValueError(f"it begins at {seconds} s of a minute")
    begin = datetime(year, month, day, hour, minute, tzinfo=UTC)
    since = (begin - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
    return round(since) * NS_PER_S + ns_from_seconds(seconds)


def _axis(azimuth: int) -> tuple[str, float]:
    """The last letter of the channel's code, and its dip."""
    if azimuth in (UP, VERTICAL):
        return "Z", -90.0
    if azimuth == DOWN:
        return "Z", 90.0
    if azimuth in (0, 360):
        return "N", 0.0
    # As a right-handed pair: the one nearer to north is 1
    return ("E" if azimuth == 90 else "1" if azimuth < 45 or azimuth >= 225 else "2"), 0.0


def _apart(part: Part, taken: set[str]) -> Part:
    """A copy with a location code of its own where a building has several sensors."""
    network, station, _, code = part.packet.seed_id.split(".")
    seed_id, number = part.packet.seed_id, 0
    while seed_id in taken:
        number += 1
        seed_id = f"{network}.{station}.{number:02d}.{code}"
    if not number:
        return part
    packet, channel = part
    renamed = Packet(seed_id, packet.start_ns, packet.sampling_rate, packet.samples)
    return Part(renamed, replace(channel, seed_id=seed_id))
