"""Arrivals and intensities against geodesics, TauP and published alerts."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy.geodetics import gps2dist_azimuth, kilometers2degrees
from obspy.taup import TauPyModel

from ew import Origin
from ew.errors import InputError
from ew.geo import distance_km
from ew.shaking import estimate
from ew.shaking.relations import csis_from_motion, intensity
from ew.traveltimes import TravelTimes

TIMES = TravelTimes.load()
MODEL = TauPyModel("ak135")


@given(st.floats(-65, 65), st.floats(-180, 180), st.floats(0, 360), st.floats(1, 1000))
def test_distance_is_within_a_tenth_of_a_percent_of_the_geodesic(
    latitude: float, longitude: float, azimuth: float, away_km: float
) -> None:
    from ew.geo import destination  # noqa: PLC0415

    lat, lon = (float(v) for v in destination(latitude, longitude, azimuth, away_km))
    truth_km = gps2dist_azimuth(latitude, longitude, lat, lon)[0] / 1000
    assert float(distance_km(latitude, longitude, lat, lon)) == pytest.approx(truth_km, rel=1e-3)


@pytest.mark.parametrize("depth", [0.0, 3.3, 16.0, 35.0, 72.5])
@pytest.mark.parametrize("distance", [0.0, 1.4, 17.7, 60.2, 138.6, 333.3, 801.9, 999.0])
def test_travel_times_are_within_a_twentieth_of_a_second_of_taup(
    depth: float, distance: float
) -> None:
    degrees = kilometers2degrees(distance)
    p = MODEL.get_travel_times(depth, degrees, phase_list=["p", "P", "Pg", "Pn"])[0].time
    s = MODEL.get_travel_times(depth, degrees, phase_list=["s", "S", "Sg", "Sn"])[0].time
    assert float(TIMES.p_s(distance, depth)) == pytest.approx(p, abs=0.05)
    assert float(TIMES.s_s(distance, depth)) == pytest.approx(s, abs=0.05)


@pytest.mark.parametrize(
    ("distance", "seconds", "strength"),
    [(60, 12, 3.0), (79, 17, 2.7), (129, 32, 2.0), (167, 41, 1.6)],
)
def test_beichuan_2020_is_as_published(distance: float, seconds: float, strength: float) -> None:
    """M 4.7, alerts sent 6 s after the origin."""
    origin = Origin(0.0, 31.8, 104.2, 15.0, 4.7)
    found = estimate(
        origin, origin.latitude, origin.longitude + distance / 111.2 / np.cos(np.radians(31.8))
    )
    assert found.intensity[0] == pytest.approx(strength, abs=0.3)
    assert found.s_arrival_s[0] - 6.0 == pytest.approx(seconds, abs=2.5)


def test_intensity_falls_with_distance_and_grows_with_magnitude() -> None:
    distance = np.arange(0.0, 600.0)
    for relation in ("csis-sichuan", "csis-west", "mmi-allen-2012"):
        rows = [intensity(relation, m, distance, 10.0) for m in (4.0, 5.0, 6.0, 7.0, 8.0)]
        for row in rows:
            assert (np.diff(row) <= 1e-9).all()
        for weaker, stronger in pairwise(rows):
            assert (stronger >= weaker).all()


def test_instrumental_intensity_of_the_standard() -> None:
    """GB/T 17742-2020, table: PGA 0.456 m/s² and PGV 0.0381 m/s are the middle of intensity VI."""
    assert csis_from_motion(0.456, 0.0381) == pytest.approx(5.5, abs=0.1)


@pytest.mark.parametrize(
    ("latitudes", "longitudes", "complaint"),
    [
        ([1.0, 2.0], [3.0], "one shape"),
        ([91.0], [0.0], "lies nowhere"),
        ([1.0, np.nan], [1.0, 2.0], "place 1"),
    ],
)
def test_wrong_places_are_refused_by_name(
    latitudes: list, longitudes: list, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        estimate(Origin(0.0, 30.0, 100.0, 10.0, 6.0), latitudes, longitudes)


def test_scalars_and_unknown_depth_are_taken() -> None:
    found = estimate(Origin(0.0, 30.0, 100.0, float("nan"), 6.0), 30.0, 101.0)
    assert found.s_arrival_s.shape == (1,)
    assert found.s_arrival_s[0] > found.p_arrival_s[0] > 0
