"""PURE: the last check before a message is signed as ``actual``: do our stations support the event?

A system once sent the public an M 8.1 that was a test. So each version is checked before it is
signed as real, from picks and travel times alone, independent of how it was found:

- one of ours needs as many sites as a declaration does, whose data were fresh when the pick came,
  apart from each other, with onsets that fit one P-wave (or S where the version used S);
- fewer sites are enough only where they shake as in a damaging earthquake;
- another agency's needs onsets at a quarter of our nearest sites that its P-wave has passed, and at
  one at least, unless the configuration trusts that agency alone.

A version that fails is held back and checked again as picks come. Cancels pass for events that
passed.
"""

import math
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ew.components import verticals_of
from ew.config import Config
from ew.geo import distance_km, ecef_km
from ew.records import EventVersion, Inventory, Pick
from ew.times import NS_PER_S, seconds_from_ns
from ew.traveltimes import TravelTimes

SITE_KM = 0.5
"""Sensors nearer to each other than this, km, are one site: one door slam shakes both."""
AHEAD_MOST_S = 10.0
"""Data may end this far ahead of the clock, s; for a station whose clock is off, the fit
decides."""
PICKS_KEPT = 32
"""Picks kept of each station: one with more within minutes supports nothing."""
HELD_S = 60.0
"""A version that is held back may be released for this long, s; later nobody is left to warn."""
PASSED_KEPT_S = 900.0
FIT_S, FIT_SHARE = 2.0, 0.06
"""An onset fits within this, s, plus this share of its travel time: first hypocentres are off by
some km."""
PG_FROM_KM, PG_KM_S = 120.0, 5.8
"""From this distance, km, Pn comes first but is often too weak, and picks lie between it and Pg, of
this velocity, km/s (ak135's upper crust)."""
FELT_M_S2, STRONG_M_S2 = 0.1, 0.3
"""Peak accelerations, m/s²: felt by many (CSIS 3.6), needed at one of three sites; felt by all
(5.0), needed at both of two."""
NEAREST, NEAREST_SHARE = 8, 0.25
PASSED_BY_S = 2.0
"""A site counts this long after P has passed it, s: a pick takes a second to be made and sent."""


@dataclass(frozen=True, slots=True)
class Held:
    """A version that is held back since ``since_s`` (epoch seconds), and the reason."""

    version: EventVersion
    reason: str
    since_s: float


