"""S onsets on the horizontals: found where S is, only there, and worth something to the
location."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ew import Channel, Config, Origin, Packet, Pick
from ew.geo import destination, distance_km
from ew.locate.amplitudes import History
from ew.locate.events import EventEngine
from ew.locate.shear import ShearWaves, SOnset
from ew.traveltimes import TravelTimes
from simulators.waveforms import ground_acceleration

P_S = 20.0
START_NS = 1_600_000_000 * 10**9
PICK_NS = START_NS + round(P_S * 1e9)
PICK = Pick("XX.A..HNZ", PICK_NS, PICK_NS, 10.0)
NOISE = 2e-4


def station(
    seed: int, s_minus_p_s: float, *, rate: float = 100.0, magnitude: float = 5.0
) -> np.ndarray:
    """(3, N) m/s² of an earthquake in noise, P at ``P_S``."""
    rng = np.random.default_rng(seed)
    moved = ground_acceleration(
        rng,
        round(60 * rate),
        rate,
        magnitude=magnitude,
        distance_km=8.0 * s_minus_p_s,
        p_onset_s=P_S,
        s_onset_s=P_S + s_minus_p_s,
    )
    return moved + rng.normal(0, NOISE, moved.shape)


def packets(
    component: str, samples: np.ndarray, rate: float, cuts: Sequence[int] = ()
) -> list[Packet]:
    edges = [0, *sorted(cuts), len(samples)]
    return [
        Packet(f"XX.A..HN{component}", START_NS + round(a / rate * 1e9), rate, samples[a:b])
        for a, b in pairwise(edges)
        if b > a
    ]


def found(components: dict[str, np.ndarray], rate: float = 100.0) -> SOnset | None:
    return behind(p for name, row in components.items() for p in packets(name, row, rate))


def behind(given: Iterable[Packet]) -> SOnset | None:
    history = History()
    for packet in given:
        history.add(packet)
    return ShearWaves(history).behind(PICK)


def after_p(onset: SOnset | None) -> float:
    assert onset is not None
    return onset.time_s - PICK_NS / 1e9


@pytest.mark.parametrize("rate", [31.25, 100.0])
@pytest.mark.parametrize("s_minus_p_s", [2.5, 6.0, 11.0])
def test_s_is_found_where_it_is(s_minus_p_s: float, rate: float) -> None:
    errors = []
    for seed in range(12):
        moved = station(seed, s_minus_p_s, rate=rate)
        errors.append(after_p(found({"N": moved[1], "E": moved[2]}, rate)) - s_minus_p_s)
    assert abs(np.median(errors)) < 0.2
    assert np.max(np.abs(errors)) < 0.6


def test_s_is_not_found_before_it_is_there() -> None:
    early = 0
    for seed in range(20):
        moved = station(seed, 8.0)[:, : round((P_S + 7.5) * 100)]
        early += found({"N": moved[1], "E": moved[2]}) is not None
    assert early <= 1


def test_noise_has_no_s() -> None:
    rng = np.random.default_rng(1)
    noise = [found({"N": rng.normal(size=6000), "E": rng.normal(size=6000)}) for _ in range(30)]
    assert noise == [None] * 30


def test_p_that_still_rises_is_not_taken_for_s() -> None:
    """P comes in small and is six times as large 1.5 s later, on all components, most on the
    vertical."""
    rng = np.random.default_rng(2)
    t = np.arange(6000) / 100
    grows = np.where(t < P_S, 0.01, np.where(t < P_S + 1.5, 1.0, 6.0))
    wave = rng.normal(size=(3, 6000)) * grows * np.array([[1.0], [0.5], [0.5]])
    assert found({"Z": wave[0], "N": wave[1], "E": wave[2]}) is None
    assert found({"N": wave[1], "E": wave[2]}) is not None  # that is what the vertical is for


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(1, 5999), max_size=40), seed=st.integers(0, 5))
def test_the_onset_does_not_depend_on_how_samples_are_cut(cuts: list[int], seed: int) -> None:
    moved = station(seed, 6.0)
    rows = (("N", moved[1]), ("E", moved[2]))
    cut = behind(p for name, row in rows for p in packets(name, row, 100.0, cuts))
    assert cut == behind(p for name, row in rows for p in packets(name, row, 100.0))


def test_one_component_is_enough_and_a_dead_one_does_not_hold_it_up() -> None:
    moved = station(3, 6.0)
    assert after_p(found({"N": moved[1]})) == pytest.approx(6.0, abs=0.5)
    dead = moved[2][: round((P_S - 8) * 100)]
    assert after_p(found({"N": moved[1], "E": dead})) == pytest.approx(6.0, abs=0.5)


def test_nothing_is_read_across_a_gap() -> None:
    moved = station(4, 6.0)
    edges = [round((P_S + s) * 100) for s in (3, 5)]
    before, _, after = packets("N", moved[1], 100.0, edges)
    assert behind([before, after]) is None


def test_bad_samples_are_passed_over() -> None:
    moved = station(5, 6.0)
    moved[1, 500] = np.nan
    assert after_p(found({"N": moved[1], "E": moved[2]})) == pytest.approx(6.0, abs=0.5)


def epicentre_error_km(seed: int, table: TravelTimes, components: str) -> float:
    """Four stations in a line, an earthquake 60 km aside of it: their P alone can't tell how
    far."""
    rng = np.random.default_rng([3, seed])
    origin = Origin(P_S, 30.0 + 0.54 * (-1) ** seed, 100.0 + rng.uniform(-0.3, 0.3), 15.0, 5.5)
    places = [destination(30.0, 100.0, 90.0, 25.0 * k) for k in (-2, -1, 1, 2)]
    inventory, traces, picks = {}, {}, []
    for k, (latitude, longitude) in enumerate(places):
        away = float(distance_km(origin.latitude, origin.longitude, latitude, longitude))
        p_s = P_S + float(table.p_s(away, 15.0)) + rng.normal(0, 0.25)
        moved = ground_acceleration(
            rng,
            8000,
            100.0,
            magnitude=5.5,
            distance_km=float(np.hypot(away, 15.0)),
            p_onset_s=p_s,
            s_onset_s=P_S + float(table.s_s(away, 15.0)),
        )
        moved += rng.normal(0, NOISE, moved.shape)
        for name, row in zip("ZNE", moved, strict=True):
            seed_id = f"XX.L{k}..HN{name}"
            inventory[seed_id] = Channel(
                seed_id, float(latitude), float(longitude), 0.0, 1.0, "M/S**2"
            )
            if name in components:
                traces[seed_id] = row
        onset_ns = round(p_s * 1e9)
        swings = float(np.abs(moved[0, round(p_s * 100) :][:50]).max())
        picks.append(Pick(f"XX.L{k}..HNZ", onset_ns, onset_ns, 20.0, onset_ns, 0.2, swings))
    engine = EventEngine(Config(), inventory, table)
    error_km = np.inf
    for second in range(1, 80):
        tick = [
            Packet(seed_id, (second - 1) * 10**9, 100.0, row[(second - 1) * 100 : second * 100])
            for seed_id, row in traces.items()
        ]
        due = [p for p in picks if second - 1 <= p.time_ns / 1e9 + 0.5 < second]
        for version in engine.feed(due, tick, float(second)):
            o = version.origin
            # The line's mirror image is as likely: only how far from it is asked
            error_km = min(
                float(distance_km(latitude, origin.longitude, o.latitude, o.longitude))
                for latitude in (origin.latitude, 60.0 - origin.latitude)
            )
    return error_km


def test_horizontals_tell_how_far_an_earthquake_beside_a_line_of_stations_is(
    travel_times: TravelTimes,
) -> None:
    vertical, all_three = (
        [epicentre_error_km(seed, travel_times, components) for seed in range(8)]
        for components in ("Z", "ZNE")
    )
    assert np.mean(all_three) < 0.5 * np.mean(vertical)
    assert np.max(all_three) < 10
