"""What real streams do: each rule of docs/picker.md, held by the harm that would come without
it."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from ew import Packet, Pick, PickerBank
from ew.config import PickerConfig

RATE = 100.0
CHANNEL = "XX.ABC..HHZ"
ONSET_S = 30.0
FULL_SCALE = 2**23 - 1


def noise(seconds: float = 50.0, seed: int = 1, rate: float = RATE) -> NDArray[np.float64]:
    """White noise of 100 counts on an offset like gravity's."""
    return 980_000 + 100 * np.random.default_rng(seed).normal(size=round(seconds * rate))


def with_onset(factor: float = 20.0, at_s: float = ONSET_S) -> NDArray[np.float64]:
    """The same with a decaying 5 Hz wave from ``at_s`` on."""
    samples = noise()
    after = np.maximum(np.arange(len(samples)) / RATE - at_s, 0)
    return samples + 100 * factor * np.sin(2 * np.pi * 5 * after) * np.exp(-after / 8)


def packets(samples: NDArray, length: int = 100, dtype: str = "i4") -> list[Packet]:
    return [
        Packet(CHANNEL, at * 10**7, RATE, samples[at : at + length].astype(dtype))
        for at in range(0, len(samples), length)
    ]


def feed(
    given: Sequence[Packet], config: PickerConfig | None = None
) -> tuple[list[Pick], PickerBank]:
    bank = PickerBank(config)
    return [pick for packet in given for pick in bank.process([packet])], bank


def at_onset(picks: Sequence[Pick], at_s: float = ONSET_S) -> list[Pick]:
    return [p for p in picks if abs(p.time_ns / 1e9 - at_s) < 0.15]


def triggered(bank: PickerBank, first_s: float, last_s: float) -> list[float]:
    """Seconds at which a trigger began, between the two."""
    return [t.on_ns / 1e9 for t in bank.take_triggers() if first_s < t.on_ns / 1e9 < last_s]


def test_nothing_triggers_before_the_warm_up_is_over() -> None:
    early = with_onset(200.0, at_s=5.0)
    picks, bank = feed(packets(early))
    assert triggered(bank, 0, 10) == []
    assert not [p for p in picks if p.time_ns < 9 * 10**9]


@pytest.mark.parametrize("gap_s", [0.03, 0.3, 3.0, 9.5])
def test_nothing_triggers_where_a_bridged_gap_left_a_jump(gap_s: float) -> None:
    before, after = noise(25.0), noise(20.0, seed=2) + 5000  # the offset has moved meanwhile
    resume_ns = round((25 + gap_s) * 1e9)
    _, bank = feed(
        [
            *packets(before),
            Packet(CHANNEL, resume_ns, RATE, after.astype("i4")),
            Packet(CHANNEL, resume_ns + 20 * 10**9, RATE, noise(20.0, seed=3).astype("i4") + 5000),
        ]
    )
    assert bank.counters.gaps_bridged == 1
    assert triggered(bank, 24, 25 + gap_s + 10) == []


@pytest.mark.parametrize(("hold_s", "false_triggers"), [(0.0, 1), (1.0, 0)])
def test_nothing_triggers_while_the_filter_settles_after_a_bridged_gap(
    hold_s: float, false_triggers: int
) -> None:
    slope = (
        6000 * np.arange(5000) / RATE
    )  # a tilting sensor: from rest, the filter takes its slope for a wave
    given = packets(noise() + slope)
    _, bank = feed(given[:25] + given[27:], PickerConfig(gap_hold_s=hold_s))
    assert bank.counters.gaps_bridged == 1
    assert len(triggered(bank, 20, 40)) == false_triggers


