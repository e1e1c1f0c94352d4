"""PURE: miniSEED bytes (versions 2 and 3) to packets.

Plain miniSEED 2, as live streams send it, is read in compiled code, all records in one call (``kernels``); all else by libmseed through
pymseed, a record at a time. A record that can't be read is skipped and named; what follows it is found again by its header.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pymseed import MS3Record, MS3TraceList, PymseedError, sourceid2nslc

from ew.records import Packet
from ew.sources import kernels

# A miniSEED 2 record starts with six digits (or blanks) and a quality letter, a version 3 record with "MS" 3.
_HEADER = re.compile(rb"[0-9 ]{6}[DRQM][ \x00]|MS\x03")
_SAMPLE_TYPES = {"i": np.int32, "f": np.float32, "d": np.float64}
SHORTEST_RECORD = 128
RECORDS_AT_ONCE = 1024
"""They share an array of samples, about 1 MiB; a packet kept for long keeps no more than that."""


@dataclass(slots=True)
class Decoded:
    """The packets of some bytes, one a record, and a line for each place that could not be read.

    ``offsets`` tells at which byte the record of each packet begins; files read as a whole have none.
    """

    packets: list[Packet]
    notes: list[str]
    offsets: list[int] = field(default_factory=list)


def decode(data: bytes, name: str = "miniSEED") -> Decoded:
    """Packets of all records in ``data``; ``name`` is what notes call it (a file, a topic)."""
    decoded, offset = Decoded([], []), 0
    while offset < len(data):
        read_to = _decode_plain(data, offset, decoded)
        offset = read_to if read_to > offset else _decode_one(data, offset, name, decoded)
    return decoded


def decode_each(payloads: Sequence[bytes], name: str = "miniSEED") -> list[Decoded]:
    """What each of many payloads holds, decoded in one go where each is one sound record and nothing else, as live ones are."""
    starts = list(accumulate(map(len, payloads), initial=0))[:-1]
    together = decode(b"".join(payloads), name)
    if together.offsets == starts and not together.notes:
        return [Decoded([packet], [], [0]) for packet in together.packets]
    return [decode(payload, name) for payload in payloads]


def warm_up() -> None:
    """Compile (or load) what reads records, so that no earthquake waits for it."""
    samples = np.arange(100, dtype=np.int32)
    decode(encode(Packet("XX.WARM..HHZ", 0, 100.0, samples)))


def _decode_plain(data: bytes, offset: int, decoded: Decoded) -> int:
    """Decode plain records from byte ``offset`` on; returns the byte of the first that is not, or cut short."""
    most = min(RECORDS_AT_ONCE, (len(data) - offset) // SHORTEST_RECORD)
    if most == 0:
        return offset
    read = np.frombuffer(data, np.uint8)
    whole = np.empty((most, kernels.COLUMNS), np.int64)
    count, total = kernels.scan(read, offset, whole)
    if count == 0:
        return offset
    samples = np.empty(total + kernels.MARGIN, np.int32)
    count = kernels.unpack(read, whole, count, kernels.PACKINGS, samples)
    if count == 0:
        return offset
    whole = whole[:count]
    at, lengths, _, encodings, sizes, starts = whole[:, : kernels.RATE].T.tolist()
    ends = list(accumulate(sizes))
    parts = [samples[end - size : end] for end, size in zip(ends, sizes, strict=True)]
    if kernels.FLOAT32 in encodings:
        parts = [
            part.view(np.float32) if encoding == kernels.FLOAT32 else part
            for part, encoding in zip(parts, encodings, strict=True)
        ]
    ids, rates = map(_seed_id_of, _codes(whole).tolist()), _rates(whole).tolist()
    decoded.packets.extend(map(Packet, ids, starts, rates, parts))
    decoded.offsets.extend(at)
    return int(at[-1] + lengths[-1])


def _decode_one(data: bytes, offset: int, name: str, decoded: Decoded) -> int:
    """Decode the record at byte ``offset`` by libmseed; returns the byte after it, or of the next header."""
    try:
        record = MS3Record.parse(memoryview(data)[offset:], unpack_data=True)
    except PymseedError as error:
        problem = str(error).strip().splitlines()[0]
        found = _HEADER.search(data, offset + 1)
        end = found.start() if found else len(data)
        decoded.notes.append(
            f"{name}: {end - offset} bytes at byte {offset} can't be read: {problem}"
        )
        return end
    try:
        packet = _packet(record)
    except ValueError:  # libmseed takes any byte for a code
        decoded.notes.append(f"{name}: record at byte {offset} names no channel")
        return offset + int(record.reclen)
    if packet is None:
        decoded.notes.append(f"{name}: record at byte {offset} holds no samples")
    else:
        decoded.packets.append(packet)
        decoded.offsets.append(offset)
    return offset + int(record.reclen)


def read_runs(data: bytes, name: str = "miniSEED") -> Decoded:
    """Runs without a gap of all channels in a file's bytes, by channel and time.

    Files of plain miniSEED 2 without overlaps are unpacked straight into their runs; others go through libmseed in one
    call; one that it refuses is read record by record, so that only what is broken is lost, and named.
    """
    if (plain := _read_plain_runs(data)) is not None:
        return Decoded(plain, [])
    try:
        return _read_whole(data, name)
    except (PymseedError, ValueError):  # ValueError: codes that name no channel
        decoded = decode(data, name)
        return Decoded(list(joined(decoded.packets)), decoded.notes)


def _read_plain_runs(data: bytes) -> list[Packet] | None:
    """The runs of a file of plain records alone, none of which reaches into the next; ``None`` for any other."""
    most = len(data) // SHORTEST_RECORD
    read = np.frombuffer(data, np.uint8)
    whole = np.empty((most, kernels.COLUMNS), np.int64)
    count, total = kernels.scan(read, 0, whole)
    if count == 0 or int(whole[count - 1, : kernels.FIRST].sum()) != len(data):
        return None
    whole = whole[:count]
    whole = whole[np.lexsort((whole[:, kernels.START_NS], _codes(whole)))]
    codes, rates = _codes(whole), _rates(whole)
    begins = _run_begins(whole, rates, codes)
    if begins is None:
        return None
    samples = np.empty(total + kernels.MARGIN, np.int32)
    if kernels.unpack(read, whole, count, kernels.PACKINGS, samples) < count:
        return None
    edges = np.concatenate([[0], np.cumsum(whole[:, kernels.SAMPLES])])
    runs = []
    for begin, end in pairwise([*begins.tolist(), count]):
        part = samples[edges[begin] : edges[end]]
        if whole[begin, kernels.ENCODING] == kernels.FLOAT32:
            part = part.view(np.float32)
        seed_id, start_ns = _seed_id_of(codes[begin]), int(whole[begin, kernels.START_NS])
        runs.append(Packet(seed_id, start_ns, float(rates[begin]), part))
    runs.sort(key=lambda run: (run.seed_id, run.start_ns))
    return runs


def _rates(whole: NDArray[np.int64]) -> NDArray[np.float64]:
    return whole.view(np.float64)[:, kernels.RATE]


def _codes(whole: NDArray[np.int64]) -> NDArray[np.bytes_]:
    return whole.view("S8")[:, kernels.CODES :].copy().view("S16").ravel()


def _run_begins(
    whole: NDArray[np.int64], rates: NDArray[np.float64], codes: NDArray[np.bytes_]
) -> NDArray[np.int64] | None:
    """The rows, sorted by channel and time, at which a run begins; ``None`` if a record reaches into the next.

    By libmseed's own measures a record goes on where it starts within half a sample of the end, at a rate that
    differs by less than 1e-4.
    """
    period_ns = 1e9 / rates
    ends_ns = whole[:, kernels.START_NS] + whole[:, kernels.SAMPLES] * period_ns
    ahead = (whole[1:, kernels.START_NS] - ends_ns[:-1]) / period_ns[:-1]
    is_same = codes[1:] == codes[:-1]
    if (is_same & (ahead < -0.5)).any():
        return None
    is_float = whole[:, kernels.ENCODING] == kernels.FLOAT32
    goes_on = is_same & (ahead <= 0.5) & (abs(1 - rates[:-1] / rates[1:]) < 1e-4)
    goes_on &= is_float[1:] == is_float[:-1]
    return np.flatnonzero(np.concatenate([[True], ~goes_on]))


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
def _seed_id_of(codes: bytes) -> str:
    """The SEED id of a miniSEED 2 header's codes; the same string each time, which the picker knows by identity."""
    text = codes.decode("ascii")
    parts = text[10:], text[:5], text[5:7], text[7:10]
    return ".".join(part.replace(" ", "") for part in parts)


@lru_cache(maxsize=100_000)
def _seed_id(source_id: str) -> str:
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
