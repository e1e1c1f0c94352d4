"""Magnitudes from peak displacement: relations, and what a short window is worth."""

import math

import numpy as np
import pytest

from ew import Channel, Packet
from ew.locate.amplitudes import PeakTracker
from ew.locate.magnitude import (
    Peaks,
    from_pd,
    full_window_s,
    network_magnitude,
    station_magnitude,
    tau_c_magnitude,
)
from ew.records import StationMagnitude

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


@pytest.mark.parametrize("period_s", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("units", ["M/S", "M/S**2"])
def test_tau_c_is_the_period_of_the_first_seconds(period_s: float, units: str) -> None:
    t = np.arange(0, 60, 0.01)
    since = np.maximum(t - 40.0, 0.0)
    displacement = np.sin(2 * np.pi / period_s * since) * (1 - np.exp(-((since / 0.1) ** 2)))
    motion = np.gradient(displacement, 0.01)
    motion = np.gradient(motion, 0.01) if units == "M/S**2" else motion
    channel = Channel("XX.A..HHZ", 30.0, 100.0, 0.0, 1.0, units)  # type: ignore[arg-type]
    tracker = PeakTracker(channel, 40.0, [])
    for second in range(60):
        assert math.isnan(tracker.tau_c_s) == (second < 43)
        part = motion[100 * second : 100 * (second + 1)].astype(np.float32)
        tracker.add(Packet("XX.A..HHZ", second * 10**9, 100.0, part))
    assert tracker.tau_c_s == pytest.approx(period_s, rel=0.15)


def test_tau_c_magnitude_follows_its_relation_and_needs_four_stations() -> None:
    def stations(*periods: float) -> list[StationMagnitude]:
        return [StationMagnitude("XX.A..HHZ", 5.0, 0.01, 4.0, 1.0, tau) for tau in periods]

    # log10 tau_c = 0.296 x 6 - 1.716 (Wu et al. 2007)
    assert tau_c_magnitude(stations(1.148, 1.148, 1.148, 1.148)) == pytest.approx(6.0, abs=0.01)
    assert math.isnan(tau_c_magnitude(stations(1.1, 1.1, 1.1, math.nan)))
