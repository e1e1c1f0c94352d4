"""Magnitudes from peak displacement: relations, and what a short window is worth."""

import math

import numpy as np
import pytest

from ew.locate.magnitude import Peaks, from_pd, full_window_s, network_magnitude, station_magnitude

RELATION = "kuyuk-allen-2013"


def peaks(magnitude: float, distance_km: float, window_s: float) -> Peaks:
    """A station that has seen the peak displacement of a magnitude, far above its noise."""
    log_pd_cm = (magnitude - 5.39 - 1.38 * math.log10(distance_km)) / 1.23
    pd_m = np.full(3, 10**log_pd_cm / 100)
    return Peaks("XX.A..HNZ", distance_km, pd_m, pd_m / 1e4, window_s)


@pytest.mark.parametrize("magnitude", [4.0, 5.5, 7.0])
def test_station_gives_back_the_magnitude_its_peak_was_made_for(magnitude: float) -> None:
    found = station_magnitude(peaks(magnitude, 60.0, 30.0), RELATION)
    assert found.magnitude == pytest.approx(magnitude, abs=0.01)


def test_relations_agree_where_both_were_fitted() -> None:
    """M 5.5-6.5 at 30-80 km; Wu & Zhao 2006 and Kuyuk & Allen 2013 differ by half a magnitude at most there."""
    for pd_m, distance_km in ((2e-4, 60.0), (1e-3, 50.0), (3e-3, 40.0)):
        ours = [from_pd(pd_m, distance_km, name) for name in (RELATION, "wu-zhao-2006")]
        assert abs(ours[0] - ours[1]) < 0.6


def test_stations_that_saw_little_of_a_long_rupture_yield_to_those_that_saw_it() -> None:
    """As many near stations with 3 s of P (a lower bound) as far ones with 20 s: an M 7.9 is not halved."""
    whole_s = full_window_s(7.9)
    assert whole_s > 25
    near = [station_magnitude(peaks(6.8, 30.0, 3.0), RELATION, whole_s) for _ in range(20)]
    far = [station_magnitude(peaks(7.9, 150.0, 20.0), RELATION, whole_s) for _ in range(20)]
    magnitude, _ = network_magnitude(near + far)
    assert magnitude > 7.8


def test_one_bad_sensor_does_not_size_an_earthquake() -> None:
    good = [station_magnitude(peaks(5.0, 40.0, 4.0), RELATION) for _ in range(5)]
    bad = station_magnitude(peaks(8.0, 40.0, 4.0), RELATION)
    magnitude, error = network_magnitude([*good, bad])
    assert magnitude == pytest.approx(5.0, abs=0.3)
    assert error > 0.1
