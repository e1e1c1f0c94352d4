"""A PostgreSQL server of the tests' own: Debian's program, a port and a directory of its own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import pytest

from ew.delivery.broker import free_port


def _programs() -> Path | None:
    """The folder of the newest server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class Postgres:
    """A cluster that can be stopped and started again; ``url`` is that of its one database."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._data = programs, folder / "data"
        self._log = folder / "log"
        self._port = free_port()
        self._user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
        self.url = f"postgresql://ew:secret@127.0.0.1:{self._port}/postgres"
        password = folder / "password"
        password.write_text("secret\n", encoding="ascii")
        if self._user:
            for path in (folder, password):
                shutil.chown(path, self._user)
        options = ["--username=ew", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync"]
        self._run("initdb", "-D", str(self._data), *options)

    def start(self) -> Self:
        """Return when it takes connections."""
        settings = f"-p {self._port} -k {self._data} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run(
            "pg_ctl", "start", "-w", "-D", str(self._data), "-l", str(self._log), "-o", settings
        )
        return self

    def stop(self) -> None:
        """End it at once, as a crash does."""
        self._run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self._data))

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._programs / program, *arguments],
            user=self._user,
            cwd="/",
            check=True,
            stdout=subprocess.DEVNULL,
        )


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server that runs; the test is skipped where the programs are missing."""
    programs = _programs()
    if programs is None:
        pytest.skip("postgresql is not installed")
    with tempfile.TemporaryDirectory(prefix="ew-pg-") as folder:
        server = Postgres(programs, Path(folder)).start()
        try:
            yield server
        finally:
            server.stop()
