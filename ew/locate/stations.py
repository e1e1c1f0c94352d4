"""PURE: the places of an inventory's stations as arrays, and how far each one's data reach.

Stations within ``SAME_PLACE_KM`` of each other are one place: sensors under one roof feel the same
door, and two of them bear no more witness than one. So are the sensors of one station, whatever
their codes.
"""

import numpy as np
from numpy.typing import NDArray

from ew.components import station_of
from ew.geo import distance_to_km, ecef_km
from ew.records import Channel, Inventory, Packet
from ew.times import seconds_from_ns

SAME_PLACE_KM = 0.5
"""Footsteps, lifts and lorries reach some hundred metres; stations of a seismic network stand
kilometres apart."""
LOST_S = 10.0
"""A station silent for longer has to warm up again before its silence means anything: the picker's
LTA is as long."""
JUST_BACK_S = 30.0
"""An outage may end amid the coda of what caused it: for so long a pick counts as coda does."""

Floats = NDArray[np.float64]


class Network:
    """The places where stations stand, as arrays in one order; below, "station" means such a place.

    ``names``: that of the station which comes first by name; ``latitudes``, ``longitudes`` (S,) f8
    degrees; ``ecef`` (S, 3) f8 km; ``first_s`` and ``end_s`` (S,) f8: from when and up to when
    there are data (infinite and minus infinity before any came); ``back_s`` (S,) f8: when the place
    last came back after a gap.
    """

    def __init__(self, inventory: Inventory) -> None:
        channels: dict[str, Channel] = {}
        for seed_id in sorted(inventory):
            channels.setdefault(station_of(seed_id), inventory[seed_id])
        latitudes = np.array([c.latitude for c in channels.values()], dtype=np.float64)
        longitudes = np.array([c.longitude for c in channels.values()], dtype=np.float64)
        ecef: Floats = np.ascontiguousarray(ecef_km(latitudes, longitudes).T).reshape(-1, 3)
        place = _places(ecef)
        first = np.flatnonzero(place == np.arange(len(place)))
        slots = np.searchsorted(first, place)
        names = list(channels)
        self.names = tuple(names[i] for i in first)
        self.latitudes, self.longitudes, self.ecef = (
            latitudes[first],
            longitudes[first],
            ecef[first],
        )
        self.first_s = np.full(len(first), np.inf)
        self.end_s = np.full(len(first), -np.inf)
        self.back_s = np.full(len(first), -np.inf)
        by_name = dict(zip(names, slots.tolist(), strict=True))
        self._slot = {seed_id: by_name[station_of(seed_id)] for seed_id in inventory}

    def station(self, seed_id: str) -> int | None:
        """The station's place in the arrays; ``None`` for a channel that is not in the inventory."""
        return self._slot.get(seed_id)

    def distances_km(
        self, latitude: float, longitude: float, stations: NDArray[np.int64] | None = None
    ) -> Floats:
        """Distances along the surface from a place to stations (all of them by default), (n,) f8, km."""
        ecef = self.ecef if stations is None else self.ecef[stations]
        return distance_to_km(latitude, longitude, ecef.T)

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


def _places(ecef: Floats) -> NDArray[np.int64]:
    """For each station (S, 3) the index of the first one within ``SAME_PLACE_KM`` that is no one else's neighbour, (S,).

    Distances are taken from that first one, so that a dense network does not become one place link
    by link.
    """
    place = np.arange(len(ecef))
    boxes: dict[tuple[int, int, int], list[int]] = {}
    for i, box in enumerate(np.floor(ecef / SAME_PLACE_KM).astype(np.int64)):
        x, y, z = box.tolist()
        near = [
            j
            for dx in (-1, 0, 1)
            for dy in (-1, 0, 1)
            for dz in (-1, 0, 1)
            for j in boxes.get((x + dx, y + dy, z + dz), ())
            if float(np.linalg.norm(ecef[i] - ecef[j])) <= SAME_PLACE_KM
        ]
        if near:
            place[i] = min(near)
        else:
            boxes.setdefault((x, y, z), []).append(i)
    return place
