"""PURE: measures the time of each stage of a tick, by a clock that is passed in."""

import contextlib
from collections.abc import Callable, Iterator

NS_PER_MS = 1e6


class StageTimer:
    """Adds up the time of stages by name.

    ``clock_ns``: a monotonic clock; with ``None`` (replay) nothing is measured.
    """

    def __init__(self, clock_ns: Callable[[], int] | None = None) -> None:
        self._clock_ns = clock_ns
        self._spent_ns: dict[str, int] = {}

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time within the context to a stage."""
        clock_ns = self._clock_ns
        if clock_ns is None:
            yield
            return
        begin_ns = clock_ns()
        try:
            yield
        finally:
            self._spent_ns[name] = self._spent_ns.get(name, 0) + clock_ns() - begin_ns

    def take(self) -> dict[str, float]:
        """Milliseconds by stage since the last call."""
        spent, self._spent_ns = self._spent_ns, {}
        return {name: ns / NS_PER_MS for name, ns in spent.items()}
