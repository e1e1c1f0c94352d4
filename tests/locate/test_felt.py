"""Where the ground shakes hard at two near stations and no earthquake is found yet, people around
are told what is felt there."""

from dataclasses import replace

import numpy as np
import pytest

from ew import Config, EventVersion
from ew.alerts.planner import AlertPlanner
from ew.geo import destination
from ew.locate import felt
from ew.shaking.targets import cell_targets, cells_around
from ew.traveltimes import TravelTimes
from simulators import trouble
from simulators.scenario import Play, Station
from tests.locate.test_events import CENTRE, START_S, error_km, origin, run
from tests.locate.test_strong import SPREAD, Rows, sparse

PAIR: Rows = [(9.0, 20.0), (13.0, 170.0)]
TRUTH = origin(30.0, 5.7, depth_km=8.0)


def told(
    stations: list[Station], table: TravelTimes, truth: tuple = (TRUTH,)
) -> list[list[EventVersion]]:
    return list(run(Play(stations, list(truth), START_S, 60.0, seed=5), table).values())


def test_what_two_near_stations_feel_is_told_around_them(travel_times: TravelTimes) -> None:
    (history,) = told(sparse(PAIR), travel_times)
    first = history[0]
    assert first.issued_s - TRUTH.time_s < 10
    assert error_km(first, TRUTH) < 20
    assert 4.5 < history[-1].origin.magnitude < 6.3
    cells = cell_targets(cells_around(*CENTRE, 60.0))
    (plan, *_) = AlertPlanner(Config(), travel_times, [cells]).plan(first, first.issued_s)
    assert max(plan.intensity[plan.chosen]) > 4.5


def test_without_the_rule_nobody_is_told(
    travel_times: TravelTimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(felt, "HARD_M_S2", np.inf)
    assert told(sparse(PAIR), travel_times) == []


def test_earthquake_that_is_found_later_goes_on_from_it(travel_times: TravelTimes) -> None:
    rows = [*PAIR, (75.0, 60.0), (85.0, 200.0), (95.0, 300.0)]
    (history,) = told(sparse(rows), travel_times)
    assert history[0].stations == 2
    assert history[-1].stations >= 4
    assert [v.version for v in history] == list(range(1, len(history) + 1))
    assert error_km(history[-1], TRUTH) < 10


def test_far_apart_or_mild_shaking_is_not_told(travel_times: TravelTimes) -> None:
    assert told(sparse([(18.0, 0.0), (18.0, 180.0)]), travel_times) == []
    assert told(sparse(PAIR), travel_times, (replace(TRUTH, magnitude=4.0),)) == []


def test_quiet_live_stations_around_stand_against_it(travel_times: TravelTimes) -> None:
    play = Play(sparse(PAIR), [TRUTH], START_S, 60.0, seed=5)
    places = [destination(*CENTRE, 50.0 * k, 3.0 + 1.5 * k) for k in range(4)]
    quiet = [
        Station(f"Q{i}", float(lat), float(lon), 0.0, "HN", 0.4)
        for i, (lat, lon) in enumerate(places)
    ]
    both = Play([*play.stations, *quiet], [], START_S, 60.0)
    silent = Play(quiet, [], START_S, 60.0, seed=6)
    packets = sorted(
        [*play.packets(1.0), *silent.packets(1.0)], key=lambda item: (item[0], item[1].seed_id)
    )
    assert run(both, travel_times, iter(packets)) == {}


ISOLATED: dict[str, Rows] = {
    "two side by side": [(1.0, 20.0), (4.0, 170.0)],
    "two 20 km apart": [(9.0, 20.0), (13.0, 170.0)],
    "three around": [(15.0, 20.0), (20.0, 140.0), (25.0, 260.0)],
    "three far apart": SPREAD,
}


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("where", ISOLATED)
def test_what_is_no_earthquake_is_not_told_where_no_quiet_station_stands_against_it(
    where: str, seed: int, travel_times: TravelTimes
) -> None:
    """Blasts, floods and glitches at every station there is: only the course of the motion tells
    them from an earthquake."""
    play = Play(sparse(ISOLATED[where]), [], START_S, 60.0, seed)
    codes = {s.code for s in play.stations}
    changes = {
        "lightning": trouble.lightning(play.stations, *CENTRE, 30.0),
        "spikes": trouble.spikes(30.0),
        "steps": trouble.steps(30.0),
        "calibration": trouble.calibration(20.0),
        "flood": trouble.flood(codes, seed),
        "blast": trouble.blast(play.stations, *CENTRE, 30.0, seed),
    }
    told_of = {
        what: run(play, travel_times, trouble.changed(play.packets(1.0), START_S, change))
        for what, change in changes.items()
    }
    assert {what: len(events) for what, events in told_of.items() if events} == {}
