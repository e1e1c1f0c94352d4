"""SHELL: reads the registered devices as columns, for the service; it blocks."""

from array import array
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from ew.shaking.targets import Targets, device_targets
from ew.storage.database import Database
from ew.storage.tables import devices, silenced

ROWS_AT_ONCE = 500
"""Rows fetched at once: fewer than Python's garbage collector waits for (700), which for a million
rows would search all objects again and again, half of the time."""

_COLUMNS = (devices.c.device_id, devices.c.kind, devices.c.latitude, devices.c.longitude)


def read_targets(
    database: Database, kinds: Sequence[str], ids: Sequence[str] | None = None
) -> Targets:
    """The registered devices of the known kinds; with ``ids``, those of them alone.

    Raises:
        InputError: the database can't be read; the message says why.
    """
    index = {kind: number for number, kind in enumerate(kinds)}
    names: list[str] = []
    numbers, latitudes, longitudes = bytearray(), array("d"), array("d")
    with database.reading() as connection:
        for rows in _rows(connection, ids):
            found = [row for row in rows if row[1] in index]
            names += [row[0] for row in found]
            numbers += bytes([index[row[1]] for row in found])
            latitudes.extend([row[2] for row in found])
            longitudes.extend([row[3] for row in found])
    return device_targets(
        names,
        np.frombuffer(numbers, np.uint8),
        np.frombuffer(latitudes, np.float64),
        np.frombuffer(longitudes, np.float64),
    )


def read_silenced(database: Database) -> dict[str, str]:
    """The stations that operators have silenced (NET.STA), each with who did it and why.

    Raises:
        InputError: the database can't be read; the message says why.
    """
    with database.reading() as connection:
        rows = connection.execute(select(silenced.c.station, silenced.c.who, silenced.c.why))
        return {station: f"silenced by {who}: {why}" for station, who, why in rows}


def _rows(connection: Connection, ids: Sequence[str] | None) -> Iterator[Sequence[Any]]:
    if ids is None:
        streamed = connection.execution_options(yield_per=ROWS_AT_ONCE)
        yield from streamed.execute(select(*_COLUMNS)).partitions()
        return
    for first in range(0, len(ids), ROWS_AT_ONCE):
        some = devices.c.device_id.in_(ids[first : first + ROWS_AT_ONCE])
        wanted = select(*_COLUMNS).where(some)
        yield connection.execute(wanted).all()
