"""How fast packets become triggers and picks, beside obspy and the memory's own limit, on one core.

Live conditions: each tick's packets are made just before it is timed, as a decoder would leave
them, from channels that stand at random phases of their packets; 3,000 are a national network,
30,000 every public station on Earth.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from obspy.signal.filter import bandpass
from obspy.signal.trigger import recursive_sta_lta, trigger_onset

from benchmarks.harness import BenchmarkResult, Budget, budget, median, percentile
from ew import Packet, PickerBank

RATE = 100.0
NAME = "detector"
SETTLING = 12  # ticks
START_UP = """
import time
start = time.perf_counter()
import numpy, ew
bank = ew.PickerBank()
bank.process([ew.Packet("XX.A..HHZ", 0, 100.0, numpy.zeros(100, numpy.float32))])
print(time.perf_counter() - start)
"""


def noise(channels: int, samples: int) -> NDArray[np.float32]:
    """(channels, samples) of white noise, the same each time."""
    return np.random.default_rng(7).standard_normal((channels, samples), np.float32)


def ticks(channels: int, length: int, count: int, *, mixed: bool = False) -> Iterator[list[Packet]]:
    """Packets of ``length`` samples of every channel, tick by tick; ``mixed``: of half to all of
    it, at any phase."""
    wave = noise(channels, 2 * length)
    ids = [f"XX.S{c:05d}..HHZ" for c in range(channels)]
    rng = np.random.default_rng(1)
    at = np.zeros(channels, np.int64)
    for _ in range(count):
        long = (
            rng.integers(length // 2, length + 1, channels) if mixed else np.full(channels, length)
        )
        first = rng.integers(0, length, channels)
        yield [
            Packet(ids[c], int(at[c]) * 10**7, RATE, wave[c, first[c] : first[c] + long[c]].copy())
            for c in range(channels)
        ]
        at += long


def bank_rate(channels: int, length: int, count: int, *, mixed: bool = False) -> float:
    """Msamples/s of ``PickerBank.process``, median over ticks once the LTA of 10 s has filled and
    triggers come.
    """
    bank, rates = PickerBank(), []
    for packets in ticks(channels, length, count + SETTLING, mixed=mixed):
        samples = sum(len(packet.samples) for packet in packets)
        start = time.perf_counter()
        bank.process(packets)
        rates.append(samples / (time.perf_counter() - start) / 1e6)
    assert bank.counters.samples > 0
    assert bank.counters.gaps_bridged == bank.counters.duplicates == 0
    return median(rates[SETTLING:])


def obspy_pipeline(trace: NDArray[np.float32]) -> object:
    """The same work by obspy: band-pass, ratio, windows."""
    filtered = bandpass(trace, 1.0, 12.0, RATE, corners=4)
    return trigger_onset(recursive_sta_lta(filtered, 30, 1000), 4.0, 1.5)


def rate_of(call: Callable[[], object], samples: int, rounds: int) -> float:
    """Msamples/s, median over rounds."""
    times = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return samples / median(times[1:]) / 1e6


def references(rounds: int) -> dict[str, float]:
    """Msamples/s of obspy's forms and of a plain pass over 3,000 packets' samples."""
    hour = noise(1, 360_000)[0]
    second, tenth = noise(1, 1100)[0], noise(1, 1010)[0]
    packets = list(noise(3000, 100))
    return {
        "obspy, hour-long trace": rate_of(lambda: obspy_pipeline(hour), len(hour), rounds),
        "obspy, hour-long, ratio only": rate_of(
            lambda: recursive_sta_lta(hour, 30, 1000), len(hour), rounds
        ),
        # A packet alone can't warm an LTA of 10 s: the naive user keeps the last 10 s and runs all
        # of it
        "obspy, per packet of 1 s, 10 s kept": rate_of(lambda: obspy_pipeline(second), 100, rounds),
        "obspy, per packet of 0.1 s, 10 s kept": rate_of(lambda: obspy_pipeline(tenth), 10, rounds),
        "obspy, per packet of 1 s, nothing kept": rate_of(
            lambda: obspy_pipeline(second[:100]), 100, rounds
        ),
        "plain sum over the samples": rate_of(
            lambda: [packet.sum() for packet in packets], 300_000, rounds
        ),
        "plain sum, one array": rate_of(hour.sum, len(hour), rounds),
    }


def latency(stations: int, seconds: float) -> tuple[list[float], float]:
    """Milliseconds of each tick of 10 ms with 1 s packets at random phases, and the share of one
    core it took.

    Timed from the packets' arrival to the picks' return; an event runs through all stations
    half-way.
    """
    rng = np.random.default_rng(3)
    channels = stations * 3
    length = round(seconds * RATE) + 200
    wave = noise(channels, length)
    middle = length // 2
    wave[:, middle : middle + 300] *= 20
    phase = rng.integers(0, 100, channels)
    due: list[list[int]] = [np.flatnonzero(phase == k).tolist() for k in range(100)]
    bank, times = PickerBank(), []
    for tick in range(round(seconds * 100) - 100):
        packets = [
            Packet(f"XX.S{c:05d}..HHZ", tick * 10**7, RATE, wave[c, tick : tick + 100])
            for c in due[tick % 100]
        ]
        start = time.perf_counter()
        bank.process(packets)
        times.append(time.perf_counter() - start)
    assert bank.counters.picks > stations
    live = times[100:]
    return [1000 * t for t in live], 100 * sum(live) / (len(live) * 0.01)


def start_up(rounds: int) -> float:
    """Seconds from ``import ew`` to the first packet processed, in a new process."""
    call = [sys.executable, "-c", START_UP]
    found = [
        float(subprocess.run(call, check=True, capture_output=True).stdout)
        for _ in range(rounds + 1)
    ]
    return median(found[1:])


def run(quick: bool) -> BenchmarkResult:
    with one_core():
        return measure(quick)


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this process on one core, and give it back what it had."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(quick: bool) -> BenchmarkResult:
    rounds = 3 if quick else 9
    sizes = (1, 100, 3000) if quick else (1, 100, 3000, 30_000)
    rows: list[dict[str, object]] = []
    over: list[float] = []
    over_naive: list[float] = []
    ours: dict[tuple[int, str], list[float]] = {}
    theirs: dict[str, list[float]] = {}
    # References and candidates take turns; each ratio is of one turn, the median over turns counts
    for _ in range(1 if quick else 5):
        for name, value in references(rounds).items():
            theirs.setdefault(name, []).append(value)
        for channels in sizes:
            count = max(3, min(rounds * 6, 90_000 // channels))
            for label, length, mixed in (
                ("1 s", 100, False),
                ("0.1 s", 10, False),
                ("0.5-1 s", 100, True),
            ):
                value = bank_rate(channels, length, count, mixed=mixed)
                ours.setdefault((channels, label), []).append(value)
        over.append(ours[3000, "1 s"][-1] / theirs["obspy, hour-long trace"][-1])
        over_naive.append(ours[3000, "1 s"][-1] / theirs["obspy, per packet of 1 s, 10 s kept"][-1])
    best = median(theirs["obspy, hour-long trace"])
    for name, values in theirs.items():
        rows.append(
            {"what": name, "Msamples/s": median(values), "x obspy's best": median(values) / best}
        )
    for (channels, label), values in ours.items():
        value = median(values)
        rows.append(
            {
                "what": f"ew, {channels:,} channels, packets of {label}",
                "Msamples/s": value,
                "x obspy's best": value / best,
                "ns a packet": 1e3 * {"1 s": 100, "0.1 s": 10}.get(label, 75) / value,
            }
        )
    times, share = latency(50 if quick else 1000, 30 if quick else 60)
    rows.append(
        {
            "what": "tick of 10 ms, 1 s packets at random phases, ms: p50 / p99 / max",
            "Msamples/s": " / ".join(
                f"{v:.3f}" for v in (median(times), percentile(times, 99), max(times))
            ),
        }
    )
    return BenchmarkResult(NAME, rows, _budgets(over, over_naive, times, share, quick))


def _budgets(
    over: list[float], over_naive: list[float], times: list[float], share: float, quick: bool
) -> list[Budget]:
    bank = PickerBank()
    bank.process([Packet("XX.A..HHZ", 0, RATE, np.zeros(100, np.float32))])
    figures = {
        "3,000 channels, 1 s packets, over obspy in one piece": median(over),
        "3,000 channels, 1 s packets, over obspy per packet": median(over_naive),
        "tick of 1,000 stations x 3, p99": percentile(times, 99),
        "share of one core, 1,000 stations x 3, live": share,
        "start-up to first packet, warm cache": start_up(1 if quick else 5),
        "memory per channel at 100 Hz with 30 s": bank.bytes_per_channel / 1024,
    }
    return [budget(NAME, name, value) for name, value in figures.items()]
