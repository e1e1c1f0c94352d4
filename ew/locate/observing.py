"""PURE: what a location rests on: onsets, what may be S behind them, and the silence of stations, as arrays for the locator."""

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ew.geo import middle_of
from ew.locate.kernels import NO_S_YET
from ew.locate.locator import MAX_PICKS, MAX_SILENT, Hypocentre, Observations
from ew.locate.onsets import Onset, first_by_station, is_mostly_s
from ew.locate.shear import SOnset
from ew.locate.stations import Network
from ew.records import Pick

Floats = NDArray[np.float64]

WARM_UP_S = 11.0
"""A station with less data than this says nothing by its silence: its picker is still warming up
(LTA 10 s)."""
CLEAR_SNR = 2.5
"""Of an onset a station would pick."""
APART_S = 60.0
LEAST_S_MINUS_P_S = 1.0
S_STATIONS = 8
S_DOUBT = 2.0
S_WEIGHT = 2.0
"""An S as loud as ``S_DOUBT`` times the coda before it counts for nothing, four times for one pick,
six times and more for two: it can hardly be anything else, and a pick's cost for not fitting is
held to half of that of P."""
SECOND_WEIGHT = 0.7
SECOND_SCALE = 2.0
"""A second pick on the vertical may be S, often late, or coda."""
SURE_WEIGHT = 0.8
SLOW_S = 1.5
LEAST_VP_VS = 1.6
"""P of a large earthquake grows for seconds, which may pass for S. But S lags behind P by at least
so much less one, as a share of P's way, and that is at least what P took on from the first station
that clearly had it."""
NO_ROWS = np.empty((0, 6))


class Observer:
    """Turns onsets into observations.

    The ``s_onset`` behind a pick may be read on its station's horizontals; ``s_sought_s`` is how
    far these were looked through.
    """

    def __init__(
        self,
        network: Network,
        s_onset: Callable[[Pick], SOnset | None],
        s_sought_s: Callable[[Pick], float],
    ) -> None:
        self._network = network
        self._s_onset = s_onset
        self._s_sought_s = s_sought_s

    def observations(
        self, onsets: Sequence[Onset], seconds: Sequence[Onset], silent_among: Hypocentre | None
    ) -> Observations:
        """The onsets, the second onsets of their stations, and the silent stations as arrays for the locator."""
        onsets = sorted(onsets, key=lambda o: o.time_s)[:MAX_PICKS]
        centre = (
            self.centre(onsets)
            if silent_among is None
            else (silent_among.latitude, silent_among.longitude)
        )
        return Observations(
            picks=self._rows(onsets),
            seconds=self._s_rows(onsets, seconds),
            # Where P was missed silence tells nothing
            silent=NO_ROWS if is_mostly_s(onsets) else self._silent(centre, onsets),
        )

    def _silent(self, centre: tuple[float, float], onsets: Sequence[Onset]) -> Floats:
        """The live stations without an onset nearest to a place, with what their silence tells."""
        net = self._network
        stations = np.array([o.station for o in onsets])
        is_silent = np.isfinite(net.end_s) & (net.end_s - net.first_s > WARM_UP_S)
        is_silent &= net.end_s > onsets[0].time_s - APART_S
        is_silent[stations] = False
        index = np.flatnonzero(is_silent)
        away = net.distances_km(*centre, index)
        nearest = np.argsort(away, kind="stable")[:MAX_SILENT]
        index, away = index[nearest], away[nearest]
        rows = np.empty((len(index), 6))
        rows[:, :3], rows[:, 3] = net.ecef[index], net.end_s[index]
        noise = np.array([o.log_amplitude - math.log10(o.pick.snr) for o in onsets])
        if np.isfinite(noise).any():
            rows[:, 4:] = np.nanmedian(noise) + math.log10(CLEAR_SNR), 1.0
            return rows
        # Nothing is known of amplitudes: a station farther than most that picked may be too far to
        # see it
        reach = net.distances_km(*centre, stations)
        far = max(float(np.median(reach)), 25.0)
        rows[:, 4], rows[:, 5] = -np.inf, 1 / (1 + (away / (1.5 * far)) ** 4)
        return rows

    def _s_rows(self, onsets: Sequence[Onset], seconds: Sequence[Onset]) -> Floats:
        """What may be S: clear onsets on the horizontals of the stations first reached; elsewhere the next pick."""
        rows, found = [], set()
        with_second, is_first = {o.station for o in seconds}, len(onsets) <= S_STATIONS
        first_s = min((o.time_s for o in onsets if o.weight >= SURE_WEIGHT), default=math.inf)
        for onset in onsets[:S_STATIONS]:
            s = None if onset.is_s else self._s_onset(onset.pick)
            least_s = (LEAST_VP_VS - 1) * (onset.time_s - first_s) - SLOW_S
            if s is not None and s.time_s - onset.time_s < least_s:
                continue
            if onset.is_s or s is not None:
                found.add(onset.station)
            if s is not None:
                weight = min((s.clarity - S_DOUBT) / S_DOUBT, S_WEIGHT)
                rows.append((*self._network.ecef[onset.station], s.time_s, weight, 1.0))
            elif is_first and not onset.is_s and onset.station not in with_second and onset.is_calm:
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
        rows = np.empty((len(onsets), 7))
        for row, onset in zip(rows, onsets, strict=True):
            row[:3] = self._network.ecef[onset.station]
            row[3:] = onset.time_s, onset.weight, onset.log_amplitude, onset.is_s
        return rows

    def centre(self, onsets: Sequence[Onset]) -> tuple[float, float]:
        """Where the first waves came in: the mean of the stations of the four earliest onsets."""
        early = sorted(onsets, key=lambda o: o.time_s)[:4]
        stations = [o.station for o in early]
        net = self._network
        return middle_of(net.latitudes[stations], net.longitudes[stations])


def seconds_after(onsets: Sequence[Onset], first: Sequence[Onset]) -> list[Onset]:
    """The next onset of the same sensor after the first at each station: S, or coda."""
    since = {o.pick.seed_id: o.time_s for o in first}
    after = [o for o in onsets if since.get(o.pick.seed_id, np.inf) + LEAST_S_MINUS_P_S < o.time_s]
    return first_by_station(after)
