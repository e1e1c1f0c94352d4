"""PURE: which onsets each event rests on, and where they put it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ew.config import LocateConfig
from ew.locate.associator import Associator
from ew.locate.claims import Claims
from ew.locate.event import Event
from ew.locate.locator import MAX_PICKS
from ew.locate.onsets import Onset
from ew.locate.waves import Waves
from ew.records import Pick
from ew.times import ns_from_seconds
from ew.traveltimes import TravelTimes

LATE_OPEN_S = 30.0
"""An event is followed at least so long after it was declared."""
FEW_ONSETS = 8
RECONSIDER_S = 30.0
"""So few onsets may have been grouped wrongly: for so long the whole is looked at anew."""
WITHDRAW_AFTER_S = 8.0
WITHDRAW_SHARE = 0.25


class Grouping:
    """Onsets and the events under way.

    ``heard``: all onsets of the last two minutes; ``free``: those that belong to no event;
    ``events``: those that still claim onsets.
    """

    def __init__(
        self,
        config: LocateConfig,
        travel_times: TravelTimes,
        associator: Associator,
        claims: Claims,
        waves: Waves,
    ) -> None:
        self._config = config
        self._travel = travel_times
        self._associator = associator
        self._fit = associator.fit
        self._claims = claims
        self._waves = waves
        self.heard: list[Onset] = []
        self.free: list[Onset] = []
        self.events: list[Event] = []

    def join(self, event: Event, onset: Onset) -> None:
        """Give an event an onset, and follow its waves while versions may come."""
        event.onsets[onset.station] = onset
        if onset.time_s > self.ends_s(event):
            return
        event.trackers[onset.station] = self._waves.follow(self._p_of(event, onset))

    def _p_of(self, event: Event, onset: Onset) -> Pick:
        """Where the P-wave of an onset begins: S tells nothing of Pd, so before it P is read where it must be."""
        if not onset.is_s:
            return onset.pick
        away = self._fit.distances_km(event.hypocentre, np.array([onset.station]))
        p_s = event.hypocentre.time_s + float(self._travel.p_s(away, event.hypocentre.depth_km)[0])
        return replace(onset.pick, time_ns=ns_from_seconds(p_s))

    def relocate(self, event: Event, now_s: float) -> None:
        """The hypocentre again; a young event of few onsets may turn out to be another one, with other onsets."""
        onsets = list(event.onsets.values())
        if (
            len(onsets) <= FEW_ONSETS
            and now_s - event.declared_s <= RECONSIDER_S
            and not event.is_by_s
        ):
            found = self._associator.reconsider(
                event.hypocentre, onsets, self._not_others(event), now_s, event.needed
            )
            if found is not None and event.may_become(found):
                event.hypocentre = found.hypocentre
                self.regroup(event, found.onsets)
        # Beyond so many the earliest stay the same, and so would the hypocentre
        elif event.issued_count < len(onsets) and event.issued_count <= MAX_PICKS:
            event.hypocentre = self._associator.relocate(
                event.hypocentre, onsets, self._not_others(event)
            )
            self.regroup(event, self._fit.fitting(event.hypocentre, onsets))
        else:
            return
        self._reread(event)

    def _reread(self, event: Event) -> None:
        """Read an event's onsets as S, or as P again, where that is likelier."""
        candidate = self._associator.reread(event.hypocentre, list(event.onsets.values()))
        if candidate is not None:
            self.regroup(event, ())
            event.hypocentre = candidate.hypocentre
            self.regroup(event, self._fit.fitting(event.hypocentre, candidate.onsets))

    def _not_others(self, event: Event) -> list[Onset]:
        """What was heard and is neither P nor S of another event."""
        pool = self.heard
        for other in self.events:
            if other is not event:
                theirs = {o.pick for o in other.onsets.values()}
                claims = self._claims.of(other, pool)
                pool = [
                    o
                    for o, claim in zip(pool, claims, strict=True)
                    if claim != "S" and o.pick not in theirs
                ]
        return pool

    def regroup(self, event: Event, onsets: Sequence[Onset]) -> None:
        """Give an event these onsets instead of those it has."""
        kept = {o.pick for o in onsets}
        for station, onset in list(event.onsets.items()):
            if onset.pick not in kept:
                del event.onsets[station]
                tracker = event.trackers.pop(station, None)
                if tracker is not None:
                    self._waves.let_go(tracker)
        for onset in onsets:
            if onset.station not in event.onsets:
                self.join(event, onset)
        taken = {o.pick for o in event.onsets.values()}
        self.free = [o for o in self.free if o.pick not in taken]

    def ends_s(self, event: Event) -> float:
        """When the last version of an event may come: P from 600 km down takes longer than others are followed."""
        until_s = event.hypocentre.time_s + self._config.update_until_s
        return max(until_s, event.declared_s + LATE_OPEN_S)

    def is_refuted(self, event: Event, now_s: float) -> bool:
        """Too few of its onsets are left, or too many stations that must have seen it by now did not."""
        if len(event.onsets) < event.needed:
            return True
        if (
            now_s - event.declared_s < WITHDRAW_AFTER_S
            or len(event.onsets) > self._config.min_stations
        ):
            return False
        return (
            self._fit.share_in_reach(event.hypocentre, list(event.onsets.values())) < WITHDRAW_SHARE
        )
