"""Whatever form packets come in, they are read as Python reads them, and no lie brings the process
down.
"""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ew import Packet, PickerBank

WAVE = np.random.default_rng(1).normal(size=6000) * 100
WAVE[4000:] *= 30


class Subclass(Packet):
    """A packet with behaviour of its own."""


def picks(form: Callable[[int, np.ndarray], Packet]) -> list[tuple[int, int]]:
    bank, found = PickerBank(), []
    for at in range(0, 6000, 200):
        found += bank.process([form(at * 10**7, WAVE[at : at + 200])])
    assert bank.counters.refused == 0
    return [(p.time_ns, p.trigger_ns) for p in found]


@pytest.mark.parametrize(
    "form",
    [
        lambda t, x: Packet("XX.A..HHZ", np.int64(t), 100.0, x),
        lambda t, x: Packet("XX.A..HHZ", t, np.float64(100.0), x),
        lambda t, x: Packet("XX.A..HHZ", t, 100, x),
        lambda t, x: Packet("XX.A..HHZ", np.uint64(t), np.float32(100.0), x),
        lambda t, x: Packet("XX.A..HHZ", float(t), 100.0, x),
        lambda t, x: Subclass("XX.A..HHZ", t, 100.0, x),
        lambda t, x: Packet("XX.A..HHZ", t, 100.0, x.astype(">f8")),
        lambda t, x: Packet("XX.A..HHZ", t, 100.0, np.repeat(x, 2)[::2]),
        lambda t, x: Packet(
            "XX.A..HHZ", t, 100.0, np.frombuffer(b"\0" + x.tobytes(), "f8", offset=1)
        ),
        lambda t, x: Packet(str(b"XX.A..HHZ", "ascii"), t, 100.0, x),
        lambda t, x: Packet("XX.A..HHZ", t, 100.0, x[::-1][::-1]),
    ],
)
def test_packet_of_any_form_gives_the_plain_packets_picks(form: Callable) -> None:
    assert picks(form) == picks(lambda t, x: Packet("XX.A..HHZ", t, 100.0, x)) != []


def test_read_only_samples_and_tuples_of_packets_are_taken() -> None:
    samples = WAVE[:100].copy()
    samples.flags.writeable = False
    bank = PickerBank()
    bank.process((Packet("XX.A..HHZ", 0, 100.0, samples),))
    assert bank.counters.samples == 100


def test_the_callers_list_is_left_as_it_was() -> None:
    packets = [
        Packet("XX.A..HHZ", 0, 100.0, np.zeros(3, np.int64)),
        Packet("XX.B..HHZ", 0.0, 100.0, WAVE[:5]),
    ]
    given = list(packets)
    bank = PickerBank()
    bank.process(packets)
    assert all(a is b for a, b in zip(packets, given, strict=True))
    assert bank.counters.refused == 1
    assert bank.counters.samples == 5


@pytest.mark.parametrize(
    "packet",
    [
        Packet("XX.A..HHZ", 2**70, 100.0, WAVE[:5]),
        Packet("XX.A..HHZ", 0, 1e9, WAVE[:5]),
        Packet("XX.A..HHZ", 0, float("nan"), WAVE[:5]),
        Packet("XX.A..HHZ", 0, 0.0, WAVE[:5]),
        Packet("XX.A..HHZ", 0, 100.0, np.array(3.0)),
    ],
)
def test_unusable_packet_is_refused_and_the_rest_runs(packet: Packet) -> None:
    bank = PickerBank()
    bank.process([packet, Packet("XX.B..HHZ", 0, 100.0, WAVE[:7])])
    assert (bank.counters.refused, bank.counters.samples) == (1, 7)


def test_what_is_no_packet_raises_at_once() -> None:
    with pytest.raises(AttributeError):
        PickerBank().process([Packet("XX.A..HHZ", 0, 100.0, WAVE[:5])] * 20 + [object()] * 20)


def test_empty_packets_and_ticks_do_nothing() -> None:
    bank = PickerBank()
    assert bank.process([]) == []
    assert bank.process([Packet("XX.A..HHZ", 0, 100.0, WAVE[:0])]) == []
    assert bank.counters.packets == 0


class Liar:
    """A packet whose fields are what the test says, asked for by code of its own."""

    def __init__(self, *fields: Any, then: Callable[[], None] = lambda: None) -> None:
        self._fields, self._then = fields, then

    def __getattr__(self, name: str) -> Any:
        if name not in Packet.__slots__:
            raise AttributeError(name)
        self._then()
        return self._fields[Packet.__slots__.index(name)]


