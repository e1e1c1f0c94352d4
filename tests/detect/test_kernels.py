"""The compiled core against its slow twin, in ragged batches, over a week of samples and in the debugger's modes."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ew import Packet, PickerBank
from ew.config import PickerConfig
from ew.detect import bank as bank_module
from ew.detect import layout
from tests.reference import picker as twin

ROOT = Path(__file__).parents[2]
RATES = (20.0, 30.06, 31.25, 50.0, 100.0, 125.0, 200.0, 250.0)
FORMS = (np.float32, np.float64, np.int32)


def a_wave(rng: np.random.Generator, rate: float, seconds: float) -> NDArray:
    """Noise on an offset with bursts, spikes, a stretch of equal samples and, in floats, NaN and infinity."""
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
def test_triggers_of_ragged_batches_equal_the_twins(seed: int, channels: int) -> None:
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
            for a, b in twin.triggers(wave, rate).closed
        ]
        got = windows.get(f"XX.{c}..HHZ", [])
        assert len(got) == len(expected)
        np.testing.assert_allclose(got, expected, atol=2) if got else None


@pytest.mark.parametrize("rate", RATES)
def test_course_equals_the_twins_filter(rate: float) -> None:
    samples = np.random.default_rng(5).normal(size=round(30 * rate)) * 1000
    filtered, _ = PickerBank.characteristic(samples, rate)
    expected = twin.band_passed(samples, rate)
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
        level = bank._state.level[c]
        assert (level[layout.S] / nsta) / (level[layout.L] / nlta) == pytest.approx(tail, rel=1e-9)
    assert bank.counters.gaps_bridged == bank.counters.duplicates == 0
    assert bank.counters.samples == 8 * chunk * chunks


def test_a_channel_gone_silent_holds_no_denormals() -> None:
    rng = np.random.default_rng(0)
    bank = PickerBank()
    bank.process([Packet("XX.A..HHZ", 0, 100.0, rng.normal(size=2000))])
    for k in range(400):
        bank.process([Packet("XX.A..HHZ", (20 + 10 * k) * 10**9, 100.0, np.zeros(1000))])
    held = bank._state.level[0, : layout.L + 1]
    assert all(v == 0 or abs(v) > np.finfo(float).tiny for v in held)
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
    for least, most in (*((n, n) for n in (100, 61, 9, 128, 400, 7)), (95, 105), (9, 60), (100, 400), (1, 300)):  # fmt: skip
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


@pytest.mark.parametrize(("seed", "threads"), [(1, 2), (2, 2), (3, 3), (4, 5), (5, 7)])
def test_picks_and_triggers_are_the_same_with_any_number_of_threads(
    seed: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    channels = 700
    wave = rng.normal(size=(50, 3000)).astype(np.float32)
    wave[::3, 1500:1900] *= 20
    lengths = rng.integers(60, 200, (20, channels)) if seed % 2 else np.full((20, channels), 128)
    found = []
    for n in (1, threads):
        # As few as this go to one thread else
        monkeypatch.setattr(bank_module, "LEAST_SHARE", 100)
        bank, picks, at = PickerBank(PickerConfig(threads=n)), [], np.zeros(channels, np.int64)
        for row in lengths:
            picks += bank.process(
                [
                    Packet(
                        f"XX.S{c}..HHZ",
                        int(at[c]) * 10**7,
                        100.0,
                        wave[c % 50, at[c] : at[c] + row[c]],
                    )
                    for c in range(channels)
                ]
            )
            at = np.minimum(at + row, wave.shape[1])
        found.append((picks, bank.take_triggers(), bank.counters))
    assert found[0] == found[1]
    assert len(found[0][0]) > channels // 4


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


SMALL_RUN = """
import numpy as np, ew
rng = np.random.default_rng(3)
wave = np.round(rng.normal(size=(11, 2600)) * 100)
wave[:, 2000:] *= 20
bank, picks = ew.PickerBank(), []
forms = ("f4", "f8", "i4")
for at in range(0, 2600, 130):
    picks += bank.process([
        ew.Packet(f"XX.{c}..HHZ", at * 10**7, 100.0, wave[c, at : at + 130].astype(forms[c % 3])) for c in range(11)
    ])
for form in ("f4", "i4"):  # eight alike go another way
    alike = ew.PickerBank()
    for at in range(0, 2600, 130):
        for part in (0, 1):
            tick = []
            for c in range(9):
                middle = at + 9 + 5 * (c % 3)
                start, end = (middle, at + 130) if part else (at, middle)
                tick.append(ew.Packet(f"XX.{form}{c}..HHZ", start * 10**7, 100.0, wave[c, start:end].astype(form)))
            picks += alike.process(tick)
    print(alike.counters.as_dict(), len(alike.take_triggers()))
for p in picks:
    print(p.seed_id, p.time_ns, p.trigger_ns, f"{p.snr:.6f}")
print(bank.counters.as_dict(), len(bank.take_triggers()))
"""


def _in_mode(tmp_path: Path, **mode: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **mode}
    call = [sys.executable, "-c", SMALL_RUN]
    done = subprocess.run(
        call,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_interpreted_code_gives_the_compiled_codes_picks(tmp_path: Path) -> None:
    compiled = _in_mode(tmp_path)
    assert compiled.count("XX.") >= 11 + 2 * 9
    assert _in_mode(tmp_path, NUMBA_DISABLE_JIT="1") == compiled


def test_no_index_leaves_its_array(tmp_path: Path) -> None:
    # A cache of its own: numba's does not tell checked code from unchecked
    assert "XX.0" in _in_mode(tmp_path, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(tmp_path))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(RATES))
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
        found.append((picks, bank.take_triggers(), counters | {"packets": 0}))
    assert found[0] == found[1] == found[2]
    assert found[0][2]["gaps_bridged"] == 1
