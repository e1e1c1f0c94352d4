"""PURE: what an event has to say of an onset: that it is its P, its S, or in its coda."""

from collections.abc import Sequence

import numpy as np

from ew.locate.event import Event
from ew.locate.fit import Fit
from ew.locate.magnitude import rupture_s
from ew.locate.onsets import Onset
from ew.traveltimes import TravelTimes

S_TOLERANCE_S = 2.0
CODA_FACTOR = 3.0
"""Coda lasts to about three S travel times (Rautian & Khalturin 1978 start theirs at two)."""


class Claims:
    """Tells what onsets are to events."""

    def __init__(self, travel_times: TravelTimes, fit: Fit) -> None:
        self._travel = travel_times
        self._fit = fit

    def of(self, event: Event, onsets: Sequence[Onset]) -> list[str]:
        """What each onset is to an event: P, Pg after a missed Pn, S, coda, the P of another sensor there ("same"), or nothing."""
        stations = np.array([o.station for o in onsets], dtype=np.int64)
        since = np.array([o.time_s for o in onsets]) - event.hypocentre.time_s
        depth = event.hypocentre.depth_km
        away = self._fit.distances_km(event.hypocentre, stations)
        p_s, s_s = self._travel.p_s(away, depth), self._travel.s_s(away, depth)
        # An epicentre still loose, in seconds of P
        spread = min(event.hypocentre.horizontal_error_km / 8.0, 3.0)
        is_p = np.abs(since - p_s) <= self._fit.tolerance_s(p_s) + spread
        is_heard = np.isin(stations, list(event.onsets))
        is_same = is_heard & (since < s_s) & (since > p_s - self._fit.tolerance_s(p_s))
        for i in np.flatnonzero(is_same).tolist():
            is_same[i] = self._is_other_sensor(event, onsets[i])
        is_p &= ~is_heard
        is_pg = self._fit.is_late_p(since, away, p_s) & ~is_heard
        # A long rupture sends out S as long as it lasts: its onsets in S and in coda would make a
        # second earthquake
        early_s, late_s = since - s_s, since - s_s - rupture_s(event.magnitude)
        within_s = S_TOLERANCE_S + 0.03 * s_s + spread
        is_s = (early_s >= -within_s) & (late_s <= within_s)
        is_coda = (p_s < since) & (since < CODA_FACTOR * s_s + 10.0)
        claims: list[str] = np.select(
            [is_p, is_same, is_s, is_pg, is_coda], ["P", "same", "S", "Pg", "coda"], ""
        ).tolist()
        return claims

    @staticmethod
    def _is_other_sensor(event: Event, onset: Onset) -> bool:
        known = event.onsets.get(onset.station)
        return known is not None and known.pick.seed_id[:-1] != onset.pick.seed_id[:-1]
