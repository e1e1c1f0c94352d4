"""docs/files.md names what the code reads and writes."""

from dataclasses import fields
from pathlib import Path

import pytest

from ew.report import Score, report
from ew.sources import inventory
from ew.storage import device_files
from ew.storage.keyring import Keyring, ServiceKeys
from ew.storage.resume import Resume
from ew.storage.tables import metadata

PAGE = (Path(__file__).parents[2] / "docs" / "files.md").read_text(encoding="utf-8")
NAMES = [
    *inventory.COLUMNS,
    *device_files.COLUMNS,
    *metadata.tables,
    *(column.name for column in metadata.tables["devices"].columns),
    *report([], []),
    *(field.name for field in fields(Score)),
    *(field.name for field in fields(Resume)),
]


@pytest.mark.parametrize("name", sorted(set(NAMES)))
def test_each_column_table_and_key_is_on_the_page(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_each_key_file_that_is_made_is_on_the_page(tmp_path: Path) -> None:
    Keyring.init(tmp_path / "keys", 1_800_000_000_000_000)
    made = [file.relative_to(tmp_path / "keys") for file in (tmp_path / "keys").rglob("*")]
    for file in (one for one in made if one.suffix):
        named = "signing/ID.pem" if file.parent.name == "signing" else file.as_posix()
        assert f"`{named}`" in PAGE
    (tmp_path / "data").mkdir()
    ServiceKeys.beside(tmp_path / "data" / "ew.sqlite", 1_800_000_000_000_000)
    for file in (tmp_path / "data").iterdir():
        assert f"`{file.name}`" in PAGE
