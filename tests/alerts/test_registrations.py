"""Devices that come, move or go between an alert and what follows it."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ew import Config, EventVersion
from ew.alerts.lanes import AlertQueue
from ew.alerts.planner import AlertPlan, AlertPlanner
from ew.shaking.targets import Targets, device_targets
from ew.traveltimes import TravelTimes
from tests.alerts.conftest import ORIGIN

NOW_S = ORIGIN.time_s + 8.0
NAMES = [f"tv-{i}" for i in range(12)]


def devices(names: Sequence[str], shift: float = 0.0) -> Targets:
    """Each in a place of its own near the epicentre, wherever it stands in the list."""
    off = np.array([NAMES.index(name) for name in names], np.float64) / 20.0 + shift
    return device_targets(
        list(names),
        np.full(len(names), 1, np.uint8),
        ORIGIN.latitude + off,
        np.full(len(names), ORIGIN.longitude),
    )


def register(planner: AlertPlanner, names: Sequence[str], shift: float = 0.0) -> None:
    planner.set_groups(planner.prepare([devices(names, shift)]), NOW_S)


def topics(plans: Sequence[AlertPlan]) -> set[str]:
    return {plan.topic(place) for plan in plans for place in range(len(plan))}


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_cancel_reaches_all_who_were_told_whoever_came_moved_or_went(
    travel_times: TravelTimes, make_version: Callable[..., EventVersion], data: st.DataObject
) -> None:
    some = st.lists(st.sampled_from(NAMES), unique=True)
    planner = AlertPlanner(Config(), travel_times, [devices(data.draw(some))])
    told: set[str] = set()
    for number in range(1, 4):
        told |= topics(planner.plan(make_version(number, magnitude=5.0 + number / 2), NOW_S))
        register(planner, data.draw(some), data.draw(st.sampled_from([0.0, 0.3])))
    assert topics(planner.plan(make_version(9, kind="cancel"), NOW_S)) == told


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_change_of_some_is_as_if_all_had_been_read_again(
    travel_times: TravelTimes, make_version: Callable[..., EventVersion], data: st.DataObject
) -> None:
    some = st.lists(st.sampled_from(NAMES), unique=True)
    places = dict.fromkeys(data.draw(some), 0.0)
    planner = AlertPlanner(Config(), travel_times, [devices(list(places))])
    told: set[str] = set()
    for number in range(1, 5):
        told |= topics(planner.plan(make_version(number, magnitude=4.0 + number / 2), NOW_S))
        shift = data.draw(st.sampled_from([0.0, 0.4, 3.0]))
        came = data.draw(some)
        gone = [name for name in data.draw(some) if name not in came]
        planner.set_groups(planner.prepare_change(devices(came, shift), gone), NOW_S)
        places |= dict.fromkeys(came, shift)
        places = {name: at for name, at in places.items() if name not in gone}
        fresh = AlertPlanner(
            Config(), travel_times, [devices([name], at) for name, at in places.items()]
        )
        other = replace(make_version(1), event_id=f"other-{number}")
        assert topics(planner.plan(other, NOW_S)) == topics(fresh.plan(other, NOW_S))
    assert topics(planner.plan(make_version(9, kind="cancel"), NOW_S)) == told


def test_registration_tells_nobody_the_same_twice(
    travel_times: TravelTimes, make_version: Callable[..., EventVersion]
) -> None:
    planner = AlertPlanner(Config(), travel_times, [devices(NAMES[:6])])
    planner.plan(make_version(1), NOW_S)
    register(planner, NAMES[3:][::-1])
    assert topics(planner.plan(make_version(2), NOW_S)) == topics(
        AlertPlanner(Config(), travel_times, [devices(NAMES[6:])]).plan(make_version(1), NOW_S)
    )


@pytest.mark.parametrize(
    "register_again",
    [
        lambda planner: register(planner, NAMES[::-1]),
        lambda planner: planner.set_groups(planner.prepare_change(devices(NAMES[3:5]), []), NOW_S),
    ],
)
def test_what_is_queued_is_replaced_by_name_and_not_by_place_in_the_list(
    register_again: Callable[[AlertPlanner], None],
    travel_times: TravelTimes,
    make_version: Callable[..., EventVersion],
) -> None:
    planner = AlertPlanner(Config(), travel_times, [devices(NAMES)])
    queue = AlertQueue()
    for plan in planner.plan(make_version(1, magnitude=5.5), NOW_S):
        queue.put(plan)
    first = queue.pop(NOW_S)
    assert first is not None
    register_again(planner)
    for plan in planner.plan(make_version(2, magnitude=7.0), NOW_S):
        queue.put(plan)
    heard: dict[str, list[int]] = {first.plan.topic(first.place): [1]}
    while (due := queue.pop(NOW_S)) is not None:
        heard.setdefault(due.plan.topic(due.place), []).append(due.plan.version.version)
    assert {name: versions[-1] for name, versions in heard.items()} == dict.fromkeys(heard, 2)
    assert len(heard) == len(NAMES)
    assert sum(map(len, heard.values())) == len(NAMES) + 1  # nobody else heard version 1 as well


@pytest.mark.parametrize("ahead_s", [3 * 86_400.0, 7_200.0, -600.0, -3 * 86_400.0])
def test_origin_that_cannot_be_warned_of_alerts_nobody(
    planner: AlertPlanner, make_version: Callable[..., EventVersion], ahead_s: float
) -> None:
    version = make_version()
    assert planner.plan(version, version.issued_s)
    moved = replace(version, event_id="other", origin=replace(ORIGIN, time_s=NOW_S + ahead_s))
    assert planner.plan(moved, NOW_S) == []
