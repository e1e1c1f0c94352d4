"""PURE: which picks are one earthquake.

Free picks of the last seconds are tried as one event: the locator finds the hypocentre that explains most of them, and
the event is declared when enough stations fit, enough of the stations in reach have picked, and it explains enough of
what was picked at all. A pick that fits an event's P, S or coda is not free.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ew.config import LocateConfig
from ew.geo import distance_km
from ew.locate.afar import is_from_afar
from ew.locate.kernels import NO_S_YET
from ew.locate.locator import MAX_PICKS, MAX_SILENT, Hypocentre, Locator, Observations
from ew.locate.onsets import Onset, first_by_station
from ew.locate.shear import SOnset
from ew.locate.stations import Network
from ew.records import Pick
from ew.traveltimes import TravelTimes

Floats = NDArray[np.float64]

FIT_S = 0.9
"""A pick fits within this and a share of its travel time: the model's error over a region."""
FIT_SHARE = 0.03
FITTING = 2.0
"""An onset that an event has stays within so many times of that."""
WARM_UP_S = 11.0
"""A station with less data than this says nothing by its silence: its picker is still warming up (LTA 10 s)."""
CLEAR_SNR = 2.5
"""Of an onset a station would pick."""
LATE_S = 1.5
"""A station that must have seen P for so long and has no pick is silent."""
APART_S = 60.0
SLOWEST_KM_S = 5.0
"""P crosses the crust no slower; with the slack this bounds how far apart in time two stations hear one P-wave."""
APART_SLACK_S = 2.0
CLEAR_STATIONS = 0.75
"""Of the stations needed so much in clear onsets: four barely clear ones, as noise makes them, wait for a fifth."""
LATE_DECLARED_S = 8.0
"""An earthquake is declared within some seconds of its fourth onset, or it is made up of what came later."""
MORE_IN_CODA = 2
"""A second earthquake amid the coda of a first needs so many stations more: coda triggers too, but not in step."""
S_EVIDENCE = 0.5
"""An S where it belongs makes up for half a clear onset."""
CLUSTER_SHARE = 0.2
"""Half of what a declaration needs: the newest pick may lie at the edge of those that P has reached."""
TRY_STATIONS = (8, 20, 1000)
LEAST_S_MINUS_P_S = 1.0
BEFORE_S = 8.0
"""When an event is looked at anew, onsets that came so long before its first one may be its P too."""
AROUND_KM = 60.0
FASTEST_KM_S = 8.0
"""... and those at stations within its waves' reach (Pn) and so much more."""
WIDEST_KM = 250.0
S_STATIONS = 8
S_DOUBT = 2.0
S_WEIGHT = 2.0
"""An S as loud as ``S_DOUBT`` times the coda before it counts for nothing, four times for one pick, six times and more for two: it can hardly be
anything else, and a pick's cost for not fitting is held to half of that of P."""
SECOND_WEIGHT = 0.7
SECOND_SCALE = 2.0
"""A second pick on the vertical may be S, often late, or coda."""
STAYS = 0.2
"""A hypocentre stays where it is unless another one is likelier by so much: among equals it must not jump about."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A hypocentre with the onsets it explains, one a station."""

    hypocentre: Hypocentre
    onsets: tuple[Onset, ...]


