"""PURE: dither for sensors whose one count is more than the ground's noise.

Old and cheap accelerographs repeat one value until an earthquake comes, as a dead channel does, and
a signal can't be judged against no noise. So uniform noise of one count to either side is added to
their samples (dither; Lipshitz, Wannamaker & Vanderkooy 1992, J. Audio Eng. Soc. 40). A step of one
count stays below what is picked.
"""

import zlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ew.records import Inventory, Packet
from ew.times import NS_PER_S

COARSE_M_S2 = 1e-3
"""One count of a coarse accelerometer, m/s²: noise that nobody feels is seldom larger."""
COARSE_M_S = 1e-4
"""One count of a coarse seismometer, m/s: the acceleration above at 1.6 Hz."""
TOO_COARSE = 20.0
"""Times the limits above, from which a sensor is useless.

The first that it records is S: an earthquake made of it comes late and much too large.
"""
DITHER_COUNTS = 1.0
"""Largest dither to either side."""
LENGTH = 1 << 16
"""Samples after which the dither repeats."""

_DITHER = np.random.default_rng(1).uniform(-DITHER_COUNTS, DITHER_COUNTS, LENGTH)


class CoarseSensors:
    """Makes packets of coarse channels usable; ``useless`` names those met that are too coarse.

    Samples that are not integers are left alone: their unit is not known to be a count.
    """

    def __init__(self, inventory: Inventory) -> None:
        limits = {"M/S**2": COARSE_M_S2, "M/S": COARSE_M_S}
        self._coarseness = {
            seed_id: times
            for seed_id, c in inventory.items()
            if (times := 1 / (c.gain * limits[c.input_units])) >= 1
        }
        self.useless: set[str] = set()

    def usable(self, packets: Iterable[Packet]) -> list[Packet]:
        """Return the packets that can be used; the same samples always get the same dither."""
        if not self._coarseness:
            return list(packets)
        found = []
        for packet in packets:
            times = self._coarseness.get(packet.seed_id, 0.0)
            if times < 1 or packet.samples.dtype.kind != "i":
                found.append(packet)
            elif times < TOO_COARSE:
                found.append(_dithered(packet))
            else:
                self.useless.add(packet.seed_id)
        return found


def _dithered(packet: Packet) -> Packet:
    first = round(packet.start_ns * packet.sampling_rate / NS_PER_S)
    first += zlib.crc32(packet.seed_id.encode())
    at = (first + np.arange(len(packet.samples))) % LENGTH
    return replace(packet, samples=packet.samples + _DITHER[at])
