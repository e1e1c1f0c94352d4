"""Order and replacement in the queue."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ew import Config, EventVersion
from ew.alerts.lanes import USEFUL_LEAD_S, AlertQueue
from ew.alerts.planner import AlertPlanner
from ew.alerts.signing import Signer
from ew.shaking.targets import Targets, device_targets
from ew.traveltimes import TravelTimes
from tests.alerts.conftest import ORIGIN

NOW_S = ORIGIN.time_s + 8.0


def drain(queue: AlertQueue) -> list[tuple[str, int, int, float]]:
    sent = []
    while (due := queue.pop()) is not None:
        plan, place = due.plan, due.place
        sent.append(
            (plan.topic(place), plan.version.version, plan.lane(place), plan.s_arrival_s(place))
        )
    return sent


def test_most_harm_goes_first_then_earliest_arrival(
    planner: AlertPlanner, make_version: Callable[..., EventVersion]
) -> None:
    queue = AlertQueue()
    version = make_version()
    for plan in planner.plan(version, version.issued_s):
        queue.put(plan)
    sent = drain(queue)
    for (_, _, lane, arrival), (_, _, next_lane, next_arrival) in pairwise(sent):
        assert lane < next_lane or (
            lane == next_lane and arrival <= next_arrival + 0.05
        )  # a key's step
    assert len({lane for _, _, lane, _ in sent}) >= 3
    assert len({topic for topic, *_ in sent}) == len(sent)


def test_whom_the_s_wave_has_reached_comes_last(
    planner: AlertPlanner, make_version: Callable[..., EventVersion]
) -> None:
    version = make_version(after_s=20.0)
    for plan in planner.plan(version, version.issued_s):
        late = np.array([plan.s_arrival_s(place) <= version.issued_s for place in range(len(plan))])
        assert late.any()
        assert not late[: len(late) - int(late.sum())].any()


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.floats(4.5, 7.5), st.integers(0, 60)), min_size=1, max_size=8), st.data()
)
def test_nobody_hears_an_older_version_after_a_newer_one(
    travel_times: TravelTimes,
    make_version: Callable[..., EventVersion],
    steps: list,
    data: st.DataObject,
) -> None:
    rng = np.random.default_rng(1)
    tvs = device_targets(
        [f"tv-{i}" for i in range(50)],
        np.ones(50, np.uint8),
        28 + rng.normal(size=50),
        105 + rng.normal(size=50),
    )
    planner, queue = AlertPlanner(Config(), travel_times, [tvs]), AlertQueue()
    heard: dict[str, int] = {}
    final: dict[str, float] = {}

    def send(limit: int) -> None:
        for _ in range(limit):
            due = queue.pop()
            if due is None:
                return
            topic = due.plan.topic(due.place)
            assert heard.get(topic, 0) < due.plan.version.version
            heard[topic] = due.plan.version.version
            final[topic] = float(due.plan.intensity[due.plan.order[due.place]])

    for number, (magnitude, sent_meanwhile) in enumerate(steps, start=1):
        version = make_version(number, magnitude=magnitude)
        for plan in planner.plan(version, version.issued_s):
            queue.put(plan)
        send(sent_meanwhile)
    send(10_000)
    # and what each heard last is within the update threshold of the last version
    last = AlertPlanner(Config(), travel_times, [tvs]).plan(
        make_version(99, magnitude=steps[-1][0]), 0.0
    )
    for plan in last:
        for place in range(len(plan)):
            assert abs(final[plan.topic(place)] - float(plan.intensity[plan.order[place]])) < 0.5


def test_update_reaches_only_whom_it_changes_something_for(
    planner: AlertPlanner, make_version: Callable[..., EventVersion]
) -> None:
    first = planner.plan(make_version(1, magnitude=5.0), NOW_S)
    for plan in planner.plan(make_version(2, magnitude=5.02), NOW_S):
        assert all(
            plan.is_first(place) for place in range(len(plan))
        )  # only who has just come above the threshold
    grown = planner.plan(make_version(3, magnitude=5.8), NOW_S)
    assert sum(map(len, grown)) > sum(map(len, first))
    assert not all(plan.is_first(place) for plan in grown for place in range(len(plan)))


def test_cancel_reaches_everyone_who_was_told_and_nobody_else(
    planner: AlertPlanner, make_version: Callable[..., EventVersion]
) -> None:
    told = {p.topic(i) for p in planner.plan(make_version(1), NOW_S) for i in range(len(p))}
    cancelled = {
        p.topic(i)
        for p in planner.plan(make_version(2, kind="cancel"), NOW_S)
        for i in range(len(p))
    }
    assert cancelled == told


def test_cancel_of_an_event_nobody_heard_of_is_not_sent(
    planner: AlertPlanner, make_version: Callable[..., EventVersion]
) -> None:
    assert planner.plan(make_version(1, kind="cancel"), NOW_S) == []


def _tvs(count: int) -> Targets:
    rng = np.random.default_rng(1)
    places = rng.normal(size=(2, count)) / 3
    return device_targets(
        [f"tv-{i}" for i in range(count)], np.ones(count, np.uint8), 28 + places[0], 105 + places[1]
    )


def test_whoever_has_heard_nothing_goes_before_whoever_is_to_hear_a_change(
    travel_times: TravelTimes, make_version: Callable[..., EventVersion]
) -> None:
    planner, queue = AlertPlanner(Config(), travel_times, [_tvs(50)]), AlertQueue()
    told = set()
    for number, magnitude in ((1, 6.0), (2, 7.0)):
        version = make_version(number, magnitude=magnitude)
        for plan in planner.plan(version, version.issued_s):
            queue.put(plan)
        if number == 1:
            for _ in range(15):
                due = queue.pop()
                assert due is not None
                told.add(due.plan.topic(due.place))
    rest = [
        (lane >= 4, topic in told)
        for topic, _, lane, _ in drain(queue)  # 4 lanes before S, 4 after
    ]
    assert any(was_told for _, was_told in rest)
    assert rest == sorted(rest)


def test_whom_the_s_wave_reaches_while_the_alert_waits_goes_to_the_end(
    travel_times: TravelTimes, make_version: Callable[..., EventVersion]
) -> None:
    planner, queue = AlertPlanner(Config(), travel_times, [_tvs(50)]), AlertQueue()
    version = make_version()
    (plan,) = planner.plan(version, version.issued_s)
    queue.put(plan)
    arrivals = sorted(plan.s_arrival_s(place) for place in range(len(plan)))
    now_s = arrivals[len(arrivals) // 2]
    lead_s = min(USEFUL_LEAD_S, now_s - version.issued_s)
    found = []
    while (due := queue.pop(now_s)) is not None:
        found.append(due.plan.s_arrival_s(due.place) <= now_s + lead_s)
    assert len(found) == len(plan)
    assert any(found)
    assert found == sorted(found)


def test_what_waits_is_said_as_it_was_planned_though_newer_versions_come(
    planner: AlertPlanner, make_version: Callable[..., EventVersion], signer: Signer
) -> None:
    version = make_version()
    plans = planner.plan(version, version.issued_s)
    before = [[plan.message(place, signer) for place in range(len(plan))] for plan in plans]
    for number, magnitude in enumerate((6.6, 7.2, 5.8), 2):
        newer = make_version(number, magnitude=magnitude)
        assert planner.plan(newer, newer.issued_s)
    after = [[plan.message(place, signer) for place in range(len(plan))] for plan in plans]
    assert after == before
