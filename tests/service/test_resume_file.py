"""What a service goes on from after a restart is what was told with the same status."""

from pathlib import Path

import pytest

from ew.records import EventVersion, Origin, Status
from ew.service.resume_file import ResumeFile
from ew.storage.resume import Resume, save_resume

NOW_S = 1.7e9
TOLD = EventVersion("ew1", 2, "update", NOW_S - 9, Origin(NOW_S - 20, 30.0, 103.0, 10.0, 6.5), 7)
READ = {"host:18000": {"*": 17}}


@pytest.mark.parametrize(
    ("before", "now", "goes_on"),
    [
        ("actual", "actual", True),
        ("exercise", "exercise", True),
        ("exercise", "actual", False),
        ("actual", "test", False),
        (None, "actual", False),
    ],
)
def test_a_drill_never_goes_on_as_real_nor_the_other_way_round(
    before: Status | None, now: Status, tmp_path: Path, *, goes_on: bool
) -> None:
    path = tmp_path / "ew.resume.json"
    save_resume(path, Resume((TOLD,), READ, NOW_S - 5, before))
    resume_file = ResumeFile(path, dict, now)
    assert resume_file.load(NOW_S) == READ, "where the sources were is the same in every mode"
    assert [v.event_id for v in resume_file.versions] == (["ew1"] if goes_on else [])
