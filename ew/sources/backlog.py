"""PURE: detects backlogs: old data of a channel whose live data come from another source.

A second server, or a station's own buffer, may send old data while the channel's newest data come
in. Such packets would make the picker restart each time, so they are dropped and counted. A channel
whose newest data have stopped accepts every packet: the old ones may be all there is.
"""

from ew.records import Packet
from ew.times import NS_PER_S

BEHIND_NS = 5 * NS_PER_S
"""A packet that ends this long before the channel's newest sample, ns, is old: late packets of one
feed are out of order by a few seconds."""
LIVE_S = 30.0
"""A channel is live if its newest sample came at most this long ago, s."""


class Backlog:
    """Remembers each channel's newest sample and its arrival; ``left_out`` counts packets."""

    def __init__(self) -> None:
        self.left_out = 0
        self._newest: dict[str, tuple[int, float]] = {}

    def is_backlog(self, packet: Packet, now_s: float) -> bool:
        """Whether to drop a packet that came at ``now_s`` (epoch s, or any monotonic clock)."""
        newest = self._newest.get(packet.seed_id)
        end_ns = packet.end_ns
        if newest is not None and end_ns <= newest[0]:
            is_old = end_ns < newest[0] - BEHIND_NS and now_s - newest[1] < LIVE_S
            self.left_out += is_old
            if is_old or now_s - newest[1] < LIVE_S:
                return is_old
        self._newest[packet.seed_id] = end_ns, now_s
        return False
