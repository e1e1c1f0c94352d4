"""Fixtures many tests share: brokers, recordings, the travel-time table."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ew.broker_address import BrokerAddress
from ew.delivery.broker import open_broker
from ew.traveltimes import TravelTimes
from tests.mqtt_broker.conftest import SBIN, running

RECORDED = Path(os.environ.get("EW_RECORDED", Path(__file__).parents[2] / "shared/data/recorded"))


@pytest.fixture(scope="session")
def travel_times() -> TravelTimes:
    return TravelTimes.load()


@pytest.fixture(params=["embedded", "mosquitto"])
async def broker(request: pytest.FixtureRequest) -> AsyncIterator[BrokerAddress]:
    """A real broker process, one of each kind."""
    if request.param == "mosquitto" and shutil.which("mosquitto", path=SBIN) is None:
        pytest.skip("mosquitto is not installed")
    if request.param == "mosquitto":
        async with open_broker("mosquitto") as address:
            yield address
    else:
        async with unguarded() as address:
            yield address


@pytest.fixture
async def embedded() -> AsyncIterator[BrokerAddress]:
    """The embedded broker as a process that lets everybody do everything."""
    async with unguarded() as address:
        yield address


@contextlib.asynccontextmanager
async def unguarded() -> AsyncIterator[BrokerAddress]:
    async with running("--urgent", "ew/v1/alert/") as address:
        yield BrokerAddress(address.host, address.port, address.pid)


@pytest.fixture(scope="session")
def recorded() -> Path:
    """The directory of recorded earthquakes."""
    if not RECORDED.is_dir():
        pytest.skip(f"no recorded earthquakes at {RECORDED} (set EW_RECORDED)")
    return RECORDED
