"""What another service of the same stations tells: ours comes back as an echo, theirs goes on, a
cancel reaches all.
"""

from dataclasses import replace

import pytest

from ew.alerts.other_services import EVENTS_KEPT, OtherServices
from ew.alerts.planner import AlertPlanner
from ew.alerts.release_gate import ReleaseGate
from ew.config import Config, PolicyConfig
from ew.pipeline import Pipeline
from ew.records import EventVersion, Origin, Status
from ew.shaking.targets import cell_targets, cells_around
from ew.traveltimes import TravelTimes
from tests.serving import play

NOW_S = 1.7e9
ORIGIN = Origin(NOW_S - 5, 29.5, 103.5, 10.0, 6.0)
FIRST = EventVersion("ew1", 1, "alert", NOW_S, ORIGIN, 5)


def test_an_echo_of_ours_is_nobodys_and_the_newer_of_theirs_goes_on() -> None:
    other_services = OtherServices()
    other_services.note_ours(FIRST)
    assert not other_services.receive(FIRST)
    assert not other_services.receive(replace(FIRST, issued_s=NOW_S + 0.01)), (
        "the same version, theirs"
    )
    third = replace(FIRST, version=3, kind="update", issued_s=NOW_S + 1)
    assert other_services.receive(third)
    assert not other_services.receive(replace(third, version=2))
    assert [one.version for one in other_services.take("ew1")] == [1, 2, 3]
    assert other_services.take("ew1") == []


def test_it_forgets_the_oldest_events() -> None:
    other_services = OtherServices()
    for number in range(EVENTS_KEPT + 1):
        other_services.receive(replace(FIRST, event_id=f"ew{number}"))
    assert other_services.take("ew0") == []
    assert other_services.take(f"ew{EVENTS_KEPT}")


@pytest.mark.parametrize("mode", ["test", "actual"])
def test_a_cancel_reaches_those_that_only_the_other_service_told(
    travel_times: TravelTimes, mode: Status
) -> None:
    config = Config(policy=PolicyConfig(mode=mode))
    planner = AlertPlanner(config, travel_times, [cell_targets(cells_around(29.5, 103.5, 60.0))])
    inventory = play().inventory
    gate = ReleaseGate(config, inventory, travel_times) if mode == "actual" else None
    pipeline = Pipeline(config, inventory, travel_times, planner, gate=gate)
    pipeline.receive([FIRST])
    cancel = replace(FIRST, version=2, kind="cancel", issued_s=NOW_S + 2)
    _, plans = pipeline.plan_alerts([cancel], NOW_S + 2)
    assert sum(map(len, plans)) > 50
    _, again = pipeline.plan_alerts([replace(FIRST, event_id="ew2", kind="cancel")], NOW_S + 2)
    assert again == (), "nobody was told of this one"
