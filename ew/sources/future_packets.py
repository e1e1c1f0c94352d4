"""PURE: holds back packets of a station whose clock is ahead of this host's and of other stations'.

A packet that ends ahead of the host's clock by more than two clocks kept by NTP or GPS differ is
held back. If most stations turn out to be equally ahead, the host's clock is behind, and the
packets are passed on in order; if not, they are dropped, counted and named: their onsets would be
wrong by the difference, and their times would make the channel's correct data look old.
"""

from collections import deque

import numpy as np

from ew.components import station_of
from ew.records import Packet
from ew.times import NS_PER_S

AHEAD_S = 2.0
"""A packet may be ahead of the host, or of most stations, by this, s, as in health."""
HELD_S = 1.5
"""A packet waits for this long, s, for others to show whether the host is behind: records of live
networks come at least once a second."""
HELD_MOST = 20_000
LOOK_EVERY_S = 0.25
HEARD_S = 10.0
STATIONS_LEAST = 3
"""Fewer stations can't show whose clock is wrong."""
NAMED_S = 60.0


class FuturePackets:
    """Remembers how far each station's newest packet was ahead, s; ``left_out`` counts packets."""

    def __init__(self) -> None:
        self.left_out = 0
        self._leads: dict[str, tuple[float, float]] = {}
        self._common_s = 0.0
        self._looked_s = -np.inf
        self._held: deque[tuple[float, Packet]] = deque()
        self._named: dict[str, tuple[float, float]] = {}

    def filter(self, packet: Packet, now_s: float, steady_s: float) -> list[Packet]:
        """The packets to pass on now that this one has come, in order.

        ``now_s``: the host's time (epoch seconds); ``steady_s``: that of a monotonic clock.
        """
        lead_s = packet.end_ns / NS_PER_S - now_s
        self._leads[station_of(packet.seed_id)] = lead_s, steady_s
        if lead_s <= AHEAD_S and not self._held:
            return [packet]
        released: list[Packet] = []
        if steady_s - self._looked_s >= LOOK_EVERY_S:
            self._look(steady_s)
            released = self._release(now_s, steady_s)
        if lead_s <= max(self._common_s, 0.0) + AHEAD_S:
            return [*released, packet]
        if len(self._held) >= HELD_MOST:
            self._leave_out(*self._held.popleft())
        self._held.append((steady_s, packet))
        return released

    def named(self, steady_s: float) -> dict[str, float]:
        """Stations with recently dropped packets, and how far these were ahead, s."""
        return {
            station: round(lead_s, 1)
            for station, (lead_s, last_s) in self._named.items()
            if steady_s - last_s <= NAMED_S
        }

    def _look(self, steady_s: float) -> None:
        """Update how far most stations are ahead."""
        self._looked_s = steady_s
        leads = [lead for lead, came_s in self._leads.values() if steady_s - came_s <= HEARD_S]
        self._common_s = float(np.median(leads)) if len(leads) >= STATIONS_LEAST else 0.0

    def _release(self, now_s: float, steady_s: float) -> list[Packet]:
        """Release held packets that agree with other stations now; drop those held too long."""
        released: list[Packet] = []
        kept: deque[tuple[float, Packet]] = deque()
        for came_s, packet in self._held:
            lead_s = packet.end_ns / NS_PER_S - now_s + steady_s - came_s
            if lead_s <= max(self._common_s, 0.0) + AHEAD_S:
                released.append(packet)
            elif steady_s - came_s > HELD_S:
                self._leave_out(came_s, packet)
            else:
                kept.append((came_s, packet))
        self._held = kept
        return released

    def _leave_out(self, came_s: float, packet: Packet) -> None:
        self.left_out += 1
        station = station_of(packet.seed_id)
        self._named[station] = self._leads[station][0], came_s
