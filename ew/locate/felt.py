"""PURE: hard shaking at two stations near each other before any earthquake is found: the people around are told what is felt there.

PLUM needs no source (Kodera et al. 2018, Bull. Seismol. Soc. Am. 108): a place will soon be shaken
as stations within 30 km of it are. Here two stations at least must agree (Cochran et al. 2019), for
a while, in time as one wave makes it, and with most of the live ones around. What is told then has
an assumed source, as the Japan Meteorological Agency's has: the smallest earthquake between the two
that could shake them so. An earthquake that is found later and explains their onsets goes on from
it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ew.config import LocateConfig
from ew.geo import local_km, places_around
from ew.locate.followed import Followed, FollowedOnsets
from ew.locate.magnitude import network_magnitude
from ew.locate.observing import WARM_UP_S
from ew.locate.onsets import Onset, first_by_station
from ew.locate.sizing import station_magnitudes
from ew.locate.stations import Network
from ew.locate.strong import first_motion
from ew.locate.waves import Waves
from ew.records import Arrival, EventVersion, Origin, VersionKind
from ew.traveltimes import TravelTimes

NEAR_KM = 30.0
"""Two stations so near each other are shaken alike; PLUM's radius."""
HARD_M_S2, HARD_M_S = 0.5, 0.05
"""Peak acceleration and velocity just below CSIS 6 (GB/T 17742-2020), at which people leave their
houses; a thud has the first and not the second, and lorries beside the sensor have neither for
long."""
MILD_M_S2 = 0.1
"""What the others around must show: CSIS 3.6, felt by many."""
LASTING_S = 2.0
"""So long at a stretch displacement stays near its peak in a damaging earthquake, and not where
something falls, slams or passes."""
AROUND_SHARE = 0.6
"""Of the live stations within ``NEAR_KM`` of both: what only some of them feel is no earthquake."""
SLOWEST_KM_S, SLACK_S = 3.0, 2.0
"""S crosses the crust no slower; thunder does, ten times."""
RECENT_S, LOOK_S = 60.0, 0.5
FOLLOWED_MOST = 32
HARDER = 1.5
"""A version is due when the ground shakes so many times as hard as was told, or at one more
station."""
ASSUMED_DEPTH_KM = 10.0
ASSUMED_ERROR_KM = 30.0

Floats = NDArray[np.float64]


@dataclass(slots=True)
class Shaken:
    """What is told of hard shaking without a known source; ``version`` 0 before it was told."""

    event_id: str
    onsets: list[Onset]
    version: int = 0
    told_m_s2: dict[str, float] = field(default_factory=dict)


