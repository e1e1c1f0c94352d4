"""A short run of each target; `python -m tests.fuzz all` is a long one."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzzing
from tests.fuzz.targets import Target, targets

ROOT = Path(__file__).parents[2]
ROUNDS = 400


def test_nothing_from_outside_does_more_than_be_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "all", "--rounds", str(ROUNDS)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count(f": {ROUNDS} inputs in") == len(targets())


def test_error_that_is_not_stated_ends_the_run_and_tells_the_input(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def read(data: bytes) -> None:
        raise KeyError(data)

    with pytest.raises(KeyError):
        fuzzing.try_one("x", Target([b"a"], read, (ValueError,)), b"\x00\x01", 0)
    assert "x: input 00" in capsys.readouterr().err


def test_input_that_takes_much_memory_ends_the_run() -> None:
    with pytest.raises(SystemExit, match="too much memory for input"):
        fuzzing.try_one("x", Target([b"a"], len), b"a", -(1 << 40))
