"""PURE: stations whose amplitude is off, event after event: a gain that is wrong, or a sensor that is broken.

The magnitude outvotes such a station (``magnitude.network_magnitude``) without a word. Here each
well-located event, once it is over, is held against all picks at the P-wave: the first swings'
peak, brought to one distance by its decay, is compared with the median of the stations. One that is
off by about as much in most events is named.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ew.components import station_of
from ew.geo import distance_km
from ew.locate.amplitudes import log_acceleration
from ew.locate.twin import DECAY
from ew.records import EventVersion, Inventory, Pick
from ew.times import seconds_from_ns
from ew.traveltimes import TravelTimes

STATIONS = 5
"""Fewer have no median that one of them could not be."""
WELL_LOCATED_KM = 15.0
OVER_S = 60.0
WITHIN_KM = 200.0
AT_P_S, AT_P_SHARE = 1.5, 0.05
"""A pick this near to P is of it."""
OFF = 0.65
"""log10 of the amplitude: more than twice the scatter of single stations (0.3), and less than a
power of ten."""
ALIKE = 0.4
EVENTS = 3
KEPT = 20
EVENTS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class GainSuspect:
    """A station whose amplitudes were ``factor`` times what others make likely (median) in most of ``events`` events."""

    station: str
    factor: float
    events: int


class StationGains:
    """Amplitude residuals of each station over the last events; ``suspects`` names those that are off."""

    def __init__(self, inventory: Inventory, travel_times: TravelTimes) -> None:
        self._inventory = inventory
        self._travel = travel_times
        self._picks: deque[Pick] = deque()
        self._open: dict[str, EventVersion] = {}
        self._residuals: dict[str, deque[float]] = {}

    def feed(self, picks: Sequence[Pick], versions: Sequence[EventVersion], now_s: float) -> None:
        """Take in a tick; events that are over by ``now_s`` (epoch seconds) are judged."""
        self._picks.extend(pick for pick in picks if pick.seed_id in self._inventory)
        for version in versions:
            self._open[version.event_id] = version
            if len(self._open) > EVENTS_AT_ONCE:
                self._open.pop(next(iter(self._open)))
        over = [v for v in self._open.values() if now_s - v.origin.time_s > OVER_S]
        for version in over:
            del self._open[version.event_id]
            self._judge(version)
        while self._picks and now_s - seconds_from_ns(self._picks[0].time_ns) > 4 * OVER_S:
            self._picks.popleft()

    def finish(self) -> None:
        """Judge what is open still, at the end of a recording."""
        for version in self._open.values():
            self._judge(version)
        self._open.clear()

    @property
    def suspects(self) -> tuple[GainSuspect, ...]:
        """The stations that are off in at least two thirds of their events and in three, the farthest off first."""
        found = []
        for station, residuals in self._residuals.items():
            values = np.array(residuals)
            middle = float(np.median(values))
            off = np.abs(values) >= OFF
            alike = float(np.median(np.abs(values - middle))) <= ALIKE
            if alike and abs(middle) >= OFF and off.sum() >= max(EVENTS, 2 * len(values) / 3):
                found.append(GainSuspect(station, float(10**middle), int(off.sum())))
        return tuple(sorted(found, key=lambda s: (-abs(np.log10(s.factor)), s.station)))

    def _judge(self, version: EventVersion) -> None:
        if version.kind == "cancel" or not version.origin.horizontal_error_km <= WELL_LOCATED_KM:
            return
        sizes: dict[str, float] = {}
        for pick in self._picks:
            size = self._size(version, pick)
            if np.isfinite(size):
                sizes.setdefault(station_of(pick.seed_id), size)
        if len(sizes) < STATIONS:
            return
        middle = float(np.median(list(sizes.values())))
        for station, size in sizes.items():
            self._residuals.setdefault(station, deque(maxlen=KEPT)).append(size - middle)

    def _size(self, version: EventVersion, pick: Pick) -> float:
        """log10 of a pick's amplitude at 1 km; NaN where it is not this event's P."""
        origin, channel = version.origin, self._inventory[pick.seed_id]
        away = float(
            distance_km(origin.latitude, origin.longitude, channel.latitude, channel.longitude)
        )
        p_s = float(self._travel.p_s(away, origin.depth_km))
        off_s = seconds_from_ns(pick.time_ns) - origin.time_s - p_s
        if away > WITHIN_KM or abs(off_s) > AT_P_S + AT_P_SHARE * p_s:
            return float("nan")
        return log_acceleration(pick, channel) + DECAY * float(
            np.log10(max(np.hypot(away, origin.depth_km), 1.0))
        )
