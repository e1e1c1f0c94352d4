"""The documentation: it builds without a warning, reaches no other machine, and what it shows is
true."""

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

from ew.cli.main import app
from ew.config import load_config

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
COMMAND = re.compile(r"^(?:\.venv/bin/)?ew [a-z]")
PLACES = ("…", "...", "[", "*")
"""What stands in a line for something left out."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


class _Fetched(HTMLParser):
    """What a browser fetches of itself for a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.urls: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("script", "img", "iframe"):
            self.urls.append(found.get("src") or "")
        elif tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.urls.append(found.get("href") or "")


def test_the_site_builds_strictly_and_fetches_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        for url in _Fetched(page.read_text(encoding="utf-8")).urls:
            assert not re.match(r"(https?:)?//", url), (page.name, url)


def test_the_reference_has_what_the_code_has(site: Path) -> None:
    def text(name: str) -> str:
        return (site / f"reference/{name}.html").read_text(encoding="utf-8")

    assert "--packet" in text("cli")
    assert "ew keys rotate" in text("cli")
    assert "mqtt_waveforms" in text("configuration")
    assert "cells_within_km" in text("configuration")
    assert "/api/v1/origins" in text("api")
    assert "s_arrival_us" in text("topics")
    assert "ew_healthy" in text("metrics")
    listed = text("modules")
    for folder in (ROOT / "ew").iterdir():
        if (folder / "__init__.py").exists() and folder.name != "web":
            assert f"ew/{folder.name}/" in listed


def blocks(page: Path, language: str) -> Iterator[str]:
    text = page.read_text(encoding="utf-8")
    yield from re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(page: Path) -> Iterator[str]:
    """Lines that call ew, in fenced and in indented blocks, lines that go on put together."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        is_prose = line.startswith((" ", "|", "-")) and not line.startswith("    ")
        if not is_prose and COMMAND.match(line.strip()):
            yield line.strip()


CALLS = [(page.name, line) for page in PAGES for line in commands(page)]


def test_there_are_commands_to_look_at() -> None:
    assert len(CALLS) > 30


@pytest.mark.parametrize(("page", "line"), CALLS)
def test_each_command_line_shown_is_one_that_ew_understands(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(app)
    name = "ew"
    while getattr(command, "commands", None):
        assert words, f"{page}: {line}"
        assert words[0] in command.commands, f"{page}: {line}: no command {words[0]}"
        name = words[0]
        command = command.commands[words.pop(0)]
    if "--help" in words or any(word.startswith(PLACES) for word in words):
        options = {o for one in command.params for o in [*one.opts, *one.secondary_opts]}
        assert {word for word in words if word.startswith("--")} <= {*options, "--help"}
        return
    command.make_context(name, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_shown_runs_and_toml_shown_is_a_configuration(page: Path, tmp_path: Path) -> None:
    for number, block in enumerate(blocks(page, "python")):
        file = tmp_path / f"{number}.py"
        file.write_text(block, encoding="utf-8")
        subprocess.run([sys.executable, file], check=True)
    for number, block in enumerate(blocks(page, "toml")):
        tomllib.loads(block)
        file = tmp_path / f"{number}.toml"
        file.write_text(block.replace("…", "0" * 64), encoding="utf-8")  # a hash left out
        load_config(file)