ODD_SAMPLES = st.sampled_from(
    [
        np.zeros(0, np.float32),
        np.zeros(3, np.int64),
        np.zeros(3, "S4"),
        np.zeros(3, object),
        np.zeros((3, 3)),
        np.array(1.0),
        np.float64(1.0),
        np.ma.masked_array([1.0, 2.0], [True, False]),
        np.broadcast_to(np.float32(1), 100),
        np.broadcast_to(np.float32(1), 2**45),
        np.arange(100, dtype=">i4"),
        np.arange(400, dtype=np.float64)[::-3],
        np.frombuffer(b"x" * 401, "f4", 100, 1),
        np.recarray(3, [("a", "f4")]),
        np.full(1000, np.nan),
        np.full(1000, np.inf, np.float32),
        np.full(1000, 1e308),
        np.full(1000, 5e-324),
        np.full(1000, -(2**31), np.int32),
        np.zeros(5000, np.int32),
        [1.0, 2.0],
        b"12345678",
        None,
    ]
)
ODD_NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.integers(-(10**9), 10**11),
    st.floats(),
    st.sampled_from(
        [None, "7", b"7", True, np.int32(5), np.uint64(2**63), np.float16(100), 1j, []]
    ),
)
RATES_HZ = st.one_of(st.sampled_from([20.0, 100.0, 100, 99.0, 250.0]), ODD_NUMBERS)
SEED_IDS = st.sampled_from(["XX.A..HHZ", "XX.B..HHZ", "XX.C..HHZ", "", "\ud800", 5, None, ()])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(
            st.tuples(
                SEED_IDS,
                st.one_of(st.integers(0, 60 * 10**9), ODD_NUMBERS),
                RATES_HZ,
                st.one_of(st.integers(1, 3000), ODD_SAMPLES),
                st.booleans(),
            ),
            max_size=12,
        ),
        max_size=6,
    )
)
def test_no_packet_of_any_kind_stops_what_comes_after(ticks: list[list[Any]]) -> None:
    bank = PickerBank()
    for tick in ticks:
        packets: list[Any] = []
        for seed_id, start, rate, samples, is_liar in tick:
            values = WAVE[:samples].astype(np.float32) if isinstance(samples, int) else samples
            packets.append((Liar if is_liar else Packet)(seed_id, start, rate, values))
        bank.process(packets)
    before = bank.counters.samples
    bank.process([Packet("XX.NEW..HHZ", 0, 100.0, WAVE)])
    assert bank.counters.samples == before + len(WAVE)


def test_packets_that_change_the_tick_while_they_are_read_do_no_harm() -> None:
    bank, tick = PickerBank(), []

    def spoil() -> None:
        victim = tick[0]
        victim.samples = np.zeros(1)
        del tick[4:]
        tick.extend([Packet("XX.Z..HHZ", 0, 100.0, WAVE[:50])] * 100)
        del tick[200:]
        gc.collect()

    tick += [Packet(f"XX.{k}..HHZ", 0, 100.0, WAVE.copy()) for k in range(3)]
    tick += [Liar("XX.L..HHZ", 0, 100.0, WAVE.copy(), then=spoil)]
    tick += [Packet(f"XX.{k}..HHZ", 0, 100.0, WAVE.copy()) for k in range(50)]
    bank.process(tick)
    assert bank.counters.samples >= 4 * len(WAVE)


def test_a_packet_that_feeds_its_own_bank_raises_and_the_bank_goes_on() -> None:
    bank = PickerBank()

    def again() -> None:
        bank.process([])

    if bank.__class__.__module__ and hasattr(bank._core, "_channels"):
        pytest.skip("the twin has no state of a tick")
    with pytest.raises(RuntimeError):
        bank.process([Liar("XX.L..HHZ", 0, 100.0, WAVE, then=again)])
    bank.process([Packet("XX.A..HHZ", 0, 100.0, WAVE)])
    assert bank.counters.samples == len(WAVE)


def test_a_packet_that_raises_leaves_the_channels_as_they_were() -> None:
    bank = PickerBank()

    def fail() -> None:
        raise KeyError("no field today")

    good = Packet("XX.A..HHZ", 0, 100.0, WAVE)
    with pytest.raises(KeyError):
        bank.process([good, Liar("XX.L..HHZ", 0, 100.0, WAVE, then=fail)])
    assert bank.counters.samples == 0
    bank.process([good])
    assert bank.counters.samples == len(WAVE)
    assert bank.counters.duplicates == 0


def test_no_reference_is_lost_or_kept() -> None:
    import sys  # noqa: PLC0415 - for this alone

    bank, samples, seed_id = PickerBank(), WAVE[:100].copy(), "XX." + "A" * 3 + "..HHZ"
    bank.process([Packet(seed_id, 0, 100.0, samples)])
    before = sys.getrefcount(samples), sys.getrefcount(seed_id)
    for k in range(1, 200):
        bank.process([Packet(seed_id, k * 10**9, 100.0, samples)] * 3)
        bank.process([Packet(seed_id, 0, float("nan"), samples), Packet(seed_id, 0, 1, samples)])
    assert (sys.getrefcount(samples), sys.getrefcount(seed_id)) == before
