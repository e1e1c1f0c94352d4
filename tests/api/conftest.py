"""The API over a real database and journal, without a service: what it shows, asks and refuses."""

import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from ew import Config, EventVersion, Origin
from ew.alerts.message import event_body
from ew.api.app import create_app
from ew.api.backend import Backend
from ew.config.service import hash_of
from ew.storage.journal import Journal
from ew.storage.store import Store

KEYS = {scope: f"the-long-key-of-the-{scope}" for scope in ("vendor", "partner", "operator")}


def told(
    event_id: str, version: int, kind: str = "update", longitude: float = 104.9
) -> EventVersion:
    now_s = time.time()
    origin = Origin(now_s - 8.0, 28.34, longitude, 16.0, 5.0 + version / 10, 0.3, 4.0)
    return EventVersion(event_id, version, kind, now_s - 4.0 + version, origin, 5 + version)  # type: ignore[arg-type]


def config_of(folder: Path, **service: Any) -> Config:
    return Config.model_validate(
        {"service": {"database": str(folder / "ew.sqlite"), "requests_per_s": 0, **service}}
    )


@pytest.fixture
def keys() -> list[dict[str, Any]]:
    return [
        {"name": scope, "sha256": hash_of(secret), "scopes": [scope]}
        for scope, secret in KEYS.items()
    ]


@pytest.fixture
def make_app(tmp_path: Path, keys: list[dict[str, Any]]) -> Callable[..., FastAPI]:
    def make(**service: Any) -> FastAPI:
        config = config_of(tmp_path, **{"api_keys": keys, **service})
        journal = Journal(config.service.database)
        journal.start()
        for version in (
            told("ew-1", 1, "alert"),
            told("ew-1", 2),
            told("ew-2", 1, "alert", -179.9),
        ):
            expires_us = round((version.issued_s + 300) * 1e6)
            journal.note_version(event_body(version, "exercise", expires_us))
        journal.stop()
        return create_app(Backend(config, Store(config.service.database), b"x" * 32))

    return make


@pytest.fixture
async def client(make_app: Callable[..., FastAPI]) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ew") as made:
        yield made
