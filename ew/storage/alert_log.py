"""PURE: an event's acknowledged alerts, in parts as the database stores them."""

import itertools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import orjson

from ew.times import NS_PER_US

PART_MOST = 1000


class Acknowledged(Protocol):
    """The values of an acknowledged alert that are stored."""

    topic: str
    event_id: str
    version: int
    sent_ns: int
    acked_ns: int
    intensity: float


Record = TypeVar("Record", bound=Acknowledged)


@dataclass(frozen=True, slots=True)
class AcknowledgedAlert:
    """An alert that the broker has acknowledged; times are epoch microseconds."""

    address: str  # "cell" or "device"
    target: str
    version: int
    sent_us: int
    acknowledged_us: int
    intensity: float


def parts(records: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Records by event, in parts of at most a thousand."""
    by_event: dict[str, list[Record]] = {}
    for record in records:
        by_event.setdefault(record.event_id, []).append(record)
    for event_id, found in by_event.items():
        for first in range(0, len(found), PART_MOST):
            yield event_id, found[first : first + PART_MOST]


def packed(records: Iterable[Acknowledged]) -> bytes:
    """A part as stored: 15 bytes an alert."""
    rows = [
        (
            *record.topic.rsplit("/", 2)[1:],
            record.version,
            record.sent_ns // NS_PER_US,
            record.acked_ns // NS_PER_US,
            round(record.intensity, 1),
        )
        for record in records
    ]
    return zlib.compress(orjson.dumps(rows), 1)


def unpacked(body: bytes) -> Iterator[AcknowledgedAlert]:
    """The alerts of a part, in the order of their acknowledgements."""
    return itertools.starmap(AcknowledgedAlert, orjson.loads(zlib.decompress(body)))
