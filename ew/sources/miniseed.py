"""PURE: miniSEED bytes (versions 2 and 3) to packets, by libmseed through pymseed.

A record that can't be read is skipped and named; what follows it is found again by its header.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from pymseed import MS3Record, MS3TraceList, PymseedError, sourceid2nslc

from ew.records import Packet

# A miniSEED 2 record starts with six digits (or blanks) and a quality letter, a version 3 record with "MS" 3.
_HEADER = re.compile(rb"[0-9 ]{6}[DRQM][ \x00]|MS\x03")
_SAMPLE_TYPES = {"i": np.int32, "f": np.float32, "d": np.float64}


@dataclass(frozen=True, slots=True)
class Decoded:
    """The packets of some bytes, one a record, and a line for each place that could not be read."""

    packets: list[Packet]
    notes: list[str]


def decode(data: bytes, name: str = "miniSEED") -> Decoded:
    """Packets of all records in ``data``; ``name`` is what notes call it (a file, a topic)."""
    decoded = Decoded([], [])
    offset = 0
    while offset < len(data):
        try:
            for record in MS3Record.from_buffer(memoryview(data)[offset:], unpack_data=True):
                packet = _packet(record)
                if packet is None:
                    decoded.notes.append(f"{name}: record at byte {offset} holds no samples")
                else:
                    decoded.packets.append(packet)
                offset += record.reclen
            problem = "not a whole record"
        except PymseedError as error:
            problem = str(error).strip().splitlines()[0]
        if offset >= len(data):
            break
        found = _HEADER.search(data, offset + 1)
        end = found.start() if found else len(data)
        decoded.notes.append(
            f"{name}: {end - offset} bytes at byte {offset} can't be read: {problem}"
        )
        offset = end
    return decoded


def read_runs(data: bytes, name: str = "miniSEED") -> Decoded:
    """Runs without a gap of all channels in a file's bytes, by channel and time.

    Whole files go through libmseed in one call (seven times as fast as record by record); one that it refuses is read
    record by record, so that only what is broken is lost, and named.
    """
    try:
        traces = MS3TraceList.from_buffer(data, unpack_data=True)
    except PymseedError:
        decoded = decode(data, name)
        return Decoded(list(joined(decoded.packets)), decoded.notes)
    runs, notes = [], []
    for trace in traces:
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
    # The record's memory is used again for the next one
    samples = np.array(record.np_datasamples, dtype=dtype)
    return Packet(_seed_id(record.sourceid), int(record.starttime), float(record.samprate), samples)


@lru_cache(maxsize=100_000)
def _seed_id(source_id: str) -> str:
    return ".".join(sourceid2nslc(source_id))


def encode(packet: Packet, record_bytes: int = 512) -> bytes:
    """A packet as one or more miniSEED 2 records: Steim2 for integers, else IEEE floats."""
    from pymseed import DataEncoding, TimeFormat, nslc2sourceid  # noqa: PLC0415 - only simulators encode

    del TimeFormat
    kind = {"i": ("i", DataEncoding.STEIM2), "f": ("f", DataEncoding.FLOAT32)}
    if packet.samples.dtype == np.int32:
        sample_type, encoding = kind["i"]
    else:
        sample_type, encoding = kind["f"]
    record = MS3Record()
    record.sourceid = nslc2sourceid(*packet.seed_id.split("."))
    record.reclen, record.formatversion = record_bytes, 2
    record.samprate = packet.sampling_rate
    record.encoding = encoding
    record.starttime = packet.start_ns
    values = packet.samples if sample_type == "i" else packet.samples.astype(np.float32)
    return b"".join(bytes(part) for part in record.generate(values, sample_type))


def joined(packets: Iterable[Packet]) -> Iterator[Packet]:
    """Runs without a gap: packets of one channel that follow on, at one rate, put together.

    The packets may be of several channels and in any order; runs come out by channel and time. What repeats
    an earlier packet is left to the picker, which has a rule for it.
    """
    ordered = sorted(packets, key=lambda packet: (packet.seed_id, packet.start_ns))
    run: list[Packet] = []
    for packet in ordered:
        if run and not _follows(run[-1], packet):
            yield _join(run)
            run = []
        run.append(packet)
    if run:
        yield _join(run)


def _follows(last: Packet, packet: Packet) -> bool:
    return (
        last.seed_id == packet.seed_id
        and last.sampling_rate == packet.sampling_rate
        and last.samples.dtype == packet.samples.dtype
        and abs(packet.start_ns - last.end_ns) * packet.sampling_rate < 0.5e9
    )


def _join(run: list[Packet]) -> Packet:
    first = run[0]
    samples = np.concatenate([packet.samples for packet in run])
    return Packet(first.seed_id, first.start_ns, first.sampling_rate, samples)
