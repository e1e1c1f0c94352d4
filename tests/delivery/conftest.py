"""Plans to deliver: an earthquake now, told to cells or devices."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from ew.alerts.planner import AlertPlan, AlertPlanner
from ew.alerts.signing import Signer
from ew.config import Config, PolicyConfig
from ew.records import EventVersion, Origin
from ew.shaking.targets import device_targets
from ew.traveltimes import TravelTimes

PlanMaker = Callable[..., AlertPlan]


@pytest.fixture
def signer() -> Signer:
    return Signer.ephemeral("test", ("test",))


@pytest.fixture
def make_plan(travel_times: TravelTimes) -> PlanMaker:
    """Makes a plan of a strong earthquake for TVs in a row away from the epicentre, nearest
    first."""

    def make(
        ids: Sequence[str],
        *,
        event_id: str = "round-001",
        version: int = 1,
        before_s: float = 0.0,
        magnitude: float = 7.8,
    ) -> AlertPlan:
        now_s = time.time() - before_s
        latitudes = 30.0 + 0.3 + np.arange(len(ids)) / max(100, len(ids))
        targets = device_targets(
            ids, np.full(len(ids), 1, np.uint8), latitudes, np.full(len(ids), 103.0)
        )
        config = Config(policy=PolicyConfig(mode="test"))
        origin = Origin(now_s - 4.0, 30.0, 103.0, 10.0, magnitude)
        planner = AlertPlanner(config, travel_times, [targets], key_id="test")
        (plan,) = planner.plan(EventVersion(event_id, version, "alert", now_s, origin, 6), now_s)
        assert len(plan) == len(ids)
        return plan

    return make
