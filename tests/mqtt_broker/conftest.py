"""A broker in a process of its own. These tests, like the package, know nothing of ``ew``."""

import asyncio
import contextlib
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


@dataclass(frozen=True)
class Address:
    """Where a broker listens."""

    host: str
    port: int
    pid: int | None = None


@contextlib.asynccontextmanager
async def running(*options: str) -> AsyncIterator[Address]:
    """``python -m mqtt_broker`` with these options."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mqtt_broker", "--with-parent", *options),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            line = await process.stdout.readline()
        yield Address("127.0.0.1", int(line.rpartition(b":")[2]), process.pid)
    finally:
        process.stdin.close()
        await process.wait()


@pytest.fixture
async def broker() -> AsyncIterator[Address]:
    """A broker that lets every client do everything; ``urgent/`` topics go first."""
    async with running("--urgent", "urgent/") as address:
        yield address


_outcomes: dict[str, list[str]] = defaultdict(list)
"""Of each section of the standard, how its tests ended."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Hand a test's sections on to its report, which may come from another process."""
    for mark in item.iter_markers("rule"):
        item.user_properties += [("section", section) for section in mark.args]


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how a test of the standard ended."""
    if report.when == "call" or report.outcome != "passed":
        for name, section in report.user_properties:
            if name == "section":
                _outcomes[str(section)].append(report.outcome)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print each section of the standard with its tests: the conformance run's result."""
    if terminalreporter.config.option.markexpr != "rule":
        return
    terminalreporter.section("MQTT 5 sections")
    for section in sorted(_outcomes, key=by_number):
        found = _outcomes[section]
        counts = ", ".join(f"{found.count(what)} {what}" for what in sorted(set(found)))
        terminalreporter.write_line(f"{section:10} {counts}")


def by_number(section: str) -> list[int]:
    """Sections in the standard's order."""
    return [int(part) for part in section.split(".")]
