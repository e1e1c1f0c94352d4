"""miniSEED to packets: libmseed through pymseed, as ew uses it, beside obspy's reader and the picker."""

import io

import numpy as np
import obspy

from benchmarks.harness import BenchmarkResult, alternate, budget, median
from ew import Packet, PickerBank
from ew.sources.miniseed import decode, encode, read_runs

NAME = "decode"
CHANNELS = 200


def run(quick: bool) -> BenchmarkResult:
    seconds = 20 if quick else 200
    rng = np.random.default_rng(1)
    packets = [
        Packet(
            f"XX.S{c:03d}..HHZ",
            1_600_000_000_000_000_000,
            100.0,
            rng.normal(0, 300, seconds * 100).astype(np.int32),
        )
        for c in range(CHANNELS)
    ]
    records = b"".join(encode(packet) for packet in packets)
    decoded = decode(records)
    assert sum(len(p.samples) for p in decoded.packets) == CHANNELS * seconds * 100
    assert not decoded.notes

    def pick() -> object:
        bank = PickerBank()
        return bank.process(decoded.packets)

    PickerBank.warm_up()
    times = alternate(
        3 if quick else 5,
        {
            "ew, whole file": lambda: read_runs(records),
            "ew, record by record": lambda: decode(records),
            "obspy.read": lambda: obspy.read(io.BytesIO(records), format="MSEED"),
            "picker on the same packets": pick,
        },
    )
    samples = CHANNELS * seconds * 100 / 1e6
    rows = [{"way": name, "Msamples/s": round(samples / median(t), 1)} for name, t in times.items()]
    ratio = median(times["obspy.read"]) / median(times["ew, whole file"])
    return BenchmarkResult(
        NAME, rows, [budget(NAME, "over obspy", ratio)], ("Steim2, 512-byte records",)
    )
