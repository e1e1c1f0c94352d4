"""The detection core once more, one sample at a time and from the definitions, to hold the compiled
one to.

Band-pass: scipy's Butterworth sections as obspy uses them. STA/LTA: Withers et al. (1998), eq. 3.
On and off: above the on ratio, until the last sample above the off ratio; none before the LTA has
had its length of samples, or while the same value has come for the dead time, or for the LTA's
length after that.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import iirfilter, sosfilt


@dataclass
class Windows:
    """Closed trigger windows (first, last sample), and the first sample of one still open."""

    closed: list[tuple[int, int]]
    open_since: int | None


def band_passed(samples: NDArray, rate: float, low: float = 1.0, high: float = 12.0) -> NDArray:
    band = [low, min(high, 0.45 * rate)]
    sections = iirfilter(4, band, btype="band", ftype="butter", output="sos", fs=rate)
    return sosfilt(sections, samples.astype(np.float64) - float(samples[0]))


def mended(samples: NDArray) -> NDArray:
    """Each NaN, infinite or absurd value replaced by the last good one, at the start by the first
    good one."""
    out = samples.astype(np.float64)
    good = [v for v in out if abs(v) < 1e18]
    last = good[0] if good else 0.0
    for i, v in enumerate(out):
        last = v if abs(v) < 1e18 else last
        out[i] = last
    return out


def triggers(
    samples: NDArray, rate: float, on: float = 4.0, off: float = 1.5, dead_s: float = 2.0
) -> Windows:
    """The trigger windows of one channel fed all its samples."""
    nsta, nlta, dead = int(0.3 * rate), int(10 * rate), max(33, round(dead_s * rate))
    x = mended(samples)
    filtered = band_passed(x, rate)
    sta = lta = 0.0
    ready, run = nlta, 0
    found = Windows([], None)
    for i, y in enumerate(filtered):
        sta = sta + (y * y - sta) / nsta
        lta = lta + (y * y - lta) / nlta
        if i > 0 and x[i] == x[i - 1]:
            run += 1
        else:
            ready = i + nlta if run >= dead else ready
            run = 0
        is_dead = run >= dead
        if found.open_since is None:
            if not is_dead and i >= ready and sta > on * lta:
                found.open_since = i
        elif is_dead or not sta > off * lta:
            found.closed.append((found.open_since, i - 1))
            found.open_since = None
    return found
