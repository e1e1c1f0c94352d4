"""What the page shows of the ground."""

import numpy as np

from ew import Channel, Packet, Pick
from ew.service.ground_motion import STATIONS_MOST, TRACES_MOST, GroundMotion

NOW_NS = 1_700_000_000_000_000_000


def channel(code: str, units: str = "M/S**2") -> Channel:
    return Channel(f"XX.{code}..HNZ", 30.0, 103.0, 0.0, 1e5, units)


def packet(seed_id: str, samples: np.ndarray, rate: float = 100.0) -> Packet:
    return Packet(seed_id, NOW_NS - 1_000_000_000, rate, samples.astype(np.float32))


def view(channels: list[Channel]) -> GroundMotion:
    inventory = {c.seed_id: c for c in channels}
    return GroundMotion(inventory, list(inventory), "CSIS")


def wave(pga_m_s2: float, hertz: float = 2.0) -> np.ndarray:
    return pga_m_s2 * 1e5 * np.sin(2 * np.pi * hertz * np.arange(100) / 100.0)


def test_station_that_shakes_harder_has_the_larger_intensity_whatever_its_offset() -> None:
    shown = view([channel("A"), channel("B"), channel("C")])
    shown.take(
        [
            packet("XX.A..HNZ", wave(0.001)),
            packet("XX.B..HNZ", wave(0.1) + 40_000),
            packet("XX.C..HNZ", wave(2.0)),
            packet("XX.Z..HNZ", wave(9.0)),  # not ours
        ],
        (),
    )
    motion = shown.take_messages(NOW_NS)[0]
    found = motion["stations"]
    assert list(found) == ["XX.A", "XX.B", "XX.C"]
    assert found["XX.A"] == 1.0
    # CSIS of 0.1 m/s² and 0.1/(4 pi) m/s: 3.4 and 3.5; of 2 m/s²: 7.5, 7.4
    assert 3.2 < found["XX.B"] < 3.8
    assert 7.0 < found["XX.C"] < 8.0
    assert shown.take_messages(NOW_NS) == [], "once"


def test_velocity_sensor_is_read_as_one() -> None:
    velocity = Channel("XX.V..HHZ", 30.0, 103.0, 0.0, 1e5, "M/S")
    shown = GroundMotion({velocity.seed_id: velocity}, [velocity.seed_id], "CSIS")
    shown.take([packet("XX.V..HHZ", wave(0.1 / (4 * np.pi)))], ())
    assert 3.2 < shown.take_messages(NOW_NS)[0]["stations"]["XX.V"] < 3.8


def test_packets_that_follow_each_other_make_one_trace_and_a_gap_two() -> None:
    shown = view([channel("A")])
    starts = (0, 100_000_000, 200_000_000, 500_000_000)
    samples = np.ones(10, np.float32)
    shown.take([Packet("XX.A..HNZ", NOW_NS + ns, 100.0, samples) for ns in starts], ())
    traces = [m for m in shown.take_messages(NOW_NS) if m["type"] == "waveform"]
    assert [(t["start_us"] - NOW_NS // 1000, len(t["samples"])) for t in traces] == [
        (0, 6),
        (500_000, 2),
    ]


def test_trace_is_thinned_and_keeps_its_peak() -> None:
    shown = view([channel("A")])
    samples = np.zeros(100)
    samples[37] = -1234.0
    shown.take([packet("XX.A..HNZ", samples)], ())
    (trace,) = [one for one in shown.take_messages(NOW_NS) if one["type"] == "waveform"]
    assert (trace["rate"], len(trace["samples"])) == (20.0, 20)
    assert min(trace["samples"]) == -1234.0


def test_stations_that_picked_come_first_and_a_large_network_has_its_turns() -> None:
    channels = [channel(f"S{i:03d}") for i in range(2 * STATIONS_MOST)]
    shown = view(channels)
    last = channels[-1].seed_id
    shown.take((), [Pick(last, NOW_NS, NOW_NS, 9.0)])
    seen: set[str] = set()
    for second in range(3):
        shown.take([packet(c.seed_id, wave(0.01)) for c in channels], ())
        told = shown.take_messages(NOW_NS + second * 1_000_000_000)
        assert len(told[0]["stations"]) == STATIONS_MOST
        seen |= set(told[0]["stations"])
        traces = [one["seed_id"] for one in told if one["type"] == "waveform"]
        assert len(traces) == TRACES_MOST
        assert traces[0] == last
    assert len(seen) == len(channels)


def test_broken_samples_and_a_backlog_neither_fail_nor_flood() -> None:
    shown = view([channel("A")])
    broken = np.full(100, np.nan)
    shown.take([packet("XX.A..HNZ", broken)], ())
    motion, trace = shown.take_messages(NOW_NS)
    assert motion["stations"] == {"XX.A": 1.0}
    assert trace["samples"] == [0.0] * 20
    shown.take([packet("XX.A..HNZ", wave(0.01))] * 10_000, ())
    assert len(shown.take_messages(NOW_NS)) < 100
