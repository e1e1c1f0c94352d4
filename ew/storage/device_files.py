"""SHELL: devices in bulk, from files in CSV or Parquet: checked line by line, read in batches.

A file is looked through twice, so that nothing is registered of one with a mistake in its last
line, and a million devices are never in memory at once.
"""

import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any, Literal, TypeAlias

from ew.errors import EwError, InputError
from ew.storage.store import RegisteredDevice

COLUMNS = ("device_id", "kind", "latitude", "longitude")
BATCH = 5_000
"""Devices registered in one transaction: 50 ms, in which the journal has to wait."""
MISTAKES_MOST = 100
LINES_MOST = 10_000_000
DEVICE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

Form: TypeAlias = Literal["csv", "parquet"]
Rows: TypeAlias = Iterator[tuple[int, Sequence[Any]]]
"""The number of a line and its values, in the order of ``COLUMNS``."""


@dataclass(frozen=True, slots=True)
class LineMistake:
    """A mistake in a line; lines count from 1, in a CSV file that of the names."""

    line: int
    what: str


class DevicesError(EwError):
    """A file of devices has mistakes; ``mistakes`` are the first of them."""

    def __init__(self, mistakes: Sequence[LineMistake]) -> None:
        first = "; ".join(f"line {one.line}: {one.what}" for one in mistakes[:3])
        super().__init__(f"no device was registered: {first}")
        self.mistakes = mistakes


class MissingParquetError(EwError):
    """What reads Parquet is not installed."""


def check(file: IO[bytes], form: Form, kinds: Collection[str]) -> int:
    """Look through a whole file; the number of its devices. Blocking.

    Raises:
        DevicesError: it has mistakes.
        InputError: it is no file of this form, or has not the four columns.
        MissingParquetError: pyarrow is not installed.
    """
    mistakes: list[LineMistake] = []
    count = 0
    try:
        for line, values in _rows(file, form):
            count += 1
            if count > LINES_MOST:
                raise InputError(f"more than {LINES_MOST:,} devices: send them in several files")
            try:
                _device(values, kinds)
            except InputError as error:
                mistakes.append(LineMistake(line, str(error)))
                if len(mistakes) == MISTAKES_MOST:
                    break
    except DevicesError as error:
        mistakes += error.mistakes
    if mistakes:
        raise DevicesError(mistakes)
    return count


def batches(
    file: IO[bytes], form: Form, kinds: Collection[str]
) -> Iterator[list[RegisteredDevice]]:
    """The devices of a file that ``check`` found in order, some thousand at a time. Blocking."""
    batch: list[RegisteredDevice] = []
    for _, values in _rows(file, form):
        batch.append(_device(values, kinds))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _device(values: Sequence[Any], kinds: Collection[str]) -> RegisteredDevice:
    if len(values) != len(COLUMNS):
        raise InputError(f"{len(values)} values for {len(COLUMNS)} columns")
    device_id, kind, latitude, longitude = values
    if not isinstance(device_id, str) or not DEVICE_ID.fullmatch(device_id):
        raise InputError(f"device_id {device_id!r}: 1 to 64 letters, digits, '.', '_' or '-'")
    if kind not in kinds:
        raise InputError(f"kind {kind!r} is none of {', '.join(kinds)}")
    return RegisteredDevice(
        device_id,
        kind,
        _degrees("latitude", latitude, 90.0),
        _degrees("longitude", longitude, 180.0),
    )


def _degrees(name: str, value: object, most: float) -> float:
    try:
        degrees = float(value)  # type: ignore[arg-type] # anything else is a TypeError
    except (TypeError, ValueError):
        degrees = most + 1
    if not abs(degrees) <= most:  # nor NaN
        raise InputError(f"{name} {value!r}: a number from {-most:g} to {most:g}")
    return degrees


def _rows(file: IO[bytes], form: Form) -> Rows:
    file.seek(0)
    return _rows_of_csv(file) if form == "csv" else _rows_of_parquet(file)


def _rows_of_csv(file: IO[bytes]) -> Rows:
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        reader = csv.reader(text, strict=True)
        names = [name.strip() for name in next(reader, [])]
        places = _places(names)
        for row in reader:
            if len(row) == len(names):
                yield reader.line_num, [row[place].strip() for place in places]
            elif row:  # an empty line is nothing
                yield reader.line_num, row
    except csv.Error as error:
        raise DevicesError([LineMistake(reader.line_num, str(error))]) from error
    except UnicodeDecodeError as error:
        raise InputError(f"this is not UTF-8: {error.reason}") from error
    finally:
        text.detach()  # the file stays open


def _rows_of_parquet(file: IO[bytes]) -> Rows:
    try:
        from pyarrow import ArrowException, parquet  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise MissingParquetError("Parquet needs pyarrow: pip install 'ew[parquet]'") from error
    try:
        source = parquet.ParquetFile(file)
        _places(source.schema_arrow.names)
        line = 0
        for batch in source.iter_batches(BATCH, columns=list(COLUMNS)):
            columns = [batch.column(name).to_pylist() for name in COLUMNS]
            for values in zip(*columns, strict=True):
                line += 1
                yield line, values
    except (ArrowException, OSError) as error:
        raise InputError(f"this can't be read as Parquet: {error}") from error


def _places(names: Sequence[str]) -> list[int]:
    """Where the columns stand among the names of a file."""
    if sorted(names) != sorted(COLUMNS):
        raise InputError(f"the columns are {', '.join(names)}, and not {', '.join(COLUMNS)}")
    return [names.index(column) for column in COLUMNS]