class Associator:
    """Forms events from free onsets, and tells what an event explains."""

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
        self._s_onset = s_onset
        self._s_sought_s = s_sought_s

    def declare(self, free: Sequence[Onset]) -> Candidate | None:
        """An event from free onsets, the newest among them, if they make one.

        Only onsets that one P-wave could have made together with the newest are tried, first its nearest few, then more:
        in a dense network far picks are noise, in a sparse one they are all there is.
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
        away = distance_km(
            net.latitudes[here],
            net.longitudes[here],
            net.latitudes[stations],
            net.longitudes[stations],
        )
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
        away = distance_km(net.latitudes[here], net.longitudes[here], net.latitudes, net.longitudes)
        is_live = (net.end_s > newest.time_s) & (net.first_s < newest.time_s - WARM_UP_S)
        return needed >= CLUSTER_SHARE * int((is_live & (away <= away[stations[needed - 1]])).sum())

    def _try(self, first: Sequence[Onset], recent: Sequence[Onset]) -> Candidate | None:
        latitude, longitude = self._centre(first)
        stations = np.array([o.station for o in first])
        net = self._network
        spread = distance_km(
            latitude, longitude, net.latitudes[stations], net.longitudes[stations]
        ).max()
        half_km = float(min(spread, 250.0)) + 120.0
        seen = self.observations(first, _seconds(recent, first), silent_among=None)
        hypocentre = self._locator.locate(latitude, longitude, seen, half_km)
        onsets = self.explained(hypocentre, recent)
        if len(onsets) < self._config.min_stations or not self._is_sound(hypocentre, onsets, first):
            return None
        return Candidate(hypocentre, tuple(onsets))

    def relocate(
        self, hypocentre: Hypocentre, onsets: Sequence[Onset], later: Sequence[Onset]
    ) -> Hypocentre:
        """The hypocentre again, from the onsets it has by now and later ones at their stations (S, or coda)."""
        half_km = 40.0 if len(onsets) > 6 else 100.0
        seen = self.observations(onsets, _seconds(later, onsets), silent_among=hypocentre)
        found = self._locator.locate(hypocentre.latitude, hypocentre.longitude, seen, half_km)
        return found if self._is_in_reach(found, onsets) else hypocentre

    def reconsider(
        self, hypocentre: Hypocentre, own: Sequence[Onset], heard: Sequence[Onset], now_s: float
    ) -> Candidate | None:
        """An event of few onsets anew from all that was heard around it; ``None`` if nothing explains enough of that.

        What was taken for S or for noise may be its P, and the other way round, and far from where it seemed to be.
        """
        since_s = min(o.time_s for o in own) - BEFORE_S
        reach_km = max(now_s - hypocentre.time_s, 0.0) * FASTEST_KM_S + AROUND_KM
        pool = [o for o in heard if o.time_s >= since_s]
        away = self.distances_km(hypocentre, np.array([o.station for o in pool], dtype=np.int64))
        pool = [o for o, km in zip(pool, away, strict=True) if km <= reach_km]
        first = first_by_station(pool)
        seen = self.observations(first, _seconds(pool, first), silent_among=hypocentre)
        half_km = min(reach_km + AROUND_KM, WIDEST_KM)
        best = self._locator.locate(*self._centre(own), seen, half_km)
        if self._locator.misfit_at(hypocentre, seen) < best.misfit + STAYS:
            best = hypocentre
        onsets = self.explained(best, pool)
        if len(onsets) < self._config.min_stations or not self._is_in_reach(best, onsets):
            return None
        return Candidate(best, tuple(onsets))

    def observations(
        self, onsets: Sequence[Onset], seconds: Sequence[Onset], silent_among: Hypocentre | None
    ) -> Observations:
        """The onsets, the second onsets of their stations, and the silent stations as arrays for the locator."""
        onsets = sorted(onsets, key=lambda o: o.time_s)[:MAX_PICKS]
        centre = (
            self._centre(onsets)
            if silent_among is None
            else (silent_among.latitude, silent_among.longitude)
        )
        return Observations(
            picks=self._rows(onsets),
            seconds=self._s_rows(onsets, seconds),
            silent=self._silent(centre, onsets),
        )

    def _silent(self, centre: tuple[float, float], onsets: Sequence[Onset]) -> Floats:
        """The live stations without an onset nearest to a place, with what their silence tells."""
        net = self._network
        stations = np.array([o.station for o in onsets])
        is_silent = np.isfinite(net.end_s) & (net.end_s - net.first_s > WARM_UP_S)
        is_silent &= net.end_s > onsets[0].time_s - APART_S
        is_silent[stations] = False
        index = np.flatnonzero(is_silent)
        away = distance_km(*centre, net.latitudes[index], net.longitudes[index])
        nearest = np.argsort(away, kind="stable")[:MAX_SILENT]
        index, away = index[nearest], away[nearest]
        rows = np.empty((len(index), 6))
        rows[:, :3], rows[:, 3] = net.ecef[index], net.end_s[index]
        noise = np.array([o.log_amplitude - math.log10(o.pick.snr) for o in onsets])
        if np.isfinite(noise).any():
            rows[:, 4:] = np.nanmedian(noise) + math.log10(CLEAR_SNR), 1.0
            return rows
        # Nothing is known of amplitudes: a station farther than most that picked may be too far to see it
        reach = distance_km(*centre, net.latitudes[stations], net.longitudes[stations])
        far = max(float(np.median(reach)), 25.0)
        rows[:, 4], rows[:, 5] = -np.inf, 1 / (1 + (away / (1.5 * far)) ** 4)
        return rows

    def _s_rows(self, onsets: Sequence[Onset], seconds: Sequence[Onset]) -> Floats:
        """What may be S: clear onsets on the horizontals of the stations first reached; elsewhere the next pick."""
        rows, found = [], set()
        with_second, is_first = {o.station for o in seconds}, len(onsets) <= S_STATIONS
        for onset in onsets[:S_STATIONS]:
            s = self._s_onset(onset.pick)
            if s is not None:
                found.add(onset.station)
                weight = min((s.clarity - S_DOUBT) / S_DOUBT, S_WEIGHT)
                rows.append((*self._network.ecef[onset.station], s.time_s, weight, 1.0))
            elif is_first and onset.station not in with_second and onset.is_calm:
                until_s = self._s_sought_s(onset.pick)
                if until_s > onset.time_s:
                    weight = onset.weight
                    rows.append((*self._network.ecef[onset.station], until_s, weight, NO_S_YET))
        for onset in seconds:
            if onset.station not in found:
                weight = SECOND_WEIGHT * onset.weight
                rows.append(
                    (*self._network.ecef[onset.station], onset.time_s, weight, SECOND_SCALE)
                )
        return np.array(rows, dtype=np.float64).reshape(-1, 6)

    def _rows(self, onsets: Sequence[Onset]) -> Floats:
        rows = np.empty((len(onsets), 6))
        for row, onset in zip(rows, onsets, strict=True):
            row[:3] = self._network.ecef[onset.station]
            row[3:] = onset.time_s, onset.weight, onset.log_amplitude
        return rows

    def explained(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> list[Onset]:
        """The onsets that fit the P-wave of a hypocentre, the best of each station."""
        stations = np.array([o.station for o in onsets], dtype=np.int64)
        predicted = hypocentre.time_s + self.travel_s(hypocentre, stations)
        best: dict[int, tuple[float, Onset]] = {}
        for onset, time_s in zip(onsets, predicted, strict=True):
            off = abs(onset.time_s - time_s)
            if (
                off <= self.tolerance_s(time_s - hypocentre.time_s)
                and off < best.get(onset.station, (9.9,))[0]
            ):
                best[onset.station] = (off, onset)
        return [onset for _, onset in best.values()]

    @staticmethod
    def tolerance_s(travel_s: Floats) -> Floats:
        """How far picks may be from their predicted times and still be the event's."""
        return FIT_S + FIT_SHARE * travel_s

    def distances_km(self, hypocentre: Hypocentre, stations: NDArray[np.int64]) -> Floats:
        """Epicentral distances of stations."""
        net = self._network
        return distance_km(
            hypocentre.latitude,
            hypocentre.longitude,
            net.latitudes[stations],
            net.longitudes[stations],
        )

    def travel_s(self, hypocentre: Hypocentre, stations: NDArray[np.int64]) -> Floats:
        """P travel times to stations."""
        return self._travel.p_s(self.distances_km(hypocentre, stations), hypocentre.depth_km)

    def share_in_reach(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> float:
        """Of the stations that must have seen P by now, nearer than the farthest that picked: the share that did.

        A station that is warming up is excused, unless all that picked are in coda or just back as well: a network that comes
        back amid S-waves has not seen what is nearer.
        """
        picked = np.array(sorted({o.station for o in onsets}))
        everyone = np.arange(len(self._network.names))
        away = self.distances_km(hypocentre, everyone)
        expected_s = hypocentre.time_s + self._travel.p_s(away, hypocentre.depth_km)
        net = self._network
        must = net.end_s > expected_s + LATE_S
        if not all(o.is_coda for o in onsets):
            must &= net.first_s < expected_s - WARM_UP_S
        reach_km = np.sort(away[picked])[min(len(picked), self._config.min_stations) - 1]
        must &= away <= reach_km
        must[picked] = False
        nearer = int((away[picked] <= reach_km).sum())
        return nearer / (nearer + int(must.sum()))

    def is_plausible(
        self, hypocentre: Hypocentre, onsets: Sequence[Onset], least_share: float
    ) -> bool:
        """Whether a station that picked is in reach, and of those nearer than the fourth at least so many picked as well."""
        is_near = self._is_in_reach(hypocentre, onsets)
        return is_near and self.share_in_reach(hypocentre, onsets) >= least_share

    def _fitting_s(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> int:
        """How many of the onsets first reached, but those in coda, have a clear S behind them where the hypocentre has it."""
        calm = [o for o in onsets if o.is_calm]
        first = sorted(calm, key=lambda o: o.time_s)[:S_STATIONS]
        if not first:
            return 0
        away = self.distances_km(hypocentre, np.array([o.station for o in first]))
        travel_s = self._travel.s_s(away, hypocentre.depth_km)
        tolerance_s = self.tolerance_s(travel_s)
        return sum(
            s is not None and abs(s.time_s - hypocentre.time_s - travel_s[i]) <= tolerance_s[i]
            for i, s in enumerate(self._s_onset(o.pick) for o in first)
        )

    def _is_in_reach(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> bool:
        """Whether a station that picked is near enough."""
        picked = np.array([o.station for o in onsets])
        return float(self.distances_km(hypocentre, picked).min()) <= self._config.reach_km

    def fitting(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> list[Onset]:
        """The onsets that a hypocentre comes near to explaining: within twice the tolerance and its own error in time."""
        stations = np.array([o.station for o in onsets], dtype=np.int64)
        travel_s = self.travel_s(hypocentre, stations)
        off_s = np.abs(np.array([o.time_s for o in onsets]) - hypocentre.time_s - travel_s)
        fits = off_s <= FITTING * self.tolerance_s(travel_s) + hypocentre.time_error_s
        return [onset for onset, does in zip(onsets, fits, strict=True) if does]

    def _is_sound(
        self, hypocentre: Hypocentre, onsets: Sequence[Onset], first: Sequence[Onset]
    ) -> bool:
        config = self._config
        if is_from_afar(onsets, first, hypocentre.depth_km, self._network, config.min_stations):
            return False
        if not self.is_plausible(hypocentre, onsets, config.min_share):
            return False
        clear = sum(not o.is_coda for o in onsets)
        if clear < config.min_stations - 1 and len(onsets) < config.min_stations + MORE_IN_CODA:
            return False
        lacks = CLEAR_STATIONS * config.min_stations - sum(o.weight for o in onsets)
        if lacks > 0 and lacks > S_EVIDENCE * self._fitting_s(hypocentre, onsets):
            return False
        # Picks in coda, gathered over a long time, always fit something somewhere
        times = np.sort([o.time_s for o in onsets])
        late_s = times[-1] - times[config.min_stations - 1]
        if late_s > LATE_DECLARED_S and 2 * sum(o.is_restless for o in onsets) > len(onsets):
            return False
        # Of all that was picked since the P-wave set out, in its reach, it must explain most
        stations = np.array([o.station for o in first])
        arrival = hypocentre.time_s + self.travel_s(hypocentre, stations)
        since = np.array([o.time_s for o in first]) >= hypocentre.time_s - 2.0
        s_travel = self._travel.s_s(self.distances_km(hypocentre, stations), hypocentre.depth_km)
        # A station that missed P may have picked S: that speaks neither for nor against
        is_s = np.array([o.time_s for o in first]) > hypocentre.time_s + 0.8 * s_travel
        counted = since & ~is_s & (arrival <= max(o.time_s for o in first) + 2.0)
        return len(onsets) >= config.min_explained * int(counted.sum())

    def _centre(self, onsets: Sequence[Onset]) -> tuple[float, float]:
        """Where the first waves came in: the mean of the stations of the four earliest onsets."""
        early = sorted(onsets, key=lambda o: o.time_s)[:4]
        stations = [o.station for o in early]
        net = self._network
        return float(net.latitudes[stations].mean()), float(net.longitudes[stations].mean())


def _seconds(onsets: Sequence[Onset], first: Sequence[Onset]) -> list[Onset]:
    """The next onset at each station after its first: S, or coda."""
    since = {o.station: o.time_s for o in first}
    after = [o for o in onsets if since.get(o.station, np.inf) + LEAST_S_MINUS_P_S < o.time_s]
    return first_by_station(after)
