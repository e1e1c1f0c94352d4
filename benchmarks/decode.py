"""miniSEED to packets: ew (libmseed through pymseed) beside obspy's reader and the picker.

Two forms: a recording of 200 channels as one file, and a live second of 1,000 stations x 3 at 100
Hz, a 512-byte record each, as they come when many wait (64 KiB, one read of a SeedLink socket) and
when none does (a record a call).
"""

import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import obspy

from benchmarks.harness import BenchmarkResult, alternate, budget, median
from ew import Packet, PickerBank
from ew.sources import miniseed

NAME = "decode"
CHANNELS = 200
LIVE_CHANNELS = 3000
RECORD_BYTES = 512
READ_BYTES = 128 * RECORD_BYTES
START_NS = 1_600_000_000_000_000_000


def noise(channels: int, samples: int) -> list[Packet]:
    rng = np.random.default_rng(1)
    return [
        Packet(f"XX.S{c:04d}..HHZ", START_NS, 100.0, rng.normal(0, 300, samples).astype(np.int32))
        for c in range(channels)
    ]


def pieces(data: bytes, length: int) -> list[bytes]:
    return [data[at : at + length] for at in range(0, len(data), length)]


def picked(packets: list[Packet]) -> object:
    return PickerBank().process(packets)


def live_seconds(packets: list[Packet], count: int) -> Iterator[list[Packet]]:
    """The same packets second after second, ready made: what repeats would be dropped."""
    lists = [
        [replace(p, start_ns=p.start_ns + second * 10**9) for p in packets]
        for second in range(count)
    ]
    return iter(lists)


def run(quick: bool) -> BenchmarkResult:
    rounds = 3 if quick else 9
    seconds = 20 if quick else 200
    whole = b"".join(miniseed.encode(packet) for packet in noise(CHANNELS, 100 * seconds))
    channels = 300 if quick else LIVE_CHANNELS
    live = b"".join(miniseed.encode(packet) for packet in noise(channels, 100))
    reads, records = pieces(live, READ_BYTES), pieces(live, RECORD_BYTES)
    for data, samples in ((whole, CHANNELS * seconds * 100), (live, channels * 100)):
        decoded = miniseed.decode(data)
        assert sum(len(p.samples) for p in decoded.packets) == samples
        assert not decoded.notes
    file_packets, live_packets = (miniseed.decode(data).packets for data in (whole, live))
    bank, seconds_of = PickerBank(), live_seconds(live_packets, rounds + 1)
    times = {
        "file": alternate(
            rounds,
            {
                "ew, whole file": lambda: miniseed.read_runs(whole),
                "ew, records": lambda: miniseed.decode(whole),
                "obspy.read": lambda: obspy.read(io.BytesIO(whole), format="MSEED"),
                "picker, same packets": lambda: picked(file_packets),
            },
        ),
        "live second": alternate(
            rounds,
            {
                "ew, 64 KiB a call": lambda: [miniseed.decode(r) for r in reads],
                "ew, a record a call": lambda: [miniseed.decode(r) for r in records],
                "picker, same packets": lambda: bank.process(next(seconds_of)),
            },
        ),
    }
    sizes = {"file": CHANNELS * seconds * 100 / 1e6, "live second": channels * 100 / 1e6}
    rows: list[dict[str, object]] = [
        {
            "data": data,
            "way": way,
            "Msamples/s": round(sizes[data] / median(t), 1),
            "% of a core, live": round(100 * median(t), 2) if data == "live second" else "",
        }
        for data, ways in times.items()
        for way, t in ways.items()
    ]
    fast, slow = times["live second"], times["file"]
    ratio = median(slow["obspy.read"]) / median(slow["ew, whole file"])
    share = max(100 * median(fast[way]) for way in fast if way.startswith("ew"))
    budgets = [
        budget(NAME, "over obspy", ratio),
        budget(NAME, "share of one core, 1,000 stations x 3, live", share),
    ]
    return BenchmarkResult(NAME, rows, budgets, ("Steim2, 512-byte records",))
