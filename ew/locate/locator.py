"""PURE: where and when: a nested grid search over trial hypocentres.

Picks and the silence of stations without one go in, the hypocentre of least misfit and its spread
come out. The misfit stands in ``twin``.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ew.config import LocateConfig
from ew.geo import distance_km, ecef_km, local_radius_km, places_around
from ew.locate.kernels import misfit_grid
from ew.locate.twin import NEAR_POWER, NEAREST_KM
from ew.traveltimes import TravelTimes

Floats = NDArray[np.float64]

COARSE_STEP_KM = 10.0
COARSE_STEPS = 16
"""Either way from the centre: a wider search is coarser, so that none costs more than some
milliseconds."""
STARTS = 4
FEW_PICKS = 4
APART_STEPS = 2.0
"""Of few picks the misfit has several narrow valleys: so many of the coarse grid's, so far apart,
are looked into."""
VALLEYS_BEYOND, SPREAD_BEYOND = 6.0, 25.0
"""Places so much less likely (e to that power) than the best are no valleys, and add nothing to the
spread."""
DEEP_KM = (80.0, 120.0, 170.0, 230.0, 300.0, 380.0, 470.0, 560.0, 640.0)
DEEP_HALF_KM, DEEP_STEPS = 150.0, 6
"""A deep source need not lie among the stations that hear it first; its misfit is smooth over tens
of km."""
DEEP_FINER = (0.5, 0.25)
DEEP_SPREAD = np.array([-0.4, -0.2, 0.0, 0.2, 0.4])
DEEP_PICKS = 5
"""Of four picks nearly any depth fits: place, time and depth are four unknowns."""
DEEP_GAIN = 2.0
"""So much better (in log likelihood) than the best shallow one a deep hypocentre must be."""
DEEP_MISFIT = 0.8
"""And at most so much misfit a pick, what is expected beforehand of depth and distance left aside:
picks that belong to no one P-wave fit best far below, where all times are alike, and fit badly
there (3.7 and more amid aftershocks; deep earthquakes 0.3-0.8)."""
DEPTH_LOG_PRIOR = 1.6
"""Deep earthquakes are rare, not impossible: a share of 0.08 is at 100-200 km and 0.01 at 600
(global catalogues), which
1.6 ln(1 + x) follows where x, the depth off the usual in spreads, would cut them off."""
MAX_PICKS = 32  # the earliest picks; more add time and no accuracy
MAX_SILENT = 30


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """What a location rests on: rows of ECEF x, y, z (km), a time (epoch s), a weight and an amplitude, float64.

    ``picks`` (n, 7): first picks, amplitude as log10 m/s² or NaN, and 1 if read as S, 0 if as P;
    ``seconds`` (k, 6): what may be S at these stations, with how widely it is taken (1 or more) in
    the amplitude's place; ``silent`` (m, 6): stations without a pick, up to when their data reach,
    the amplitude from which they would have picked (log10 m/s²), and how far that can be relied on
    (0 to 1).
    """

    picks: Floats
    seconds: Floats
    silent: Floats


@dataclass(frozen=True, slots=True)
class Hypocentre:
    """The best trial and one standard deviation of it."""

    time_s: float
    latitude: float
    longitude: float
    depth_km: float
    misfit: float
    time_error_s: float
    horizontal_error_km: float
    depth_error_km: float


@dataclass(slots=True, eq=False)
class _Grid:
    """Trial epicentres (N,) at trial depths (D,), with misfit and origin time (N, D) f8."""

    latitudes: Floats
    longitudes: Floats
    depths: Floats
    misfit: Floats
    origin: Floats

    def best(self) -> tuple[int, int]:
        """Where the misfit is least: which epicentre, which depth."""
        place, depth = divmod(int(np.argmin(self.misfit)), len(self.depths))
        return place, depth

    def valleys(self, count: int, apart_km: float) -> list[tuple[float, float]]:
        """The ``count`` best epicentres that are ``apart_km`` from each other, the best first."""
        best = self.misfit.min(axis=1)
        found: list[int] = []
        while len(found) < count:
            at = int(np.argmin(best))
            if not math.isfinite(best[at]):
                break
            found.append(at)
            away = distance_km(
                self.latitudes[at], self.longitudes[at], self.latitudes, self.longitudes
            )
            best = np.where(away < apart_km, np.inf, best)
        return [(float(self.latitudes[at]), float(self.longitudes[at])) for at in found]

    def place(self) -> tuple[float, float]:
        """The best epicentre."""
        at = self.best()[0]
        return float(self.latitudes[at]), float(self.longitudes[at])


class Locator:
    """Nested grid search with one travel-time table."""

    def __init__(self, config: LocateConfig, travel_times: TravelTimes) -> None:
        self._config = config
        self._tables = np.stack([travel_times.p_table, travel_times.s_table])
        deepest = min(config.max_depth_km, travel_times.max_depth_km)
        self._deepest_km = deepest
        self._depths = np.array(
            [d for d in (2.0, 7.0, 12.0, 18.0, 25.0, 35.0, 50.0, 60.0) if d <= deepest]
        )
        self._deep_depths = np.array([d for d in DEEP_KM if d <= deepest])
        # What depth and distance cost beforehand where the deep search begins: no deep hypocentre
        # has less
        least_km = DEEP_KM[0] * math.prod(1 + share * float(DEEP_SPREAD[0]) for share in DEEP_FINER)
        self._least_deep = NEAR_POWER * math.log(least_km)
        self._least_deep += float(self._depth_misfit(np.array([least_km]))[0])

    def locate(
        self, latitude: float, longitude: float, seen: Observations, half_km: float
    ) -> Hypocentre:
        """The hypocentre of least misfit within ``half_km`` of a place.

        The coarse grid holds two depths and finds the epicentre; finer ones search depth as well.
        """
        usual = self._config.depth_km + np.array([0.0, 20.0])
        step_km = max(COARSE_STEP_KM, half_km / COARSE_STEPS)
        grid = self._search(latitude, longitude, half_km, step_km, usual, seen, VALLEYS_BEYOND)
        starts = grid.valleys(STARTS if len(seen.picks) <= FEW_PICKS else 1, APART_STEPS * step_km)
        finer_km = 0.4 * step_km
        finer = [
            self._search(*place, 3.5 * finer_km, finer_km, self._depths, seen) for place in starts
        ]
        grid = min(finer, key=lambda g: float(g.misfit.min()))
        depths, deepest = self._depths, float(self._depths[-1])
        deep = self._deep(latitude, longitude, half_km, float(grid.misfit.min()), seen)
        if deep is not None:
            middle = float(deep.depths[deep.best()[1]])
            deepest = self._deepest_km
            depths = np.clip(middle + np.linspace(-0.3, 0.3, 9) * middle, 0.0, deepest)
            grid = self._search(*deep.place(), 3.5 * finer_km, finer_km, depths, seen)
        finer_km = 0.15 * step_km
        grid = self._search(*grid.place(), 3.5 * finer_km, finer_km, depths, seen)
        depth = float(grid.depths[grid.best()[1]])
        step = max(2.0, 0.02 * depth)
        fine = np.clip(depth + step * np.arange(-2.0, 2.1), 0.0, deepest)
        grid = self._search(*grid.place(), 1.5, 0.75, fine, seen)
        return self._with_spread(grid, depths, seen)

    def _deep(
        self, latitude: float, longitude: float, half_km: float, shallow: float, seen: Observations
    ) -> _Grid | None:
        """A search below the shallow depths where there are picks enough; ``None`` unless it is clearly better."""
        if not len(self._deep_depths) or len(seen.picks) < DEEP_PICKS:
            return None
        if shallow - DEEP_GAIN <= self._least_deep:
            return None
        half_km = max(half_km, DEEP_HALF_KM)
        step_km = half_km / DEEP_STEPS
        grid = self._search(latitude, longitude, half_km, step_km, self._deep_depths, seen)
        # Held against the best shallow one only when it lies as finely: 25 km off is worth seconds
        for share in DEEP_FINER:
            middle = float(grid.depths[grid.best()[1]])
            depths = np.clip(middle * (1 + share * DEEP_SPREAD), 0.0, self._deepest_km)
            finer_km = share * step_km
            grid = self._search(*grid.place(), 2 * finer_km, finer_km, depths, seen)
        depth_km = float(grid.depths[grid.best()[1]])
        away = np.linalg.norm(seen.picks[:, :3] - ecef_km(*grid.place()), axis=1).min()
        nearest_km = max(math.hypot(float(away), depth_km), NEAREST_KM)
        own = float(self._depth_misfit(np.array([depth_km]))[0])
        own += NEAR_POWER * math.log(nearest_km)
        if float(grid.misfit.min()) >= shallow - DEEP_GAIN:
            return None
        # Without S: P of a deep earthquake grows for long, and its steps are taken for S
        picks = replace(seen, seconds=seen.seconds[:0])
        latitude, longitude = grid.place()
        place = np.array([latitude]), np.array([longitude])
        alone = self._run(*place, np.array([depth_km]), picks)
        most = DEEP_MISFIT * len(seen.picks) + own
        return grid if float(alone.misfit[0, 0]) < most else None

    def misfit_at(self, hypocentre: Hypocentre, seen: Observations) -> float:
        """The misfit of a known place for new observations."""
        place = np.array([hypocentre.latitude]), np.array([hypocentre.longitude])
        return float(self._run(*place, np.array([hypocentre.depth_km]), seen).misfit[0, 0])

    def _search(
        self,
        latitude: float,
        longitude: float,
        half_km: float,
        step_km: float,
        depths: Floats,
        seen: Observations,
        beyond: float = 0.0,
    ) -> _Grid:
        # As far to the north as to the south: mirrored stations have to give the mirrored place
        steps = round(2 * half_km / step_km)
        offsets = (np.arange(steps + 1) - steps / 2) * step_km
        north, east = (a.ravel() for a in np.meshgrid(offsets, offsets, indexing="ij"))
        places = places_around(latitude, longitude, north, east)
        return self._run(*places, depths, seen, beyond)

    def _run(
        self,
        latitudes: Floats,
        longitudes: Floats,
        depths: Floats,
        seen: Observations,
        beyond: float = 0.0,
    ) -> _Grid:
        nodes = np.ascontiguousarray(ecef_km(latitudes, longitudes).T)
        prior = self._depth_misfit(depths)
        misfit, origin = np.empty((2, len(nodes), len(depths)))
        misfit_grid(
            nodes,
            depths,
            prior,
            self._tables,
            local_radius_km(float(latitudes[0])),
            seen.picks,
            seen.seconds,
            seen.silent,
            beyond,
            misfit,
            origin,
        )
        return _Grid(latitudes, longitudes, depths, misfit, origin)

    def _depth_misfit(self, depths: Floats) -> Floats:
        """How unusual depths are, as minus the log of their likelihood."""
        off = np.abs(depths - self._config.depth_km) / self._config.depth_spread_km
        return np.minimum(off, DEPTH_LOG_PRIOR * np.log1p(off))

    def _with_spread(self, fine: _Grid, depths: Floats, seen: Observations) -> Hypocentre:
        """The best trial, with the spread of the likelihood exp(-misfit) over a wider grid around it."""
        at = fine.best()
        latitude, longitude = fine.place()
        wide = self._search(latitude, longitude, 48.0, 8.0, depths[::2], seen, SPREAD_BEYOND)
        weights = np.exp(-(wide.misfit - min(float(fine.misfit[at]), float(wide.misfit.min()))))
        weights /= max(float(weights.sum()), 1e-300)
        away = distance_km(latitude, longitude, wide.latitudes, wide.longitudes)[:, None]
        least = 2.0  # km: half a step of the grids and the model's own error
        return Hypocentre(
            time_s=float(fine.origin[at]),
            latitude=latitude,
            longitude=longitude,
            depth_km=float(fine.depths[at[1]]),
            misfit=float(fine.misfit[at]),
            time_error_s=_spread(wide.origin - float(fine.origin[at]), weights, 0.2),
            horizontal_error_km=_spread(away, weights, least) / math.sqrt(2),
            depth_error_km=_spread(wide.depths - float(fine.depths[at[1]]), weights, least),
        )


def _spread(deviations: Floats, weights: Floats, least: float) -> float:
    return float(np.sqrt((weights * deviations**2).sum() + least**2))
