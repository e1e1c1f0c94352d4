"""Log lines are handed to a thread; where nobody reads them they are dropped and counted."""

import logging
import queue
import subprocess
import sys

from ew.cli.logs import _Handover


def line(text: str) -> logging.LogRecord:
    return logging.LogRecord("ew", logging.INFO, "", 0, text, (), None)


def test_lines_that_find_no_room_are_dropped_and_their_number_is_said_later() -> None:
    lines: queue.Queue[logging.LogRecord] = queue.Queue(2)
    handler = _Handover(lines)
    for number in range(5):
        handler.emit(line(f"line {number}"))
    assert [lines.get_nowait().getMessage() for _ in range(2)] == ["line 0", "line 1"]
    handler.emit(line("line 5"))
    assert [lines.get_nowait().getMessage() for _ in range(2)] == [
        "3 log lines were lost",
        "line 5",
    ]


def test_level_and_logger_stand_once_in_a_line() -> None:
    program = (
        "import logging; from ew.cli import logs; logs.set_up('info');"
        "logging.getLogger('ew.test').info('hello %d', 7)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    (found,) = done.stderr.splitlines()
    assert found.split(" ", 1)[1] == "[INFO    ] hello 7 [ew.test]"
