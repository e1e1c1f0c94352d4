"""PURE: which picks are one earthquake.

Free picks of the last seconds are tried as one event: the locator finds the hypocentre that
explains most of them, and the event is declared when enough stations fit, enough of the stations in
reach have picked, and it explains enough of what was picked at all. A pick that fits an event's P,
S or coda is not free. Onsets before which the ground was loud may be S of an earthquake whose P
drowned in the coda of another: they are read as whichever fits better.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ew.config import LocateConfig
from ew.geo import distance_km
from ew.locate.afar import is_from_afar
from ew.locate.fit import Fit
from ew.locate.locator import Hypocentre, Locator, Observations
from ew.locate.observing import NO_ROWS, WARM_UP_S, Observer, seconds_after
from ew.locate.onsets import (
    Onset,
    first_by_station,
    is_mostly_restless,
    is_mostly_s,
    read_as,
)
from ew.locate.shear import SOnset
from ew.locate.stations import Network
from ew.locate.twin import NEAR_POWER, NEAREST_KM
from ew.records import Pick
from ew.traveltimes import TravelTimes

Floats = NDArray[np.float64]

SOON_S = 1.0
"""Where stations are many the next ones are about to see P, and a few may be asked to wait for
them."""
SLOWEST_KM_S = 5.0
"""P crosses the crust no slower; with the slack this bounds how far apart in time two stations hear
one P-wave."""
APART_SLACK_S = 2.0
CLEAR_STATIONS = 0.75
"""Of the stations needed so much in clear onsets: four barely clear ones, as noise makes them, wait
for a fifth."""
LATE_DECLARED_S = 8.0
"""An earthquake is declared within some seconds of its fourth onset, or it is made up of what came
later."""
MORE_IN_CODA = 2
"""A second earthquake amid the coda of a first needs so many stations more: coda triggers too, but
not in step."""
S_EVIDENCE = 0.5
"""An S where it belongs makes up for half a clear onset."""
CLUSTER_SHARE = 0.2
"""Half of what a declaration needs: the newest pick may lie at the edge of those that P has
reached."""
TRY_STATIONS = (8, 20, 1000)
BEFORE_S = 8.0
"""When an event is looked at anew, onsets that came so long before its first one may be its P
too."""
AROUND_KM = 60.0
FASTEST_KM_S = 8.0
"""... and those at stations within its waves' reach (Pn) and so much more."""
WIDEST_KM = 250.0
FEW_ONSETS = 5
WIDE_KM = 50.0
"""Only stations so far from their middle let one onset move the place by a hundred kilometres."""
MOVES_KM, MOVES = 100.0, 1.5
"""An onset without which the place is so far off, and four times as likely there, is not to be
relied on alone."""
STAYS = 0.2
"""A hypocentre stays where it is unless another one is likelier by so much: among equals it must
not jump about."""
DEEPER_KM = 20.0
"""Read as S, any P-wave can be that of an earthquake far below, from where S comes in as steeply:
no deeper than this below the usual."""
BACK = 2.0
"""What was read as S is read as P again only if that is e² times as likely: the ground before it
says S."""
HIDDEN_P_STATIONS = 8
"""So many onsets tell P from S by how fast the wave crosses them; of fewer, place and time make up
for it."""
HIDDEN_P_MISFIT = 1.1
"""Misfit a pick from which P is doubted: the search for S costs as much as a location, and most
P-waves fit better."""
HIDDEN_P_GAIN = 4.0
"""Onsets on calm ground are S only if that is e⁴ times as likely. Read as S, recorded and synthetic
P-waves gain 2.6 at most and nearly all lose, while small earthquakes of which only S was seen gain
5 and more by their twelfth onset."""
HIDDEN_P_S = 2
"""With so many S-waves where they belong behind them the onsets are P."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hypocentre with the onsets it explains, one a station."""

    hypocentre: Hypocentre
    onsets: tuple[Onset, ...]


