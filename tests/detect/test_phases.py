"""P onsets against what follows them: S-waves and coda of whole seismograms, made by the
simulator."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from ew import Packet, Pick, PickerBank
from simulators.waveforms import ground_acceleration

RATE = 100.0
P_S = 30.0
DISTANCES_KM = (20.0, 40.0, 80.0, 120.0)


@dataclass
class Seen:
    """Picks by phase, and how many triggers began in the coda, over many seismograms."""

    traces: int = 0
    p: list[Pick] = field(default_factory=list)
    s: list[Pick] = field(default_factory=list)
    coda: list[Pick] = field(default_factory=list)
    coda_triggers: int = 0


def vertical(distance_km: float, seed: int, magnitude: float) -> np.ndarray:
    """90 s of a vertical accelerometer's counts: P at 30 s, S ``distance_km / 8`` later, noise 0.2
    % of the largest."""
    rng = np.random.default_rng([seed, int(distance_km)])
    ground = ground_acceleration(
        rng,
        9000,
        RATE,
        magnitude=magnitude,
        distance_km=distance_km,
        p_onset_s=P_S,
        s_onset_s=P_S + distance_km / 8,
    )[0]
    return (ground / np.abs(ground).max() + 0.002 * rng.normal(size=9000)) * 1e5


@pytest.fixture(scope="module")
def seen() -> Seen:
    """An M 6: its P-wave lasts beyond its S."""
    found = Seen()
    for distance_km in DISTANCES_KM:
        s_s = P_S + distance_km / 8
        for seed in range(20):
            bank = PickerBank()
            picks = bank.process([Packet("XX.A..HNZ", 0, RATE, vertical(distance_km, seed, 6.0))])
            found.traces += 1
            for pick in picks:
                at_s = pick.time_ns / 1e9
                if abs(at_s - P_S) < 0.3:
                    found.p.append(pick)
                elif abs(at_s - s_s) < 0.6:
                    found.s.append(pick)
                elif at_s > P_S:
                    found.coda.append(pick)
            found.coda_triggers += sum(
                t.on_ns / 1e9 > P_S + 0.7 and abs(t.on_ns / 1e9 - s_s) > 0.8
                for t in bank.take_triggers()
            )
    return found


def test_each_p_wave_is_picked_once_out_of_quiet(seen: Seen) -> None:
    assert len(seen.p) == seen.traces
    assert max(pick.noise_ratio for pick in seen.p) < 2


def test_most_triggers_in_the_coda_are_refused_and_the_rest_are_known_by_their_noise_ratio(
    seen: Seen,
) -> None:
    assert seen.coda_triggers >= 20
    assert 1 <= len(seen.coda) < 0.25 * seen.coda_triggers
    assert min(pick.noise_ratio for pick in seen.coda) > 5


def test_s_waves_are_known_by_the_noise_ratio_before_them(seen: Seen) -> None:
    assert len(seen.s) >= 30
    assert min(pick.noise_ratio for pick in seen.s) > 2.5


@pytest.mark.parametrize("rate", [20.0, 31.25, 100.0, 250.0])
def test_noise_ratio_does_not_depend_on_the_cuts(rate: float) -> None:
    t = np.arange(round(60 * rate)) / rate
    first = np.where(t > 35, 5000 * np.exp(-np.maximum(t - 35, 0) / 2), 0)
    rms = 100 + first + np.where(t > 43, 50_000, 0)
    wave = np.random.default_rng(2).normal(size=len(t)) * rms
    found = []
    for length in (len(t), 997, 7):
        bank, picks = PickerBank(), []
        for at in range(0, len(t), length):
            start_ns = round(at * 1e9 / rate)
            picks += bank.process([Packet("XX.A..HHZ", start_ns, rate, wave[at : at + length])])
        found.append(picks)
    assert found[0] == found[1] == found[2]
    noise_ratio = {round(pick.time_ns / 1e9): pick.noise_ratio for pick in found[0]}
    if rate > 150:  # the history is too short to tell
        assert np.isnan([noise_ratio[35], noise_ratio[43]]).all()
    else:
        assert noise_ratio[35] < 2
        assert noise_ratio[43] > 2.5


def test_noise_ratio_is_unknown_where_nothing_is_known_of_the_time_before() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.normal(size=3000) * 100, rng.normal(size=800) * 100
    after[280:] += 20_000 * np.sin(np.arange(520) / 3)
    bank = PickerBank()
    bank.process([Packet("XX.A..HHZ", 0, RATE, before)])
    (pick, *_) = bank.process([Packet("XX.A..HHZ", 32 * 10**9, RATE, after)])
    assert np.isnan(pick.noise_ratio)


def test_p_is_picked_though_a_weak_trigger_is_still_on() -> None:
    """Noise twice as loud for 2.5 s before P: it triggers and is refused, and no other trigger can
    begin until P is there.

    In some cases it is picked for an onset itself, and then P is not: one pick a trigger.
    """
    found = 0
    for seed in range(40):
        wave, p = np.random.default_rng(seed).normal(size=4000), 3000
        wave[p - 250 : p] *= 2.2
        t = np.arange(1000) / 100
        wave[p:] += 100 * np.sin(2 * np.pi * 5 * t) * np.exp(-t / 3)
        samples = wave.astype(np.float32)
        bank, cut = PickerBank(), PickerBank()
        whole = bank.process([Packet("XX.A..HHZ", 0, 100.0, samples)])
        parts = [
            Packet("XX.A..HHZ", i * 10**7, 100.0, samples[i : i + 37]) for i in range(0, 4000, 37)
        ]
        assert [pick for part in parts for pick in cut.process([part])] == whole
        found += any(abs(pick.time_ns / 1e9 - p / 100) < 0.15 for pick in whole)
    assert found >= 24  # 15 when a trigger was given up after its patience
