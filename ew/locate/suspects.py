"""PURE: stations whose P comes too early or too late, event after event: a clock that is off, or wrong coordinates.

Location outvotes such a station without a word (its pick fits no P-wave, and so is no arrival of
the event). Here each well-located event, once it is over, is held against all clear picks of its
time: what a station's pick nearest to P was off is kept, and a station that is off most times by
about as much is named. A pick at the S-wave may only mean that P was missed: it counts once several
events show that it does not move with S.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ew.components import station_of
from ew.geo import distance_km
from ew.records import EventVersion, Inventory, Pick
from ew.times import seconds_from_ns
from ew.traveltimes import TravelTimes

WELL_LOCATED_STATIONS = 8
WELL_LOCATED_KM = 8.0
"""Beyond it a residual of a second may be the epicentre's."""
OVER_S = 60.0
WITHIN_KM = 200.0
CLEAR_SNR = 6.0
OFF_S = 1.5
OFF_SHARE = 0.05
"""Off by more than this and a share of the travel time is more than picks and a one-dimensional
Earth explain."""
AT_S_S = 2.0
S_EVENTS = 3
"""A late clock looks like S in one event; in so many, at other distances, it does not."""
ALIKE_S, ALIKE_SHARE = 1.0, 0.2
EARLIEST_S, LATEST_S = -60.0, 30.0
"""Swapped coordinates put P as far off as P takes across a network."""
KEPT = 20
EVENTS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Suspect:
    """A station whose P was off by ``residual_s`` (median, observed minus predicted) in most of ``events`` events."""

    station: str
    residual_s: float
    events: int


class StationTiming:
    """Residuals of each station over the last events; ``suspects`` names those that are off."""

    def __init__(self, inventory: Inventory, travel_times: TravelTimes) -> None:
        self._channels = {station_of(seed_id): channel for seed_id, channel in inventory.items()}
        self._travel = travel_times
        self._picks: deque[Pick] = deque()
        self._open: dict[str, EventVersion] = {}
        self._residuals: dict[str, deque[tuple[float, float]]] = {}  # with S minus P, both s

    def feed(self, picks: Sequence[Pick], versions: Sequence[EventVersion], now_s: float) -> None:
        """Take in a tick; events that are over by ``now_s`` (epoch seconds) are judged."""
        self._picks.extend(pick for pick in picks if pick.snr >= CLEAR_SNR)
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
    def suspects(self) -> tuple[Suspect, ...]:
        """The stations that are off in at least two thirds of their events, the worst first."""
        found = []
        for station, entries in self._residuals.items():
            off = np.array([entry for entry in entries if entry[0] != 0.0]).reshape(-1, 2)
            if 3 * len(off) >= 2 * len(entries) and _is_steady(off):
                found.append(Suspect(station, float(np.median(off[:, 0])), len(off)))
        return tuple(sorted(found, key=lambda s: (-s.events, -abs(s.residual_s), s.station)))

    def _judge(self, version: EventVersion) -> None:
        origin = version.origin
        is_vague = not origin.horizontal_error_km <= WELL_LOCATED_KM
        if version.kind == "cancel" or is_vague or len(version.arrivals) < WELL_LOCATED_STATIONS:
            return
        fits = {station_of(a.pick.seed_id) for a in version.arrivals}
        for station in fits:
            self._note(station, (0.0, 0.0))
        nearest: dict[str, tuple[float, float]] = {}
        for pick in self._picks:
            station = station_of(pick.seed_id)
            if station in fits or station not in self._channels:
                continue
            entry = self._residual_s(version, station, seconds_from_ns(pick.time_ns))
            if entry is not None and abs(entry[0]) < abs(nearest.get(station, (np.inf,))[0]):
                nearest[station] = entry
        for station, entry in nearest.items():
            self._note(station, entry)

    def _residual_s(
        self, version: EventVersion, station: str, time_s: float
    ) -> tuple[float, float] | None:
        """How far a pick is from P, and S from P; ``None`` where it tells nothing (far off in time or space, or fitting P)."""
        origin, channel = version.origin, self._channels[station]
        away = float(
            distance_km(origin.latitude, origin.longitude, channel.latitude, channel.longitude)
        )
        p_s = float(self._travel.p_s(away, origin.depth_km))
        s_s = float(self._travel.s_s(away, origin.depth_km))
        off_s = time_s - origin.time_s - p_s
        is_near = abs(off_s) <= OFF_S + OFF_SHARE * p_s
        is_far = not EARLIEST_S < off_s < LATEST_S or off_s + p_s < 0
        return None if is_near or is_far or away > WITHIN_KM else (off_s, s_s - p_s)

    def _note(self, station: str, entry: tuple[float, float]) -> None:
        self._residuals.setdefault(station, deque(maxlen=KEPT)).append(entry)


def _is_steady(off: NDArray[np.float64]) -> bool:
    """Whether a station's residuals are one fault's: alike, and not simply those of picked S-waves."""
    if len(off) == 0:
        return False
    residuals, s_minus_p = off.T
    middle = float(np.median(residuals))
    scatter = float(np.median(np.abs(residuals - middle)))
    if scatter > ALIKE_S + ALIKE_SHARE * abs(middle):
        return False
    if float(np.median(np.abs(residuals - s_minus_p))) > AT_S_S:
        return True
    moves_s = float(np.ptp(s_minus_p))
    return len(off) >= S_EVENTS and moves_s > OFF_S and float(np.ptp(residuals)) < moves_s / 2
