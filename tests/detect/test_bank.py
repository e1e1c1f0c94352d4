"""The picker bank against obspy, against cuts, and against what real streams do to it."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from obspy.signal.filter import bandpass
from obspy.signal.trigger import recursive_sta_lta, trigger_onset

from ew import Packet, Pick, PickerBank
from ew.config import PickerConfig

RATE = 100.0
CHANNEL = "XX.ABC..HHZ"
ONSET_S = 30.0
START_NS = 1_560_783_343_000_000_000


def noise_with_onset(
    rate: float = RATE, seed: int = 1, factor: float = 20.0, length_s: float = 50.0
) -> NDArray:
    """White noise and, from ONSET_S on, a decaying 5 Hz wave on an offset like gravity's."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(length_s * rate)) / rate
    wave = np.where(
        t >= ONSET_S, factor * np.sin(2 * np.pi * 5 * (t - ONSET_S)) * np.exp(-(t - ONSET_S) / 8), 0
    )
    return (980_000 + 100 * (rng.normal(size=len(t)) + wave)).astype(np.int32)


def cut(samples: NDArray, cuts: Sequence[int], rate: float = RATE) -> list[Packet]:
    """The samples as packets that end at ``cuts``."""
    edges = [0, *sorted({c for c in cuts if 0 < c < len(samples)}), len(samples)]
    return [
        Packet(CHANNEL, START_NS + round(a * 1e9 / rate), rate, samples[a:b])
        for a, b in itertools.pairwise(edges)
    ]


def feed(
    packets: Sequence[Packet], config: PickerConfig | None = None
) -> tuple[list[Pick], PickerBank]:
    bank = PickerBank(config)
    return [pick for packet in packets for pick in bank.process([packet])], bank


