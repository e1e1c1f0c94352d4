"""The detection core against the definitions, against its twin, in ragged batches and over a week
of samples."""

from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ew import Packet, Pick, PickerBank
from ew.config import PickerConfig
from ew.detect import bank as bank_module
from ew.detect import rates, twin
from ew.detect.bank import Trigger
from tests.reference import picker as definition

needs_core = pytest.mark.skipif(bank_module.core is None, reason="the compiled core is not built")
RATES = (20.0, 30.06, 31.25, 50.0, 100.0, 125.0, 200.0, 250.0)
FORMS = (np.float32, np.float64, np.int32)


def a_wave(rng: np.random.Generator, rate: float, seconds: float) -> NDArray:
    """Noise on an offset with bursts, spikes, a stretch of equal samples and, in floats, NaN and
    infinity.
    """
    n = round(rate * seconds)
    wave = 500 * rng.normal(size=n) + rng.normal() * 1e5
    for _ in range(rng.integers(0, 4)):
        at, length = rng.integers(0, n), rng.integers(1, round(2 * rate))
        wave[at : at + length] += rng.normal(size=len(wave[at : at + length])) * 20_000
    if rng.random() < 0.3:
        at = rng.integers(0, n)
        wave[at : at + round(rng.uniform(1, 4) * rate)] = 123.0
    form = FORMS[rng.integers(0, 3)]
    if form is not np.int32 and rng.random() < 0.3:
        at = rng.integers(1, n, 5)
        wave[at] = [np.nan, np.inf, -np.inf, np.nan, 1e30]
    return wave.astype(form)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 21))
@example(seed=1_706_025_036, channels=20)  # a NaN just before the history wraps around
def test_triggers_of_ragged_batches_equal_the_definitions(seed: int, channels: int) -> None:
    rng = np.random.default_rng(seed)
    rates = [RATES[k] for k in rng.integers(0, len(RATES), channels)]
    waves = [a_wave(rng, rate, rng.uniform(12, 25)) for rate in rates]
    bank, at = PickerBank(), [0] * channels
    while any(a < len(w) for a, w in zip(at, waves, strict=True)):
        tick = []
        for c in rng.permutation(channels).tolist():
            n = int(rng.integers(0, 2 * rates[c]))
            start_ns = round(at[c] * 1e9 / rates[c])
            tick.append(Packet(f"XX.{c}..HHZ", start_ns, rates[c], waves[c][at[c] : at[c] + n]))
            at[c] += n
        bank.process(tick)
    windows: dict[str, list[tuple[int, int]]] = {}
    for t in bank.take_triggers():
        windows.setdefault(t.seed_id, []).append((t.on_ns, t.off_ns))
    for c, (wave, rate) in enumerate(zip(waves, rates, strict=True)):
        expected = [
            (round(a * 1e9 / rate), round(b * 1e9 / rate))
            for a, b in definition.triggers(wave, rate).closed
        ]
        got = windows.get(f"XX.{c}..HHZ", [])
        assert len(got) == len(expected)
        np.testing.assert_allclose(got, expected, atol=2) if got else None


@pytest.mark.parametrize("rate", RATES)
def test_characteristic_equals_the_definitions_filter(rate: float) -> None:
    samples = np.random.default_rng(5).normal(size=round(30 * rate)) * 1000
    filtered, _ = PickerBank.characteristic(samples, rate)
    expected = definition.band_passed(samples, rate)
    np.testing.assert_allclose(filtered, expected, atol=1e-9 * np.abs(expected).max())


def test_a_week_of_noise_leaves_the_state_as_if_it_had_just_begun() -> None:
    rate, chunk, chunks = 20.0, 120_000, 101  # 7 days at 20 Hz
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(8, chunk)) * 100
    bank = PickerBank()
    for k in range(chunks):
        drift = 1000.0 * k  # the offset wanders off by a hundred thousand counts
        start_ns = round(k * chunk * 1e9 / rate)
        bank.process([Packet(f"XX.{c}..HHZ", start_ns, rate, noise[c] + drift) for c in range(8)])
    # The last 100 minutes alone, far longer than anything is remembered
    for c in range(8):
        tail = PickerBank.characteristic(noise[c] + drift, rate)[1][-1]
        nsta, nlta = int(0.3 * rate), int(10 * rate)
        *_, sta, lta = bank._core.state(c)
        assert (sta / nsta) / (lta / nlta) == pytest.approx(tail, rel=1e-9)
    assert bank.counters.gaps_bridged == bank.counters.duplicates == 0
    assert bank.counters.samples == 8 * chunk * chunks


