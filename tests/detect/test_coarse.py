"""Accelerometers of 1 mg a count, which give the same value until an earthquake comes."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from ew import Channel, Packet
from ew.config import Config
from ew.detect.bank import PickerBank
from ew.detect.coarse import CoarseSensors
from ew.pipeline import Pipeline
from ew.traveltimes import TravelTimes
from simulators.scenario import Play
from tests.locate.test_events import START_S, error_km, origin, stations

MG = 9.80665e-3


def coarse(play: Play) -> Iterator[tuple[int, Packet]]:
    """The play's packets as sensors of 1 mg a count give them."""
    gains = {s: c.gain for s, c in play.inventory.items()}
    for at_ns, packet in play.packets(1.0):
        counts = np.round(packet.samples / (gains[packet.seed_id] * MG)).astype(np.int32)
        yield at_ns, replace(packet, samples=counts)


def test_earthquake_is_found_by_sensors_too_coarse_for_noise(travel_times: TravelTimes) -> None:
    truth = origin(30.0, 6.3)
    sites = [replace(s, sensor="HN") for s in stations(16)]
    play = Play(sites, [truth], START_S, 75.0, seed=4)
    inventory = {s: replace(c, gain=1 / MG) for s, c in play.inventory.items()}
    pipeline = Pipeline(Config(), inventory, travel_times)
    moments = pipeline.moments(coarse(play))
    versions = [v for now, tick in moments for v in pipeline.feed(tick, now).versions]
    assert len({v.event_id for v in versions}) == 1
    first, last = versions[0], versions[-1]
    assert first.issued_s - truth.time_s < 15
    assert error_km(first, truth) < 30
    assert last.origin.magnitude == pytest.approx(6.3, abs=0.6)


def everything_coarse(*codes: str) -> CoarseSensors:
    ids = [f"XX.{code}..HNZ" for code in codes]
    return CoarseSensors({s: Channel(s, 1.0, 2.0, 0.0, 1 / MG, "M/S**2") for s in ids})


def test_single_counts_of_a_coarse_sensor_are_seldom_picks() -> None:
    """Twenty sensors whose noise reaches over an edge every ten seconds: fewer than a pick an hour
    and sensor."""
    rng = np.random.default_rng(2)
    codes = [f"S{i}" for i in range(20)]
    coarse, bank = everything_coarse(*codes), PickerBank()
    level = dict.fromkeys((f"XX.{code}..HNZ" for code in codes), 0)
    picks = []
    for second in range(600):
        packets = []
        for seed_id in level:
            samples = np.full(100, level[seed_id], np.int32)
            if rng.random() < 0.1:
                samples[int(rng.integers(100)) :] = level[seed_id] = 1 - level[seed_id]
            packets.append(Packet(seed_id, second * 10**9, 100.0, samples))
        picks += bank.process(coarse.usable(packets))
    assert len(picks) <= 3, [(p.seed_id, p.snr) for p in picks]


def test_dither_is_the_same_however_packets_are_cut_and_other_at_other_channels() -> None:
    samples, coarse = np.zeros(1000, np.int32), everything_coarse("A", "B")
    (whole,) = coarse.usable([Packet("XX.A..HNZ", 10**9, 100.0, samples)])
    parts = coarse.usable(
        Packet("XX.A..HNZ", 10**9 + i * 10**7, 100.0, samples[i : i + 130])
        for i in range(0, 1000, 130)
    )
    assert np.array_equal(whole.samples, np.concatenate([p.samples for p in parts]))
    (other,) = coarse.usable([Packet("XX.B..HNZ", 10**9, 100.0, samples)])
    assert abs(np.corrcoef(whole.samples, other.samples)[0, 1]) < 0.1


def test_fine_sensors_and_samples_that_are_no_counts_are_left_as_they_are() -> None:
    fine = {"XX.C..HNZ": Channel("XX.C..HNZ", 1.0, 2.0, 0.0, 4e5, "M/S**2")}
    packet = Packet("XX.C..HNZ", 0, 100.0, np.zeros(10, np.int32))
    assert CoarseSensors(fine).usable([packet])[0] is packet
    packet = Packet("XX.A..HNZ", 0, 100.0, np.zeros(10, np.float32))
    assert everything_coarse("A").usable([packet])[0] is packet


def test_what_is_coarser_still_is_named_and_left_out() -> None:
    channel = Channel("XX.A..HNZ", 1.0, 2.0, 0.0, 1 / (4 * MG), "M/S**2")
    coarse = CoarseSensors({"XX.A..HNZ": channel})
    assert coarse.usable([Packet("XX.A..HNZ", 0, 100.0, np.zeros(10, np.int32))]) == []
    assert coarse.useless == {"XX.A..HNZ"}
