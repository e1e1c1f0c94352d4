"""PURE: the S-wave behind a P pick, found on the horizontal components of its station.

Where stations are few, the time from P to S is worth as much as another station: it tells how far away the earthquake
is, and how deep. Shear motion is mostly horizontal, so S stands out there of the coda of P that hides it from the vertical.

The onset is where the energy e = n² + e² of the band-passed horizontals after P changes its level most: the least
Akaike criterion (Maeda 1985) for exponentially distributed energy,

    AIC(k) = k log mean(e[:k]) + (n - k) log mean(e[k:])

and it is taken for S if its amplitude is ``CLEAR`` times that of the coda just before and louder than all of P. The
onset does not depend on what comes more than ``AFTER_S`` later.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ew.detect.filters import band_pass
from ew.locate.amplitudes import History
from ew.records import Packet, Pick
from ew.times import NS_PER_S, seconds_from_ns

BAND_HZ = (1.0, 8.0)
"""S has lost what is shorter on its way; below, low-cost sensors are noisy."""
LEAD_S = 4.0
"""Data before P, for the filter to settle."""
LEAST_S_MINUS_P_S = 0.7
"""S is not looked for sooner: 5 km away, and the rise of P itself."""
AFTER_S = 2.0
RISE_S = 0.4
DELAY_S = 0.1
ENOUGH_AFTER_S = 0.6
"""So much of S must be in: less may be a swing of the coda."""
BEFORE_S = 2.0
CLEAR = 2.5
LONGEST_S = 40.0
"""S - P at 350 km; the history holds no more."""

HORIZONTAL = "NE123XYRT"
"""SEED orientation codes of the components that are not vertical."""
SURE = 4.0
"""An S so clear, with ``AFTER_S`` and a second more of data behind it, is not looked for again."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SOnset:
    """An S onset: epoch seconds, and its amplitude over that of the coda before it."""

    time_s: float
    clarity: float


class ShearWaves:
    """The last packets of the horizontal channels, and the S onsets found in them."""

    def __init__(self) -> None:
        self._history = History()
        self._channels: dict[str, list[str]] = {}
        self._found: dict[tuple[str, int], tuple[float, SOnset | None]] = {}
        self._end_s: dict[str, float] = {}

    def take_packet(self, packet: Packet) -> None:
        """Keep a packet of a horizontal channel."""
        sensor, orientation = packet.seed_id[:-1], packet.seed_id[-1]
        if orientation not in HORIZONTAL:
            return
        self._history.add(packet)
        channels = self._channels.setdefault(sensor, [])
        if packet.seed_id not in channels:
            channels.append(packet.seed_id)
        self._end_s[packet.seed_id] = seconds_from_ns(packet.end_ns)

    def behind(self, pick: Pick) -> SOnset | None:
        """The S onset behind a pick of the same sensor, if it is in by now and stands out."""
        channels = self._channels.get(pick.seed_id[:-1])
        if not channels:
            return None
        key, p_s = (pick.seed_id, pick.time_ns), seconds_from_ns(pick.time_ns)
        end_s = min(self._end_s[c] for c in channels)
        looked_s, found = self._found.get(key, (-np.inf, None))
        is_sure = found is not None and found.clarity >= SURE and looked_s > found.time_s + AFTER_S + 1
        if end_s <= looked_s or looked_s > p_s + LONGEST_S or is_sure:
            return found
        found = find_s([self._history.packets(c) for c in channels], p_s)
        self._found[key] = end_s, found
        return found

    def forget(self, before_s: float) -> None:
        """Let go of what was found behind picks older than that."""
        before_ns = before_s * NS_PER_S
        self._found = {k: v for k, v in self._found.items() if k[1] >= before_ns}


def find_s(components: Sequence[Sequence[Packet]], p_s: float) -> SOnset | None:
    """The S onset after a P onset at ``p_s`` (epoch s), or ``None`` while none stands out.

    ``components``: packets of one or two horizontal channels of one sensor, in order of time.
    """
    traces = [trace for packets in components if (trace := _joined(packets, p_s)) is not None]
    if not traces:
        return None
    start_s, rate, _ = traces[0]
    traces = [t for t in traces if abs(t[0] - start_s) < 1 / rate and t[1] == rate]
    count = min(len(samples) for _, _, samples in traces)
    band = band_pass(*BAND_HZ, rate)
    energy = np.zeros(count)
    for _, _, samples in traces:
        add_energy(samples[:count], band.gain, band.a1, band.a2, energy)
    per_s = [round(s * rate) for s in (RISE_S, ENOUGH_AFTER_S, BEFORE_S)]
    p_at = (p_s - start_s) * rate
    first = round(p_at + LEAST_S_MINUS_P_S * rate)
    onset, clarity = s_onset(energy, round(p_at), first, *per_s)
    return SOnset(start_s + onset / rate - DELAY_S, clarity) if onset >= 0 else None


