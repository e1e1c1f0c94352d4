"""PURE: which packets to leave out: old data of a channel that is live by another way, and leaps ahead.

A second server, or a station's own buffer, may send what was read long ago while the channel's newest
data flow. Such packets would make the picker restart at each turn, so they are left out and counted.
A channel whose newest data stopped coming takes whatever comes: then the old way may be the only one.
One packet with a time far ahead would make all that follow look old, so a leap counts once the next
packet of its channel goes on from it.
"""

from ew.records import Packet
from ew.times import NS_PER_S

BEHIND_NS = 5 * NS_PER_S
"""A packet that ends so long before the channel's newest sample is old: late packets of one feed
come within a few seconds of their turn."""
LIVE_S = 30.0
"""A channel is live if its newest sample came within this long, s."""


LEAP_NS = 10 * NS_PER_S
"""A packet whose data are so much further ahead of the newest sample than time has gone on since may
have a wrong time: a live channel's data don't outrun the clock."""
JOINS_NS = NS_PER_S // 10
"""A packet that goes on begins no earlier than this before the end of the one before it."""


class Backlog:
    """Remembers each channel's newest sample and when it came; ``left_out`` and ``leaps`` count packets."""

    def __init__(self) -> None:
        self.left_out = self.leaps = 0
        self._newest: dict[str, tuple[int, float]] = {}
        self._leapt: dict[str, int] = {}

    def leaves_out(self, packet: Packet, now_s: float) -> bool:
        """Whether to leave a packet out that came at ``now_s`` (epoch seconds, or any steady clock)."""
        newest = self._newest.get(packet.seed_id)
        end_ns = packet.end_ns
        since_s = LIVE_S if newest is None else now_s - newest[1]
        if newest is not None and since_s < LIVE_S:
            if end_ns <= newest[0]:
                is_old = end_ns < newest[0] - BEHIND_NS
                self.left_out += is_old
                return is_old
            ahead_ns = packet.start_ns - newest[0] - since_s * NS_PER_S
            if ahead_ns > LEAP_NS and not self._follows_leap(packet):
                self.leaps += 1
                return True
        self._newest[packet.seed_id] = end_ns, now_s
        self._leapt.pop(packet.seed_id, None)
        return False

    def _follows_leap(self, packet: Packet) -> bool:
        """Whether a packet goes on from one that leapt ahead just before, and is not that one again."""
        leapt_ns = self._leapt.get(packet.seed_id)
        if leapt_ns is not None and -JOINS_NS <= packet.start_ns - leapt_ns <= BEHIND_NS:
            return True
        self._leapt[packet.seed_id] = packet.end_ns
        return False
