"""The README claims what the conformance run tries, and nothing else."""

import re
from pathlib import Path

from tests.mqtt_broker.conftest import by_number

HERE = Path(__file__).parent
README = HERE.parents[1] / "mqtt_broker" / "README.md"


def test_readme_lists_the_sections_that_have_tests() -> None:
    claimed = re.findall(r"^\| (\d[\d.]*) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    marked: set[str] = set()
    for file in HERE.glob("test_*.py"):
        for arguments in re.findall(r"mark\.rule\((.*?)\)", file.read_text(encoding="utf-8")):
            marked |= set(re.findall(r"[\d.]+", arguments))
    assert claimed == sorted(marked, key=by_number)
