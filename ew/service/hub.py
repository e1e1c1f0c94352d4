"""Hands messages to any number of subscribers in this process; slow ones lose the oldest."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any

KEPT = 500
KEPT_TRACES = 1000
"""Traces of the last 40 s, for who opens a page in mid-event: some 24 a second."""


class Hub:
    """Publishes JSON-like messages to all subscribers, and remembers the newest of each type."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()
        self._kept: dict[str, deque[dict[str, Any]]] = {}

    def publish(self, kind: str, /, **what: Any) -> None:  # noqa: ANN401 - plain JSON values
        """Publish a message of type ``kind`` with these members."""
        self.forward({"type": kind, **what})

    def forward(self, update: dict[str, Any]) -> None:
        """Publish a message that was made elsewhere; its member ``type`` names its type."""
        kept = KEPT_TRACES if update["type"] == "waveform" else KEPT
        self._kept.setdefault(update["type"], deque(maxlen=kept)).append(update)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(update)

    def recent(self, kind: str) -> list[dict[str, Any]]:
        """The newest messages of a type, oldest first."""
        return list(self._kept.get(kind, ()))

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[dict[str, Any]]]:
        """A queue of the messages published from now on."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(KEPT)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