class FeltRule:
    """Keeps up how hard stations shake whose onsets no event explains; tells where two near ones do."""

    def __init__(
        self, config: LocateConfig, network: Network, travel_times: TravelTimes, waves: Waves
    ) -> None:
        self._config = config
        self._network = network
        self._travel = travel_times
        self._waves = waves
        self._followed = FollowedOnsets(waves)
        self._looked_s = -math.inf

    def find(self, free: Sequence[Onset], now_s: float) -> list[Onset]:
        """The onsets of ``free`` at stations that shake hard together, the hardest first; none or two and more."""
        if now_s - self._looked_s < LOOK_S:
            return []
        recent = first_by_station(
            [o for o in free if now_s - o.time_s <= RECENT_S and not o.is_coda]
        )
        if len(recent) < 2:
            self._followed.keep(())
            return []
        self._looked_s = now_s
        pairs = self._together(recent)
        in_pairs = {o.station: o for pair in pairs for o in pair}
        self._followed.keep(sorted(in_pairs.values(), key=first_motion)[-FOLLOWED_MOST:])
        hard = {
            f.onset.station: self._waves.motion(f.onset.pick).pga_m_s2
            for f in self._followed
            if self._is_hard(f)
        }
        shaken = {
            o.station: o
            for pair in pairs
            if pair[0].station in hard and pair[1].station in hard
            if self._followed.have_grown(*pair) and self._is_around(pair)
            for o in pair
        }
        return sorted(shaken.values(), key=lambda o: -hard[o.station])

    def version(self, shaken: Shaken, now_s: float) -> EventVersion | None:
        """What is told of it at ``now_s`` (epoch seconds); ``None`` while that is what was told before."""
        motions = tuple(self._waves.motion(o.pick) for o in shaken.onsets)
        told = shaken.told_m_s2
        if all(m.pga_m_s2 < HARDER * told.get(m.seed_id, 0.0) for m in motions):
            return None
        origin = self._origin(shaken.onsets)
        kind: VersionKind = "update" if shaken.version else "alert"
        shaken.version += 1
        shaken.told_m_s2 = {m.seed_id: m.pga_m_s2 for m in motions}
        return EventVersion(
            event_id=shaken.event_id,
            version=shaken.version,
            kind=kind,
            issued_s=now_s,
            origin=origin,
            stations=len(shaken.onsets),
            arrivals=self._arrivals(origin, shaken.onsets),
            motions=motions,
        )

    def _together(self, onsets: Sequence[Onset]) -> list[tuple[Onset, Onset]]:
        """The pairs of onsets that are near each other and that one wave can have made."""
        places = self._network.ecef[[o.station for o in onsets]]
        times = np.array([o.time_s for o in onsets])
        apart_km = np.linalg.norm(places[:, None] - places, axis=2)
        apart_s = np.abs(times[:, None] - times)
        is_pair = (apart_km <= NEAR_KM) & (apart_s <= apart_km / SLOWEST_KM_S + SLACK_S)
        return [(onsets[i], onsets[j]) for i, j in np.argwhere(np.triu(is_pair, 1)).tolist()]

    def _is_hard(self, followed: Followed) -> bool:
        motion, course = self._waves.motion(followed.onset.pick), followed.course
        is_hard = motion.pga_m_s2 >= HARD_M_S2 and motion.pgv_m_s >= HARD_M_S
        return is_hard and course.stretch_s >= LASTING_S and not course.has_paused

    def _is_around(self, pair: tuple[Onset, Onset]) -> bool:
        """Whether most live stations near both of a pair shake as well, the pair among them."""
        net = self._network
        places = net.ecef[[o.station for o in pair]]
        is_near = np.linalg.norm(net.ecef[:, None] - places, axis=2).max(axis=1) <= NEAR_KM
        last_s = max(o.time_s for o in pair)
        is_live = (net.end_s > last_s) & (net.first_s < last_s - WARM_UP_S)
        witnesses = set(np.flatnonzero(is_near & is_live).tolist()) | {o.station for o in pair}
        shaking = {
            f.onset.station
            for f in self._followed
            if self._waves.motion(f.onset.pick).pga_m_s2 >= MILD_M_S2
        }
        return len(witnesses & shaking) >= AROUND_SHARE * len(witnesses)

    def _origin(self, onsets: Sequence[Onset]) -> Origin:
        """The assumed source between the two that shake hardest, where P from it comes to both when it was picked, as nearly as can be."""
        net, (one, other) = self._network, onsets[:2]
        at = float(net.latitudes[one.station]), float(net.longitudes[one.station])
        north, east = local_km(*at, net.latitudes[[other.station]], net.longitudes[[other.station]])
        along = np.linspace(0.0, 1.0, 9)
        apart_km = math.hypot(float(north[0]), float(east[0]))
        p_s = [self._travel.p_s(x * apart_km, ASSUMED_DEPTH_KM) for x in (along, 1 - along)]
        best = int(np.argmin(np.abs(p_s[1] - p_s[0] - (other.time_s - one.time_s))))
        latitude, longitude = places_around(
            *at, along[best : best + 1] * float(north[0]), along[best : best + 1] * float(east[0])
        )
        time_s = (one.time_s - p_s[0][best] + other.time_s - p_s[1][best]) / 2
        away = apart_km * np.array([along[best], 1 - along[best]])
        magnitude, error = self._size(onsets[:2], away)
        return Origin(
            time_s=float(time_s),
            latitude=float(latitude[0]),
            longitude=float(longitude[0]),
            depth_km=ASSUMED_DEPTH_KM,
            magnitude=magnitude,
            horizontal_error_km=ASSUMED_ERROR_KM,
            magnitude_error=error,
        )

    def _size(self, onsets: Sequence[Onset], away_km: Floats) -> tuple[float, float]:
        """From the first of P, and from the whole wave where it is known."""
        sizes = station_magnitudes(
            [self._followed[o].peaks for o in onsets],
            np.hypot(away_km, ASSUMED_DEPTH_KM),
            np.full(len(onsets), LASTING_S),
            math.nan,
            self._config.pd_relation,
            np.array([self._waves.motion(o.pick).pgd_m for o in onsets]),
        )
        return network_magnitude(sizes)

    def _arrivals(self, origin: Origin, onsets: Sequence[Onset]) -> tuple[Arrival, ...]:
        found = []
        for onset in sorted(onsets, key=lambda o: o.time_s):
            north, east = local_km(
                origin.latitude,
                origin.longitude,
                self._network.latitudes[[onset.station]],
                self._network.longitudes[[onset.station]],
            )
            away_km = math.hypot(float(north[0]), float(east[0]))
            p_s = float(self._travel.p_s(away_km, origin.depth_km))
            residual_s = onset.time_s - origin.time_s - p_s
            found.append(Arrival(onset.pick, "P", away_km, residual_s, onset.weight))
        return tuple(found)
