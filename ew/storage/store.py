"""SHELL: the database: registered devices, the journal of event versions, and where streams left off.

SQLAlchemy's asynchronous core over SQLite; the tables are made at first start. Reads and writes are small and never on
the way of an alert.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
from sqlalchemy import (
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    delete,
    select,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import create_async_engine

from ew.errors import InputError
from ew.shaking.targets import Targets, device_targets

metadata = MetaData()
devices = Table(
    "devices",
    metadata,
    Column("device_id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("latitude", Float, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("registered_s", Float, nullable=False),
)
versions = Table(
    "versions",
    metadata,
    Column("event_id", String(64)),
    Column("version", Integer),
    Column("issued_s", Float, nullable=False, index=True),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("event_id", "version"),
)
latencies = Table(
    "latencies",
    metadata,
    Column("event_id", String(64)),
    Column("version", Integer),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("event_id", "version"),
)
state = Table(
    "state",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device that wants alerts for its own place."""

    device_id: str
    kind: str
    latitude: float
    longitude: float


class Store:
    """The database file as an async context."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_async_engine(f"sqlite+aiosqlite:///{path}")

    async def __aenter__(self) -> Self:
        """Open the file, making the tables where they are missing.

        Raises:
            InputError: the file can't be opened or is no database.
        """
        try:
            async with self._engine.begin() as connection:
                await connection.run_sync(metadata.create_all)
        except SQLAlchemyError as error:
            raise InputError(f"{self.path}: can't be used as the database: {error}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        await self._engine.dispose()

    async def register(self, device: RegisteredDevice) -> None:
        """Add a device, or move it."""
        values: dict[str, Any] = {
            "device_id": device.device_id,
            "kind": device.kind,
            "latitude": device.latitude,
            "longitude": device.longitude,
            "registered_s": time.time(),
        }
        statement = insert(devices).values(values)
        async with self._engine.begin() as connection:
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["device_id"], set_=values)
            )

    async def unregister(self, device_id: str) -> bool:
        """Remove a device; whether it was there."""
        async with self._engine.begin() as connection:
            result = await connection.execute(
                delete(devices).where(devices.c.device_id == device_id)
            )
        return bool(result.rowcount)

    async def device(self, device_id: str) -> RegisteredDevice | None:
        """One device."""
        columns = (devices.c.device_id, devices.c.kind, devices.c.latitude, devices.c.longitude)
        async with self._engine.connect() as connection:
            row = (
                await connection.execute(select(*columns).where(devices.c.device_id == device_id))
            ).first()
        return None if row is None else RegisteredDevice(*row)

    async def targets(self, kinds: Sequence[str]) -> Targets:
        """All devices of the known kinds as columns."""
        columns = (devices.c.device_id, devices.c.kind, devices.c.latitude, devices.c.longitude)
        async with self._engine.connect() as connection:
            rows = (
                await connection.execute(select(*columns).where(devices.c.kind.in_(kinds)))
            ).all()
        return device_targets(
            [row[0] for row in rows],
            np.array([kinds.index(row[1]) for row in rows], np.uint8),
            np.array([row[2] for row in rows], np.float64),
            np.array([row[3] for row in rows], np.float64),
        )

    async def note_version(self, body: dict[str, Any]) -> None:
        """Write an event version to the journal."""
        values = {
            "event_id": body["event_id"],
            "version": body["version"],
            "issued_s": body["issued_us"] / 1e6,
            "body": orjson.dumps(body),
        }
        async with self._engine.begin() as connection:
            await connection.execute(insert(versions).values(values).on_conflict_do_nothing())

    async def note_latency(self, event_id: str, version: int, body: dict[str, Any]) -> None:
        """Write a version's latency receipt to the journal, in the place of what was known before."""
        values = {"event_id": event_id, "version": version, "body": orjson.dumps(body)}
        statement = insert(latencies).values(values)
        async with self._engine.begin() as connection:
            await connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["event_id", "version"], set_={"body": values["body"]}
                )
            )

    async def events(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest versions of the newest events, newest first, each with its ``latency`` receipt."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                select(versions.c.event_id, versions.c.body, latencies.c.body)
                .outerjoin(latencies, _SAME_VERSION)
                .order_by(versions.c.issued_s.desc())
                .limit(limit * 40)
            )
            newest: dict[str, dict[str, Any]] = {}
            for event_id, body, latency in rows:
                if event_id not in newest:
                    newest[event_id] = _with_latency(body, latency)
        return list(newest.values())[:limit]

    async def history(self, event_id: str) -> list[dict[str, Any]]:
        """All versions of one event, first to last, each with its ``latency`` receipt."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(
                select(versions.c.body, latencies.c.body)
                .outerjoin(latencies, _SAME_VERSION)
                .where(versions.c.event_id == event_id)
                .order_by(versions.c.version)
            )
            return [_with_latency(body, latency) for body, latency in rows]

    async def save_state(self, name: str, value: dict[str, int]) -> None:
        """Keep a small table of numbers under a name."""
        values = {"name": name, "value": orjson.dumps(value)}
        statement = (
            insert(state).values(values).on_conflict_do_update(index_elements=["name"], set_=values)
        )
        async with self._engine.begin() as connection:
            await connection.execute(statement)

    async def load_state(self, name: str) -> dict[str, int]:
        """What was kept under a name."""
        async with self._engine.connect() as connection:
            row = (
                await connection.execute(select(state.c.value).where(state.c.name == name))
            ).first()
        return {} if row is None else orjson.loads(row[0])


_SAME_VERSION = (versions.c.event_id == latencies.c.event_id) & (
    versions.c.version == latencies.c.version
)


def _with_latency(body: bytes, latency: bytes | None) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(body)
    return {**found, "latency": None if latency is None else orjson.loads(latency)}
