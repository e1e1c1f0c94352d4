"""What must not be declared, and what must not break the engine, each by name and on synthetic
waves."""

from dataclasses import replace

import numpy as np
import pytest

from ew import Config, EventVersion, Origin, Packet, Pick
from ew.alerts.planner import AlertPlanner
from ew.geo import distance_km
from ew.locate.events import EventEngine
from ew.pipeline import Pipeline
from ew.report import by_event
from ew.shaking.targets import cell_targets, cells_around
from ew.traveltimes import TravelTimes
from simulators import scenario, trouble
from simulators.scenario import Play, Station
from simulators.teleseism import Teleseism

START_S = 1_600_000_000.0
CENTRE = (29.5, 103.5)


def stations(count: int) -> list[Station]:
    everyone = scenario.stations()
    away = distance_km(*CENTRE, [s.latitude for s in everyone], [s.longitude for s in everyone])
    return [everyone[i] for i in np.argsort(away)[:count]]


def versions(
    play: Play, table: TravelTimes, packets: trouble.Packets | None = None
) -> list[EventVersion]:
    pipeline = Pipeline(Config(), play.inventory, table)
    moments = pipeline.moments(packets if packets is not None else play.packets(1.0))
    return [v for now_ns, tick in moments for v in pipeline.feed(tick, now_ns).versions]


@pytest.mark.parametrize("rise_s", [0.3, 4.0, 10.0])
@pytest.mark.parametrize("seed", [0, 2, 3])
def test_teleseism_through_the_whole_network_declares_nothing(
    seed: int, rise_s: float, travel_times: TravelTimes
) -> None:
    """M 7.2-8.3 at 40-80 degrees; without the test of the picks' period eight of these nine made
    events of M 2.3-6.4.
    """
    rng = np.random.default_rng([9, seed])
    away, azimuth = float(rng.uniform(32, 88)), float(rng.uniform(0, 360))
    magnitude = float(rng.uniform(7, 8.5))
    wave = Teleseism(*CENTRE, away, azimuth, magnitude, START_S + 25.0, rise_s, 30.0, seed)
    play = Play(stations(70), [], START_S, 90.0, seed, others=[wave])
    assert versions(play, travel_times) == []


def test_teleseisms_phases_come_in_order_and_cross_the_network_as_fast_as_they_do() -> None:
    wave = Teleseism(*CENTRE, 60.0, 90.0, 8.0, START_S, 1.0)
    west, east = (replace(stations(1)[0], longitude=lon, latitude=29.5) for lon in (102.0, 105.0))
    near, far = wave.onsets_s(east), wave.onsets_s(west)
    names = ("P", "pP", "PP", "S", "SS", "Rayleigh")
    assert [near[name] for name in names] == sorted(near.values())
    apart = float(distance_km(29.5, 102.0, 29.5, 105.0))
    # Slowness at 60 degrees (ak135): P 6.9, S 12.9 s/degree
    assert apart / (far["P"] - near["P"]) == pytest.approx(111.2 / 6.9, rel=0.1)
    assert apart / (far["S"] - near["S"]) == pytest.approx(111.2 / 12.9, rel=0.1)


@pytest.mark.parametrize("what", ["lightning", "spikes", "steps", "calibration", "flood", "blast"])
def test_what_is_no_earthquake_declares_nothing(what: str, travel_times: TravelTimes) -> None:
    play = Play(stations(60), [], START_S, 60.0, 1)
    changes = {
        "lightning": trouble.lightning(play.stations, *CENTRE, 30.0),
        "spikes": trouble.spikes(30.0),
        "steps": trouble.steps(30.0),
        "calibration": trouble.calibration(20.0),
        "flood": trouble.flood({play.stations[5].code, play.stations[40].code}, 1),
        "blast": trouble.blast(play.stations, *CENTRE, 30.0, 1),
    }
    packets = trouble.changed(play.packets(1.0), START_S, changes[what])
    assert versions(play, travel_times, packets) == []


