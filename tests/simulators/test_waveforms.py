"""Synthetic waves against published relations and noise models."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy.signal.spectral_estimation import get_nhnm, get_nlnm
from scipy.signal import welch

from ew import Config, Origin
from ew.locate.amplitudes import PeakTracker
from ew.locate.magnitude import from_pd
from ew.traveltimes import TravelTimes
from simulators import noise, scenario, waveforms

RATE = 100.0


def pd_m(magnitude: float, distance_km: float, seed: int) -> float:
    """Peak displacement in the first 4 s of P, high-passed at 0.075 Hz, of one synthetic station
    without noise.
    """
    rng = np.random.default_rng(seed)
    ground = waveforms.ground_acceleration(
        rng,
        6000,
        RATE,
        magnitude=magnitude,
        distance_km=distance_km,
        p_onset_s=45.0,
        s_onset_s=58.0,
    )
    from ew import Channel, Packet  # noqa: PLC0415

    channel = Channel("XX.A..HNZ", 0, 0, 0, 1.0, "M/S**2")
    tracker = PeakTracker(channel, 45.0, [Packet("XX.A..HNZ", 0, RATE, ground[0])])
    peaks = tracker.peaks(4.0, distance_km)
    assert peaks is not None
    return float(peaks.pd_m[0])


@pytest.mark.parametrize("magnitude", [4.5, 5.0, 5.5, 6.0, 6.5, 7.0])
@pytest.mark.parametrize("distance", [30.0, 60.0, 120.0])
def test_pd_agrees_with_kuyuk_and_allen_2013(magnitude: float, distance: float) -> None:
    found = np.median([pd_m(magnitude, distance, seed) for seed in range(15)])
    assert from_pd(float(found), distance, "kuyuk-allen-2013") == pytest.approx(magnitude, abs=0.6)


@pytest.mark.parametrize(("magnitude", "distance"), [(5.0, 20.0), (6.0, 30.0), (7.0, 50.0)])
def test_peak_acceleration_is_within_a_factor_of_three_of_si_and_midorikawa_1999(
    magnitude: float, distance: float
) -> None:
    """log PGA (cm/s²) = 0.50 M + 0.0043 D + 0.61 - log(X + 0.0055 10^(0.5 M)) - 0.003 X, crustal, D
    = 10 km."""
    relation = (
        0.50 * magnitude
        + 0.0043 * 10
        + 0.61
        - np.log10(distance + 0.0055 * 10 ** (0.5 * magnitude))
    )
    expected = 10 ** (relation - 0.003 * distance) / 100
    peaks = []
    for seed in range(15):
        ground = waveforms.ground_acceleration(
            np.random.default_rng(seed), 8000, RATE,
            magnitude=magnitude, distance_km=distance, p_onset_s=5.0, s_onset_s=5.0 + distance / 8,
        )  # fmt: skip
        peaks.append(np.abs(ground[1:]).max())
    assert 1 / 3 < float(np.median(peaks)) / expected < 3


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_noise_lies_where_it_was_asked_between_the_models(level: float) -> None:
    wave = noise.acceleration(np.random.default_rng(1), 2**17, RATE, level)
    f, density = welch(wave, RATE, nperseg=2**14)
    models = [get_nlnm(), get_nhnm()]
    for period in (0.5, 1.0, 5.0):
        at = np.argmin(np.abs(f - 1 / period))
        found = 10 * np.log10(density[max(at - 3, 1) : at + 4].mean())
        lowest, highest = (
            np.interp(period, p[np.argsort(p)], db[np.argsort(p)]) for p, db in models
        )
        assert found == pytest.approx(lowest + level * (highest - lowest), abs=3.0)


def test_nothing_moves_before_the_waves_come() -> None:
    ground = waveforms.ground_acceleration(
        np.random.default_rng(2),
        4000,
        RATE,
        magnitude=6.0,
        distance_km=50.0,
        p_onset_s=20.0,
        s_onset_s=26.0,
    )
    assert np.abs(ground[:, :1999]).max() == 0
    assert np.abs(ground[:, 2000:2100]).max() > 0
    assert np.abs(ground[1:, 2600:3000]).max() > np.abs(ground[1:, 2000:2500]).max()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from([0.2, 0.5, 1.0, 3.0]))
def test_same_seed_gives_the_same_packets_and_packets_hold_every_sample(
    seed: int, packet_s: float
) -> None:
    stations = scenario.stations()[:2]
    play = scenario.Play(stations, [Origin(10.0, 25.0, 99.6, 10.0, 5.0)], 0.0, 20.0, seed)
    one, two = (list(play.packets(packet_s)) for _ in range(2))
    assert [a for a, _ in one] == [a for a, _ in two] == sorted(a for a, _ in one)
    for seed_id in play.inventory:
        parts = [p.samples for _, p in one if p.seed_id == seed_id]
        again = [p.samples for _, p in two if p.seed_id == seed_id]
        np.testing.assert_array_equal(np.concatenate(parts), np.concatenate(again))
        assert sum(map(len, parts)) == 2000


def test_scenarios_hold_their_published_origins() -> None:
    origins = {name: scenario.load(name).origin for name in scenario.names()}
    assert origins["quiet"] is None
    wenchuan = origins["wenchuan"]
    assert wenchuan is not None
    assert (wenchuan.latitude, wenchuan.longitude) == (31.002, 103.322)
    assert wenchuan.magnitude == 7.9
    assert all(len(scenario.load(name).stations) > 100 for name in scenario.names())


def test_config_and_table_agree_on_the_model() -> None:
    assert TravelTimes.load().model == Config().locate.travel_time_model
