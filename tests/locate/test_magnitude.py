"""Magnitudes from peak displacement: relations, and what a short window is worth."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import signal

from ew import Channel, Config, Origin, Packet
from ew.geo import distance_km
from ew.locate.amplitudes import PeakTracker
from ew.locate.magnitude import (
    CORNERS_HZ,
    Peaks,
    corner_hz,
    damped,
    from_displacement,
    from_pd,
    full_window_s,
    network_magnitude,
    share_kept,
    station_magnitude,
    tau_c_magnitude,
    with_whole_wave,
)
from ew.locate.motion import MotionTracker
from ew.pipeline import Pipeline
from ew.records import StationMagnitude
from ew.traveltimes import TravelTimes
from simulators import scenario
from simulators.scenario import Play

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
    """M 5.5-6.5 at 30-80 km; Wu & Zhao 2006 and Kuyuk & Allen 2013 differ by half a magnitude at
    most there."""
    for pd_m, away_km in ((2e-4, 60.0), (1e-3, 50.0), (3e-3, 40.0)):
        ours = [from_pd(pd_m, away_km, name) for name in (RELATION, "wu-zhao-2006")]
        assert abs(ours[0] - ours[1]) < 0.6


def test_stations_that_saw_little_of_a_long_rupture_yield_to_those_that_saw_it() -> None:
    """As many near stations with 3 s of P (a lower bound) as far ones with 20 s: an M 7.9 is not
    halved.
    """
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


def displaced_m(magnitude: float, distance_km: float) -> float:
    """Tsuboi 1954: the displacement (m) for which a magnitude stands at a distance, before the
    high-pass takes any.
    """
    return float(10 ** (magnitude + 0.83 - 1.73 * math.log10(distance_km)) / 1e6)


def test_displacement_of_the_whole_wave_gives_the_magnitude_it_was_made_for() -> None:
    for magnitude, away_km in ((4.5, 20.0), (5.5, 60.0), (6.0, 200.0)):
        found = from_displacement(displaced_m(magnitude, away_km), away_km)
        assert found == pytest.approx(magnitude, abs=0.1)
    # The high-pass at 0.075 Hz takes half of the pulse of an M 7.2
    assert 0.15 < from_displacement(displaced_m(6.9, 60.0), 60.0) - 6.9 < 0.3


def test_whole_wave_raises_a_rupture_that_outlasts_p_and_a_part_of_it_lowers_nothing() -> None:
    whole_s = full_window_s(7.0)
    near = station_magnitude(peaks(6.3, 30.0, 3.5), RELATION, whole_s)
    assert with_whole_wave(near, 7.0, 1.0).magnitude == pytest.approx(7.0, abs=0.15)
    assert with_whole_wave(near, 7.0, 1.0).weight == 1.0
    assert with_whole_wave(near, 5.0, 0.1).magnitude == pytest.approx(6.3, abs=0.05)
    sure = station_magnitude(peaks(6.0, 100.0, 30.0), RELATION, whole_s)
    assert with_whole_wave(sure, 5.6, 1.0).magnitude == pytest.approx(5.8, abs=0.01)


def played_m(
    channels: str, amplitude_m: float, *, noise_m: float = 0.0, gain: float = 1e8
) -> float:
    """What is read from horizontals that swing at 0.5 Hz from 30 s on, velocity sensors, after
    noise of 0.5 Hz before."""
    t, omega = np.arange(0, 60, 0.01), math.pi
    velocity = omega * np.cos(omega * t) * np.where(t < 30, noise_m, amplitude_m)
    inventory = {
        f"XX.A..HH{c}": Channel(f"XX.A..HH{c}", 30.0, 100.0, 0.0, gain, "M/S") for c in channels
    }
    tracker = MotionTracker(inventory, 30 * 10**9)
    for second in range(60):
        part = velocity[100 * second : 100 * (second + 1)] * gain
        tracker.add(Packet(c, second * 10**9, 100.0, part) for c in inventory)
    return tracker.displacement_m


def test_displacement_is_that_of_both_horizontals_and_must_stand_out() -> None:
    assert played_m("ZNE", 0.01, noise_m=1e-5) == pytest.approx(0.01 * math.sqrt(2), rel=0.15)
    assert played_m("ZN", 0.01, noise_m=1e-5) == pytest.approx(0.01 * math.sqrt(2), rel=0.15)
    assert played_m("Z", 0.01, noise_m=1e-5) == 0.0
    assert played_m("ZNE", 0.01, noise_m=0.002) == 0.0
    # 0.03 m/s is beyond the end of the digitiser
    assert played_m("ZNE", 0.01, noise_m=1e-5, gain=1e9) == 0.0


def test_large_rupture_seen_only_within_forty_kilometres_keeps_growing_after_s(
    travel_times: TravelTimes,
) -> None:
    """Four parts of M 6.6 (M 7.0 together), 3 s and 9 km apart: P of none of the stations sees more
    than the first.
    """
    everyone = scenario.stations()
    away = distance_km(29.5, 103.5, [s.latitude for s in everyone], [s.longitude for s in everyone])
    near = [replace(s, noise=0.3) for s, km in zip(everyone, away, strict=True) if km < 40]
    parts = [Origin(1e9 + 40 + 3.0 * k, 29.5, 103.4 + 0.09 * k, 8.0, 6.6) for k in range(4)]
    play = Play(near, parts, 1e9, 110.0)
    pipeline = Pipeline(Config(), play.inventory, travel_times)
    told = [
        v
        for now_ns, tick in pipeline.moments(play.packets(1.0))
        for v in pipeline.feed(tick, now_ns).versions
    ]
    largest = max(v.origin.magnitude for v in told)
    assert largest == pytest.approx(7.0, abs=0.4)


@pytest.mark.parametrize("passes", [1, 2, 3])
@pytest.mark.parametrize("ratio", [0.1, 0.7, 1.5, 4.0, 20.0])
def test_share_kept_is_that_of_a_filtered_brune_pulse(ratio: float, passes: int) -> None:
    t = np.arange(0.0, 40.0, 1 / 400.0)
    pulse = t * np.exp(-2 * np.pi * ratio * t)
    left = pulse
    for _ in range(passes):
        left = signal.lfilter(*signal.butter(2, 1.0, "high", fs=400.0), left)
    share = float(np.abs(left).max() / pulse.max())
    assert share_kept(1.0, ratio, passes) == pytest.approx(share, rel=0.06)


@pytest.mark.parametrize("corner", [1, 2])
def test_what_three_high_passes_take_is_given_back(corner: int) -> None:
    """An M 5 on a noisy accelerometer, where only a higher corner stands out."""
    true = peaks(5.0, 60.0, 4.0)
    pd_m = true.pd_m / share_kept(CORNERS_HZ[0], corner_hz(5.0), 1)
    kept = np.array([share_kept(hz, corner_hz(5.0), 3) for hz in CORNERS_HZ])
    noise_m = np.where(np.arange(3) < corner, pd_m, pd_m / 1e4)
    found = station_magnitude(replace(true, pd_m=pd_m * kept, noise_m=noise_m, passes=3), RELATION)
    assert found.magnitude == pytest.approx(5.0, abs=0.08)


@pytest.mark.parametrize("count", [3, 4, 5, 6, 12])
@pytest.mark.parametrize("off", [-3.7, -1.2, 1.2, 3.7])
def test_no_station_decides_the_magnitude_however_clear(count: int, off: float) -> None:
    """The lone one is the clearest of all, as one with too large a gain is."""
    good = [
        StationMagnitude(f"A{i}", 5.0 + 0.1 * (i % 3 - 1), 1e-4, 2.0, 0.1) for i in range(count - 1)
    ]
    magnitude, _ = network_magnitude([*good, StationMagnitude("BAD", 5.0 + off, 1.0, 4.0, 1.0)])
    assert magnitude == pytest.approx(5.0, abs=0.35)


def test_magnitude_does_not_go_to_and_fro_and_growth_is_not_held_back() -> None:
    assert damped(math.nan, 5.0, 0.2) == 5.0
    assert damped(5.0, 6.4, 0.2) == 6.4
    assert damped(5.0, 4.8, 0.2) == pytest.approx(4.9)
    assert damped(8.9, 5.2, 0.2) == 5.2