@pytest.mark.parametrize("seed", [1, 3])
def test_s_waves_of_stations_that_missed_p_make_no_second_event(
    seed: int, travel_times: TravelTimes
) -> None:
    rng = np.random.default_rng([13, seed])
    place = CENTRE + rng.normal(0, 0.3, 2)
    truth = Origin(START_S + 22.0, *place, 12.0, 5.0)
    network = stations(90)
    deaf = frozenset(s.code for s in network if rng.random() < 0.5)
    hidden = trouble.HiddenP(truth, travel_times, deaf)
    play = Play(network, [], START_S, 65.0, seed, others=[hidden])
    (history,) = by_event(versions(play, travel_times)).values()
    last = history[-1].origin
    assert float(distance_km(truth.latitude, truth.longitude, last.latitude, last.longitude)) < 10
    assert last.magnitude == pytest.approx(5.0, abs=0.6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_network_back_from_an_outage_in_the_coda_makes_no_ghost(
    seed: int, travel_times: TravelTimes
) -> None:
    truth = Origin(START_S + 28.0, 29.3 + 0.1 * seed, 103.4, 12.0, 6.2)
    play = Play(stations(80), [truth], START_S, 85.0, seed)
    packets = trouble.without(play.packets(1.0), START_S, 24.0, 49.0 + 3 * seed)
    assert versions(play, travel_times, packets) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_earthquake_below_the_threshold_is_found_and_nobody_is_told(
    seed: int, travel_times: TravelTimes
) -> None:
    truth = Origin(START_S + 22.0, *CENTRE, 8.0, 3.2)
    play = Play(stations(60), [truth], START_S, 50.0, seed)
    planner = AlertPlanner(Config(), travel_times, [cell_targets(cells_around(*CENTRE, 100.0))])
    pipeline = Pipeline(Config(), play.inventory, travel_times, planner)
    outputs = [pipeline.feed(tick, now_ns) for now_ns, tick in pipeline.moments(play.packets(1.0))]
    assert any(output.versions for output in outputs)
    assert not any(output.plans for output in outputs)


def test_hundred_aftershocks_in_ten_minutes_neither_break_nor_invent_anything_large(
    travel_times: TravelTimes,
) -> None:
    main = Origin(START_S + 25.0, *CENTRE, 12.0, 6.3)
    origins = trouble.aftershocks(main, 100, 600.0, seed=4)
    assert len(origins) == 100
    assert origins[-1].time_s < START_S + 625.0
    play = Play(stations(30), origins, START_S, 640.0, 4)
    pipeline = Pipeline(Config(), play.inventory, travel_times)
    found, most = [], 0
    for now_ns, tick in pipeline.moments(play.packets(1.0)):
        found += pipeline.feed(tick, now_ns).versions
        most = max(most, len(pipeline.engine.active_events))
    events = list(by_event(found).values())
    assert abs(events[0][0].origin.time_s - main.time_s) < 2
    assert len(events) <= 100
    assert most <= 40
    assert max(e[-1].origin.magnitude for e in events[1:]) < main.magnitude
    ghosts = [e for e in events if not any(is_of(e[-1].origin, origin) for origin in origins)]
    assert ghosts == []
    assert len(events) >= 10
    for event in events:
        near = [origin.magnitude for origin in origins if is_of(event[-1].origin, origin)]
        assert event[-1].origin.magnitude < max(near) + 0.6


def is_of(found: Origin, truth: Origin) -> bool:
    apart = float(distance_km(found.latitude, found.longitude, truth.latitude, truth.longitude))
    return abs(found.time_s - truth.time_s) < 5 and apart < 40


def test_engine_holds_no_more_after_hours_than_after_minutes(travel_times: TravelTimes) -> None:
    inventory = {c.seed_id: c for s in stations(12) for c in s.channels()[:1]}
    engine = EventEngine(Config(), inventory, travel_times)
    rng, ids = np.random.default_rng(3), list(inventory)
    wave = np.zeros(10, np.float32)
    for step in range(6 * 360):  # six hours
        now_s = START_S + 10.0 * (step + 1)
        start_ns = round((now_s - 10.0) * 1e9)
        time_ns = start_ns + int(rng.integers(0, 10**10))
        picks = [Pick(str(rng.choice(ids)), time_ns, time_ns, 3.0)]
        engine.feed(picks, [Packet(seed_id, start_ns, 1.0, wave) for seed_id in ids], now_s)
    assert len(engine.active_events) <= 2
    assert len(engine._group.free) <= 20
    assert sum(len(tuple(engine._waves._history.packets(seed_id))) for seed_id in ids) <= 6 * len(
        ids
    )
