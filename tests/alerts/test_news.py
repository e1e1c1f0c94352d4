"""Which updates of an event are told to people and partners."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ew import Config, EventVersion, Origin
from ew.alerts.news import is_news
from ew.alerts.planner import AlertPlanner
from ew.geo import distance_km
from ew.pipeline import Pipeline
from ew.shaking.targets import cell_targets, cells_around
from ew.traveltimes import TravelTimes
from simulators import scenario
from simulators.scenario import Play

PLACE = (29.5, 103.5)
TOLD = EventVersion("e", 3, "update", 1e9, Origin(1e9, *PLACE, 10.0, 6.0, 0.2, 3.0), 9)


@pytest.mark.parametrize(
    ("change", "is_told"),
    [
        ({}, False),
        ({"magnitude": 6.05}, False),
        ({"magnitude": 6.11}, True),
        ({"magnitude": 5.89}, True),
        ({"magnitude": math.nan}, True),
        ({"latitude": 29.51}, False),
        ({"latitude": 29.52}, True),
        ({"latitude": 29.52, "horizontal_error_km": 20.0}, False),
        ({"longitude": 103.53}, True),
        ({"depth_km": 14.0}, False),
        ({"depth_km": 16.0}, True),
        ({"time_s": 1e9 + 0.3}, False),
        ({"time_s": 1e9 - 0.6}, True),
    ],
)
def test_an_update_is_news_if_it_is_shown_differently(
    change: dict[str, Any], is_told: bool
) -> None:
    assert is_news(TOLD, replace(TOLD, origin=replace(TOLD.origin, **change))) == is_told


@pytest.mark.parametrize(("stations", "is_told"), [(10, False), (17, False), (18, True)])
def test_twice_the_stations_are_news(stations: int, is_told: bool) -> None:
    assert is_news(TOLD, replace(TOLD, stations=stations)) == is_told


def versions_of(magnitude: float, planner: AlertPlanner | None) -> Sequence[EventVersion]:
    """What a pipeline publishes of an earthquake amid sixty stations."""
    everyone = scenario.stations()
    away = distance_km(*PLACE, [s.latitude for s in everyone], [s.longitude for s in everyone])
    nearest = [replace(everyone[n], noise=0.2) for n in np.argsort(away)[:60]]
    played = Play(nearest, [Origin(1e9 + 14.0, *PLACE, 10.0, magnitude)], 1e9, 60.0)
    pipeline = Pipeline(Config(), played.inventory, TravelTimes.load(), planner)
    return [
        version
        for now_ns, packets in pipeline.moments(played.packets(0.5))
        for version in pipeline.feed(packets, now_ns).versions
    ]


def test_a_dense_network_tells_an_m6_in_few_versions_that_end_where_all_would(
    travel_times: TravelTimes,
) -> None:
    cells = cell_targets(cells_around(*PLACE, 150.0))
    told = versions_of(6.0, AlertPlanner(Config(), travel_times, [cells]))
    everything = versions_of(6.0, None)
    assert len(told) <= len(everything) / 2
    assert [version.version for version in told] == list(range(1, len(told) + 1))
    assert (told[0].kind, told[0].issued_s) == ("alert", everything[0].issued_s)
    for known in everything:
        last = [one for one in told if one.issued_s <= known.issued_s][-1]
        assert not is_news(last, replace(known, stations=last.stations))
