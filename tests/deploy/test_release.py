"""A release: its check, and a workflow of nothing but scripts that run here as well."""

import importlib.util
import os
import re
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest
import yaml

import ew

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
SOURCE = '__version__ = "1.2.0"\n'
CHANGELOG = """# Changelog

## Unreleased

## 1.2.0 - 2026-11-27

### Added

- A thing.

## 1.1.0 - 2026-10-01

- Another.
"""


@pytest.fixture(scope="module")
def check() -> ModuleType:
    loader = SourceFileLoader("check_release", str(ROOT / "scripts/check-release"))
    spec = importlib.util.spec_from_loader("check_release", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_a_release_has_its_version_and_a_dated_section(check: ModuleType) -> None:
    assert check.mistakes("1.2.0", SOURCE, CHANGELOG) == []
    assert check.section("1.2.0", CHANGELOG) == "### Added\n\n- A thing."


@pytest.mark.parametrize(
    ("version", "changelog", "said"),
    [
        ("1.3.0", CHANGELOG, "another version"),
        ("1.2.0", CHANGELOG.replace(" - 2026-11-27", ""), "no section"),
        (
            "1.2.0",
            CHANGELOG.replace("Unreleased\n", "Unreleased\n\n- More.\n"),
            "still has changes",
        ),
    ],
)
def test_what_is_missing_is_named(
    check: ModuleType, version: str, changelog: str, said: str
) -> None:
    assert any(said in one for one in check.mistakes(version, SOURCE, changelog))


def test_the_version_stands_where_the_check_looks(check: ModuleType) -> None:
    source = (ROOT / "ew/__init__.py").read_text(encoding="utf-8")
    found = check.mistakes(ew.__version__, source, CHANGELOG)
    assert not any("another version" in one for one in found)


def test_the_workflow_runs_scripts_of_the_project() -> None:
    lines = [
        step["run"]
        for job in WORKFLOW["jobs"].values()
        for step in job["steps"]
        if "run" in step and not step["run"].startswith("gh ")
    ]
    assert len(lines) >= 5
    for line in lines:
        for script in re.split(r" && ", line):
            path = ROOT / script.split()[0]
            assert os.access(path, os.X_OK), script


def test_only_the_last_job_may_write() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    writing = [name for name, job in WORKFLOW["jobs"].items() if "permissions" in job]
    assert writing == ["publish"]
