"""PURE: judges from the arrival of stations' data whether an earthquake could be alerted in time.

Each station has a state, and health names what prevents alerts: no data, too few live stations in
an area, data that are late everywhere, or a clock that disagrees with the data. Times are
arguments, so that every rule can be tested.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ew.components import station_of, verticals_of
from ew.geo import ecef_km
from ew.records import Inventory, Packet
from ew.times import NS_PER_S

StationState: TypeAlias = Literal["live", "late", "silent", "backlog", "future", "refused"]

GRACE_S = 15.0
"""Time after the start, s, in which a station without data is not reported yet."""
SILENT_S = 30.0
"""A station is silent when nothing has come from it for this long, s: records of slow channels hold
20 s."""
LATE_S = 10.0
"""Data are late when they are older than this on arrival, s: a record holds 1-6 s, and S follows P
by 10 s at 80 km."""
BACKLOG_S = 300.0
"""Data older than this on arrival are a backlog, s: no alert can come of them."""
FUTURE_S = 2.0
"""Data may end this far ahead of the host's clock, s: clocks kept by NTP or GPS agree better."""
AGREE_S = 5.0
"""Delays of stations that differ by less than this, s, have one common cause."""
AGREE_SHARE = 0.8
"""Share of the stations with data whose delays must agree for the cause to be common."""
NEIGHBOURS_A_NEEDED = 2
"""Size of an area in units of the stations a declaration needs: a station and those nearest to
it."""
NAMED = 3
"""Most stations that a reason names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How the stations are; ``reasons`` tell why an earthquake could not be alerted in time.

    ``delay_s`` is the median delay of the stations with data, ``None`` without any; ``ends_s`` the
    end of each station's newest data, epoch seconds.
    """

    reasons: tuple[str, ...]
    states: Mapping[str, StationState]
    delays_s: Mapping[str, float]
    delay_s: float | None
    ends_s: Mapping[str, float]


class StationHealth:
    """The arrival time of each station's newest packet on the vertical, and its data's age then.

    ``needed``: live stations that a declaration takes. Arrays have one entry for each station
    (float64, epoch seconds; NaN: no packet yet).
    """

    def __init__(self, inventory: Inventory, needed: int) -> None:
        places: dict[str, tuple[float, float]] = {}
        for seed_id in verticals_of(inventory).values():
            channel = inventory[seed_id]
            places.setdefault(station_of(seed_id), (channel.latitude, channel.longitude))
        self.stations = tuple(places)
        self._needed = needed
        index = {station: number for number, station in enumerate(self.stations)}
        self._index = {
            seed_id: index[station_of(seed_id)] for seed_id in verticals_of(inventory).values()
        }
        self._came_s = np.full(len(places), np.nan)
        self._end_s = np.full(len(places), np.nan)
        self._areas = _areas(list(places.values()), NEIGHBOURS_A_NEEDED * needed)

    def note(self, packet: Packet, now_s: float, *, is_held: bool = False) -> None:
        """Note a packet that came at ``now_s`` (epoch seconds).

        Old data that come beside live data, and a packet that is held back, change nothing.
        """
        number = self._index.get(packet.seed_id)
        if number is None:
            return
        end_s = packet.end_ns / NS_PER_S
        is_sending = now_s - self._came_s[number] <= SILENT_S
        if is_sending and (is_held or end_s < self._end_s[number]):
            return
        self._came_s[number] = now_s
        self._end_s[number] = end_s

    def judge(
        self,
        now_s: float,
        started_s: float,
        refused: Mapping[str, str] | None = None,
        is_synchronized: bool | None = None,
        offset_s: float | None = None,
    ) -> Judgement:
        """The state of all stations at ``now_s``, and what is wrong.

        ``refused``: stations (``NET.STA``) that no server serves; ``is_synchronized``: what the
        host knows of its clock, ``None`` where it can't be asked; ``offset_s``: how far the host
        says its clock is off.
        """
        delays = self._came_s - self._end_s
        is_sending = now_s - self._came_s <= SILENT_S
        delays_s = delays[is_sending]
        median_s = float(np.median(delays_s)) if len(delays_s) else None
        states: dict[str, StationState] = {
            station: _state(bool(is_sending[n]), float(delays[n]), station in (refused or {}))
            for n, station in enumerate(self.stations)
        }
        reasons: list[str] = []
        if now_s - started_s > GRACE_S:
            reasons += _clock(delays_s, is_synchronized, offset_s)
            reasons += self._few(np.array([states[one] == "live" for one in self.stations], bool))
        delay_by_station = {
            one: float(delays[n]) for n, one in enumerate(self.stations) if is_sending[n]
        }
        ends = {one: float(self._end_s[n]) for n, one in enumerate(self.stations)}
        ends = {station: end_s for station, end_s in ends.items() if not math.isnan(end_s)}
        return Judgement(tuple(reasons), states, delay_by_station, median_s, ends)

    def _few(self, is_live: NDArray[np.bool_]) -> list[str]:
        """Reasons if too few stations are live, in all or in an area."""
        live, count = int(is_live.sum()), len(self.stations)
        if live < self._needed:
            return [f"{live} of {count} stations live, {self._needed} needed"]
        deaf = np.flatnonzero(is_live[self._areas].sum(axis=1) < self._needed)
        if not len(deaf):
            return []
        named = ", ".join(self.stations[n] for n in deaf[:NAMED])
        more = f" and {len(deaf) - NAMED} more" if len(deaf) > NAMED else ""
        areas = f"{self._areas.shape[1]} around {named}{more}"
        return [f"{live} of {count} stations live, fewer than {self._needed} of the {areas}"]


