"""PURE: peak displacement after an onset, kept up packet by packet.

The engine keeps the last packets of each vertical channel. When an event claims a pick, a tracker
runs the filters over what came before it (so that they have settled and the noise is known) and
then over each packet that follows.
"""

import math
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ew.locate.kernels import displacement_peaks
from ew.locate.magnitude import CORNERS_HZ, Peaks
from ew.locate.response import Restitution, passes, share_at
from ew.records import Channel, Packet, Pick, join_consecutive
from ew.times import NS_PER_S, seconds_from_ns

HISTORY_S = 45.0
NOISE_S = 8.0
GUARD_S = 0.5
"""The noise ends so long before the onset: a pick may be late."""
BIN_S = 0.25
NOISE_BINS = round((NOISE_S - GUARD_S) / BIN_S)
ONSET_BIN = round(NOISE_S / BIN_S)
TAU_C_S = 3.0
"""tau_c is taken over so much of P (Kanamori 2005)."""
TAU_C_BINS = round(TAU_C_S / BIN_S)
LONGEST_S = 60.0
"""Peaks are kept for so long after the onset: the rupture of an M 8 lasts about that long."""

NO_SQUARES = np.zeros((2, 0))

Floats = NDArray[np.float64]


class History:
    """The last ``HISTORY_S`` of packets of each channel, by reference."""

    def __init__(self) -> None:
        self._packets: dict[str, deque[Packet]] = {}
        self._channels: dict[str, list[str]] = {}

    def add(self, packet: Packet) -> None:
        """Keep a packet and let go of what is too old."""
        kept = self._packets.get(packet.seed_id)
        if kept is None:
            kept = self._packets[packet.seed_id] = deque()
            self._channels.setdefault(packet.seed_id[:-1], []).append(packet.seed_id)
        if kept and packet.start_ns < kept[-1].end_ns - NS_PER_S / packet.sampling_rate:
            return  # late or repeated: the picker counts these
        kept.append(packet)
        oldest = packet.end_ns - round(HISTORY_S * NS_PER_S)
        while kept[0].end_ns < oldest:
            kept.popleft()

    def packets(self, seed_id: str) -> tuple[Packet, ...]:
        """What is kept of a channel, oldest first."""
        return tuple(self._packets.get(seed_id, ()))

    def end_s(self, seed_id: str) -> float:
        """How far the data of a channel that has some reach, epoch seconds."""
        return seconds_from_ns(self._packets[seed_id][-1].end_ns)

    def components(self, seed_id: str) -> Sequence[str]:
        """The channels with data of the sensor a channel belongs to: those whose names differ in the last letter."""
        return self._channels.get(seed_id[:-1], ())


class PeakBins:
    """Peak displacement of one channel in bins of time about its onset.

    ``bins`` (F, B) f8: m, a row a corner, ``ONSET_BIN`` the first after the onset; ``squares`` (2,
    b) f8: sums of squared displacement and velocity in the first of these bins, for tau_c;
    ``end_ns``: how far the data reach.
    """

    def __init__(self, channel: Channel, onset_s: float) -> None:
        self.channel = channel
        self.onset_s = onset_s
        # The noise before the onset, the guard between, and what comes after, in one array for one
        # pass
        self.bins = np.zeros((len(CORNERS_HZ), ONSET_BIN + round(LONGEST_S / BIN_S)))
        self.squares = np.zeros((2, ONSET_BIN + TAU_C_BINS))
        self.end_ns: int | None = None

    @property
    def tau_c_s(self) -> float:
        """Predominant period 2 pi sqrt(sum u² / sum (du/dt)²) of the first ``TAU_C_S`` (Kanamori 2005); NaN before they are in."""
        end_s = -math.inf if self.end_ns is None else seconds_from_ns(self.end_ns)
        displacement, velocity = self.squares[:, ONSET_BIN:].sum(axis=1)
        if end_s < self.onset_s + TAU_C_S or not velocity > 0:
            return math.nan
        return 2 * math.pi * math.sqrt(displacement / velocity)

    def peaks(self, window_s: float, distance_km: float) -> Peaks | None:
        """Peaks up to ``window_s`` after the onset; ``None`` before there is half a second of data."""
        if self.end_ns is None:
            return None
        window_s = min(window_s, seconds_from_ns(self.end_ns) - self.onset_s, LONGEST_S)
        if window_s < 2 * BIN_S:
            return None
        last = ONSET_BIN + int(window_s / BIN_S)
        return Peaks(
            seed_id=self.channel.seed_id,
            distance_km=distance_km,
            pd_m=self.bins[:, ONSET_BIN:last].max(axis=1),
            noise_m=np.maximum(self.bins[:, :NOISE_BINS].max(axis=1), 1e-12),
            window_s=window_s,
            tau_c_s=self.tau_c_s,
            passes=1 + integrations(self.channel) + passes(self.channel),
        )


