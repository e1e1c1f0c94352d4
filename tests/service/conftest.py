"""A service that is not run, for tests of its parts."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ew.broker_address import BrokerAddress
from ew.config import Config, ServiceConfig
from ew.service.loading import load_keys
from ew.service.runtime import Service
from ew.service.tasks import Watch
from tests.serving import play


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """A service that is not run: it has its devices, and no sources."""
    config = Config(service=ServiceConfig(database=tmp_path / "ew.sqlite"))
    async with asyncio.TaskGroup() as group:
        yield Service(
            config,
            play().inventory,
            BrokerAddress("127.0.0.1", 1),
            load_keys(config),
            b"s" * 64,
            Watch(group),
        )
