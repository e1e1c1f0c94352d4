"""SHELL: the database for the API: registered devices, and the journal of event versions.

SQLAlchemy's asynchronous core over SQLite or PostgreSQL. The journal is only read here: the service
writes it, in a thread of its own (``ew.storage.journal``).
"""

import time
from collections.abc import AsyncGenerator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from ew.errors import InputError
from ew.storage.alert_log import AcknowledgedAlert, unpacked
from ew.storage.database import Database, reason_of
from ew.storage.tables import actions, alerts, devices, latencies, silenced, versions


@dataclass(frozen=True, slots=True)
class RegisteredDevice:
    """A device that is alerted for its own place."""

    device_id: str
    kind: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Action:
    """What an operator did, of whom or what, and why; ``number`` counts up."""

    number: int
    time_s: float
    who: str
    what: str
    subject: str
    why: str


class Store:
    """The database as an async context."""

    def __init__(self, where: Path | str) -> None:
        self._database = Database(where)
        self._engine = self._database.async_engine()

    async def __aenter__(self) -> Self:
        """Open the database and bring its schema up to date.

        Raises:
            InputError: it can't be opened, is no database, or is of a newer version of ``ew``.
        """
        try:
            await self._database.prepare()
        except SQLAlchemyError as error:
            raise InputError(f"{self._database.name} can't be used: {reason_of(error)}") from error
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the database."""
        await self._engine.dispose()

    async def register(self, *added: RegisteredDevice) -> None:
        """Add devices, or move them; all of them or none."""
        now_s = time.time()
        rows = [{**asdict(device), "registered_s": now_s} for device in added]
        statement = self._database.insert(devices)
        moved = {name: statement.excluded[name] for name in rows[0] if name != "device_id"}
        async with self._engine.begin() as connection:
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["device_id"], set_=moved), rows
            )

    async def unregister(self, device_id: str) -> bool:
        """Remove a device; returns whether it was there."""
        async with self._engine.begin() as connection:
            result = await connection.execute(
                delete(devices).where(devices.c.device_id == device_id)
            )
        return bool(result.rowcount)

    async def device(self, device_id: str) -> RegisteredDevice | None:
        """A device by its id, or ``None``."""
        columns = (devices.c.device_id, devices.c.kind, devices.c.latitude, devices.c.longitude)
        async with self._engine.connect() as connection:
            row = (
                await connection.execute(select(*columns).where(devices.c.device_id == device_id))
            ).first()
        return None if row is None else RegisteredDevice(*row)

    async def listed(self, after: str, limit: int) -> list[RegisteredDevice]:
        """At most ``limit`` devices in the order of their ids, after the id ``after``."""
        columns = (devices.c.device_id, devices.c.kind, devices.c.latitude, devices.c.longitude)
        wanted = select(*columns).where(devices.c.device_id > after)
        async with self._engine.connect() as connection:
            rows = await connection.execute(wanted.order_by(devices.c.device_id).limit(limit))
            return [RegisteredDevice(*row) for row in rows]

    async def silence(self, station: str, who: str, why: str) -> None:
        """Have a station (NET.STA) left out."""
        values = {"station": station, "since_s": time.time(), "who": who, "why": why}
        statement = self._database.insert(silenced).values(values)
        async with self._engine.begin() as connection:
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["station"], set_=values)
            )

    async def hear_again(self, station: str) -> bool:
        """Have a station taken in again; returns whether it was silenced."""
        async with self._engine.begin() as connection:
            result = await connection.execute(delete(silenced).where(silenced.c.station == station))
        return bool(result.rowcount)

    async def note_action(self, who: str, what: str, subject: str, why: str) -> None:
        """Keep what an operator did."""
        values = {"time_s": time.time(), "who": who, "what": what, "subject": subject, "why": why}
        async with self._engine.begin() as connection:
            await connection.execute(insert(actions).values(values))

    async def actions(self, before: int, limit: int) -> list[Action]:
        """So many of the operators' actions, the newest first, from below a number on."""
        wanted = select(actions).where(actions.c.number < before)
        async with self._engine.connect() as connection:
            rows = await connection.execute(wanted.order_by(actions.c.number.desc()).limit(limit))
            return [Action(*row) for row in rows]

    async def events(self, limit: int = 50) -> list[dict[str, Any]]:
        """The newest versions of the newest events, newest first, with ``latency`` receipts."""
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

    async def alerts(
        self, event_id: str, after: tuple[int, int] = (0, 0), target: str | None = None
    ) -> AsyncGenerator[tuple[tuple[int, int], AcknowledgedAlert]]:
        """Yield the acknowledged alerts of an event, each with the place after it.

        ``after``: the place to begin, part and number in it; ``target``: a cell or a device alone.
        """
        part, number = after
        wanted = select(alerts.c.part, alerts.c.body).where(alerts.c.event_id == event_id)
        wanted = wanted.where(alerts.c.part >= part).order_by(alerts.c.part)
        async with self._engine.connect() as connection:
            async for found, body in await connection.stream(wanted.execution_options(yield_per=4)):
                first = number if found == part else 0
                for place, alert in enumerate(unpacked(body), 1):
                    if place > first and target in (None, alert.target):
                        yield (found, place), alert

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


_SAME_VERSION = (versions.c.event_id == latencies.c.event_id) & (
    versions.c.version == latencies.c.version
)


def _with_latency(body: bytes, latency: bytes | None) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(body)
    return {**found, "latency": None if latency is None else orjson.loads(latency)}
