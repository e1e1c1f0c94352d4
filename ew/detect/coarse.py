"""PURE: sensors whose one count is more than the ground's noise, as old accelerographs and cheap ones have it.

They give the same value until an earthquake comes, which passes for a dead channel, and what stands above no noise at all cannot be
judged. So half a count to either side is added to their samples, and as much again, evenly spread: the noise that rounding would have had to
meet (dither, Lipshitz, Wannamaker & Vanderkooy 1992, J. Audio Eng. Soc. 40). A step of one count stays below what is picked.
"""

import zlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from ew.records import Inventory, Packet
from ew.times import NS_PER_S

COARSE_M_S2 = 1e-3
"""One count of an accelerometer: noise in 1-12 Hz seldom reaches this where people do not feel it."""
COARSE_M_S = 1e-4
"""The same of a seismometer, at 1.6 Hz."""
TOO_COARSE = 20.0
"""So many times as coarse the first that is seen is S, and the earthquake made of it comes late and is much too large."""
DITHER_COUNTS = 1.0
LENGTH = 1 << 16

_DITHER = np.random.default_rng(1).uniform(-DITHER_COUNTS, DITHER_COUNTS, LENGTH)


class CoarseSensors:
    """Makes packets of coarse channels usable; ``useless`` names the channels met that nothing helps.

    Only whole counts are meant: other samples may be in any unit, and as fine as they like.
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
        """The packets that can be used, those of coarse channels with dither: the same for the same samples of a channel."""
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