class ReleaseGate:
    """Releases versions to be signed as ``actual``, or holds them back.

    ``note`` takes the stations' picks; ``release`` returns the versions to publish. Times are
    epoch seconds.
    """

    def __init__(self, config: Config, inventory: Inventory, travel_times: TravelTimes) -> None:
        self._locate = config.locate
        self._oldest_s = config.policy.data_age_s
        self._trusted = {one.name for one in config.service.partners if one.trusted_alone}
        self._travel = travel_times
        seed_ids = sorted(set(verticals_of(inventory).values()))
        self._slot = {seed_id: slot for slot, seed_id in enumerate(seed_ids)}
        self._seed_ids = seed_ids
        self._latitudes = np.array([inventory[one].latitude for one in seed_ids])
        self._longitudes = np.array([inventory[one].longitude for one in seed_ids])
        self._sites = _sites(self._latitudes, self._longitudes)
        self._picks: list[deque[float]] = [deque(maxlen=PICKS_KEPT) for _ in seed_ids]
        self._passed: dict[str, tuple[float, str]] = {}  # time and source, by event
        self._held: dict[str, Held] = {}
        self._has_new = False
        self.stale = 0
        """Number of picks from data too old, or ahead of the clock, to support anything."""

    @property
    def held(self) -> tuple[Held, ...]:
        """The versions that are held back now."""
        return tuple(self._held.values())

    def note(self, picks: Iterable[Pick], now_s: float) -> None:
        """Note picks; those of data older than the configured age are not counted as support."""
        for pick in picks:
            slot = self._slot.get(pick.seed_id)
            if slot is None:
                continue
            # 0 where a report leaves it out; the onset is then the best estimate of the data's age
            age_s = now_s - max(pick.decided_ns, pick.time_ns) / NS_PER_S
            if -AHEAD_MOST_S <= age_s <= self._oldest_s:
                self._picks[slot].append(seconds_from_ns(pick.time_ns))
                self._has_new = True
            else:
                self.stale += 1

    def recall(self, version: EventVersion) -> None:
        """Note a version published before a restart, or by another service of our stations."""
        self._passed[version.event_id] = version.issued_s, version.source

    def release(
        self, versions: Sequence[EventVersion], now_s: float, ours: Collection[str] = ()
    ) -> list[EventVersion]:
        """The versions, among ``versions`` and those held back, that may be published now.

        ``ours``: ids of the events under way that have picks of ours. An event that was released
        for its picks, and now has a partner's origin alone, is cancelled unless our stations
        support that origin.
        """
        released = []
        for version in versions:
            let = self._judge(version, now_s)
            if let is None and version.event_id not in ours:
                let = self._end(version)
            released += [] if let is None else [let]
        if self._held and self._has_new:
            fresh = {version.event_id for version in versions}
            for held in self.held:
                if held.version.event_id not in fresh:
                    let = self._judge(held.version, now_s, held.since_s)
                    released += [] if let is None else [replace(let, issued_s=now_s)]
        self._has_new = False
        self._held = {k: h for k, h in self._held.items() if now_s - h.since_s <= HELD_S}
        self._passed = {k: p for k, p in self._passed.items() if now_s - p[0] <= PASSED_KEPT_S}
        return released

    def _end(self, version: EventVersion) -> EventVersion | None:
        """The cancel of an event released as ours, of which a partner's ``version`` is left."""
        if self._passed.get(version.event_id, (0.0, ""))[1] != "ew" or version.source == "ew":
            return None
        del self._passed[version.event_id]
        self._held.pop(version.event_id, None)
        return replace(version, kind="cancel")

    def _judge(
        self, version: EventVersion, now_s: float, since_s: float | None = None
    ) -> EventVersion | None:
        event_id = version.event_id
        if version.kind == "cancel":
            self._held.pop(event_id, None)
            return version if event_id in self._passed else None
        reason = self.objection(version, now_s)
        if reason:
            since_s = now_s if since_s is None else since_s
            self._held[event_id] = Held(version, reason, since_s)
            return None
        self._held.pop(event_id, None)
        kind = version.kind if event_id in self._passed else "alert"
        self._passed[event_id] = now_s, version.source
        return replace(version, kind=kind)

    def objection(self, version: EventVersion, now_s: float) -> str:
        """The reason not to publish a version as real; empty if our stations support it."""
        if version.source == "ew":
            return self._objection_to_ours(version)
        if version.source in self._trusted:
            return ""
        return self._objection_to_theirs(version, now_s)

    def _objection_to_ours(self, version: EventVersion) -> str:
        by_s = {a.pick.seed_id for a in version.arrivals if a.phase == "S"}
        slots = self._supporting(version, by_s)
        count, needed = len(set(self._sites[slots].tolist())), self._locate.min_stations
        if count < needed and self._locate.strong_motion:
            seed_ids = {self._seed_ids[slot] for slot in slots}
            felt = [m.pga_m_s2 for m in version.motions if m.seed_id in seed_ids]
            if sum(pga >= STRONG_M_S2 for pga in felt) >= 2:
                needed = 2
            elif any(pga >= FELT_M_S2 for pga in felt):
                needed = min(3, needed)
        return "" if count >= needed else f"{count} of {needed} sites bear it out"

    def _objection_to_theirs(self, version: EventVersion, now_s: float) -> str:
        origin = version.origin
        away = self._distances_km(origin.latitude, origin.longitude)
        by_distance = np.argsort(away)
        nearest = list(dict.fromkeys(self._sites[by_distance].tolist()))[:NEAREST]
        passed_s = origin.time_s + self._travel.p_s(away[nearest], origin.depth_km) + PASSED_BY_S
        passed = int(np.count_nonzero(passed_s <= now_s))
        needed = max(1, math.ceil(NEAREST_SHARE * passed))
        found = set(self._sites[self._supporting(version, ())].tolist())
        count = len(found.intersection(nearest))
        if count >= needed:
            return ""
        return (
            f"{version.source}'s origin is borne out by {count} of our {passed} nearest sites that "
            "P "
            f"has passed, {needed} needed"
        )

    def _supporting(self, version: EventVersion, by_s: Iterable[str]) -> NDArray[np.int64]:
        """Slots of the picks that fit the version's P-wave, or S where the version used S.

        At a station that shakes hard, any pick between P and S fits: the shaking is evidence
        enough.
        """
        origin = version.origin
        times = np.array([time_s for picks in self._picks for time_s in picks])
        slots = np.repeat(np.arange(len(self._picks)), [len(picks) for picks in self._picks])
        away = self._distances_km(origin.latitude, origin.longitude)[slots]
        since = times - origin.time_s
        p_s = self._travel.p_s(away, origin.depth_km)
        within_s = FIT_S + FIT_SHARE * p_s
        fits = np.abs(since - p_s) <= within_s
        pg_s = away / PG_KM_S
        fits |= (away >= PG_FROM_KM) & (since > p_s) & (since <= pg_s + FIT_S + FIT_SHARE * pg_s)
        are_s = [self._slot[one] for one in by_s if one in self._slot]
        hard = [m.seed_id for m in version.motions if m.pga_m_s2 >= STRONG_M_S2]
        are_hard = [self._slot[one] for one in hard if one in self._slot]
        if are_s or are_hard:
            s_s = self._travel.s_s(away, origin.depth_km)
            fits |= np.isin(slots, are_s) & (np.abs(since - s_s) <= FIT_S + FIT_SHARE * s_s)
            is_between = (since >= p_s - 2 * within_s) & (since <= s_s + within_s)
            fits |= np.isin(slots, are_hard) & is_between
        return slots[fits]

    def _distances_km(self, latitude: float, longitude: float) -> NDArray[np.float64]:
        return distance_km(latitude, longitude, self._latitudes, self._longitudes)


def _sites(latitudes: NDArray[np.float64], longitudes: NDArray[np.float64]) -> NDArray[np.int64]:
    """For each station (S,) the first one of its site, within ``SITE_KM``, (S,)."""
    points = ecef_km(latitudes, longitudes).T
    sites = np.arange(len(points))
    firsts: list[int] = []
    for number, point in enumerate(points):
        near = [] if not firsts else np.linalg.norm(points[firsts] - point, axis=1) <= SITE_KM
        if np.any(near):
            sites[number] = firsts[int(np.argmax(near))]
        else:
            firsts.append(number)
    return sites
