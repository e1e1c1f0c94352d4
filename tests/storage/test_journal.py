"""The journal beside the alert path: whatever the database does, nothing is waited for and little
is lost."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ew.delivery.retained import SendRecord
from ew.errors import InputError
from ew.storage import database
from ew.storage import journal as module
from ew.storage.database import Database
from ew.storage.journal import Journal
from ew.storage.registry import read_targets
from ew.storage.store import RegisteredDevice, Store


def body(version: int) -> dict[str, Any]:
    return {"event_id": "e1", "version": version, "issued_us": version * 1_000_000}


def until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not within its time"
        time.sleep(0.01)


def test_alerts_that_wait_for_a_database_do_not_fill_the_memory(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "ew.sqlite")  # not started: nothing is written
    told = [
        SendRecord(f"ew/v1/alert/device/tv-{n}", "e1", 1, 1, n, 3.5, 2, 3) for n in range(1_000)
    ]
    for _ in range(module.PARTS_WAITING_MOST + 5):
        journal.note_alerts(told)
    journal.note_version(body(1))
    assert journal.status()["waiting"] == module.PARTS_WAITING_MOST + 1
    assert journal.lost == 5


def test_alerts_are_taken_while_others_are_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "ew.sqlite")
    journal.start()
    told = [SendRecord(f"ew/v1/alert/device/tv-{n}", "e1", 1, 1, n, 3.5, 2, 3) for n in range(10)]
    for _ in range(2_000):
        journal.note_alerts(told)
        until(lambda: journal.status()["waiting"] < module.PARTS_WAITING_MOST)
    until(lambda: journal.status()["waiting"] == 0)
    journal.stop()
    assert (journal.written, journal.lost) == (2_000, 0)


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_FIRST_S", 0.02)
    monkeypatch.setattr(module, "RETRY_MOST_S", 0.1)
    monkeypatch.setattr(database, "LOCK_S", 0.05)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ew.sqlite"


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    one = Journal(path, waiting_most=50)
    one.start()
    yield one
    one.stop()


def versions(path: Path) -> list[int]:
    with sqlite3.connect(path) as connection:
        found = connection.execute("SELECT version FROM versions ORDER BY version").fetchall()
    connection.close()
    return [number for (number,) in found]


def test_what_is_told_is_kept_in_order(journal: Journal, path: Path) -> None:
    for number in range(1, 11):
        journal.note_version(body(number))
    until(lambda: journal.status()["waiting"] == 0)
    assert versions(path) == list(range(1, 11))
    assert journal.status() == {"waiting": 0, "written": 10, "lost": 0, "error": None}


def test_a_locked_database_is_named_and_written_once_it_is_free(
    journal: Journal, path: Path
) -> None:
    journal.note_version(body(1))
    until(lambda: journal.written == 1)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    journal.note_version(body(2))
    until(lambda: journal.error is not None)
    assert "locked" in str(journal.error)
    holder.execute("ROLLBACK")
    holder.close()
    until(lambda: journal.written == 2)
    assert journal.error is None
    assert versions(path) == [1, 2]


def test_beyond_its_size_the_queue_loses_the_oldest_and_counts_them(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "ew.sqlite"
    journal = Journal(nowhere, waiting_most=50)
    journal.start()
    for number in range(1, 81):
        journal.note_version(body(number))
    until(lambda: journal.error is not None)
    assert (journal.status()["lost"], journal.status()["waiting"]) == (30, 50)
    nowhere.parent.mkdir()
    until(lambda: journal.status()["waiting"] == 0)
    journal.stop()
    assert versions(nowhere) == list(range(31, 81))


def test_a_deleted_database_is_made_anew(journal: Journal, path: Path) -> None:
    journal.note_version(body(1))
    until(lambda: journal.written == 1)
    path.unlink()
    journal.note_version(body(2))
    until(lambda: journal.written == 2)
    assert versions(path) == [2]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ew.sqlite"
    path.symlink_to("/dev/full")
    journal = Journal(path)
    journal.start()
    journal.note_version(body(1))
    until(lambda: journal.error is not None)
    assert journal.status()["waiting"] == 1
    journal.stop()


async def test_devices_are_read_as_columns_by_their_kinds(path: Path) -> None:
    async with Store(path) as store:
        for number, kind in enumerate(["tv", "phone", "gas-valve"]):
            await store.register(RegisteredDevice(f"d{number}", kind, 30.0, 100.0 + number))
    targets = read_targets(Database(path), ["phone", "tv"])
    assert list(targets.ids) == ["d0", "d1"]
    assert targets.kinds.tolist() == [1, 0]
    assert targets.longitudes.tolist() == [100.0, 101.0]


def test_devices_that_cannot_be_read_are_an_error_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "ew.sqlite").write_bytes(os.urandom(4096))
    with pytest.raises(InputError, match=r"ew\.sqlite"):
        read_targets(Database(tmp_path / "ew.sqlite"), ["tv"])
