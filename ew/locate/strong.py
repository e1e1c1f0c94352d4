"""PURE: motion that only a damaging earthquake makes, and the earthquake that two or three stations are enough for.

Where stations are far apart, people near a large earthquake have felt it before P reaches a fourth
station. What two stations record then takes the place of the stations that are missing:
displacement as an earthquake of ``STRONG_MAGNITUDE`` and more makes it where the onsets put it,
that lasts, with accelerations people feel. On-site warning rests on the same (Wu & Kanamori 2005;
Hsu et al. 2016), with one station; here two far apart must agree, and no live station near by may
have stayed silent.
"""

import math
from collections.abc import Sequence
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from ew.config import LocateConfig
from ew.locate.associator import APART_SLACK_S, SLOWEST_KM_S, Associator, Candidate
from ew.locate.followed import Course, FollowedOnsets
from ew.locate.onsets import Onset, first_by_station
from ew.locate.sizing import station_magnitudes
from ew.locate.stations import Network
from ew.locate.waves import Waves
from ew.records import StationMagnitude
from ew.traveltimes import TravelTimes

Floats = NDArray[np.float64]

STRONG_MAGNITUDE = 5.5
"""Smaller ones do no harm 40 km away, where stations so far apart would wait for a fourth."""
NEAR_MAGNITUDE = 6.0
"""Of two onsets alone: an M 6 is felt strongly 50 km away."""
LASTING_S = 2.0
"""So long displacement stays above a quarter of its peak so far: P of an M 5.5 does for 2-3 s, what
falls or slams for 1."""
FELT_M_S2 = 0.1
"""Peak acceleration at one of the stations: CSIS 3.6, felt by many."""
NEAR_FELT_M_S2 = 0.3
"""Peak acceleration at both of two stations: CSIS 5.0, felt by all."""
NEAR_KM = 70.0
"""Two stations are near each other up to here: 70 km is the middle of networks with stations every
40-120 km."""
CLEAR_WEIGHT = 0.65
"""Least weight of an onset that counts (SNR 2.5)."""
LEAST_SHARE = 0.7
"""Of the live stations that P has reached or reaches within a second: three of four. A blast that
three stations of a dense network hear is no earthquake."""
SEEN_KM = 60.0
"""P of a damaging earthquake does not pass a live station so near unseen."""
RECENT_S = 60.0
LOOK_S = 0.25
FOLLOWED_MOST = 32
"""Onsets looked at, those of the strongest first motion: each costs 50 us a look, and amid hundreds
of noise picks a damaging earthquake's are among the strongest."""
TRIED = 3
"""Pairs tried at once, the earliest first."""


