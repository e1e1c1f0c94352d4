"""Fixtures many tests share: brokers, recordings, the travel-time table."""

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ew.address import BrokerAddress
from ew.delivery.broker import open_broker
from ew.traveltimes import TravelTimes

RECORDED = Path(os.environ.get("EW_RECORDED", Path(__file__).parents[2] / "shared/data/recorded"))
SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


@pytest.fixture(scope="session")
def travel_times() -> TravelTimes:
    return TravelTimes.load()


@pytest.fixture(params=["embedded", "mosquitto"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[BrokerAddress]:
    """A real broker process, one of each kind."""
    if request.param == "mosquitto" and shutil.which("mosquitto", path=SBIN) is None:
        pytest.skip("mosquitto is not installed")
    async with open_broker(request.param) as address:
        yield address


@pytest.fixture
async def embedded() -> AsyncIterator[BrokerAddress]:
    """The embedded broker as a process."""
    async with open_broker("embedded") as address:
        yield address


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The directory of recorded earthquakes."""
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded earthquakes at {RECORDED} (set EW_RECORDED)")
    return RECORDED
