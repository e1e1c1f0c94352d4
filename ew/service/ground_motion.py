"""PURE: the ground motion that the page shows: an intensity at each station, and a few traces.

Once a second it is computed from the packets that have come, outside the alert path, for a bounded
number of stations at a time; packets beyond the bound are dropped.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ew.components import station_of
from ew.records import Channel, Packet, Pick, join_consecutive
from ew.shaking.relations import from_motion
from ew.times import NS_PER_S, NS_PER_US

PACKETS_KEPT = 8_192
STATIONS_MOST = 300
"""Most stations whose motion is computed in one second, about 10 ms of work; the rest follow in
turn."""
TRACES_MOST = 24
PACKETS_MOST = 20
"""Most packets of one trace in a second; more are a backlog, which the page does not show."""
TRACE_RATE_HZ = 20.0
PICKED_S = 90.0
"""A station's trace comes before those of others for this long after its pick, s."""


class GroundMotion:
    """Makes messages of type ``motion`` and ``waveform`` from the packets of verticals."""

    def __init__(
        self, inventory: Mapping[str, Channel], verticals: Collection[str], scale: str
    ) -> None:
        self._inventory = inventory
        self._verticals = frozenset(verticals)
        self._scale = scale
        self._packets: deque[Packet] = deque(maxlen=PACKETS_KEPT)
        self._picked_ns: dict[str, int] = {}
        self._order = sorted(self._verticals)
        self._begin = 0

    def take(self, packets: Sequence[Packet], picks: Sequence[Pick]) -> None:
        """Note the packets and picks of a tick; it costs next to nothing."""
        self._packets.extend(packets)
        for pick in picks:
            self._picked_ns[pick.seed_id] = pick.time_ns

    def take_messages(self, now_ns: int) -> list[dict[str, Any]]:
        """The messages for the packets that came since the last call."""
        by_channel: dict[str, list[Packet]] = {}
        while self._packets:
            packet = self._packets.popleft()
            if packet.seed_id in self._verticals:
                by_channel.setdefault(packet.seed_id, []).append(packet)
        if not by_channel:
            return []
        old_ns = now_ns - round(PICKED_S * NS_PER_S)
        self._picked_ns = {i: at for i, at in self._picked_ns.items() if at > old_ns}
        ranked = self._in_turn(by_channel)
        motion = {
            station_of(seed_id): self._intensity(seed_id, by_channel[seed_id])
            for seed_id in ranked[:STATIONS_MOST]
        }
        messages: list[dict[str, Any]] = [
            {"type": "motion", "time_us": now_ns // NS_PER_US, "stations": motion}
        ]
        for seed_id in ranked[:TRACES_MOST]:
            # A message for each packet of 0.1 s would tell little
            newest = join_consecutive(by_channel[seed_id][-PACKETS_MOST:])
            messages += [_trace(packet) for packet in newest]
        return messages

    def _in_turn(self, by_channel: Mapping[str, object]) -> list[str]:
        """Channels with data: stations with a recent pick, the first to pick first; then others.

        They are the nearest to the epicentre, and keep their traces while the wave runs on.
        """
        picked = [i for i in by_channel if i in self._picked_ns]
        picked.sort(key=self._picked_ns.__getitem__)
        others = [i for i in self._order if i in by_channel and i not in self._picked_ns]
        if len(others) <= STATIONS_MOST:
            return picked + others
        # Traces stay those of the same stations; the motion of all others goes round
        first, rest = others[:TRACES_MOST], others[TRACES_MOST:]
        begin = self._begin % len(rest)
        self._begin = begin + max(1, STATIONS_MOST - len(picked) - len(first))
        return picked + first + rest[begin:] + rest[:begin]

    def _intensity(self, seed_id: str, packets: Sequence[Packet]) -> float:
        """Intensity from the peak motion of these packets; NaN samples are ignored."""
        channel = self._inventory[seed_id]
        samples = np.concatenate([p.samples for p in packets]).astype(np.float64) / channel.gain
        samples = samples[np.isfinite(samples)]
        if len(samples) < 2:
            return 1.0
        samples = samples - samples.mean()
        rate = packets[0].sampling_rate
        if channel.input_units == "M/S**2":
            pga = float(np.abs(samples).max())
            velocity = np.cumsum(samples) / rate
            pgv = float(np.abs(velocity - velocity.mean()).max())
        else:
            pgv = float(np.abs(samples).max())
            pga = float(np.abs(np.diff(samples)).max() * rate)
        return round(from_motion(self._scale, pga, pgv), 1)


def _trace(packet: Packet) -> dict[str, Any]:
    """A packet thinned out for drawing: the largest amplitude of each group of samples."""
    step = max(1, round(packet.sampling_rate / TRACE_RATE_HZ))
    samples = np.nan_to_num(packet.samples.astype(np.float64))
    if step > 1 and len(samples) >= step:
        groups = samples[: len(samples) // step * step].reshape(-1, step)
        off = np.abs(groups - samples.mean()).argmax(axis=1)
        samples = groups[np.arange(len(groups)), off]
    return {
        "type": "waveform",
        "seed_id": packet.seed_id,
        "start_us": packet.start_ns // NS_PER_US,
        "rate": packet.sampling_rate / step,
        "samples": [float(f"{value:.5g}") for value in samples.tolist()],
    }
