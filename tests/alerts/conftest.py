"""An event and some cells and devices to alert."""

from collections.abc import Callable

import numpy as np
import pytest

from ew import Config, EventVersion, Origin
from ew.alerts.planner import AlertPlanner
from ew.alerts.signing import Signer
from ew.shaking.targets import cell_targets, cells_around, device_targets
from ew.traveltimes import TravelTimes

ORIGIN = Origin(1_560_783_343.0, 28.34, 104.90, 16.0, 6.0)


@pytest.fixture(scope="session")
def travel_times() -> TravelTimes:
    return TravelTimes.load()


@pytest.fixture
def make_version() -> Callable[..., EventVersion]:
    def make(
        number: int = 1, *, magnitude: float = 6.0, kind: str = "alert", after_s: float = 6.0
    ) -> EventVersion:
        origin = Origin(
            ORIGIN.time_s, ORIGIN.latitude, ORIGIN.longitude, ORIGIN.depth_km, magnitude
        )
        return EventVersion("ew-test", number, kind, ORIGIN.time_s + after_s + number, origin, 4)

    return make


@pytest.fixture
def planner(travel_times: TravelTimes) -> AlertPlanner:
    rng = np.random.default_rng(5)
    cells = cell_targets(cells_around(28.34, 104.90, 250.0))
    tvs = device_targets(
        [f"tv-{i}" for i in range(200)],
        np.full(200, 1, np.uint8),
        28.34 + rng.normal(size=200),
        104.9 + rng.normal(size=200),
    )
    return AlertPlanner(Config(), travel_times, [cells, tvs])


@pytest.fixture
def signer() -> Signer:
    return Signer.ephemeral()
