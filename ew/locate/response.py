"""PURE: what short-period sensors take from long periods, given back as far down as a corner.

Below its natural frequency a geophone's counts fall off, so that large earthquakes would be read as
small. The recursive filter here has zeros where the sensor has poles, and poles where a Butterworth
high-pass of the same order has them (after Kanamori, Maechling & Hauksson 1999, Bull. Seismol. Soc.
Am. 89): sensor and filter together are that high-pass. Noise is given back as well, so the corner
is to be one at which the wave stands out of it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from ew.records import Channel

Floats = NDArray[np.float64]


class Restitution:
    """Filters a channel's samples, in consecutive pieces, to those of a flat sensor high-passed at ``corner_hz``."""

    def __init__(self, channel: Channel, corner_hz: float, rate: float) -> None:
        from scipy.signal import bilinear_zpk, zpk2sos  # noqa: PLC0415 - slow to load, and seldom needed

        order = len(channel.poles)
        angles = math.pi * (2 * np.arange(order) + order + 1) / (2 * order)
        # The bilinear transform draws frequencies together: exact at the corner, within 0.3 % below
        # a twentieth of the rate
        warped = 2 * rate * math.tan(math.pi * corner_hz / rate)
        filters = bilinear_zpk(np.array(channel.poles), warped * np.exp(1j * angles), 1.0, rate)
        self._sections = zpk2sos(*filters)
        self._state = np.zeros((len(self._sections), 2))

    def rest(self) -> None:
        """Start anew, as after a gap."""
        self._state[:] = 0.0

    def apply(self, samples: Floats) -> Floats:
        """The next samples (N,), corrected."""
        from scipy.signal import sosfilt  # noqa: PLC0415 - slow to load, and seldom needed

        if not len(samples):
            return samples
        corrected, self._state = sosfilt(self._sections, samples, zi=self._state)
        result: Floats = corrected
        return result


def passes(channel: Channel) -> int:
    """How many second-order high-passes a channel's restitution leaves, at the corner it goes down to."""
    return math.ceil(len(channel.poles) / 2)


def share_at(channel: Channel, frequency_hz: float) -> float:
    """What a channel keeps of a velocity at a frequency, of what it keeps where it is flat."""
    s = 2j * math.pi * frequency_hz
    return abs(math.prod((s / (s - pole) for pole in channel.poles), start=1 + 0j))
