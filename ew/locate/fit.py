"""PURE: what a hypocentre explains: the onsets of its P-wave (or S), and the stations that must have seen it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ew.config import LocateConfig
from ew.locate.locator import Hypocentre
from ew.locate.observing import S_STATIONS, WARM_UP_S
from ew.locate.onsets import Onset, first_by_station, is_mostly_s
from ew.locate.shear import SOnset
from ew.locate.stations import Network
from ew.records import Arrival, Pick
from ew.traveltimes import TravelTimes

Floats = NDArray[np.float64]

FIT_S = 0.9
"""A pick fits within this and a share of its travel time: the model's error over a region."""
FIT_SHARE = 0.03
FITTING = 2.0
"""An onset that an event has stays within so many times of that."""
LATE_S = 1.5
"""A station that must have seen P for so long and has no pick is silent."""
LEAST_ON_TIME = 3
PG_FROM_KM = 120.0
PG_KM_S = 5.8
"""Where Pn leads it is often emergent, and what is picked comes up to Pg (ak135's upper crust)
later."""


class Fit:
    """Holds onsets and stations against hypocentres."""

    def __init__(
        self,
        config: LocateConfig,
        network: Network,
        travel_times: TravelTimes,
        s_onset: Callable[[Pick], SOnset | None],
    ) -> None:
        self._config = config
        self._network = network
        self._travel = travel_times
        self._s_onset = s_onset

    def is_late_p(self, since_s: Floats, away_km: Floats, p_s: Floats) -> NDArray[np.bool_]:
        """Whether onsets ``since_s`` after the origin came between the first P (``p_s``) and Pg, where Pn leads."""
        pg_s = away_km / PG_KM_S
        is_between = (since_s > p_s) & (since_s <= pg_s + self.tolerance_s(pg_s))
        result: NDArray[np.bool_] = is_between & (away_km >= PG_FROM_KM)
        return result

    def explained(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> list[Onset]:
        """The onsets that fit the P-wave of a hypocentre, or S where they are read so, the best of each station."""
        predicted = hypocentre.time_s + self.travel_s(hypocentre, onsets)
        off_s = np.abs(np.array([o.time_s for o in onsets]) - predicted)
        fits = off_s <= self.tolerance_s(predicted - hypocentre.time_s)
        best: dict[int, tuple[float, Onset]] = {}
        for i in np.flatnonzero(fits).tolist():
            onset, off = onsets[i], float(off_s[i])
            if off < best.get(onset.station, (math.inf,))[0]:
                best[onset.station] = (off, onset)
        found = [onset for _, onset in best.values()]
        return found + self._late(hypocentre, onsets, found)

    def _late(
        self, hypocentre: Hypocentre, onsets: Sequence[Onset], on_time: Sequence[Onset]
    ) -> list[Onset]:
        """Of the stations without P the first onset up to Pg, once enough others were on time to say that P passed."""
        heard = {o.station for o in on_time}
        others = first_by_station([o for o in onsets if o.station not in heard and not o.is_s])
        if len(on_time) < LEAST_ON_TIME or not others:
            return []
        away = self.distances_km(hypocentre, np.array([o.station for o in others]))
        since_s = np.array([o.time_s for o in others]) - hypocentre.time_s
        is_late = self.is_late_p(since_s, away, self._travel.p_s(away, hypocentre.depth_km))
        return [replace(o, is_late=True) for o, late in zip(others, is_late, strict=True) if late]

    @staticmethod
    def tolerance_s(travel_s: Floats) -> Floats:
        """How far picks may be from their predicted times and still be the event's."""
        return FIT_S + FIT_SHARE * travel_s

    def distances_km(self, hypocentre: Hypocentre, stations: NDArray[np.int64]) -> Floats:
        """Epicentral distances of stations."""
        return self._network.distances_km(hypocentre.latitude, hypocentre.longitude, stations)

    def travel_s(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> Floats:
        """Travel times to the stations of onsets, of what each is read as."""
        away = self.distances_km(hypocentre, np.array([o.station for o in onsets], dtype=np.int64))
        p_s = self._travel.p_s(away, hypocentre.depth_km)
        is_s = np.array([o.is_s for o in onsets], dtype=bool)
        return (
            np.where(is_s, self._travel.s_s(away, hypocentre.depth_km), p_s) if is_s.any() else p_s
        )

    def late_s(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> Floats:
        """How much later onsets came than predicted, (n,) f8, s."""
        times = np.array([o.time_s for o in onsets])
        return np.asarray(times - hypocentre.time_s - self.travel_s(hypocentre, onsets))

    def share_in_reach(
        self,
        hypocentre: Hypocentre,
        onsets: Sequence[Onset],
        least_km: float = 0.0,
        late_s: float = LATE_S,
    ) -> float:
        """Of the stations that must have seen P by now, nearer than the farthest that picked or ``least_km``: the share that did.

        A station that is warming up is excused, unless all that picked are in coda or just back as
        well: a network that comes back amid S-waves has not seen what is nearer.
        """
        picked = np.array(sorted({o.station for o in onsets}))
        everyone = np.arange(len(self._network.names))
        away = self.distances_km(hypocentre, everyone)
        travel = self._travel.s_s if is_mostly_s(onsets) else self._travel.p_s
        expected_s = hypocentre.time_s + travel(away, hypocentre.depth_km)
        net = self._network
        must = net.end_s > expected_s + late_s
        if not all(o.is_coda for o in onsets):
            must &= net.first_s < expected_s - WARM_UP_S
        reach_km = np.sort(away[picked])[min(len(picked), self._config.min_stations) - 1]
        reach_km = max(float(reach_km), least_km)
        must &= away <= reach_km
        must[picked] = False
        nearer = int((away[picked] <= reach_km).sum())
        return nearer / (nearer + int(must.sum()))

    def is_plausible(
        self, hypocentre: Hypocentre, onsets: Sequence[Onset], least_share: float
    ) -> bool:
        """Whether a station that picked is in reach, and of those nearer than the fourth at least so many picked as well."""
        is_near = self.is_in_reach(hypocentre, onsets)
        return is_near and self.share_in_reach(hypocentre, onsets) >= least_share

    def fitting_s(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> int:
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

    def is_in_reach(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> bool:
        """Whether a station that picked is near enough."""
        picked = np.array([o.station for o in onsets])
        return float(self.distances_km(hypocentre, picked).min()) <= self._config.reach_km

    def fitting(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> list[Onset]:
        """The onsets that a hypocentre comes near to explaining: within twice the tolerance and its own error in time."""
        travel_s = self.travel_s(hypocentre, onsets)
        off_s = np.abs(np.array([o.time_s for o in onsets]) - hypocentre.time_s - travel_s)
        fits = off_s <= FITTING * self.tolerance_s(travel_s) + hypocentre.time_error_s
        fits |= np.array([o.is_late for o in onsets], dtype=bool)
        return [onset for onset, does in zip(onsets, fits, strict=True) if does]

    def arrivals(self, hypocentre: Hypocentre, onsets: Sequence[Onset]) -> tuple[Arrival, ...]:
        """The onsets, in order of time, as a hypocentre explains them."""
        onsets = sorted(onsets, key=lambda o: o.time_s)
        where = np.array([o.station for o in onsets])
        away = self.distances_km(hypocentre, where)
        predicted = hypocentre.time_s + self.travel_s(hypocentre, onsets)
        return tuple(
            Arrival(o.pick, "S" if o.is_s else "P", float(d), o.time_s - float(t), o.weight)
            for o, d, t in zip(onsets, away, predicted, strict=True)
        )