def test_a_bridged_gap_does_not_ask_for_another_warm_up() -> None:
    samples = with_onset()
    resume = round((ONSET_S - 4) * RATE)
    given = [p for p in packets(samples) if not resume - 300 <= p.start_ns // 10**7 < resume]
    picks, bank = feed(given)
    assert bank.counters.gaps_bridged == 1
    assert len(at_onset(picks)) == 1


def test_after_a_long_gap_the_old_noise_counts_no_more() -> None:
    quiet = noise(20.0)
    loud = 980_000 + 30 * (
        noise(40.0, seed=2) - 980_000
    )  # against the old LTA all of it is a trigger
    given = packets(quiet)
    given += [Packet(CHANNEL, p.start_ns + 60 * 10**9, RATE, p.samples) for p in packets(loud)]
    _, bank = feed(given)
    assert bank.counters.gaps_restarted == 1
    assert triggered(bank, 59, 85) == []


def test_a_packet_that_comes_after_the_next_one_is_counted_and_harms_nothing() -> None:
    given = packets(with_onset())
    given[12], given[13] = given[13], given[12]
    given[20], given[22] = given[22], given[20]
    picks, bank = feed(given)
    assert bank.counters.gaps_bridged == 2
    assert bank.counters.duplicates == 3
    assert len(at_onset(picks)) == 1
    assert triggered(bank, 10, 29) == []


def test_what_was_sent_twice_is_not_seen_twice() -> None:
    given = packets(with_onset())
    twice = [packet for packet in given for _ in range(2)]
    picks, bank = feed(twice)
    assert picks == feed(given)[0]
    assert bank.counters.duplicates == len(given)
    assert bank.counters.samples == 5000


def test_an_overlap_is_cut_off_sample_by_sample() -> None:
    samples = with_onset()
    wide = [
        Packet(CHANNEL, at * 10**7, RATE, samples[at : at + 137].astype("i4"))
        for at in range(0, 4800, 100)
    ]
    picks, bank = feed(wide)
    assert picks == feed(packets(samples[:4837]))[0]
    assert bank.counters.overlaps == len(wide) - 1
    assert bank.counters.samples == 4837


def test_a_clock_set_forward_is_a_gap_and_one_set_back_ends_after_fifteen_seconds() -> None:
    samples, hour_ns = noise(20.0), 3600 * 10**9
    ahead = [Packet(CHANNEL, p.start_ns + hour_ns, RATE, p.samples) for p in packets(with_onset())]
    picks, bank = feed([*packets(samples), *ahead])
    assert bank.counters.gaps_restarted == 1
    assert len(at_onset(picks, 3600 + ONSET_S)) == 1
    back = [Packet(CHANNEL, p.start_ns + hour_ns, RATE, p.samples) for p in packets(samples)]
    picks, bank = feed([*back, *packets(with_onset())])
    assert bank.counters.clock_steps == 1
    assert bank.counters.duplicates == 15
    assert len(at_onset(picks)) == 1


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("offset", [0.0, 980_000.0, -4_000_000.0])
def test_clipped_samples_are_counted_and_the_onset_is_still_picked(
    sign: int, offset: float
) -> None:
    shaking = offset + (with_onset(2e5) - 980_000)
    clipped = np.clip(shaking, -FULL_SCALE, FULL_SCALE) * sign
    picks, bank = feed(packets(clipped))
    assert bank.counters.clipped == int((np.abs(np.round(clipped)) >= FULL_SCALE).sum()) > 100
    assert len(at_onset(picks)) == 1


def test_a_dead_channel_ends_its_trigger_and_revives_through_a_warm_up() -> None:
    samples = with_onset(2000.0, at_s=20.0)[:4500]
    samples[2100:3000] = samples[2100]  # it dies amid the shaking
    samples[3000:] = noise(15.0, seed=4) + 50_000
    _, bank = feed(packets(samples))
    assert bank.counters.dead == 1
    (trigger,) = bank.take_triggers()
    assert trigger.on_ns / 1e9 == pytest.approx(20, abs=0.2)
    assert trigger.off_ns / 1e9 <= 23  # two seconds of one value, and no longer


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_what_is_no_number_makes_no_trigger_and_costs_no_onset(bad: float) -> None:
    samples = with_onset()
    samples[1500:1505] = samples[2000] = bad
    picks, bank = feed(packets(samples, dtype="f8"))
    assert bank.counters.not_finite == 6
    assert triggered(bank, 10, 29) == []
    assert len(at_onset(picks)) == 1


def test_another_rate_within_two_percent_is_the_same_stream_and_beyond_it_a_new_one() -> None:
    first = packets(noise(20.0))
    for rate, changes in ((101.5, 0), (103.0, 1)):
        more = Packet(CHANNEL, 20 * 10**9, rate, noise(5.0, seed=2).astype("i4"))
        _, bank = feed([*first, more])
        assert bank.counters.rate_changes == changes
        assert triggered(bank, 19, 26) == []


def test_a_week_of_drifting_noise_leaves_the_picker_as_it_was_on_its_first_day() -> None:
    """Seven days of 16 channels at 20 Hz in packets of ten minutes, an onset at noon: the same
    picks each day, no other."""
    rate, day_s, channels = 20.0, 86_400, 16
    rng = np.random.default_rng(3)
    quiet = rng.normal(size=(channels, round(600 * rate))) * 100
    after = np.maximum(np.arange(quiet.shape[1]) / rate - 300, 0)
    noon = quiet + 1500 * np.sin(2 * np.pi * 3 * after) * np.exp(-after / 8)
    bank = PickerBank()
    days: list[list[tuple[str, float, float]]] = [[] for _ in range(7)]
    for begin_s in range(0, 7 * day_s, 600):
        day, second = divmod(begin_s, day_s)
        samples = (noon if second == day_s // 2 else quiet) + 0.05 * begin_s  # 30,000 counts a week
        tick = [Packet(f"XX.S{c}..HHZ", begin_s * 10**9, rate, samples[c]) for c in range(channels)]
        days[day] += [(p.seed_id, p.time_ns / 1e9 - day * day_s, p.snr) for p in bank.process(tick)]
    assert {seed_id for seed_id, _, _ in days[0]} == {f"XX.S{c}..HHZ" for c in range(channels)}
    assert len(days[0]) == channels
    for found in days[1:]:
        assert [seed_id for seed_id, _, _ in found] == [seed_id for seed_id, _, _ in days[0]]
        for k in (1, 2):
            np.testing.assert_allclose([p[k] for p in found], [p[k] for p in days[0]], rtol=1e-4)
    counters = bank.counters
    assert counters.samples == 7 * day_s * rate * channels
    assert counters.gaps_bridged == counters.gaps_restarted == counters.duplicates == 0
