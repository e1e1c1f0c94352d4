"""SHELL: the journal of published events, written to the database by a thread of its own.

The alert path puts entries into a bounded queue and never waits. A database that is locked, full,
read-only or gone is tried again; meanwhile entries wait, and beyond the queue's size the oldest are
lost and counted. History may suffer, alerts do not.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ew.errors import InputError
from ew.storage.alert_log import Acknowledged, packed, parts
from ew.storage.database import Database, reason_of
from ew.storage.tables import alerts, latencies, versions
from ew.times import NS_PER_US

log = logging.getLogger("ew.journal")

WAITING_MOST = 20_000
"""Most entries that wait for the database: some hours of versions and receipts of a busy
network."""
PARTS_WAITING_MOST = 200
"""Most parts of a thousand alerts that wait: some 50 MB."""
RETRY_FIRST_S, RETRY_MOST_S = 0.2, 5.0
BATCH_MOST = 200
STOP_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the journal: an event version, its latency receipt, or a part of its alerts."""

    table: str  # "versions", "latencies" or "alerts", whose ``version`` is the number of the part
    event_id: str
    version: int
    issued_s: float
    body: bytes | tuple[Acknowledged, ...]


class Journal:
    """A thread that writes; ``note_*`` may be called from the event loop and return at once."""

    def __init__(self, where: Path | str, *, waiting_most: int = WAITING_MOST) -> None:
        self._database = Database(where)
        self.lost = 0
        self._part = 0
        self.written = 0
        self.error: str | None = None
        self._waiting: deque[Entry] = deque()
        self._waiting_most = waiting_most
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what waits, for at most two seconds, and end."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join(STOP_WITHIN_S)

    def note_version(self, body: dict[str, Any]) -> None:
        """Add an event version, the body of its message."""
        self._put("versions", body["event_id"], body["version"], body["issued_us"] / 1e6, body)

    def note_latency(self, event_id: str, version: int, body: dict[str, Any]) -> None:
        """Add a version's latency receipt, in place of an earlier one."""
        self._put("latencies", event_id, version, 0.0, body)

    def note_alerts(self, records: Sequence[Acknowledged]) -> None:
        """Add acknowledged alerts.

        Beyond ``PARTS_WAITING_MOST`` waiting parts further alerts are dropped and counted.
        """
        for event_id, part in parts(records):
            with self._changed:
                waiting = sum(entry.table == "alerts" for entry in self._waiting)
            if waiting >= PARTS_WAITING_MOST:
                self.lost += 1
                continue
            self._part = max(self._part + 1, time.time_ns() // NS_PER_US)
            self._put_entry(Entry("alerts", event_id, self._part, 0.0, tuple(part)))

    def status(self) -> dict[str, Any]:
        """The journal's state, for health and metrics."""
        return {
            "waiting": len(self._waiting),
            "written": self.written,
            "lost": self.lost,
            "error": self.error,
        }

    def _put(
        self, table: str, event_id: str, version: int, issued_s: float, body: dict[str, Any]
    ) -> None:
        self._put_entry(Entry(table, event_id, version, issued_s, orjson.dumps(body)))

    def _put_entry(self, entry: Entry) -> None:
        with self._changed:
            if len(self._waiting) >= self._waiting_most:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(entry)
            self._changed.notify()

    def _run(self) -> None:
        engine = self._database.engine()
        try:
            self._keep_writing(engine)
        finally:
            engine.dispose()

    def _keep_writing(self, engine: Engine) -> None:
        """Write entries as they come, until ``stop``."""
        has_tables = False
        wait_s = RETRY_FIRST_S
        while (batch := self._next_batch()) is not None:
            try:
                if not has_tables or self._database.is_missing():
                    engine.dispose()  # a file that was deleted is made anew, with its tables
                    self._database.migrate(engine)
                    has_tables = True
                self._write(engine, batch)
            except (SQLAlchemyError, InputError) as error:
                self._failed(error)
                has_tables = False
                engine.dispose()
                if self._pause(wait_s):
                    return
                wait_s = min(2 * wait_s, RETRY_MOST_S)
            else:
                self._written(batch)
                wait_s = RETRY_FIRST_S

    def _next_batch(self) -> list[Entry] | None:
        """The oldest entries, which stay in the queue until written; ``None`` at the end."""
        with self._changed:
            while not self._waiting and not self._is_stopping:
                self._changed.wait()
            batch = list(self._waiting)[:BATCH_MOST]
            return batch or None

    def _written(self, batch: Sequence[Entry]) -> None:
        with self._changed:
            for entry in batch:
                # The oldest may have been dropped meanwhile, where the queue is full
                if self._waiting and self._waiting[0] is entry:
                    self._waiting.popleft()
            self.written += len(batch)
        if self.error is not None:
            log.warning("journal: %s can be written again", self._database.name)
            self.error = None

    def _failed(self, error: SQLAlchemyError | InputError) -> None:
        reason = reason_of(error)
        if self.error is None:
            log.warning(
                "journal: %s can't be written: %s; trying again", self._database.name, reason
            )
        self.error = reason

    def _pause(self, seconds: float) -> bool:
        """Wait before the next try; returns whether the journal is to end."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while not self._is_stopping and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._is_stopping

    def _write(self, engine: Engine, batch: Sequence[Entry]) -> None:
        with engine.begin() as connection:
            for entry in batch:
                values: dict[str, Any] = {
                    "event_id": entry.event_id,
                    "version": entry.version,
                    "body": entry.body,
                }
                if isinstance(entry.body, tuple):
                    statement = self._database.insert(alerts).values(
                        event_id=entry.event_id, part=entry.version, body=packed(entry.body)
                    )
                    connection.execute(statement.on_conflict_do_nothing())
                elif entry.table == "versions":
                    statement = self._database.insert(versions).values(
                        **values, issued_s=entry.issued_s
                    )
                    connection.execute(statement.on_conflict_do_nothing())
                else:
                    statement = self._database.insert(latencies).values(values)
                    connection.execute(
                        statement.on_conflict_do_update(
                            index_elements=["event_id", "version"], set_={"body": entry.body}
                        )
                    )
