"""Whatever form packets come in, the compiled reader sees what Python sees."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from ew import Packet, PickerBank
from ew.detect import reader
from ew.detect.frame import frame_of
from ew.detect.layout import BankState, RateParams, Work, batch_for, work_for

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


def nothing_else() -> tuple[RateParams, BankState, Work]:
    none, whole = np.zeros((0, 0)), np.zeros((0, 0), np.int64)
    single = np.zeros((0, 0), np.float32)
    state = BankState(none, whole, single, single)
    return RateParams(none, whole), state, work_for(0, 0)


def test_compiled_and_python_reader_fill_the_same_rows() -> None:
    packets = [
        Packet(f"XX.{k}..HHZ", k * 10**9, 100.0 + k, WAVE[: k + 1].astype(reader.FORMS[k % 3]))
        for k in range(9)
    ]
    packets = [p for p in packets if reader.plain(p) is p]
    slot_of = {f"XX.{k}..HHZ": 8 - k for k in range(9)}
    rows = []
    for plainly in (False, True):
        out, stamps = batch_for(9), np.zeros(9, np.int64)
        if plainly:
            status = reader._read_plainly(packets, 0, 0, slot_of, stamps, 1, out)
        else:
            assert reader.layout() is not None, "this interpreter should be read directly"
            ids, guess = np.zeros(9, np.uint64), np.zeros(9, np.int64)
            frame = frame_of(out, *nothing_else())
            status = reader.read(packets, 0, 0, slot_of, ids, guess, stamps, 1, out, frame)
        rows.append((status, *(column.tolist() for column in out)))
    assert rows[0] == rows[1]
    assert rows[0][0] == (9, 9, 0, False)


def test_packet_keeps_the_four_slots_the_reader_follows() -> None:
    assert [field.name for field in dataclasses.fields(Packet)] == list(Packet.__slots__)
    assert set(Packet.__slots__) == {"seed_id", "start_ns", "sampling_rate", "samples"}
