"""PURE: how hard the ground has shaken at a station since P: peak acceleration, velocity and displacement, kept up packet by packet.

What is seen is certain where what is computed from a point may be far too small: along a long
rupture, or where a second one has begun. From it come intensities near the stations without any
source (Hoshiba 2013; Kodera et al. 2018).

The largest of the components counts: some tenths of an intensity below their resultant, and never
above. Displacement is that of the horizontals together, as magnitudes are read from it
(``magnitude.from_displacement``).
"""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ew.detect.twin import FULL_SCALE
from ew.locate.amplitudes import GUARD_S, NO_SQUARES, high_pass
from ew.locate.kernels import displacement_peaks
from ew.locate.magnitude import CERTAIN, CORNERS_HZ
from ew.locate.response import Restitution
from ew.locate.shear import HORIZONTAL
from ew.records import Channel, Inventory, Packet
from ew.times import NS_PER_S

SETTLE_S = 15.0
"""By then a 0.075 Hz high-pass has all but forgotten the offset it began with (five time
constants); before, that would pass for noise."""
CORNER_HZ = 0.1
"""Offsets and drift would grow through the integration; GB/T 17742-2020 has 0.1-10 Hz."""

Floats = NDArray[np.float64]


class _Component:
    """Peaks of one channel: acceleration (m/s²), velocity (m/s) and displacement (m) as high-passed."""

    def __init__(self, channel: Channel, first: Packet) -> None:
        self._channel = channel
        self._biquad = np.array([high_pass(CORNER_HZ, first.sampling_rate)])
        self._states = np.zeros((2, 1, 3, 4))
        self._peaks = np.zeros((2, 1, 1))
        self._is_horizontal = channel.seed_id[-1] in HORIZONTAL
        self._low = np.array([high_pass(CORNERS_HZ[0], first.sampling_rate)])
        self._low_state = np.zeros((1, 3, 4))
        self._is_clipped = False
        self._swing = np.zeros((1, 2))  # displacement before P and since
        self._settled_ns = first.start_ns + round(SETTLE_S * NS_PER_S)
        self._offset = float(np.nan_to_num(first.samples[0]))
        self._last = 0.0  # the velocity before, in counts above the offset
        self._rate = first.sampling_rate
        self._restitutions = [
            Restitution(channel, hz, self._rate)
            for hz in (CORNER_HZ, CORNERS_HZ[0])
            if channel.poles
        ]
        self.end_ns = first.start_ns

    @property
    def peaks(self) -> tuple[float, float]:
        """Peak acceleration (m/s²) and velocity (m/s) so far."""
        return float(self._peaks[0, 0, 0]), float(self._peaks[1, 0, 0])

    @property
    def displacement(self) -> tuple[float, float] | None:
        """Peak displacement (m) before and since P; ``None`` where it is not known.

        That is on the vertical, without a noise to hold it against, and once the digitiser was at
        its end: of a clipped wave it tells nothing.
        """
        before, since = self._swing[0]
        return (float(before), float(since)) if before > 0 and not self._is_clipped else None

    def add(self, packet: Packet, onset_ns: int) -> None:
        """Go on with the next packet; what ends before P only settles the filters, and tells the noise of displacement."""
        ahead = (packet.start_ns - self.end_ns) / NS_PER_S * self._rate
        if ahead < -0.5 or packet.sampling_rate != self._rate:  # starts are rounded to ns
            return
        if ahead > 1.5:
            # After a gap the filters start from rest, or the step would pass for shaking
            self._states[:] = 0.0
            self._low_state[:] = 0.0
            self._settled_ns = packet.start_ns + round(SETTLE_S * NS_PER_S)
            self._offset, self._last = float(np.nan_to_num(packet.samples[0])), 0.0
            for restitution in self._restitutions:
                restitution.rest()
        self.end_ns = packet.end_ns
        samples = np.nan_to_num(packet.samples.astype(np.float64), posinf=0.0, neginf=0.0)
        is_acceleration = self._channel.input_units == "M/S**2"
        velocity = acceleration = long_period = samples - self._offset
        if self._restitutions:
            velocity, long_period = (r.apply(velocity) for r in self._restitutions)
        if not is_acceleration:
            acceleration = np.diff(velocity, prepend=self._last) * self._rate
            self._last = float(velocity[-1])
        counts = packet.end_ns > onset_ns
        self._run(0, acceleration, 0, counts=counts)
        self._run(1, velocity, 1 if is_acceleration else 0, counts=counts)
        if self._is_horizontal:
            self._is_clipped |= counts and bool((np.abs(packet.samples) >= FULL_SCALE).any())
            self._displace(long_period, 2 if is_acceleration else 1, self._part(packet, onset_ns))

    def _part(self, packet: Packet, onset_ns: int) -> int:
        """What a packet tells of displacement: 0 the noise, 1 the wave, -1 neither."""
        if packet.start_ns < self._settled_ns:
            return -1
        if packet.end_ns > onset_ns:
            return 1
        return 0 if packet.end_ns < onset_ns - GUARD_S * NS_PER_S else -1

    def _displace(self, samples: Floats, integrations: int, part: int) -> None:
        displacement_peaks(
            samples,
            1 / self._channel.gain,
            integrations,
            1 / self._rate,
            self._low,
            self._low_state,
            self._swing,
            float(part),
            0.0,
            NO_SQUARES,
        )

    def _run(self, which: int, samples: Floats, integrations: int, *, counts: bool) -> None:
        displacement_peaks(
            samples,
            1 / self._channel.gain,
            integrations,
            1 / self._rate,
            self._biquad,
            self._states[which],
            self._peaks[which],
            0.0 if counts else -1.0,  # the one bin there is, or none
            0.0,
            NO_SQUARES,
        )


class MotionTracker:
    """Peak motion at one sensor since an onset."""

    def __init__(self, inventory: Inventory, onset_ns: int) -> None:
        self._inventory = inventory
        self._onset_ns = onset_ns
        self._components: dict[str, _Component] = {}

    def add(self, packets: Iterable[Packet]) -> None:
        """Take in packets of the sensor's channels, each channel's in order of time."""
        for packet in packets:
            component = self._components.get(packet.seed_id)
            if component is None:
                if packet.seed_id not in self._inventory or not len(packet.samples):
                    continue
                channel = self._inventory[packet.seed_id]
                component = self._components[packet.seed_id] = _Component(channel, packet)
            component.add(packet, self._onset_ns)

    @property
    def peaks(self) -> tuple[float, float]:
        """The largest peaks of the components so far: acceleration (m/s²) and velocity (m/s)."""
        peaks = [component.peaks for component in self._components.values()] or [(0.0, 0.0)]
        return max(a for a, _ in peaks), max(v for _, v in peaks)

    @property
    def displacement_m(self) -> float:
        """Peak displacement of both horizontals together, m; 0 while it is not ``CERTAIN`` times that before P.

        The root of the sum of both squares, as JMA reads it (Katsumata 1996); where there is but
        one, twice its own. What the noise adds to a peak is taken off in power.
        """
        found = [d for c in self._components.values() if (d := c.displacement) is not None]
        if not found:
            return 0.0
        before, since = (sum(d[i] ** 2 for d in found) * 2 / len(found) for i in (0, 1))
        return math.sqrt(since - before) if since > CERTAIN**2 * before else 0.0
