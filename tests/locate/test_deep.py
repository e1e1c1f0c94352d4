"""Deep hypocentres are found where data hold the depth, and shallow ones stay shallow."""

import numpy as np
import pytest

from ew.config import LocateConfig
from ew.geo import destination, distance_km, ecef_km
from ew.locate import kernels, locator
from ew.locate.locator import Hypocentre, Locator, Observations
from ew.traveltimes import TravelTimes

PLACE = (-18.0, -179.9)


def located(table: TravelTimes, depth_km: float, count: int = 10) -> Hypocentre:
    """Picks of ``count`` stations, with 0.1 s of error, searched around a place some tens of km
    off."""
    rows = []
    for i in range(count):
        latitude, longitude = destination(*PLACE, 137.5 * i, 25.0 + 12.0 * i)
        away = float(distance_km(*PLACE, float(latitude), float(longitude)))
        place = np.asarray(ecef_km(float(latitude), float(longitude)))
        late_s = (0.1, -0.1, 0.05, -0.05)[i % 4]
        time_s = 1000.0 + float(table.p_s(away, depth_km)) + late_s
        rows.append([*place, time_s, 1.0, np.nan, 0.0])
    seen = Observations(np.array(rows), np.empty((0, 6)), np.empty((0, 6)))
    return Locator(LocateConfig(), table).locate(-18.2, 179.8, seen, 120.0)


@pytest.mark.parametrize("depth_km", [8.0, 35.0, 138.0, 220.0, 400.0, 600.0])
def test_depth_is_found_from_p_of_ten_stations(travel_times: TravelTimes, depth_km: float) -> None:
    found = located(travel_times, depth_km)
    assert found.depth_km == pytest.approx(depth_km, abs=max(8.0, 0.15 * depth_km))
    off = float(distance_km(*PLACE, found.latitude, found.longitude))
    assert off < max(8.0, 0.06 * depth_km)


def test_four_picks_tell_no_great_depth(travel_times: TravelTimes) -> None:
    assert located(travel_times, 10.0, 4).depth_km <= 60.0


@pytest.mark.parametrize("depth_km", [115.0, 180.0])
def test_depth_is_found_from_seven_stations_however_far_that_is_from_the_nearest(
    travel_times: TravelTimes, depth_km: float
) -> None:
    """What is expected of the nearest station is no misfit of the data: seven picks of a deep
    earthquake fit it well.
    """
    assert located(travel_times, depth_km, 7).depth_km == pytest.approx(depth_km, rel=0.2)


def test_where_no_deep_hypocentre_can_be_likelier_none_is_tried(
    travel_times: TravelTimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[float] = []

    def misfit_grid(nodes: object, depths: np.ndarray, *rest: object) -> None:
        tried.extend(depths.tolist())
        kernels.misfit_grid(nodes, depths, *rest)

    monkeypatch.setattr(locator, "misfit_grid", misfit_grid)
    assert located(travel_times, 12.0).depth_km < 30
    assert max(tried) < 80
