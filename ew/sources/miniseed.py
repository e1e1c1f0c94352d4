"""PURE: miniSEED bytes (versions 2 and 3) to packets and back, by libmseed through pymseed.

A record that can't be read is skipped and named; decoding continues at the next header.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
from pymseed import MiniSEEDError, MS3Record, MS3TraceList, PymseedError, sourceid2nslc

from ew.records import Packet, join_consecutive

# A miniSEED 2 record starts with six digits (or blanks) and a quality letter, a version 3 record
# with "MS" 3.
_HEADER = re.compile(rb"[0-9 ]{6}[DRQM][ \x00]|MS\x03")
_HEADERS = (b"000000D ", b"MS\x03")
"""One header of each version, as long as ``_HEADER`` needs."""
_LEAST_BYTES = 48
"""Bytes that libmseed needs to recognize a record."""
_SAMPLE_TYPES = {"i": np.int32, "f": np.float32, "d": np.float64}


@dataclass(slots=True)
class Decoded:
    """The packets of some bytes, one for each record, and a line for each place that can't be read.

    ``offsets`` has the byte at which the record of each packet begins; for files read as a whole it
    is empty.
    """

    packets: list[Packet]
    notes: list[str]
    offsets: list[int] = field(default_factory=list)


def decode(data: bytes, name: str = "miniSEED") -> Decoded:
    """Packets of all records in ``data``; notes call it ``name`` (a file, a topic)."""
    decoded, offset = Decoded([], []), 0
    while offset < len(data):
        offset = _decode_one(data, offset, name, decoded)
    return decoded


def decode_growing(data: bytes, name: str = "miniSEED", at: int = 0) -> tuple[Decoded, int]:
    """The packets of a file that is still being written, and the number of bytes decoded.

    ``at`` is the offset of ``data`` in the file, for the notes. The bytes that remain are the begin
    of a record.
    """
    decoded, offset = Decoded([], []), 0
    while offset < len(data):
        after = _decode_one(data, offset, name, decoded, at, is_growing=True)
        if after == offset:
            break
        offset = after
    return decoded, offset


def decode_each(payloads: Sequence[bytes], name: str = "miniSEED") -> list[Decoded]:
    """Decode many payloads, each up to its first fault.

    A payload is one record by protocol; searching a large one without any record would block the
    loop for a second for each MiB.
    """
    return [_decode_message(payload, name) for payload in payloads]


def _decode_message(payload: bytes, name: str) -> Decoded:
    decoded, offset = Decoded([], []), 0
    while offset < len(payload) and not decoded.notes:
        offset = _decode_one(payload, offset, name, decoded)
    return decoded


def _decode_one(
    data: bytes, offset: int, name: str, decoded: Decoded, at: int = 0, *, is_growing: bool = False
) -> int:
    """Decode the record at byte ``offset`` by libmseed.

    Returns the byte after it, or of the next header; ``offset`` itself where the record is not
    complete.
    """
    try:
        record = MS3Record.parse(memoryview(data)[offset:], unpack_data=True)
    except PymseedError as error:
        if is_growing and _is_unfinished(data, offset, error):
            return offset
        problem = str(error).strip().splitlines()[0]
        found = _HEADER.search(data, offset + 1)
        end = found.start() if found else len(data) - (_begun(data, offset) if is_growing else 0)
        decoded.notes.append(
            f"{name}: {end - offset} bytes at byte {at + offset} can't be read: {problem}"
        )
        return end
    try:
        packet = _packet(record)
    except ValueError:  # libmseed accepts any byte in a code
        decoded.notes.append(f"{name}: record at byte {at + offset} names no channel")
        return offset + int(record.reclen)
    if packet is None:
        decoded.notes.append(f"{name}: record at byte {at + offset} holds no samples")
    else:
        decoded.packets.append(packet)
        decoded.offsets.append(offset)
    return offset + int(record.reclen)


def _is_unfinished(data: bytes, offset: int, error: PymseedError) -> bool:
    if isinstance(error, MiniSEEDError) and error.status_code > 0:  # the number of missing bytes
        return True
    return len(data) - offset < _LEAST_BYTES and _may_begin(data[offset : offset + 8])


def _begun(data: bytes, offset: int) -> int:
    """The number of last bytes after ``offset`` that may be the begin of a header."""
    return next((n for n in range(7, 0, -1) if n < len(data) - offset and _may_begin(data[-n:])), 0)


def _may_begin(head: bytes) -> bool:
    return any(_HEADER.match(head + whole[len(head) :]) for whole in _HEADERS)


def begins(data: bytes) -> bool:
    """Whether bytes begin with a record's header, or with a full SEED volume's."""
    return _HEADER.match(data) is not None or data[6:8] == b"V "


def read_runs(data: bytes, name: str = "miniSEED") -> Decoded:
    """Runs without a gap of all channels in a file's bytes, by channel and time.

    A file that libmseed refuses as a whole is read record by record, so that only broken records
    are lost, and named.
    """
    try:
        return _read_whole(data, name)
    except (PymseedError, ValueError):  # ValueError: codes that name no channel
        decoded = decode(data, name)
        return Decoded(list(joined(decoded.packets)), decoded.notes)


def _read_whole(data: bytes, name: str) -> Decoded:
    runs, notes = [], []
    for trace in MS3TraceList.from_buffer(data, unpack_data=True):
        seed_id = _seed_id(trace.sourceid)
        for segment in trace:
            dtype = _SAMPLE_TYPES.get(segment.sampletype or "")
            if dtype is None or segment.numsamples == 0 or segment.samprate <= 0:
                notes.append(f"{name}: {seed_id} has a part without samples")
                continue
            samples = np.array(segment.np_datasamples, dtype=dtype)
            runs.append(Packet(seed_id, int(segment.starttime), float(segment.samprate), samples))
    runs.sort(key=lambda run: (run.seed_id, run.start_ns))
    return Decoded(runs, notes)


def _packet(record: MS3Record) -> Packet | None:
    dtype = _SAMPLE_TYPES.get(record.sampletype or "")
    if dtype is None or record.numsamples == 0 or record.samprate <= 0:
        return None
    # The record's memory goes with it
    samples = np.array(record.np_datasamples, dtype=dtype)
    return Packet(_seed_id(record.sourceid), int(record.starttime), float(record.samprate), samples)


@lru_cache(maxsize=100_000)
def _seed_id(source_id: str) -> str:
    """The SEED id of a source; always one string object, by which the picker knows it."""
    return ".".join(sourceid2nslc(source_id))


def encode(packet: Packet, record_bytes: int = 512, *, version: Literal[2, 3] = 2) -> bytes:
    """A packet as one or more miniSEED records: Steim2 for integers, else IEEE floats."""
    from pymseed import DataEncoding, nslc2sourceid  # noqa: PLC0415 - only simulators encode

    is_integer = packet.samples.dtype == np.int32
    record = MS3Record()
    record.sourceid = nslc2sourceid(*packet.seed_id.split("."))
    record.reclen, record.formatversion = record_bytes, version
    record.samprate = packet.sampling_rate
    record.encoding = DataEncoding.STEIM2 if is_integer else DataEncoding.FLOAT32
    record.starttime = packet.start_ns
    values = packet.samples if is_integer else packet.samples.astype(np.float32)
    return b"".join(bytes(part) for part in record.generate(values, "i" if is_integer else "f"))


def joined(packets: Iterable[Packet]) -> list[Packet]:
    """Join consecutive packets of one channel and rate to runs without a gap.

    The packets may be of several channels and in any order; runs come out by channel and time.
    Overlapping packets are left to the picker, which has a rule for them.
    """
    return join_consecutive(sorted(packets, key=lambda packet: (packet.seed_id, packet.start_ns)))
