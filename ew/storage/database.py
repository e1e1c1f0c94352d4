"""SHELL: the database of registry and journal: an SQLite file, or a PostgreSQL server.

Both have one schema (``ew.storage.tables``), brought up to date by migrations
(``ew/storage/migrations``, Alembic) when a process first uses the database.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, Table, create_engine, inspect, make_url, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ew.errors import InputError

SCHEMA = "0002"
"""The newest migration that this version of ``ew`` knows."""
LOCK_S = 1.0
"""Longest wait for another process's lock before it is an error, s."""
CONNECT_WITHIN_S = 3
STATEMENT_WITHIN_S = 30
"""Longest statement on a PostgreSQL server, s; reading a million devices takes a few seconds."""
MIGRATE_WITHIN_S = 10
"""Longest wait for another process that migrates the same file, s."""
MIGRATION_LOCK = 0x6577
"""Key of PostgreSQL's advisory lock under which one process at a time migrates ("ew")."""


def reason_of(error: Exception) -> str:
    """A database error's reason in the driver's words, without the statement that met it."""
    return str(getattr(error, "orig", None) or error).strip()


class Database:
    """The location of registry and journal: an SQLite file's path, or a ``postgresql://`` URL.

    Raises:
        InputError: the URL can't be read, or the driver of PostgreSQL is not installed.
    """

    def __init__(self, where: Path | str) -> None:
        self.path = where if isinstance(where, Path) else None
        if self.path is not None:
            self._url = make_url(f"sqlite:///{where}")
            self.name = str(where)
            return
        try:
            self._url = make_url(str(where)).set(drivername="postgresql+psycopg")
        except (SQLAlchemyError, ValueError) as error:
            raise InputError(
                f"service.database: no URL of a PostgreSQL database: {error}"
            ) from error
        self.name = self._url.set(drivername="postgresql").render_as_string(hide_password=True)
        try:
            import psycopg  # noqa: F401, PLC0415 - an extra
        except ImportError as error:
            raise InputError(f"{self.name} needs psycopg: pip install 'ew[postgres]'") from error

    def engine(self) -> Engine:
        """A new engine; nothing is opened before it is used."""
        return create_engine(self._url, connect_args=self._arguments())

    def async_engine(self) -> AsyncEngine:
        """A new asynchronous engine; connections that a server has closed are replaced."""
        url = self._url if self.path is None else self._url.set(drivername="sqlite+aiosqlite")
        return create_async_engine(url, pool_pre_ping=True, connect_args=self._arguments())

    def _arguments(self) -> dict[str, object]:
        if self.path is not None:
            return {"timeout": LOCK_S}
        limits = {"lock_timeout": LOCK_S, "statement_timeout": STATEMENT_WITHIN_S}
        options = " ".join(f"-c {name}={round(1000 * limit)}" for name, limit in limits.items())
        return {"connect_timeout": CONNECT_WITHIN_S, "options": options}

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that can say what happens on a conflict."""
        return postgresql.insert(table) if self.path is None else sqlite.insert(table)

    def is_missing(self) -> bool:
        """Whether the file does not exist."""
        return self.path is not None and not self.path.exists()

    def file_id(self) -> tuple[int, int] | None:
        """The file's device and inode, by which another of its name differs, or ``None``."""
        try:
            found = None if self.path is None else self.path.stat()
        except OSError:
            return None
        return None if found is None else (found.st_dev, found.st_ino)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection of its own to the database, whose schema is up to date; it blocks.

        Raises:
            InputError: it can't be read; the message says why.
        """
        engine = self.engine()
        try:
            self.migrate(engine)
            with engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise InputError(f"{self.name}: {reason_of(error)}") from error
        finally:
            engine.dispose()

    async def prepare(self) -> None:
        """Run ``migrate`` in a thread."""
        await asyncio.to_thread(self._migrate_once)

    def _migrate_once(self) -> None:
        engine = self.engine()
        try:
            self.migrate(engine)
        finally:
            engine.dispose()

    def migrate(self, engine: Engine) -> None:
        """Bring the schema up to date; it blocks. Two processes may do so at once.

        Raises:
            InputError: the database is of a newer version of ``ew``.
            SQLAlchemyError: it can't be used.
        """
        with engine.connect() as connection:
            found = _schema_of(connection)
        if found == SCHEMA:
            return
        # Imported for a new or an old database alone: it takes a third of a second
        from alembic import command  # noqa: PLC0415
        from alembic.config import Config  # noqa: PLC0415
        from alembic.util import CommandError  # noqa: PLC0415

        config = Config()
        config.set_main_option("script_location", "ew.storage:migrations")
        with engine.connect() as connection:
            if self.path is None:
                lock = text("SELECT pg_advisory_xact_lock(:key)")
                connection.execute(lock, {"key": MIGRATION_LOCK})
            else:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {MIGRATE_WITHIN_S * 1000}")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, SCHEMA)
            except CommandError as error:
                raise InputError(
                    f"{self.name} has schema {found}; this version of ew knows those up to {SCHEMA}"
                ) from error
            connection.commit()


def _schema_of(connection: Connection) -> str | None:
    """The migration a database is at; ``None``: none, as before there were migrations."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
