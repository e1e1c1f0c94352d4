"""What happens now, handed to whoever listens (the WebSocket); slow listeners lose the oldest."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any

KEPT = 500


class Hub:
    """Publishes small JSON-like happenings to any number of listeners."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[dict[str, Any]]] = set()
        self._kept: dict[str, deque[dict[str, Any]]] = {}

    def publish(self, kind: str, /, **what: Any) -> None:  # noqa: ANN401 - plain JSON values
        """Tell all listeners."""
        self.forward({"type": kind, **what})

    def forward(self, happening: dict[str, Any]) -> None:
        """Tell all listeners what was told elsewhere, with its ``type``."""
        self._kept.setdefault(happening["type"], deque(maxlen=KEPT)).append(happening)
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(happening)

    def recent(self, kind: str) -> list[dict[str, Any]]:
        """The last happenings of a kind, oldest first."""
        return list(self._kept.get(kind, ()))

    @contextlib.contextmanager
    def subscribe(self) -> Iterator[asyncio.Queue[dict[str, Any]]]:
        """A queue of what happens from now on."""
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(KEPT)
        self._listeners.add(queue)
        try:
            yield queue
        finally:
            self._listeners.discard(queue)
