"""Fixtures of the tests of whole services."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.operating import Service, configured
from tests.serving import serving


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with (
        serving(configured(tmp_path)) as served,
        httpx.AsyncClient(base_url=served.http) as http,
    ):
        yield Service(served, http)