def test_a_channel_gone_silent_holds_no_denormals() -> None:
    rng = np.random.default_rng(0)
    bank = PickerBank()
    bank.process([Packet("XX.A..HHZ", 0, 100.0, rng.normal(size=2000))])
    for k in range(400):
        bank.process([Packet("XX.A..HHZ", (20 + 10 * k) * 10**9, 100.0, np.zeros(1000))])
    assert all(v == 0 or abs(v) > np.finfo(float).tiny for v in bank._core.state(0))
    assert bank.counters.dead == 1


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.int32]))
@example(seed=7, form=np.int32)
def test_eight_alike_are_picked_as_each_alone_in_any_cut(seed: int, form: type) -> None:
    rng = np.random.default_rng(seed)
    waves = [a_wave(rng, 100.0, 45) for _ in range(16)]
    quiet = np.rint(waves[3] / 1000)  # neighbours are often equal
    waves[3] = quiet + np.where(rng.random(4500) < 0.001, 500, 0)
    waves = [np.nan_to_num(wave).clip(-8388607, 8388607).astype(form) for wave in waves]
    if form is np.float32:
        waves[5][rng.integers(0, 4500, 3)] = [np.nan, np.inf, 1e25]
    found = []
    # The least and the most samples of a packet
    for least, most in (
        *((n, n) for n in (100, 61, 9, 128, 400, 7)),
        (95, 105),
        (9, 60),
        (100, 400),
        (1, 300),
    ):
        bank, picks, at = PickerBank(), [], np.zeros(16, np.int64)
        while (at < 4500).any():
            ends = at + rng.integers(least, most + 1, 16)
            picks += bank.process(
                [
                    Packet(f"XX.{c}..HHZ", int(at[c]) * 10**7, 100.0, wave[at[c] : ends[c]])
                    for c, wave in enumerate(waves)
                ]
            )
            at = np.minimum(ends, 4500)
        counters = bank.counters.as_dict() | {"packets": 0}
        triggers = sorted(bank.take_triggers(), key=lambda t: (t.seed_id, t.on_ns))
        order = sorted(picks, key=lambda pick: (pick.seed_id, pick.time_ns))
        found.append((order, triggers, counters))
    alone = []
    for c, wave in enumerate(waves):
        alone += PickerBank().process([Packet(f"XX.{c}..HHZ", 0, 100.0, wave)])
    found.append((sorted(alone, key=lambda p: (p.seed_id, p.time_ns)), *found[0][1:]))
    assert all(one == found[0] for one in found)


