"""Earthquakes 130-600 km down are one event each, at their place and depth."""

import numpy as np
import pytest

from ew import Origin
from ew.geo import destination
from ew.report import by_event
from ew.traveltimes import TravelTimes
from simulators.scenario import Play, Station
from tests.locate.test_events import START_S, error_km, run


def around(place: tuple[float, float], count: int, spacing_km: float, seed: int) -> list[Station]:
    """Stations on a loose triangular grid whose middle is 80 km from a place."""
    rng = np.random.default_rng(seed)
    middle = [float(x) for x in destination(*place, float(rng.uniform(0, 360)), 80.0)]
    side = int(np.ceil(np.sqrt(count)))
    found = []
    for i in range(count):
        row, column = divmod(i, side)
        x = (column - side / 2 + 0.5 * (row % 2)) * spacing_km + rng.normal(0, 0.2 * spacing_km)
        y = (row - side / 2) * 0.87 * spacing_km + rng.normal(0, 0.2 * spacing_km)
        azimuth = float(np.degrees(np.arctan2(x, y)))
        latitude, longitude = destination(*middle, azimuth, float(np.hypot(x, y)))
        found.append(
            Station(f"S{i:02d}", float(latitude), float(longitude), 0.0, ("HH", "HN")[i % 2], 0.3)
        )
    return found


@pytest.mark.parametrize(
    ("place", "depth_km", "magnitude", "count", "spacing_km"),
    [
        ((36.5, 70.5), 212.0, 6.6, 30, 40.0),  # Hindu Kush
        ((45.7, 26.6), 130.0, 6.2, 30, 35.0),  # Vrancea
        ((-18.0, -179.5), 550.0, 7.2, 40, 60.0),  # Fiji
        ((-20.0, -177.0), 600.0, 6.9, 25, 80.0),  # Lau basin
    ],
)
def test_deep_earthquake_is_one_event_at_its_place_and_depth(
    place: tuple[float, float],
    depth_km: float,
    magnitude: float,
    count: int,
    spacing_km: float,
    travel_times: TravelTimes,
) -> None:
    truth = Origin(START_S + 30.0, *place, depth_km, magnitude)
    play = Play(around(place, count, spacing_km, 1), [truth], START_S, 150.0, 1)
    (history,) = by_event([v for h in run(play, travel_times).values() for v in h]).values()
    assert error_km(history[-1], truth) < 30
    assert history[-1].origin.depth_km == pytest.approx(depth_km, rel=0.15)
    assert history[-1].stations > 0.8 * count
