"""PURE: how hard the ground has shaken at a station since P: peak acceleration and velocity, kept up packet by packet.

What is seen is certain where what is computed from a point may be far too small: along a long rupture, or where a second
one has begun. From it come intensities near the stations without any source (Hoshiba 2013; Kodera et al. 2018).

The largest of the components counts: some tenths of an intensity below their resultant, and never above.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ew.locate.amplitudes import high_pass
from ew.locate.kernels import displacement_peaks
from ew.records import Channel, Inventory, Packet
from ew.times import NS_PER_S

CORNER_HZ = 0.1
"""Offsets and drift would grow through the integration; GB/T 17742-2020 has 0.1-10 Hz."""

Floats = NDArray[np.float64]
NO_SQUARES = np.zeros((2, 0))


class _Component:
    """Peaks of one channel: acceleration (m/s²) and velocity (m/s) as high-passed."""

    def __init__(self, channel: Channel, first: Packet) -> None:
        self._channel = channel
        self._biquad = np.array([high_pass(CORNER_HZ, first.sampling_rate)])
        self._states = np.zeros((2, 1, 3, 4))
        self._peaks = np.zeros((2, 1, 1))
        self._last = float(np.nan_to_num(first.samples[0]))
        self._offset = self._last
        self._rate = first.sampling_rate
        self.end_ns = first.start_ns

    @property
    def peaks(self) -> tuple[float, float]:
        """Peak acceleration (m/s²) and velocity (m/s) so far."""
        return float(self._peaks[0, 0, 0]), float(self._peaks[1, 0, 0])

    def add(self, packet: Packet, *, counts: bool) -> None:
        """Go on with the next packet; before P it only settles the filters (``counts`` false)."""
        ahead = (packet.start_ns - self.end_ns) / NS_PER_S * self._rate
        if ahead < -0.5 or packet.sampling_rate != self._rate:  # starts are rounded to ns
            return
        if ahead > 1.5:
            # After a gap the filters start from rest, or the step would pass for shaking
            self._states[:] = 0.0
            self._offset = self._last = float(np.nan_to_num(packet.samples[0]))
        self.end_ns = packet.end_ns
        samples = np.nan_to_num(packet.samples.astype(np.float64), posinf=0.0, neginf=0.0)
        is_acceleration = self._channel.input_units == "M/S**2"
        velocity = acceleration = samples - self._offset
        if not is_acceleration:
            acceleration = np.diff(samples, prepend=self._last) * self._rate
        self._last = float(samples[-1])
        self._run(0, acceleration, 0, counts=counts)
        self._run(1, velocity, 1 if is_acceleration else 0, counts=counts)

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
            component.add(packet, counts=packet.end_ns > self._onset_ns)

    @property
    def peaks(self) -> tuple[float, float]:
        """The largest peaks of the components so far: acceleration (m/s²) and velocity (m/s)."""
        peaks = [component.peaks for component in self._components.values()] or [(0.0, 0.0)]
        return max(a for a, _ in peaks), max(v for _, v in peaks)
