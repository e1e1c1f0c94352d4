"""Registry and journal in both databases, and the schema they have in common."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import SQLAlchemyError

from ew.delivery.retained import SendRecord
from ew.errors import InputError
from ew.storage.alert_log import AcknowledgedAlert
from ew.storage.database import SCHEMA, Database
from ew.storage.journal import Journal
from ew.storage.registry import read_targets
from ew.storage.store import RegisteredDevice, Store
from ew.storage.tables import devices, latencies, metadata, versions
from tests.postgres import Postgres, postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """An empty database."""
    if request.param == "sqlite":
        return tmp_path / "ew.sqlite"
    url: str = request.getfixturevalue("url")
    return url


@pytest.fixture
def url(server: Postgres) -> str:
    """That of the server's database, emptied."""
    engine = Database(server.url).engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()
    return server.url


def body(version: int, event_id: str = "e1") -> dict[str, Any]:
    return {"event_id": event_id, "version": version, "issued_us": version * 1_000_000}


def until(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not within its time"
        time.sleep(0.01)


async def test_devices_are_registered_moved_listed_and_removed(where: Path | str) -> None:
    async with Store(where) as store:
        for number in range(5):
            await store.register(RegisteredDevice(f"tv-{number}", "tv", 30.0, 100.0 + number))
        await store.register(RegisteredDevice("tv-3", "tv", -12.5, 179.5))
        assert await store.unregister("tv-0")
        assert not await store.unregister("tv-0")
        assert await store.device("tv-3") == RegisteredDevice("tv-3", "tv", -12.5, 179.5)
        assert [one.device_id for one in await store.listed("tv-1", 2)] == ["tv-2", "tv-3"]
    targets = read_targets(Database(where), ["tv"])
    assert sorted(targets.ids) == ["tv-1", "tv-2", "tv-3", "tv-4"]


async def test_the_journal_is_read_as_it_was_written(where: Path | str) -> None:
    journal = Journal(where)
    journal.start()
    for number in (1, 2):
        journal.note_version(body(number))
        journal.note_version(body(number))  # a repeat is kept once
    journal.note_version(body(7, "e2"))
    journal.note_latency("e1", 2, {"p50": 1.0})
    journal.note_latency("e1", 2, {"p50": 2.0})
    until(lambda: journal.status()["waiting"] == 0)
    journal.stop()
    async with Store(where) as store:
        history = await store.history("e1")
        assert [(one["version"], one["latency"]) for one in history] == [
            (1, None),
            (2, {"p50": 2.0}),
        ]
        assert [one["event_id"] for one in await store.events()] == ["e2", "e1"]


async def test_who_was_told_is_read_as_it_was_sent_page_by_page(where: Path | str) -> None:
    told = [
        SendRecord(f"ew/v1/alert/device/tv-{n}", f"e{n % 2}", 1, 1, n, 3.5, 2000 + n, 3_000_000)
        for n in range(5_000)
    ]
    journal = Journal(where)
    journal.start()
    journal.note_alerts(told)
    until(lambda: journal.status()["waiting"] == 0)
    journal.stop()
    async with Store(where) as store:
        found = [one async for one in store.alerts("e1")]
        assert [alert.target for _, alert in found] == [f"tv-{n}" for n in range(1, 5_000, 2)]
        assert found[0][1] == AcknowledgedAlert("device", "tv-1", 1, 2, 3000, 3.5)
        for stop in (1, 999, 1000, 1001, 2499):
            rest = [one async for one in store.alerts("e1", found[stop - 1][0])]
            assert rest == found[stop:]
        alone = [alert async for _, alert in store.alerts("e1", target="tv-4321")]
        assert [alert.target for alert in alone] == ["tv-4321"]
        assert [one async for one in store.alerts("nothing")] == []


def test_many_that_begin_at_once_migrate_once(where: Path | str) -> None:
    def migrate(_: int) -> None:
        database = Database(where)
        engine = database.engine()
        try:
            database.migrate(engine)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, range(4)))
    assert _differences(Database(where)) == []


def test_the_schema_of_the_migrations_is_that_of_the_tables(where: Path | str) -> None:
    database = Database(where)
    engine = database.engine()
    database.migrate(engine)
    engine.dispose()
    assert _differences(database) == []
    config = Config()
    config.set_main_option("script_location", "ew.storage:migrations")
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA


def _differences(database: Database) -> list[Any]:
    engine = database.engine()
    try:
        with engine.connect() as connection:
            return list(compare_metadata(MigrationContext.configure(connection), metadata))
    finally:
        engine.dispose()


async def test_a_database_from_before_the_migrations_is_taken_over(where: Path | str) -> None:
    engine = Database(where).engine()
    metadata.create_all(engine, tables=[devices, versions, latencies])
    engine.dispose()
    async with Store(where) as store:
        await store.register(RegisteredDevice("tv-1", "tv", 30.0, 100.0))
    assert _differences(Database(where)) == []


async def test_a_database_of_a_newer_version_is_refused_by_name(where: Path | str) -> None:
    async with Store(where):
        pass
    engine = Database(where).engine()
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(InputError, match=f"schema 9999.*up to {SCHEMA}"):
        async with Store(where):
            pass
    with pytest.raises(InputError, match="schema 9999"):
        read_targets(Database(where), ["tv"])


def test_the_journal_outlives_a_server_that_crashes(server: Postgres, url: str) -> None:
    journal = Journal(url)
    journal.start()
    journal.note_version(body(1, "crash"))
    until(lambda: journal.written == 1)
    server.stop()
    try:
        for number in (2, 3):
            journal.note_version(body(number, "crash"))
        until(lambda: journal.error is not None)
        assert journal.status()["waiting"] == 2
    finally:
        server.start()
    until(lambda: journal.written == 3)
    assert journal.error is None
    journal.stop()


def test_a_password_is_in_no_message(server: Postgres) -> None:
    wrong = server.url.replace("secret", "wrong-one")
    assert "wrong-one" not in Database(wrong).name
    with pytest.raises(InputError, match="postgresql://ew:") as caught:
        read_targets(Database(wrong), ["tv"])
    assert "wrong-one" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql://h:port/x", "postgresql//h"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match=r"service\.database"):
        Database(url)


def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ew.sqlite"
    path.write_bytes(b"no database at all" * 100)
    database = Database(path)
    engine = database.engine()
    with pytest.raises(SQLAlchemyError):
        database.migrate(engine)
    engine.dispose()
    with pytest.raises(sqlite3.DatabaseError):
        sqlite3.connect(path).execute("SELECT * FROM devices")
