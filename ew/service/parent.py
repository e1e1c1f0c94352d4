"""SHELL: a child process's pipe from the service: JSON objects on standard input, until it closes.

It imports nothing heavy: a child watches for its parent's death before it loads anything else.
"""

import json
import os
import threading
from collections.abc import Callable
from typing import Any

STDIN = 0
READ_BYTES = 1 << 16
NICE = 10
"""Niceness: a tenth of the alert path's share of a processor where both want it."""


class Parent:
    """Reads the parent's lines in a thread, and ends this process when the parent has ended."""

    def __init__(self) -> None:
        self._take: Callable[[dict[str, Any]], None] | None = None
        self._waiting: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def start(self) -> None:
        """Start reading, and give the parent precedence on the processor."""
        os.nice(NICE)
        threading.Thread(target=self._read, name="parent", daemon=True).start()

    def give_to(self, take: Callable[[dict[str, Any]], None]) -> None:
        """Pass the lines that have come, and each further one, to ``take``.

        ``take`` is called in this object's thread.
        """
        with self._lock:
            self._take = take
            for message in self._waiting:
                take(message)
            self._waiting.clear()

    def _read(self) -> None:
        # Not through sys.stdin: its lock, held by a waiting thread, upsets the interpreter's end
        rest = b""
        while data := os.read(STDIN, READ_BYTES):
            *lines, rest = (rest + data).split(b"\n")
            with self._lock:
                for message in map(json.loads, lines):
                    if self._take is None:
                        self._waiting.append(message)
                    else:
                        self._take(message)
        os._exit(0)  # no part of a child may outlive its parent
