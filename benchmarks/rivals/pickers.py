"""obspy's pickers, each with ew's band and averages where it has such: what ``benchmarks picker``
holds ew against.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from obspy.signal.filter import bandpass
from obspy.signal.trigger import ar_pick, pk_baer, recursive_sta_lta, trigger_onset

from ew.config import PickerConfig

WINDOW_S = (14.0, 6.0)
Samples = NDArray[np.float64]


@dataclass(slots=True)
class Trace:
    """One run of a vertical channel: true onsets and the span counted as noise, in seconds from its
    start.
    """

    samples: Samples
    rate: float
    onsets: list[float]
    noise_until: float


def sta_lta_picks(trace: Trace, on_ratio: float) -> list[float]:
    c, rate = PickerConfig(), trace.rate
    high = min(c.band_high_hz, 0.45 * rate)
    filtered = bandpass(trace.samples - trace.samples[0], c.band_low_hz, high, rate, corners=4)
    ratio = recursive_sta_lta(filtered, int(c.sta_s * rate), int(c.lta_s * rate))
    return [on / rate for on, _ in trigger_onset(ratio, on_ratio, c.off_ratio)]


def baer_pick(trace: Trace) -> list[float]:
    rate = trace.rate
    filtered = bandpass(
        trace.samples - trace.samples[0], 1.0, min(12.0, 0.45 * rate), rate, corners=4
    )
    # The parameters of obspy's own example, in seconds of this rate
    lengths = int(0.2 * rate), int(0.6 * rate)
    single = filtered.astype(np.float32)
    pick, _ = pk_baer(single, rate, *lengths, 7.0, 12.0, int(rate), int(rate))
    return [pick / rate] if pick > 0 else []


def ar_picks(trace: Trace) -> list[float]:
    z = trace.samples - trace.samples[0]
    # One component thrice: the P part of the method reads the vertical alone
    high = min(12.0, 0.45 * trace.rate)
    p, _ = ar_pick(z, z, z, trace.rate, 1.0, high, 1.0, 0.1, 4.0, 1.0, 2, 8, 0.1, 0.2)
    return [p] if p > 0 else []


def windows(trace: Trace) -> Iterator[Trace]:
    """20 s around each onset, and the noise in pieces of 20 s."""
    before, after = WINDOW_S
    for onset in trace.onsets:
        if onset > before:
            a, b = (round((onset + s) * trace.rate) for s in (-before, after))
            yield Trace(trace.samples[a:b], trace.rate, [onset - a / trace.rate], 0.0)
    for start in np.arange(0.0, trace.noise_until - 20, 20.0):
        a, b = (round(s * trace.rate) for s in (start, start + 20))
        yield Trace(trace.samples[a:b], trace.rate, [], 20.0)
