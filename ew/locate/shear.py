"""PURE: the S-wave behind a P pick, found on the horizontal components of its station.

Where stations are few, the time from P to S is worth as much as another station: it tells how far
away the earthquake is, and how deep. Shear motion is mostly horizontal, so S stands out there of
the coda of P that hides it from the vertical.

The onset is where the energy e = n² + e² of the band-passed horizontals after P changes its level
most: the least Akaike criterion (Maeda 1985) for exponentially distributed energy,

    AIC(k) = k log mean(e[:k]) + (n - k) log mean(e[k:])

for k before the loudest half second; it is taken for S if its amplitude is ``CLEAR`` times that of
the coda just before, and if it is as horizontal as S is: else it is P that still rises.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ew.detect.filters import BandPass, band_pass
from ew.locate.amplitudes import History
from ew.locate.kernels import add_energy, s_onset
from ew.records import Packet, Pick
from ew.times import NS_PER_S, seconds_from_ns

BAND_HZ = (1.0, 8.0)
"""S has lost what is shorter on its way; below, low-cost sensors are noisy."""
LEAD_S = 4.0
"""Data before P, for the filter to settle."""
LEAST_S_MINUS_P_S = 0.7
"""S is not looked for sooner: 5 km away, and the rise of P itself."""
ENOUGH_AFTER_S = 0.6
"""So much of S must be in: less may be a swing of the coda."""
BEFORE_S = 2.0
RISE_S = 0.4
"""The onset is looked for once more with only so much of S: its loudest part may come a second
later."""
DELAY_S = 0.1
"""By so much the band-pass brings S late: on synthetic S-waves of M 4.5-5.5
(tests/locate/test_shear.py)."""
CLEAR = 2.5
SHARE = 0.75
"""Least amplitude of a horizontal over the vertical in the first ``SHARE_S`` of S: 0.8-5.9 in 46
recorded S-waves of a low-cost network, 0.6-4.2 in 20 of others; the rise of P has less in four
cases of five."""
SHARE_S = 1.0
LONGEST_S = 40.0
"""S - P at 350 km; the history holds no more."""

GREW = 4.0
"""Horizontals that have grown by so much (amplitude) since the first ``GREW_FROM_S`` of P hold S,
even where a growing P hides its onset."""
GREW_FROM_S = 1.5

HORIZONTAL = "NE12XYRT"
"""SEED orientation codes of the components that are not vertical."""
DEAD_S = 5.0
STEP_S = 0.5
SURE, SURE_S = 4.0, 3.0
"""An S so clear, with so much of data behind it, is not looked for again."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SOnset:
    """An S onset: epoch seconds, and its amplitude over that of the coda before it."""

    time_s: float
    clarity: float


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """The squares of the band-passed samples, (N,) f8, of one channel without a gap."""

    start_s: float
    rate: float
    energy: Floats

    def is_beside(self, other: "Trace") -> bool:
        """Whether the samples of both were taken at the same times."""
        return abs(self.start_s - other.start_s) < 1 / self.rate and self.rate == other.rate