def test_a_channel_whose_samples_change_their_form_is_picked_as_in_float64() -> None:
    rng = np.random.default_rng(4)
    wave = 1e6 + 100 * rng.normal(size=6000)
    wave[4000:] += 3000 * np.sin(np.arange(2000) * 0.3) * np.exp(-np.arange(2000) / 800)
    wave = np.rint(wave)
    ticks = [wave[at : at + 100] for at in range(0, 6000, 100)]

    def picks(forms: list[str]) -> list[tuple[str, int, int, float]]:
        bank, found = PickerBank(), []
        for i, samples in enumerate(ticks):
            # Amid the 11 s that the decision looks back on
            form = [forms[(i // 39 + c) % len(forms)] for c in range(9)]
            found += bank.process(
                [
                    Packet(f"XX.{c}..HHZ", i * 10**9, 100.0, samples.astype(form[c]))
                    for c in range(9)
                ]
            )
        return [(p.seed_id, p.time_ns, p.trigger_ns, p.snr) for p in found]

    expected = picks(["f8"])
    assert len(expected) >= 9
    for forms in (["i4", "f4"], ["f4", "f8"], ["f8", "i4"], ["i4", "f8", "f4"]):
        got = picks(forms)
        assert [row[:3] for row in got] == [row[:3] for row in expected]
        np.testing.assert_allclose([r[3] for r in got], [r[3] for r in expected], rtol=1e-9)


def test_thousands_of_triggers_in_one_tick_are_all_kept() -> None:
    rng = np.random.default_rng(0)
    wave = rng.normal(size=(2000, 1500)).astype(np.float32)
    wave[:, 1200:] *= 50
    bank = PickerBank()
    picks = bank.process(
        [Packet(f"XX.S{c}..HHZ", 0, 100.0, samples) for c, samples in enumerate(wave)]
    )
    assert len({pick.seed_id for pick in picks}) > 1950
    assert bank.counters.triggers >= len(picks)


def wild_ticks(seed: int) -> list[list[Packet]]:
    """Ticks of some channels of all rates and forms, of any lengths, with gaps, repeats and steps
    of the clock."""
    rng = np.random.default_rng(seed)
    rates_hz = [RATES[k] for k in rng.integers(0, len(RATES), 12)]
    waves = [a_wave(rng, rate, rng.uniform(15, 40)) for rate in rates_hz]
    at, shift_ns, ticks = [0] * 12, [0] * 12, []
    while any(a < len(w) for a, w in zip(at, waves, strict=True)):
        tick = []
        for c in rng.permutation(12).tolist():
            for _ in range(rng.integers(0, 3)):  # of some channels two packets, of some none
                n = int(rng.integers(0, 2 * rates_hz[c]))
                if rng.random() < 0.02:
                    shift_ns[c] += int(rng.choice([-20, -1, 0.3, 2, 15]) * 1e9)
                start_ns = round(at[c] * 1e9 / rates_hz[c]) + shift_ns[c]
                tick.append(
                    Packet(f"XX.{c}..HHZ", start_ns, rates_hz[c], waves[c][at[c] : at[c] + n])
                )
                at[c] += n
        ticks.append(tick)
    return ticks


def run(ticks: list[list[Packet]]) -> tuple[list[Pick], list[Trigger], dict[str, int]]:
    bank = PickerBank()
    picks = [pick for tick in ticks for pick in bank.process(tick)]
    triggers = sorted(bank.take_triggers(), key=lambda t: (t.seed_id, t.on_ns))
    return sorted(picks, key=lambda p: (p.seed_id, p.time_ns)), triggers, bank.counters.as_dict()


@needs_core
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_core_and_its_twin_say_the_same(seed: int) -> None:
    ticks = wild_ticks(seed)
    picks, triggers, counters = run(ticks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bank_module, "core", None)
        twin_picks, twin_triggers, twin_counters = run(ticks)
    assert triggers == twin_triggers
    assert counters == twin_counters
    assert len(picks) == len(twin_picks)
    for ours, theirs in zip(picks, twin_picks, strict=True):
        assert astuple(ours)[:3] == astuple(theirs)[:3]
        assert ours.decided_ns == theirs.decided_ns
        np.testing.assert_allclose(astuple(ours)[5:], astuple(theirs)[5:], rtol=1e-8)
        assert ours.snr == pytest.approx(theirs.snr, rel=1e-8)


@needs_core
@pytest.mark.parametrize("seed", range(5))
def test_vectors_of_any_width_give_the_same_to_the_last_bit(seed: int) -> None:
    core, ticks = bank_module.core, wild_ticks(seed)
    widest, found = core.vectors(), []
    kinds = [kind for kind in ("plain", "avx2", "avx512") if core.choose(kind)]
    for kind in kinds:
        assert core.choose(kind)
        found.append(run(ticks))
    assert core.choose(widest)
    assert all(one == found[0] for one in found)
    assert "plain" in kinds
    assert found[0][2]["triggers"] > 0


@needs_core
def test_the_averages_of_core_and_twin_are_the_same_to_the_last_bit() -> None:
    rng = np.random.default_rng(8)
    samples = (rng.normal(size=5000) * 1000).astype(np.float32)
    states = []
    for bank in (bank_module.core.Bank, twin.Bank):
        made = bank(Packet, lambda rate: rates.rate_of(PickerConfig(), rate), 10.0, 2.5, 0.9)
        for at in range(0, 5000, 100):
            made.process([Packet("XX.A..HHZ", at * 10**7, 100.0, samples[at : at + 100])])
        states.append(made.state(0))
    assert states[0] == states[1]


@needs_core
def test_twin_starts_its_filter_as_the_core_does_where_the_first_samples_are_no_numbers() -> None:
    samples = np.random.default_rng(6).normal(500, 9, 3000)
    samples[:300] = np.nan
    states = []
    for bank in (bank_module.core.Bank, twin.Bank):
        made = bank(Packet, lambda rate: rates.rate_of(PickerConfig(), rate), 10.0, 2.5, 0.9)
        made.process([Packet("XX.A..HHZ", 0, 100.0, samples)])
        states.append(made.state(0))
    assert states[0] == states[1]


def test_without_the_core_the_twin_runs_and_one_line_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bank_module, "core", None)
    bank_module.warn_not_built.cache_clear()
    for _ in range(2):
        PickerBank()
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "not built" in said


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(RATES))
@example(seed=99366, rate=100.0)  # a pick decided later has the earlier onset
def test_picks_of_wild_data_do_not_depend_on_the_cuts(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    wave, gap = a_wave(rng, rate, 40), round(rng.uniform(0.1, 6) * rate)
    broken = rng.integers(round(15 * rate), round(30 * rate))
    found = []
    for longest in (10_000, round(rate), 3):
        bank, picks, at = PickerBank(), [], 0
        while at < len(wave):
            end = min(at + int(rng.integers(1, longest + 1)), len(wave))
            end = broken if at < broken < end else end
            start_ns = round((at + (gap if at >= broken else 0)) * 1e9 / rate)
            picks += bank.process([Packet("XX.A..HHZ", start_ns, rate, wave[at:end])])
            at = end
        counters = bank.counters.as_dict()
        picks.sort(key=lambda pick: pick.time_ns)  # each call gives its own in order of onset
        found.append((picks, bank.take_triggers(), counters | {"packets": 0}))
    assert found[0] == found[1] == found[2]
    assert found[0][2]["gaps_bridged"] == 1
