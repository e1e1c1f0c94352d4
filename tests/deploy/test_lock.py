"""The locked packages are those that pyproject.toml asks for: scripts/lock --keep mends a
difference."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
ASKED = {
    "run": [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]],
    "test": EXTRAS["test"],
    "check": EXTRAS["check"],
}
FILES = ("run", "test", "check", "tools")


def locked(name: str) -> dict[str, list[Version]]:
    """The versions in a file, by package: more than one where Pythons differ."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    found: dict[str, list[Version]] = {}
    for package, version in re.findall(r"^([\w.-]+)==([^\s;]+)", text, flags=re.MULTILINE):
        found.setdefault(canonicalize_name(package), []).append(Version(version))
    return found


@pytest.mark.parametrize("step", ASKED)
def test_what_is_asked_for_is_locked_in_a_version_that_is_allowed(step: str) -> None:
    known: dict[str, list[Version]] = {}
    for name in FILES[: FILES.index(step) + 1]:
        known |= locked(name)
    wrong = []
    for asked in map(Requirement, ASKED[step]):
        versions = known.get(canonicalize_name(asked.name), [])
        if not versions or not all(asked.specifier.contains(one) for one in versions):
            wrong.append(str(asked))
    assert wrong == [], "scripts/lock --keep"


@pytest.mark.parametrize("name", FILES)
def test_each_package_has_hashes(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    blocks = re.findall(r"^\w.*(?:\n    .*)*", text, flags=re.MULTILINE)
    assert len(blocks) == sum(len(versions) for versions in locked(name).values())
    assert [b for b in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}", b)] == []
    assert "://" not in text, "no place to fetch from is named"


@pytest.mark.parametrize("script", ["lock", "audit", "sbom"])
def test_script_says_what_it_needs(script: str, tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / script, tmp_path / "scripts")
    done = subprocess.run(
        [tmp_path / "scripts" / script], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert f"{script}: no " in done.stderr
    assert "scripts/setup tools" in done.stderr