class Associator:
    """Forms events from free onsets; ``fit`` tells what a hypocentre explains."""

    def __init__(
        self,
        config: LocateConfig,
        network: Network,
        travel_times: TravelTimes,
        locator: Locator,
        s_onset: Callable[[Pick], SOnset | None],
        s_sought_s: Callable[[Pick], float],
    ) -> None:
        self._config = config
        self._network = network
        self._travel = travel_times
        self._locator = locator
        self.fit = Fit(config, network, travel_times, s_onset)
        self._observer = Observer(network, s_onset, s_sought_s)

    def declare(self, free: Sequence[Onset]) -> Candidate | None:
        """An event from free onsets, the newest among them, if they make one.

        Only onsets that one P-wave could have made together with the newest are tried, first its
        nearest few, then more: in a dense network far picks are noise, in a sparse one they are all
        there is.
        """
        newest = max(free, key=lambda onset: onset.time_s)
        recent = [o for o in free if newest.time_s - o.time_s <= self._config.window_s]
        near = self._compatible(newest, recent)
        if not self._is_cluster(newest, near):
            return None
        tried = 0
        for size in TRY_STATIONS:
            first = first_by_station(near[:size])
            if len(first) < self._config.min_stations or len(first) == tried:
                continue
            tried = len(first)
            candidate = self._try(first, recent)
            if candidate is not None:
                return candidate
        return None

    def _compatible(self, newest: Onset, recent: Sequence[Onset]) -> list[Onset]:
        """Onsets no further apart in time than a P-wave takes between their stations, nearest to the newest first."""
        net = self._network
        stations = np.array([o.station for o in recent])
        here = newest.station
        away = net.distances_km(net.latitudes[here], net.longitudes[here], stations)
        order = np.argsort(away, kind="stable")
        return [
            recent[i]
            for i in order
            if abs(recent[i].time_s - newest.time_s) <= away[i] / SLOWEST_KM_S + APART_SLACK_S
        ]

    def _is_cluster(self, newest: Onset, near: Sequence[Onset]) -> bool:
        """Whether enough of the stations around have picked too; a lone noise pick in a dense network costs no search."""
        net, needed = self._network, self._config.min_stations
        stations = list(dict.fromkeys(o.station for o in near))
        if len(stations) < needed:
            return False
        here = newest.station
        away = net.distances_km(net.latitudes[here], net.longitudes[here])
        is_live = (net.end_s > newest.time_s) & (net.first_s < newest.time_s - WARM_UP_S)
        return needed >= CLUSTER_SHARE * int((is_live & (away <= away[stations[needed - 1]])).sum())

    def _try(self, first: Sequence[Onset], recent: Sequence[Onset]) -> Candidate | None:
        seen = self._observer.observations(first, seconds_after(recent, first), silent_among=None)
        hypocentre = self._locate_around(first, seen)
        onsets = self.fit.explained(hypocentre, recent)
        if not self._is_sound(hypocentre, onsets, first):
            return None
        reread = self.reread(hypocentre, onsets) if is_mostly_restless(onsets) else None
        if reread is None:
            if self._hangs_on_one(hypocentre, onsets, recent):
                return None
            return Candidate(hypocentre, tuple(onsets))
        onsets = self.fit.explained(reread.hypocentre, read_as(recent, is_s=True))
        first = read_as(first, is_s=True)
        is_sound = self._is_sound(reread.hypocentre, onsets, first)
        return Candidate(reread.hypocentre, tuple(onsets)) if is_sound else None

    def _hangs_on_one(
        self, hypocentre: Hypocentre, onsets: Sequence[Onset], recent: Sequence[Onset]
    ) -> bool:
        """Whether the others say clearly that it is far from here, with one onset left out: that one may be noise."""
        if len(onsets) > FEW_ONSETS or len(onsets) <= 3:
            return False
        places = self._network.ecef[[o.station for o in onsets]]
        if np.linalg.norm(places - places.mean(axis=0), axis=1).max() < WIDE_KM:
            return False
        for one in onsets:
            rest = [o for o in onsets if o is not one]
            seen = self._observer.observations(rest, seconds_after(recent, rest), silent_among=None)
            # What is left out is not silent
            away = np.linalg.norm(seen.silent[:, :3] - self._network.ecef[one.station], axis=1)
            seen = replace(seen, silent=seen.silent[away > 0])
            found = self._locate_around(rest, seen)
            moved_km = distance_km(
                hypocentre.latitude, hypocentre.longitude, found.latitude, found.longitude
            )
            gain = self._data_misfit(hypocentre, rest, seen) - self._data_misfit(found, rest, seen)
            if moved_km > MOVES_KM and gain > MOVES:
                return True
        return False

    def _data_misfit(
        self, hypocentre: Hypocentre, onsets: Sequence[Onset], seen: Observations
    ) -> float:
        """The misfit without what is expected beforehand: that earthquakes are near the first station."""
        away = self.fit.distances_km(hypocentre, np.array([o.station for o in onsets])).min()
        nearest_km = max(math.hypot(float(away), hypocentre.depth_km), NEAREST_KM)
        return self._locator.misfit_at(hypocentre, seen) - NEAR_POWER * math.log(nearest_km)

    def _locate_around(self, onsets: Sequence[Onset], seen: Observations) -> Hypocentre:
        """The hypocentre wherever it may be, for onsets of which nothing is known."""
        latitude, longitude = self._observer.centre(onsets)
        stations = np.array([o.station for o in onsets])
        spread = self._network.distances_km(latitude, longitude, stations).max()
        return self._locator.locate(latitude, longitude, seen, float(min(spread, 250.0)) + 120.0)

    def reread(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> Candidate | None:
        """The same onsets as S instead of P, or the other way round; ``None`` unless that is likelier.

        Amid aftershocks P drowns in the coda of another and S does not: read as P, it makes an
        earthquake that comes seconds too late. S takes longer from station to station than P.
        Silence tells nothing here, for P is silent as well.
        """
        if not is_mostly_restless(onsets):
            return None if is_mostly_s(onsets) else self._with_hidden_p(hypocentre, onsets)
        other = read_as(onsets, is_s=not is_mostly_s(onsets))
        seen, anew = (
            replace(self._observer.observations(o, (), silent_among=hypocentre), silent=NO_ROWS)
            for o in (onsets, other)
        )
        found = self._locate_around(other, anew)
        least = BACK if is_mostly_s(onsets) else STAYS
        is_deep = is_mostly_s(other) and found.depth_km > self._config.depth_km + DEEPER_KM
        if is_deep or self._locator.misfit_at(hypocentre, seen) < found.misfit + least:
            return None
        return Candidate(found, tuple(other))

    def _with_hidden_p(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> Candidate | None:
        """The onsets as S of a small earthquake whose P stayed below the noise, if their times clearly say so.

        Else its S-waves farther away would be neither P nor S of what was found, and would make up
        a second earthquake.
        """
        onsets = [o for o in onsets if not o.is_late]
        if len(onsets) < HIDDEN_P_STATIONS:
            return None
        as_p, as_s = (
            replace(
                self._observer.observations(read, (), silent_among=hypocentre),
                silent=NO_ROWS,
                seconds=NO_ROWS,
            )
            for read in (onsets, [replace(o, is_s=True) for o in onsets])
        )
        misfit = self._locator.misfit_at(hypocentre, as_p)
        if misfit < HIDDEN_P_MISFIT * len(as_p.picks):
            return None
        if self.fit.fitting_s(hypocentre, onsets) >= HIDDEN_P_S:
            return None
        found = self._locate_around(onsets, as_s)
        is_deep = found.depth_km > self._config.depth_km + DEEPER_KM
        if is_deep or misfit < found.misfit + HIDDEN_P_GAIN:
            return None
        return Candidate(found, tuple(replace(o, is_s=True) for o in onsets))

    def relocate(
        self, hypocentre: Hypocentre, onsets: Sequence[Onset], later: Sequence[Onset]
    ) -> Hypocentre:
        """The hypocentre again, from the onsets it has by now and later ones at their stations (S, or coda)."""
        half_km = 40.0 if len(onsets) > 6 else 100.0
        seen = self._observer.observations(
            onsets, seconds_after(later, onsets), silent_among=hypocentre
        )
        found = self._locator.locate(hypocentre.latitude, hypocentre.longitude, seen, half_km)
        return found if self.fit.is_in_reach(found, onsets) else hypocentre

    def reconsider(
        self,
        hypocentre: Hypocentre,
        own: Sequence[Onset],
        heard: Sequence[Onset],
        now_s: float,
        needed: int,
    ) -> Candidate | None:
        """An event of few onsets anew from all that was heard around it; ``None`` if nothing explains enough of that.

        What was taken for S or for noise may be its P, and the other way round, and far from where
        it seemed to be.
        """
        since_s = min(o.time_s for o in own) - BEFORE_S
        reach_km = max(now_s - hypocentre.time_s, 0.0) * FASTEST_KM_S + AROUND_KM
        pool = [o for o in heard if o.time_s >= since_s]
        away = self.fit.distances_km(
            hypocentre, np.array([o.station for o in pool], dtype=np.int64)
        )
        pool = [o for o, km in zip(pool, away, strict=True) if km <= reach_km]
        first = first_by_station(pool)
        if len(first) < needed:
            return None
        seen = self._observer.observations(
            first, seconds_after(pool, first), silent_among=hypocentre
        )
        half_km = min(reach_km + AROUND_KM, WIDEST_KM)
        best = self._locator.locate(*self._observer.centre(own), seen, half_km)
        if self._locator.misfit_at(hypocentre, seen) < best.misfit + STAYS:
            best = hypocentre
        onsets = self.fit.explained(best, pool)
        if len(onsets) < needed or not self.fit.is_in_reach(best, onsets):
            return None
        return Candidate(best, tuple(onsets))

    def strong(
        self, group: Sequence[Onset], recent: Sequence[Onset], seen_km: float, least_share: float
    ) -> Candidate | None:
        """The earthquake of two or more onsets, if it explains most and no live station within ``seen_km`` or nearer than they are missed it."""
        seen = self._observer.observations(group, seconds_after(recent, group), silent_among=None)
        hypocentre = self._locate_around(group, seen)
        onsets = self.fit.explained(hypocentre, group)
        needed = min(len(group), 3)
        if len(onsets) < needed or not self.fit.is_in_reach(hypocentre, onsets):
            return None
        if self.fit.share_in_reach(hypocentre, onsets, seen_km, -SOON_S) < least_share:
            return None
        fitting_s = self.fit.fitting_s(hypocentre, onsets)
        depth_km, net = hypocentre.depth_km, self._network
        late_s = self.fit.late_s(hypocentre, group)
        if is_from_afar(onsets, group, depth_km, net, len(onsets), fitting_s, late_s):
            return None
        return Candidate(hypocentre, tuple(onsets))

    def _is_sound(
        self, hypocentre: Hypocentre, onsets: Sequence[Onset], first: Sequence[Onset]
    ) -> bool:
        config = self._config
        onsets = [o for o in onsets if not o.is_late]
        if len(onsets) < config.min_stations:
            return False
        depth_km, net = hypocentre.depth_km, self._network
        fitting_s = self.fit.fitting_s(hypocentre, onsets)
        late_s = self.fit.late_s(hypocentre, first)
        is_far = is_from_afar(onsets, first, depth_km, net, config.min_stations, fitting_s, late_s)
        if is_far or not self.fit.is_plausible(hypocentre, onsets, config.min_share):
            return False
        clear = sum(not o.is_coda for o in onsets)
        if clear < config.min_stations - 1 and len(onsets) < config.min_stations + MORE_IN_CODA:
            return False
        lacks = CLEAR_STATIONS * config.min_stations - sum(o.weight for o in onsets)
        if lacks > 0 and lacks > S_EVIDENCE * fitting_s:
            return False
        # Picks in coda, gathered over a long time, always fit something somewhere
        times = np.sort([o.time_s for o in onsets])
        late_s = times[-1] - times[config.min_stations - 1]
        if late_s > LATE_DECLARED_S and is_mostly_restless(onsets):
            return False
        # Of all that was picked since the P-wave set out, in its reach, it must explain most
        stations = np.array([o.station for o in first])
        arrival = hypocentre.time_s + self.fit.travel_s(hypocentre, first)
        since = np.array([o.time_s for o in first]) >= hypocentre.time_s - 2.0
        s_travel = self._travel.s_s(
            self.fit.distances_km(hypocentre, stations), hypocentre.depth_km
        )
        # A station that missed P may have picked S: that speaks neither for nor against
        is_s = np.array([o.time_s for o in first]) > hypocentre.time_s + 0.8 * s_travel
        counted = since & ~is_s & (arrival <= max(o.time_s for o in first) + 2.0)
        return len(onsets) >= config.min_explained * int(counted.sum())
