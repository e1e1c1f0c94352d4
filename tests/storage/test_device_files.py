"""Files of devices in CSV and Parquet: what is read of them, and what is said of mistakes."""

import io
import random
from collections.abc import Callable
from typing import Any

import pytest

from ew.errors import InputError
from ew.storage.device_files import BATCH, COLUMNS, DevicesError, batches, check

KINDS = ["tv", "lift"]
HEAD = ",".join(COLUMNS) + "\n"
Rows = list[tuple[Any, ...]]


def csv_of(rows: Rows) -> io.BytesIO:
    lines = (",".join("" if value is None else str(value) for value in row) for row in rows)
    return io.BytesIO((HEAD + "\n".join(lines)).encode())


def parquet_of(rows: Rows) -> io.BytesIO:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    file = io.BytesIO()
    parquet.write_table(arrow.table(columns), file, row_group_size=1000)
    return file


@pytest.mark.parametrize(("form", "made"), [("csv", csv_of), ("parquet", parquet_of)])
def test_all_devices_of_a_file_are_read_in_batches(
    form: Any, made: Callable[[Rows], io.BytesIO]
) -> None:
    rng = random.Random(1)
    rows = [
        (f"tv-{n}", rng.choice(KINDS), rng.uniform(-90, 90), rng.uniform(-180, 180))
        for n in range(BATCH + 7)
    ]
    file = made(rows)
    assert check(file, form, KINDS) == len(rows)
    found = list(batches(file, form, KINDS))
    assert [len(batch) for batch in found] == [BATCH, 7]
    devices = [device for batch in found for device in batch]
    assert [(d.device_id, d.kind, d.latitude, d.longitude) for d in devices] == rows


@pytest.mark.parametrize(("form", "made"), [("csv", csv_of), ("parquet", parquet_of)])
@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("tv 2", "tv", 1.0, 2.0), "device_id 'tv 2'"),
        (("x" * 65, "tv", 1.0, 2.0), "device_id"),
        ((None, "tv", 1.0, 2.0), "device_id"),
        (("tv-2", "toaster", 1.0, 2.0), "kind 'toaster' is none of tv, lift"),
        (("tv-2", "tv", 90.5, 2.0), "latitude"),
        (("tv-2", "tv", 1.0, -180.5), "longitude"),
        (("tv-2", "tv", float("nan"), 2.0), "latitude"),
        (("tv-2", "tv", 1.0, None), "longitude"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    form: Any, made: Callable[[Rows], io.BytesIO], row: tuple[Any, ...], said: str
) -> None:
    with pytest.raises(DevicesError) as caught:
        check(made([("tv-1", "tv", 1.0, 2.0), row, ("tv-3", "tv", 1.0, 2.0)]), form, KINDS)
    (mistake,) = caught.value.mistakes
    assert mistake.line == (3 if form == "csv" else 2)
    assert said in mistake.what


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "the columns are"),
        (b"id,kind,latitude,longitude\ntv-1,tv,1,2\n", "the columns are id, kind"),
        (b"device_id,kind,latitude\n", "the columns are"),
        (HEAD.encode() + b"tv-1,tv,1,2\ntv-2,tv,1\n", "line 3: 3 values for 4 columns"),
        (HEAD.encode() + b"tv-1,tv,one,2\n", "latitude 'one'"),
        (HEAD.encode() + b"tv-1,tv,1,2\ntv-2,tv\xff,1,2\n", "not UTF-8"),
        (HEAD.encode() + b'tv-1,tv,1,"2\n', "line "),
        (b"PAR1 nothing of the kind", "the columns are"),
    ],
)
def test_what_is_no_csv_of_devices_says_why(text: bytes, said: str) -> None:
    with pytest.raises((DevicesError, InputError)) as caught:
        check(io.BytesIO(text), "csv", KINDS)
    assert said in str(caught.value)


def test_csv_of_a_spreadsheet_is_read_whatever_the_order_of_its_columns() -> None:
    text = "\ufefflongitude, device_id ,kind,latitude\r\n103.5, tv-1,tv,29.5\r\n\r\n"
    ((device,),) = batches(io.BytesIO(text.encode()), "csv", KINDS)
    assert (device.device_id, device.latitude, device.longitude) == ("tv-1", 29.5, 103.5)


def test_what_is_no_parquet_says_so() -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    with pytest.raises(InputError, match="can't be read as Parquet"):
        check(io.BytesIO(HEAD.encode()), "parquet", KINDS)


def test_no_more_mistakes_are_listed_than_anybody_reads() -> None:
    with pytest.raises(DevicesError) as caught:
        check(csv_of([(f"tv-{n}", "tv", 91.0, 2.0) for n in range(500)]), "csv", KINDS)
    assert len(caught.value.mistakes) == 100
