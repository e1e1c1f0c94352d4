"""PURE: the stations of an inventory as arrays, and how far each one's data reach."""

import numpy as np
from numpy.typing import NDArray  # noqa: TC002 - beside numpy, as everywhere

from ew.geo import ecef_km
from ew.records import Inventory, Packet
from ew.times import seconds_from_ns


def station_of(seed_id: str) -> str:
    """``NET.STA``: several channels or sensors of one station count as one."""
    return seed_id[: seed_id.index(".", seed_id.index(".") + 1)]


class Network:
    """The stations, as arrays in one order.

    ``names``; ``latitudes``, ``longitudes`` (S,) f8 degrees; ``ecef`` (S, 3) f8 km; ``first_s`` and ``end_s`` (S,) f8: from when and up to when there are data (infinite and minus infinity
    before any came); ``back_s`` (S,) f8: when the station last came back after a gap.
    """

    def __init__(self, inventory: Inventory) -> None:
        channels = {station_of(seed_id): channel for seed_id, channel in inventory.items()}
        self.names = tuple(channels)
        self.index = {name: i for i, name in enumerate(self.names)}
        self.latitudes = np.array([c.latitude for c in channels.values()], dtype=np.float64)
        self.longitudes = np.array([c.longitude for c in channels.values()], dtype=np.float64)
        self.ecef: NDArray[np.float64] = np.ascontiguousarray(
            ecef_km(self.latitudes, self.longitudes).T
        ).reshape(-1, 3)
        self.first_s = np.full(len(self.names), np.inf)
        self.end_s = np.full(len(self.names), -np.inf)
        self.back_s = np.full(len(self.names), -np.inf)
        self._slot = {seed_id: self.index[station_of(seed_id)] for seed_id in inventory}

    def station(self, seed_id: str) -> int | None:
        """The station's place in the arrays; ``None`` for a channel that is not in the inventory."""
        return self._slot.get(seed_id)

    def note(self, packets: list[Packet]) -> None:
        """Take in how far the data of each station reach."""
        for packet in packets:
            self.note_end(
                packet.seed_id, seconds_from_ns(packet.start_ns), seconds_from_ns(packet.end_ns)
            )

    def note_end(self, seed_id: str, start_s: float, end_s: float) -> None:
        """The data of a channel reach from ``start_s``, or from before if there was no gap, to ``end_s``."""
        slot = self._slot[seed_id]
        if end_s > self.end_s[slot]:
            if start_s > self.end_s[slot] + LOST_S:
                self.back_s[slot] = start_s if np.isfinite(self.end_s[slot]) else -np.inf
                self.first_s[slot] = start_s
            self.end_s[slot] = end_s

    def is_just_back(self, station: int, time_s: float) -> bool:
        """Whether a station's data had a gap a moment before: what came in it, and how loud it is there, is not known."""
        return bool(time_s - self.back_s[station] < JUST_BACK_S)


LOST_S = 10.0
"""A station silent for longer has to warm up again before its silence means anything: the picker's LTA is as long."""
JUST_BACK_S = 30.0
"""An outage may end amid the coda of what caused it: for so long a pick counts as coda does."""