class ShearWaves:
    """The S onsets behind picks, found in the horizontal channels of a history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._found: dict[tuple[str, int], tuple[float, SOnset | None]] = {}
        self._hidden: set[tuple[str, int]] = set()

    def behind(self, pick: Pick) -> SOnset | None:
        """The S onset behind a pick of the same sensor, if it is in by now and stands out."""
        ends_s = {
            channel: self._history.end_s(channel)
            for channel in self._history.components(pick.seed_id)
            if channel[-1] in HORIZONTAL
        }
        if not ends_s:
            return None
        key, p_s = (pick.seed_id, pick.time_ns), seconds_from_ns(pick.time_ns)
        # A component that has died must not hold up the other
        live = [c for c, end_s in ends_s.items() if end_s > max(ends_s.values()) - DEAD_S]
        end_s = looked_until_s(p_s, min(ends_s[c] for c in live))
        looked_s, found = self._found.get(key, (-math.inf, None))
        is_sure = found is not None and found.clarity >= SURE and looked_s > found.time_s + SURE_S
        if end_s <= looked_s or is_sure:
            return found
        found = None
        if end_s > p_s + GREW_FROM_S:  # sooner neither can be told
            horizontals = [_joined(self._history.packets(c), p_s, end_s) for c in live]
            traces = [trace for trace in horizontals if trace is not None]
            found = find_s(traces, self._history.packets(pick.seed_id), p_s, end_s)
            if found is None and has_grown(traces, p_s):
                self._hidden.add(key)
        self._found[key] = end_s, found
        return found

    def sought_s(self, pick: Pick) -> float:
        """Up to when (epoch s) the S-wave of a pick was last looked for; minus infinity where it never was, or may be in unseen."""
        if (pick.seed_id, pick.time_ns) in self._hidden:
            return -math.inf
        return self._found.get((pick.seed_id, pick.time_ns), (-math.inf, None))[0]

    def forget(self, before_s: float) -> None:
        """Let go of what was found behind picks older than that."""
        before_ns = before_s * NS_PER_S
        self._found = {k: v for k, v in self._found.items() if k[1] >= before_ns}
        self._hidden = {k for k in self._hidden if k[1] >= before_ns}


def looked_until_s(p_s: float, end_s: float) -> float:
    """In whole steps after P, so that it does not matter when and how often S is asked for."""
    return p_s + math.floor(min(end_s - p_s, LONGEST_S) / STEP_S) * STEP_S


def find_s(
    horizontals: Sequence[Trace], vertical: Sequence[Packet], p_s: float, end_s: float
) -> SOnset | None:
    """The S onset after a P onset at ``p_s`` in data up to ``end_s`` (epoch s), or ``None`` while none stands out.

    ``horizontals``: one or two channels, ``vertical``: packets of the third in order of time.
    """
    if not horizontals:
        return None
    first_trace = horizontals[0]
    traces = [t for t in horizontals if t.is_beside(first_trace)]
    count = min(len(trace.energy) for trace in traces)
    start_s, rate = first_trace.start_s, first_trace.rate
    energy = np.sum([trace.energy[:count] for trace in traces], axis=0)
    p_at = round((p_s - start_s) * rate)
    first = p_at + round(LEAST_S_MINUS_P_S * rate)
    per_s = [round(s * rate) for s in (RISE_S, ENOUGH_AFTER_S, BEFORE_S)]
    onset, clarity = s_onset(energy, p_at, first, *per_s, CLEAR)
    if onset < 0:
        return None
    up = _joined(vertical, p_s, end_s)
    if up is not None and up.is_beside(first_trace):
        part = slice(onset, onset + round(SHARE_S * rate))
        across = energy[part].mean() / len(traces)
        if across < SHARE**2 * up.energy[part].mean():
            return None
    return SOnset(start_s + onset / rate - DELAY_S, clarity)


def has_grown(horizontals: Sequence[Trace], p_s: float) -> bool:
    """Whether horizontals have become ``GREW`` times as loud as in the first of P at ``p_s`` (epoch s)."""
    for trace in horizontals:
        energy = trace.energy
        at = round((p_s - trace.start_s) * trace.rate)
        first = energy[at : at + round(GREW_FROM_S * trace.rate)]
        if len(first) and energy[at:].max() >= GREW**2 * first.max() > 0:
            return True
    return False


@lru_cache(maxsize=64)
def _band(rate: float) -> BandPass:
    return band_pass(*BAND_HZ, rate)


def _joined(packets: Sequence[Packet], p_s: float, end_s: float) -> Trace | None:
    """A channel from ``LEAD_S`` before P to ``end_s`` or a gap; the offset is removed."""
    first = bisect_right(packets, p_s - LEAD_S, key=lambda p: seconds_from_ns(p.end_ns))
    if first == len(packets) or seconds_from_ns(packets[first].start_ns) > p_s - LEAD_S / 2:
        return None  # no data, or too few for the filter to settle
    used = [packets[first]]
    for packet in packets[first + 1 :]:
        is_gap = (packet.start_ns - used[-1].end_ns) * packet.sampling_rate > 1.5 * NS_PER_S
        if is_gap or packet.sampling_rate != used[0].sampling_rate:
            break
        used.append(packet)
    rate, start_s = used[0].sampling_rate, seconds_from_ns(used[0].start_ns)
    skipped = max(round((p_s - LEAD_S - start_s) * rate), 0)
    start_s += skipped / rate
    samples = np.concatenate([p.samples for p in used]).astype(np.float64)[skipped:]
    samples = samples[: math.floor((end_s - start_s) * rate)]
    if not len(samples):
        return None
    samples = np.where(np.isfinite(samples), samples, 0.0)
    band, energy = _band(rate), np.zeros(len(samples))
    add_energy(samples - samples[0], band.gain, band.a1, band.a2, energy)
    return Trace(start_s, rate, energy)
