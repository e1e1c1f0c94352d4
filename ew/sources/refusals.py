"""SHELL: counts the messages a listener refuses; garbage can't fill its log."""

import logging
import time

EVERY_S = 1.0
"""A listener warns at most this often; at 1,000 refused messages a second a line each would write
10 GB a day."""


class Refusals:
    """The refused messages of a listener.

    ``what`` names the listener in the log: ``picks``, ``waveforms``.
    """

    def __init__(self, log: logging.Logger, what: str) -> None:
        self.count = 0
        self._log = log
        self._what = what
        self._said_at_s = -EVERY_S
        self._unsaid = 0

    def note(self, topic: str, why: object) -> None:
        """Count a refused message, and warn unless a warning was logged within ``EVERY_S``."""
        self.count += 1
        now_s = time.monotonic()
        if now_s - self._said_at_s < EVERY_S:
            self._unsaid += 1
            return
        more = f" ({self._unsaid} more since the last such line)" if self._unsaid else ""
        self._log.warning("%s: %s refused: %s%s", self._what, topic, why, more)
        self._said_at_s, self._unsaid = now_s, 0