class StrongRule:
    """Keeps up the motion behind free onsets; finds the earthquake that declares itself by it."""

    def __init__(
        self,
        config: LocateConfig,
        network: Network,
        travel_times: TravelTimes,
        associator: Associator,
        waves: Waves,
    ) -> None:
        self._config = config
        self._network = network
        self._travel = travel_times
        self._associator = associator
        self._waves = waves
        self._places: list[list[float]] = network.ecef.tolist()
        self._followed = FollowedOnsets(waves)
        self._looked_s = -math.inf

    def find(self, free: Sequence[Onset], now_s: float, *, is_new: bool) -> Candidate | None:
        """The earthquake of two or three free onsets at ``now_s`` (epoch seconds), if their motion is that of a damaging one."""
        recent = [o for o in free if now_s - o.time_s <= RECENT_S and not o.is_coda]
        calm = first_by_station([o for o in recent if o.is_calm and o.weight >= CLEAR_WEIGHT])
        if len(calm) < 2:
            self._followed.keep(())
            return None
        calm = sorted(calm, key=first_motion)[-FOLLOWED_MOST:]
        if not is_new and now_s - self._looked_s < LOOK_S:
            return None
        self._looked_s = now_s
        self._followed.keep([o for o in calm if self._has_neighbour(o, calm)])
        lasting = [f.onset for f in self._followed if is_lasting(f.course)]
        pairs = combinations(sorted(lasting, key=lambda o: o.time_s), 2)
        # Where many shake at once there are more than enough stations for the common rule
        likely = (p for p in pairs if self._are_compatible(*p) and self._followed.have_grown(*p))
        for pair in islice(likely, TRIED):
            found = self._around(pair, calm, recent)
            if found is not None:
                return found
        return None

    def _has_neighbour(self, onset: Onset, others: Sequence[Onset]) -> bool:
        return any(o.station != onset.station and self._are_compatible(o, onset) for o in others)

    def _are_compatible(self, one: Onset, other: Onset) -> bool:
        """Whether one P-wave can have made both."""
        apart_km = self._apart_km(one, other)
        return abs(one.time_s - other.time_s) <= apart_km / SLOWEST_KM_S + APART_SLACK_S

    def _apart_km(self, one: Onset, other: Onset) -> float:
        return math.dist(self._places[one.station], self._places[other.station])

    def _around(
        self, pair: tuple[Onset, Onset], calm: Sequence[Onset], recent: Sequence[Onset]
    ) -> Candidate | None:
        """The earthquake of a pair whose motion lasts, with what else one P-wave can have made."""
        group = list(pair)
        for onset in calm:
            is_other = onset.station not in {o.station for o in group}
            if is_other and all(self._are_compatible(onset, o) for o in group):
                group.append(onset)
        if not self._is_felt(pair, is_two=len(group) < 3):
            return None
        candidate = self._associator.strong(group, recent, SEEN_KM, LEAST_SHARE)
        if candidate is None or not {o.pick for o in pair} <= {o.pick for o in candidate.onsets}:
            return None
        return candidate if self._is_damaging(candidate, pair) else None

    def _is_felt(self, pair: tuple[Onset, Onset], *, is_two: bool) -> bool:
        """Whether people near the two stations feel it; where two onsets are all there are, strongly and near each other."""
        felt = sorted(self._waves.motion(o.pick).pga_m_s2 for o in pair)
        if is_two:
            return self._apart_km(*pair) <= NEAR_KM and felt[0] >= NEAR_FELT_M_S2
        return felt[1] >= FELT_M_S2

    def _is_damaging(self, candidate: Candidate, pair: tuple[Onset, Onset]) -> bool:
        """Whether both stations of a pair have recorded displacement as only a damaging earthquake there makes it."""
        is_two = len(candidate.onsets) < 3
        if is_two and not self._is_felt(pair, is_two=True):
            return False
        sizes = [m.magnitude for m in self._magnitudes(candidate, pair)]
        least = NEAR_MAGNITUDE if is_two else STRONG_MAGNITUDE
        return len(sizes) == 2 and min(sizes) >= least

    def _magnitudes(
        self, candidate: Candidate, pair: tuple[Onset, Onset]
    ) -> tuple[StationMagnitude, ...]:
        hypocentre = candidate.hypocentre
        away = self._associator.fit.distances_km(hypocentre, np.array([o.station for o in pair]))
        s_minus_p_s = self._travel.s_s(away, hypocentre.depth_km)
        s_minus_p_s = s_minus_p_s - self._travel.p_s(away, hypocentre.depth_km)
        return station_magnitudes(
            [self._followed[o].peaks for o in pair],
            np.hypot(away, hypocentre.depth_km),
            s_minus_p_s,
            math.nan,
            self._config.pd_relation,
            np.zeros(2),
        )


def is_lasting(course: Course) -> bool:
    """Whether motion lasts as that of a damaging earthquake does, without ever pausing."""
    return course.lasts_s >= LASTING_S and not course.has_paused


def first_motion(onset: Onset) -> tuple[float, float]:
    """How strongly an onset begins: log10 m/s², and SNR where no amplitude is known."""
    amplitude = onset.log_amplitude
    return (-math.inf if math.isnan(amplitude) else amplitude), onset.pick.snr