class PeakTracker(PeakBins):
    """Peak displacement of one channel, kept up from its packets."""

    def __init__(self, channel: Channel, onset_s: float, history: Iterable[Packet]) -> None:
        super().__init__(channel, onset_s)
        self._state = np.zeros((len(CORNERS_HZ), 3, 4))
        self._biquads: Floats | None = None
        self._restitutions: list[Restitution] = []
        self._offset = 0.0
        self._is_broken = False
        packets = list(history)
        if packets:
            self._begin(packets)
            # A call of the filters costs as much as a second of samples
            for packet in join_consecutive(packets):
                self.add(packet)

    def add(self, packet: Packet) -> None:
        """Go on with the packet that follows; after a gap the peaks stay as they were."""
        if self._biquads is None:
            self._begin([packet])
        if self.end_ns is not None:
            ahead = (packet.start_ns - self.end_ns) / NS_PER_S * packet.sampling_rate
            self._is_broken |= ahead > 1.5 and seconds_from_ns(packet.start_ns) > self.onset_s
            if ahead < -0.5:
                return
        if self._is_broken or self._biquads is None:
            return
        self.end_ns = packet.end_ns
        since_s = seconds_from_ns(packet.start_ns) - self.onset_s
        samples = packet.samples.astype(np.float64) - self._offset
        # NaN would stay in the filters for ever
        samples = np.where(np.isfinite(samples), samples, 0.0)
        if not self._restitutions:
            self._run(samples, self._biquads, slice(None), since_s, packet.sampling_rate)
        for i, restitution in enumerate(self._restitutions):
            corrected = restitution.apply(samples)
            self._run(corrected, self._biquads, slice(i, i + 1), since_s, packet.sampling_rate)

    def _run(
        self, samples: Floats, biquads: Floats, corners: slice, since_s: float, rate: float
    ) -> None:
        squares = self.squares if corners.start in (None, 0) else NO_SQUARES
        displacement_peaks(
            samples,
            1 / self.channel.gain,
            integrations(self.channel),
            1 / rate,
            biquads[corners],
            self._state[corners],
            self.bins[corners],
            since_s / BIN_S + ONSET_BIN,
            1 / rate / BIN_S,
            squares,
        )

    def _begin(self, packets: list[Packet]) -> None:
        rate = packets[-1].sampling_rate
        self._biquads = np.array([high_pass(corner, rate) for corner in CORNERS_HZ])
        if self.channel.poles:
            self._restitutions = [Restitution(self.channel, hz, rate) for hz in CORNERS_HZ]
        before = [p.samples for p in packets if seconds_from_ns(p.end_ns) < self.onset_s - GUARD_S]
        samples = np.concatenate(before or [packets[0].samples]).astype(np.float64)
        self._offset = float(np.nanmean(np.where(np.isfinite(samples), samples, np.nan)))


def integrations(channel: Channel) -> int:
    """So many lead from a channel's motion to displacement."""
    return 2 if channel.input_units == "M/S**2" else 1


def high_pass(corner_hz: float, rate: float) -> list[float]:
    """A second-order Butterworth high-pass by the bilinear transform: b0, b1, b2, a1, a2."""
    w = np.tan(np.pi * corner_hz / rate)
    norm = 1 / (1 + np.sqrt(2) * w + w * w)
    return [norm, -2 * norm, norm, 2 * (w * w - 1) * norm, (1 - np.sqrt(2) * w + w * w) * norm]


def log_acceleration(pick: Pick, channel: Channel) -> float:
    """log10 of the first swings' peak in m/s²; a velocity is multiplied by 2 pi over its period."""
    motion = pick.amplitude / channel.gain
    if channel.input_units == "M/S":
        motion *= 2 * math.pi / pick.period_s / share_at(channel, 1 / pick.period_s)
    return math.log10(motion) if motion > 0 else math.nan