@pytest.mark.parametrize("rate", [20.0, 30.06, 31.25, 50.0, 100.0, 200.0, 250.0])
def test_onset_is_picked_once_within_a_tenth_of_a_second_at_any_rate(rate: float) -> None:
    picks, _ = feed(cut(noise_with_onset(rate), range(0, 10_000, int(rate)), rate))
    near = [p for p in picks if abs((p.time_ns - START_NS) / 1e9 - ONSET_S) < 0.1]
    assert len(near) == 1
    assert near[0].snr > 5
    assert near[0].time_ns <= near[0].trigger_ns < near[0].decided_ns


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 4999), max_size=60))
def test_cutting_the_samples_in_any_way_gives_the_same_picks_and_triggers(cuts: list[int]) -> None:
    samples = noise_with_onset()
    whole, whole_bank = feed(cut(samples, []))
    parts, parts_bank = feed(cut(samples, cuts))
    assert parts == whole
    assert parts_bank.take_triggers() == whole_bank.take_triggers()
    assert len(whole) >= 1


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_channels_beside_each_other_do_not_touch_each_other(channels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    traces = [noise_with_onset(seed=seed % 1000 + c) for c in range(channels)]
    alone = [feed(cut(trace, range(100, 5000, 100)))[0] for trace in traces]
    bank = PickerBank()
    together: dict[str, list[Pick]] = {}
    at = [0] * channels
    while any(a < len(t) for a, t in zip(at, traces, strict=True)):
        tick = []
        for c, trace in enumerate(traces):
            n = int(rng.integers(0, 300))
            if n and at[c] < len(trace):
                tick.append(
                    Packet(
                        f"XX.S{c}..HHZ", START_NS + at[c] * 10**7, RATE, trace[at[c] : at[c] + n]
                    )
                )
                at[c] += n
        for pick in bank.process(tick):
            together.setdefault(pick.seed_id, []).append(pick)
    for c, expected in enumerate(alone):
        got = [(p.time_ns, p.snr) for p in together.get(f"XX.S{c}..HHZ", [])]
        assert got == [(p.time_ns, p.snr) for p in expected]


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_trigger_windows_equal_obspys_on_the_same_filtered_data(dtype: type) -> None:
    config = PickerConfig()
    samples = noise_with_onset(factor=8.0, length_s=120.0).astype(dtype)
    _, bank = feed(cut(samples, []), config)
    filtered = bandpass(
        samples - float(samples[0]), config.band_low_hz, config.band_high_hz, RATE, corners=4
    )
    ratio = recursive_sta_lta(filtered, int(config.sta_s * RATE), int(config.lta_s * RATE))
    expected = [
        (START_NS + int(on) * 10**7, START_NS + int(off) * 10**7)
        for on, off in trigger_onset(ratio, config.on_ratio, config.off_ratio)
        if off < len(samples) - 1
    ]
    assert [(t.on_ns, t.off_ns) for t in bank.take_triggers()] == expected
    assert expected


def test_ratio_equals_obspys_after_warm_up() -> None:
    config = PickerConfig()
    samples = noise_with_onset(factor=8.0)
    filtered, ratio = PickerBank.characteristic(samples, RATE, config)
    theirs = recursive_sta_lta(filtered, int(config.sta_s * RATE), int(config.lta_s * RATE))
    warm = int(config.lta_s * RATE)
    np.testing.assert_allclose(ratio[warm:], theirs[warm:], rtol=1e-5)


def test_gap_longer_than_the_lta_restarts_the_warm_up() -> None:
    samples = noise_with_onset()
    first, second = cut(samples[:2000], [])[0], cut(samples[:2000], [])[0]
    late = Packet(CHANNEL, START_NS + 32 * 10**9, RATE, second.samples)
    _, bank = feed([first, late])
    assert bank.counters.gaps_restarted == 1
    onset_too_soon = samples[2500:3400]  # the onset comes 5 s after the restart: within the warm-up
    picks, _ = feed([first, Packet(CHANNEL, START_NS + 40 * 10**9, RATE, onset_too_soon)])
    assert picks == []


@pytest.mark.parametrize("gap_s", [0.05, 0.4, 2.0, 9.0])
def test_short_gap_is_bridged_without_a_false_trigger(gap_s: float) -> None:
    samples = noise_with_onset(factor=0.0)
    drift = (np.arange(len(samples)) * 3).astype(
        np.int32
    )  # an offset that moves on through the gap
    samples = samples + drift
    resume = 2500 + round(gap_s * RATE)
    packets = [
        Packet(CHANNEL, START_NS, RATE, samples[:2500]),
        Packet(CHANNEL, START_NS + resume * 10**7, RATE, samples[resume:]),
    ]
    picks, bank = feed(packets)
    assert bank.counters.gaps_bridged == 1
    quiet, _ = feed(cut(samples, []))
    assert len(picks) <= len(quiet)


def test_onset_after_a_bridged_gap_is_still_picked() -> None:
    samples = noise_with_onset()
    packets = [
        Packet(CHANNEL, START_NS, RATE, samples[:2000]),
        Packet(CHANNEL, START_NS + 2200 * 10**7, RATE, samples[2200:]),
    ]
    picks, _ = feed(packets)
    assert any(abs((p.time_ns - START_NS) / 1e9 - ONSET_S) < 0.1 for p in picks)


def test_duplicates_and_overlaps_change_nothing() -> None:
    samples = noise_with_onset()
    clean, _ = feed(cut(samples, range(100, 5000, 100)))
    packets = cut(samples, range(100, 5000, 100))
    messy = []
    for number, packet in enumerate(packets):
        messy.append(packet)
        if number % 7 == 3:
            messy.append(packet)
        if number % 5 == 2 and number + 1 < len(packets):
            start = number * 100 + 50
            messy.append(
                Packet(CHANNEL, START_NS + start * 10**7, RATE, samples[start : start + 100])
            )
    picks, bank = feed(messy)
    assert picks == clean
    assert bank.counters.duplicates > 0
    assert bank.counters.overlaps > 0


def test_packets_out_of_order_within_a_tick_are_put_in_order() -> None:
    packets = cut(noise_with_onset(), range(100, 5000, 100))
    picks, _ = feed(packets)
    bank = PickerBank()
    swapped = [
        p for a, b in zip(packets[::2], packets[1::2], strict=True) for p in bank.process([b, a])
    ]
    assert [p.time_ns for p in swapped] == [p.time_ns for p in picks]
    assert bank.counters.gaps_bridged == 0


def test_nan_and_infinity_make_no_pick_and_do_not_stay() -> None:
    samples = noise_with_onset(factor=0.0).astype(np.float64)
    samples[2000:2010] = math.nan
    samples[2500] = math.inf
    picks, bank = feed(cut(samples, range(100, 5000, 100)))
    assert bank.counters.not_finite == 11
    assert not any(abs((p.time_ns - START_NS) / 1e9 - s) < 1 for p in picks for s in (20, 25))
    with_onset = noise_with_onset().astype(np.float64)
    with_onset[2000:2010] = math.nan
    assert feed(cut(with_onset, range(100, 5000, 100)))[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_channel_that_starts_with_nan_recovers(dtype: type) -> None:
    samples = noise_with_onset().astype(dtype)
    samples[:50] = math.nan
    picks, _ = feed(cut(samples, range(100, 5000, 100)))
    assert any(abs((p.time_ns - START_NS) / 1e9 - ONSET_S) < 0.1 for p in picks)


@pytest.mark.parametrize("kind", ["spike", "double spike", "step", "calibration"])
def test_glitch_is_not_a_pick(kind: str) -> None:
    samples = noise_with_onset(factor=0.0)
    if kind == "spike":
        samples[3000] += 200_000
    elif kind == "double spike":
        samples[3000] += 200_000
        samples[3001] -= 150_000
    elif kind == "step":
        samples[3000:] += 200_000
    else:
        samples[3000:3400] += 50_000
    picks, bank = feed(cut(samples, range(100, 5000, 100)))
    assert not any(29.5 < (p.time_ns - START_NS) / 1e9 < 36 for p in picks)
    assert bank.counters.rejected_glitch >= 1


def test_channel_that_was_dead_warms_up_again_and_does_not_trigger_when_it_revives() -> None:
    samples = noise_with_onset(factor=0.0, length_s=80.0)
    samples[2000:4000] = samples[1999]
    picks, _ = feed(cut(samples, range(100, 8000, 100)))
    assert not any(19 < (p.time_ns - START_NS) / 1e9 < 52 for p in picks)


def test_rate_change_restarts_the_channel_with_its_own_filter() -> None:
    slow = noise_with_onset(50.0)
    packets = [
        *cut(noise_with_onset(factor=0.0)[:3000], []),
        Packet(CHANNEL, START_NS + 30 * 10**9, 50.0, slow),
    ]
    picks, bank = feed(packets)
    assert bank.counters.rate_changes == 1
    assert any(abs((p.time_ns - START_NS) / 1e9 - 60) < 0.1 for p in picks)


def test_clock_set_back_restarts_the_channel_instead_of_silencing_it() -> None:
    samples = noise_with_onset()
    back_ns = START_NS - 3600 * 10**9
    packets = cut(samples[:2000], range(100, 2000, 100))
    packets += [
        Packet(CHANNEL, back_ns + i * 10**7, RATE, samples[i : i + 100])
        for i in range(0, 5000, 100)
    ]
    picks, bank = feed(packets)
    assert bank.counters.clock_steps == 1
    assert any(abs((p.time_ns - back_ns) / 1e9 - ONSET_S) < 0.1 for p in picks)


@pytest.mark.parametrize(
    "samples", [np.zeros((2, 50), np.float32), np.zeros(50, np.int64), np.zeros(50, np.complex128)]
)
def test_samples_of_another_kind_are_refused_and_counted(samples: NDArray) -> None:
    picks, bank = feed([Packet(CHANNEL, START_NS, RATE, samples)])
    assert picks == []
    assert bank.counters.refused == 1


def test_memory_of_a_channel_stays_under_64_kib() -> None:
    _, bank = feed(cut(noise_with_onset(), []))
    assert bank.bytes_per_channel < 64 * 1024
