"""PURE: which packets are a backlog: old data of a channel that is live by another way.

A second server, or a station's own buffer, may send what was read long ago while the channel's newest
data flow. Such packets would make the picker restart at each turn, so they are left out and counted.
A channel whose newest data stopped coming takes whatever comes: then the old way may be the only one.
"""

from ew.records import Packet
from ew.times import NS_PER_S

BEHIND_NS = 5 * NS_PER_S
"""A packet that ends so long before the channel's newest sample is old: late packets of one feed
come within a few seconds of their turn."""
LIVE_S = 30.0
"""A channel is live if its newest sample came within this long, s."""


class Backlog:
    """Remembers each channel's newest sample and when it came; ``left_out`` counts packets."""

    def __init__(self) -> None:
        self.left_out = 0
        self._newest: dict[str, tuple[int, float]] = {}

    def is_backlog(self, packet: Packet, now_s: float) -> bool:
        """Whether to leave a packet out that came at ``now_s`` (epoch seconds, or any steady clock)."""
        newest = self._newest.get(packet.seed_id)
        end_ns = packet.end_ns
        if newest is not None and end_ns <= newest[0]:
            is_old = end_ns < newest[0] - BEHIND_NS and now_s - newest[1] < LIVE_S
            self.left_out += is_old
            if is_old or now_s - newest[1] < LIVE_S:
                return is_old
        self._newest[packet.seed_id] = end_ns, now_s
        return False
