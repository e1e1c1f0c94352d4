"""PURE: the records of a SeedLink server, oldest first, and a summary of each stream."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

GAP_NS = 1_000_000
"""Most that consecutive records may be apart, ns: times in miniSEED 2 are whole 0.1 ms."""


@dataclass(frozen=True, slots=True)
class Record:
    """A record: ``plain`` is 512 bytes of miniSEED 2, ``payload`` its form in version 4.

    ``begin_ns`` and ``end_ns``: its first sample, and the one that would follow its last.
    """

    sequence: int
    seed_id: str
    plain: bytes
    payload: bytes
    begin_ns: int = 0
    end_ns: int = 0

    @property
    def station(self) -> str:
        """NET_STA."""
        return "_".join(self.seed_id.split(".")[:2])

    @property
    def stream(self) -> str:
        """Location and codes as version 4 names them, ``LOC_B_S_SS``."""
        _, _, location, channel = self.seed_id.split(".")
        return f"{location}_{'_'.join(channel)}"


@dataclass(slots=True)
class Stream:
    """One stream in the ring: its first and last record, and the gaps between."""

    first: Record
    last: Record
    gaps: list[tuple[int, int]]

    @property
    def is_version_3(self) -> bool:
        """Whether version 4 sends it as miniSEED 3."""
        return self.last.payload.startswith(b"MS\x03")


class Ring:
    """At most ``limit`` records, numbered from ``first_sequence`` on."""

    def __init__(self, limit: int, first_sequence: int = 0) -> None:
        self.next_sequence = first_sequence
        self.newest_ns = 0
        """End of the newest data, ns."""
        self._records: deque[Record] = deque(maxlen=limit)

    def add(self, record: Record) -> None:
        """Add a record with the next number; the oldest may be dropped."""
        self._records.append(record)
        self.next_sequence = record.sequence + 1
        self.newest_ns = max(self.newest_ns, record.end_ns)

    def since(self, sequence: int) -> list[Record]:
        """The records from a number on."""
        count = min(len(self._records), max(0, self.next_sequence - sequence))
        return list(islice(reversed(self._records), count))[::-1]

    def streams(self) -> dict[str, Stream]:
        """The streams by SEED id, in order."""
        found: dict[str, Stream] = {}
        for record in self._records:
            stream = found.get(record.seed_id)
            if stream is None:
                found[record.seed_id] = Stream(record, record, [])
                continue
            if record.begin_ns - stream.last.end_ns > GAP_NS:
                stream.gaps.append((stream.last.end_ns, record.begin_ns))
            stream.last = record
        return dict(sorted(found.items()))

    def __iter__(self) -> Iterator[Record]:
        """All records, oldest first."""
        return iter(self._records)
