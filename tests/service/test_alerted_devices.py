"""How many devices of each kind an event was for, and how many have been told."""

from collections.abc import Sequence

import numpy as np
import pytest

from ew import Config, EventVersion, Origin
from ew.alerts.planner import AlertPlan, AlertPlanner
from ew.delivery.retained import SendRecord
from ew.service.alerted_devices import AlertedDevices
from ew.shaking.targets import Targets, cell_targets, cells_around, device_targets
from ew.traveltimes import TravelTimes

ORIGIN = Origin(1e9, 29.0, 103.0, 10.0, 6.0)
KINDS = list(Config().policy.kinds)


def devices(names: Sequence[str]) -> Targets:
    """TVs, and lifts where the name says so, near the epicentre."""
    kinds = [KINDS.index("lift" if name.startswith("lift") else "tv") for name in names]
    return device_targets(
        list(names),
        np.array(kinds, np.uint8),
        np.full(len(names), 29.1),
        np.full(len(names), 103.1),
    )


def version(number: int, magnitude: float = 6.0) -> EventVersion:
    origin = Origin(1e9, 29.0, 103.0, 10.0, magnitude)
    return EventVersion("e1", number, "alert" if number == 1 else "update", 1e9 + 4, origin, 5)


def sent(plan: AlertPlan, most: int = 10_000) -> list[SendRecord]:
    """The records of a plan's first alerts, as the publisher makes them."""
    return [
        SendRecord(plan.topic(n), "e1", plan.version.version, 1, int(plan.order[n]), 5.0, 2, 3)
        for n in range(min(most, len(plan)))
    ]


@pytest.fixture
def planner(travel_times: TravelTimes) -> AlertPlanner:
    cells = cell_targets(cells_around(29.0, 103.0, 30.0))
    return AlertPlanner(Config(), travel_times, [cells, devices(["tv-1", "tv-2", "lift-1"])])


def test_counts_grow_as_the_broker_acknowledges(planner: AlertPlanner) -> None:
    told = AlertedDevices(KINDS)
    cells, tvs = planner.plan(version(1), 1e9 + 4)
    (counts,) = told.update([cells, tvs], [])
    assert counts["event_id"] == "e1"
    assert counts["kinds"]["tv"] == {"alerted": 0, "expected": 2}
    assert counts["kinds"]["lift"] == {"alerted": 0, "expected": 1}
    assert counts["kinds"]["cells"] == {"alerted": 0, "expected": len(cells)}
    assert "phone" not in counts["kinds"]
    (counts,) = told.update([], sent(tvs, 2) + sent(cells))
    assert sum(counts["kinds"][kind]["alerted"] for kind in ("tv", "lift")) == 2
    assert counts["kinds"]["cells"]["alerted"] == len(cells)
    assert told.update([], []) == []


def test_who_is_told_twice_counts_once(planner: AlertPlanner) -> None:
    told = AlertedDevices(KINDS)
    first = planner.plan(version(1, 5.5), 1e9 + 4)
    told.update(first, [record for plan in first for record in sent(plan)])
    again = planner.plan(version(2, 7.5), 1e9 + 5)
    (counts,) = told.update(again, [record for plan in again for record in sent(plan)])
    assert counts["kinds"]["tv"] == {"alerted": 2, "expected": 2}


def test_counts_go_on_when_devices_come(planner: AlertPlanner) -> None:
    told = AlertedDevices(KINDS)
    first = planner.plan(version(1), 1e9 + 4)
    told.update(first, [record for plan in first for record in sent(plan)])
    planner.set_groups(planner.prepare([devices(["tv-3", "tv-2", "tv-1"])]), 1e9 + 5)
    planner.set_groups(planner.prepare_change(devices(["tv-4"]), ["tv-1"]), 1e9 + 5)
    again = planner.plan(version(2), 1e9 + 5)
    assert sum(map(len, again)) == 2
    (counts,) = told.update(again, [])
    assert counts["kinds"]["tv"] == {"alerted": 2, "expected": 4}


def test_an_alert_of_an_event_long_over_counts_nowhere() -> None:
    record = SendRecord("ew/v1/alert/device/tv-1", "old", 1, 1, 0, 5.0)
    assert AlertedDevices(KINDS).update([], [record]) == []