def outdated(inventory: Inventory, now_s: float) -> list[str]:
    """Reasons if epochs of channels ended since the inventory was read: gains may have changed."""
    ended = sorted(seed_id for seed_id, channel in inventory.items() if channel.until_s <= now_s)
    if not ended:
        return []
    more = f" and {len(ended) - NAMED} more" if len(ended) > NAMED else ""
    named = ", ".join(ended[:NAMED])
    return [f"the epochs of {named}{more} have ended: start again to read the stations anew"]


def no_data(last_packet_s: float, started_s: float, now_s: float) -> list[str]:
    """A reason if no packet at all has come for ``GRACE_S``."""
    return ["no data"] if now_s - max(last_packet_s, started_s) > GRACE_S else []


def _areas(places: list[tuple[float, float]], size: int) -> NDArray[np.intp]:
    """Each station's nearest ``size`` stations, itself included, shape (stations, size)."""
    size = min(size, len(places))
    if not size:
        return np.empty((0, 0), np.intp)
    points = ecef_km([one[0] for one in places], [one[1] for one in places]).T
    rows = [
        np.argpartition(((points - point) ** 2).sum(axis=1), size - 1)[:size] for point in points
    ]
    return np.array(rows, np.intp)


def _state(is_sending: bool, delay_s: float, is_refused: bool) -> StationState:
    if not is_sending:
        return "refused" if is_refused else "silent"
    if delay_s < -FUTURE_S:
        return "future"
    if delay_s > BACKLOG_S:
        return "backlog"
    return "late" if delay_s > LATE_S else "live"


def _clock(
    delays_s: NDArray[np.float64], is_synchronized: bool | None, offset_s: float | None
) -> list[str]:
    """A reason if most stations' data are off by the same time, with the likely cause.

    A clock that nobody synchronizes is no trouble while it agrees with the stations'.
    """
    reasons = []
    if offset_s is not None and abs(offset_s) > FUTURE_S:
        reasons.append(f"this host's clock is {offset_s:+.1f} s off by what keeps it")
    if len(delays_s) < 2:  # one station can't agree with others
        return reasons
    median_s = float(np.median(delays_s))
    if -FUTURE_S <= median_s <= LATE_S:
        return reasons
    if is_synchronized is False:
        reasons.append("this host's clock is not synchronized")
    agreeing = int((np.abs(delays_s - median_s) < AGREE_S).sum())
    off = f"{abs(median_s):.0f} s {'old' if median_s > 0 else 'ahead'}"
    if agreeing < AGREE_SHARE * len(delays_s):
        return [*reasons, f"data are {off} in the median"]
    side = "ahead" if median_s > 0 else "behind"
    agreed = f"data of {agreeing} of {len(delays_s)} stations are {off} alike"
    if median_s > BACKLOG_S:
        return [*reasons, f"{agreed}: a backlog, or this host's clock is ahead"]
    if is_synchronized and median_s > 0:
        return [*reasons, f"{agreed}: this host's clock is synchronized, so the feed is late"]
    return [*reasons, f"{agreed}: this host's clock is {side}"]
