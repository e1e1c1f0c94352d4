"""PURE: the magnitude of an event under way, and how hard its stations shake."""

from collections.abc import Mapping

import numpy as np

from ew.locate.event import Event
from ew.locate.fit import Fit
from ew.locate.magnitude import damped, network_magnitude
from ew.locate.sizing import station_magnitudes
from ew.locate.waves import Waves
from ew.records import StationMotion
from ew.traveltimes import TravelTimes

SHAKEN_FROM = 5.0
"""From this magnitude on it is kept up how hard the ground shakes: below it what is computed is
near enough."""
LEAST_SHAKEN_M_S2 = 0.03
"""Peak acceleration of CSIS 2; less is nothing to tell."""


class EventSizer:
    """Sizes events from the waveforms of their stations."""

    def __init__(self, relation: str, travel_times: TravelTimes, fit: Fit, waves: Waves) -> None:
        self._relation = relation
        self._travel = travel_times
        self._fit = fit
        self._waves = waves

    def size(self, event: Event) -> None:
        """Take in what the waveforms say by now: magnitude, and the motions of a strong event."""
        self._size_from(event, self._motions(event))
        if event.magnitude >= SHAKEN_FROM and not event.is_strong:
            event.is_strong = True
            self._size_from(event, self._motions(event))

    def _size_from(self, event: Event, motions: Mapping[int, StationMotion]) -> None:
        where = np.array(list(event.trackers), dtype=np.int64)
        away = self._fit.distances_km(event.hypocentre, where)
        depth = event.hypocentre.depth_km
        s_minus_p_s = self._travel.s_s(away, depth) - self._travel.p_s(away, depth)
        for i, (station, tracker) in enumerate(event.trackers.items()):
            if event.onsets[station].is_s:
                s_minus_p_s[i] = event.onsets[station].time_s - tracker.onset_s
        event.stations = station_magnitudes(
            list(event.trackers.values()),
            np.hypot(away, depth),
            s_minus_p_s,
            event.magnitude,
            self._relation,
            np.array([motions[s].pgd_m if s in motions else 0.0 for s in event.trackers]),
        )
        now, event.magnitude_error = network_magnitude(event.stations)
        event.magnitude = damped(event.magnitude, now, event.magnitude_error)
        event.motions = tuple(m for m in motions.values() if m.pga_m_s2 >= LEAST_SHAKEN_M_S2)

    def _motions(self, event: Event) -> dict[int, StationMotion]:
        """How hard the stations of a strong event have shaken so far."""
        if not event.is_strong:
            return {}
        return {
            station: self._waves.motion(event.onsets[station].pick)
            for station in event.trackers
            if station in event.onsets
        }