def _joined(packets: Sequence[Packet], p_s: float) -> tuple[float, float, Floats] | None:
    """Start (epoch s), rate and samples of a channel from ``LEAD_S`` before P up to the first gap; the offset is removed."""
    from_ns = round((p_s - LEAD_S) * NS_PER_S)
    used = [p for p in packets if p.end_ns > from_ns and p.start_ns < from_ns + round((LEAD_S + LONGEST_S) * NS_PER_S)]
    for i in range(1, len(used)):
        if used[i].start_ns - used[i - 1].end_ns > 1.5 * NS_PER_S / used[i].sampling_rate:
            used = used[:i]
            break
    if not used or used[0].start_ns / NS_PER_S > p_s - LEAD_S / 2:
        return None
    samples = np.concatenate([p.samples for p in used]).astype(np.float64)
    skipped = max(int((from_ns - used[0].start_ns) / NS_PER_S * used[0].sampling_rate), 0)
    rate = used[0].sampling_rate
    samples = samples[skipped:]
    samples = np.where(np.isfinite(samples), samples, 0.0) - samples[0]
    return used[0].start_ns / NS_PER_S + skipped / rate, rate, samples


@njit(cache=True, nogil=True, error_model="numpy")
def add_energy(samples, gain, a1, a2, energy):
    """Add the squares of the band-passed ``samples`` (N,) f8 to ``energy`` (N,) f8; the filter starts from rest."""
    z = np.zeros(8)
    for i in range(len(energy)):
        v = gain * samples[i]
        for k in range(4):
            u = v + z[2 * k]
            z[2 * k] = z[2 * k + 1] - a1[k] * u
            z[2 * k + 1] = -a2[k] * u - v
            v = u
        energy[i] += v * v


@njit(cache=True, nogil=True, error_model="numpy")
def s_onset(energy, p_at, first, rise, enough, before):
    """Index of the S onset in ``energy`` (N,) f8 and its clarity; -1 if none stands out.

    ``p_at``: the sample of P; ``first``: that from which S is looked for; ``rise``, ``enough``, ``before``: samples.
    """
    loudest = _loudest(energy, first, enough)
    onset = _largest_rise(energy, first, min(loudest + enough, len(energy)), enough // 2)
    if onset < 0 or len(energy) - onset < enough:
        return -1, 0.0
    here = energy[onset : onset + 2 * enough].mean()
    coda = energy[max(onset - before, p_at) : onset].mean()
    clarity = np.sqrt(here / max(coda, 1e-60))
    if clarity < CLEAR:
        return -1, 0.0
    # Again from nearby: the loudest of S must not draw the onset away from where it begins to rise
    start = max(first, onset - before)
    earlier = _largest_rise(energy, start, onset + rise, rise // 2)
    return (earlier if earlier >= 0 else onset), clarity


@njit(cache=True, nogil=True, error_model="numpy")
def _loudest(energy, first, width):
    """Where the mean over ``width`` samples is largest: the last of them."""
    running, best, at = 0.0, -1.0, first
    for i in range(first, len(energy)):
        running += energy[i]
        if i >= first + width:
            running -= energy[i - width]
        if running > best:
            best, at = running, i
    return at


@njit(cache=True, nogil=True, error_model="numpy")
def _largest_rise(energy, first, end, least):
    """The sample in ``first`` to ``end`` from which on energy is higher: that of the least AIC; -1 if there is no room.

    At least ``least`` samples stay on either side.
    """
    n = end - first
    if n < 2 * least + 2:
        return -1
    total = energy[first:end].sum()
    floor = 1e-12 * total / n + 1e-60
    head, best, best_at = 0.0, np.inf, -1
    for k in range(1, n - least):
        head += energy[first + k - 1]
        below, above = max(head / k, floor), max((total - head) / (n - k), floor)
        if k >= least and above > below:
            aic = k * np.log(below) + (n - k) * np.log(above)
            if aic < best:
                best, best_at = aic, first + k
    return best_at
