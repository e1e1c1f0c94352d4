"""The resume file: whole or not at all, and never in the way of a start."""

import math
from pathlib import Path

import pytest

from ew.errors import InputError
from ew.records import EventVersion, Origin, StationMotion
from ew.storage.resume import Resume, load_resume, save_resume

VERSION = EventVersion(
    "ew1", 3, "update", 1e9 + 4, Origin(1e9, 30.0, 103.0, 10.0, 6.5, horizontal_error_km=3.0), 7,
    motions=(StationMotion("XS.A..HNZ", 30.1, 103.1, 1.5, 0.2),),
)  # fmt: skip


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "ew.resume.json"
    save_resume(path, Resume((VERSION,), {"host:18000": {"*": 17, "XS_A": 12}}, 1e9, "exercise"))
    found = load_resume(path)
    assert found.mode == "exercise"
    assert found.sequences == {"host:18000": {"*": 17, "XS_A": 12}}
    assert found.sequences_s == 1e9
    (version,) = found.versions
    assert math.isnan(version.origin.depth_error_km)
    assert (version.event_id, version.version, version.kind) == ("ew1", 3, "update")
    assert version.motions == VERSION.motions
    assert version.origin.horizontal_error_km == 3.0
    assert path.stat().st_mode & 0o777 == 0o600


def test_no_file_is_an_empty_one(tmp_path: Path) -> None:
    assert load_resume(tmp_path / "ew.resume.json") == Resume()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"versions": [{}], "sequences": {}}'])
def test_a_damaged_file_is_one_clear_error(text: str, tmp_path: Path) -> None:
    path = tmp_path / "ew.resume.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"ew\.resume\.json"):
        load_resume(path)


def test_a_file_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be written"):
        save_resume(tmp_path / "missing" / "ew.resume.json", Resume())
