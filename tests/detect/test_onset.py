"""What the judging of triggers says of examples of each kind."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ew import Packet, Pick, PickerBank

RATE = 100.0
AT_S = 25.0


def judged(
    signal: Callable[[NDArray], NDArray], rate: float = RATE, seed: int = 0
) -> tuple[list[Pick], PickerBank]:
    """Noise of 100 counts with ``signal`` (seconds after AT_S -> counts) added, through a bank."""
    t = np.arange(round(40 * rate)) / rate - AT_S
    noise = np.random.default_rng(seed).normal(size=len(t)) * 100
    samples = np.round(noise + signal(t) + 50_000).astype(np.int32)
    bank = PickerBank()
    picks = bank.process([Packet("XX.A..HHZ", 0, rate, samples)])
    return [p for p in picks if AT_S - 1 < p.time_ns / 1e9 < AT_S + 3], bank


def p_wave(
    frequency: float, amplitude: float, rise_s: float = 0.05
) -> Callable[[NDArray], NDArray]:
    def wave(t: NDArray) -> NDArray:
        after = np.maximum(t, 0)
        return (
            amplitude
            * np.sin(2 * np.pi * frequency * after)
            * (1 - np.exp(-after / rise_s))
            * np.exp(-after / 4)
        )

    return wave


@pytest.mark.parametrize("rate", [31.25, 50.0, 100.0, 250.0])
@pytest.mark.parametrize("frequency", [1.5, 4.0, 9.0])
@pytest.mark.parametrize("snr", [20, 1000])
def test_clear_onset_is_picked_within_a_tenth_and_decided_within_half_a_second(
    rate: float, frequency: float, snr: float
) -> None:
    (pick, *_), _ = judged(p_wave(frequency, 100 * snr), rate)
    assert pick.time_ns / 1e9 == pytest.approx(AT_S, abs=0.1)
    assert pick.decided_ns / 1e9 < AT_S + 0.5
    assert pick.trigger_ns < pick.decided_ns
    assert pick.snr > 3
    assert pick.onset_error_s < 0.1


def test_period_and_amplitude_are_those_of_the_wave() -> None:
    (pick, *_), _ = judged(p_wave(4.0, 10_000, rise_s=0.005))
    assert pick.period_s == pytest.approx(0.25, rel=0.35)
    assert 4_000 < pick.amplitude < 12_000


def test_emergent_onset_is_waited_for() -> None:
    (pick, *_), _ = judged(p_wave(4.0, 1_500, rise_s=1.0))
    assert AT_S < pick.time_ns / 1e9 < AT_S + 0.6


GLITCHES: dict[str, Callable[[NDArray], NDArray]] = {
    "spike of one sample": lambda t: 50_000.0 * (np.abs(t) < 0.004),
    "spike of three": lambda t: 50_000.0 * (np.abs(t) < 0.014),
    "spike both ways": lambda t: (
        50_000.0 * (np.abs(t) < 0.004) - 40_000.0 * (np.abs(t - 0.01) < 0.004)
    ),
    "step": lambda t: 20_000.0 * (t >= 0),
    "step that decays": lambda t: 20_000.0 * (t >= 0) * np.exp(-np.maximum(t, 0) / 2),
    "calibration pulse": lambda t: 20_000.0 * ((t >= 0) & (t < 1)),
    "train of calibration pulses": lambda t: 20_000.0 * ((t >= 0) & (t < 2) & (t % 0.5 < 0.25)),
    "telemetry block of zeros": lambda t: -50_000.0 * ((t >= 0) & (t < 0.5)),
}


@pytest.mark.parametrize("kind", GLITCHES)
@pytest.mark.parametrize("rate", [50.0, 100.0, 250.0])
def test_glitch_is_told_from_an_onset(kind: str, rate: float) -> None:
    picks, bank = judged(GLITCHES[kind], rate)
    assert picks == []
    assert bank.counters.rejected_glitch >= 1


def test_small_rise_of_the_noise_is_not_a_pick() -> None:
    t = np.arange(4000) / RATE - AT_S
    louder = np.random.default_rng(9).normal(size=len(t)) * 150 * (t > 0)
    picks, _ = judged(lambda _: louder)
    assert picks == []


def test_second_onset_in_the_time_of_the_first_decision_is_not_a_second_pick() -> None:
    both = lambda t: p_wave(5.0, 5_000)(t) + p_wave(3.0, 5_000)(t - 0.15)  # noqa: E731
    picks, _ = judged(both)
    assert len(picks) == 1


def test_onset_before_a_gap_that_comes_too_soon_is_dropped_and_counted() -> None:
    wave = p_wave(5.0, 5_000)(np.arange(3000) / RATE - AT_S)
    samples = np.round(np.random.default_rng(0).normal(size=3000) * 100 + wave).astype(np.int32)
    bank = PickerBank()
    cut = round((AT_S + 0.12) * RATE)
    bank.process([Packet("XX.A..HHZ", 0, RATE, samples[:cut])])
    picks = bank.process([Packet("XX.A..HHZ", (cut + 300) * 10**7, RATE, samples[cut:])])
    assert bank.counters.triggers >= 1
    assert bank.counters.rejected_gap == 1
    assert picks == []
