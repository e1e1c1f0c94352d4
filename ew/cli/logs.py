"""Writes log lines to standard error in a thread, so that a slow reader blocks nothing."""

import atexit
import logging
import logging.handlers
import queue
from datetime import UTC, datetime

LINES_WAITING_MOST = 10_000


class _Handover(logging.handlers.QueueHandler):
    """Drops lines while too many wait, and logs their number later."""

    def __init__(self, lines: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(lines)
        self.lost = 0
        self._lines = lines

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a line for the thread that writes."""
        try:
            if self.lost and not self._lines.full():
                lost, self.lost = self.lost, 0
                self._lines.put_nowait(
                    logging.LogRecord(
                        "ew.logs", logging.WARNING, "", 0, "%d log lines were lost", (lost,), None
                    )
                )
            self._lines.put_nowait(record)
        except queue.Full:
            self.lost += 1


class _Line(logging.Formatter):
    """Formats ``time [level] event [logger]``, UTC, in one line, with a traceback below."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record."""
        record.asctime = datetime.fromtimestamp(record.created, UTC).isoformat(
            timespec="microseconds"
        )
        return super().format(record)

    def usesTime(self) -> bool:  # noqa: N802 - logging's name
        """Whether ``logging`` is to write the time itself."""
        return False


def set_up(level: str) -> None:
    """Log our own and the libraries' lines in one form."""
    written = logging.StreamHandler()
    written.setFormatter(_Line("%(asctime)s [%(levelname)-8s] %(message)s [%(name)s]"))
    lines: queue.Queue[logging.LogRecord] = queue.Queue(LINES_WAITING_MOST)
    writer = logging.handlers.QueueListener(lines, written)
    writer.start()
    atexit.register(writer.stop)
    handover = _Handover(lines)
    handover.setFormatter(logging.Formatter("%(message)s"))  # else basicConfig sets a longer one
    logging.basicConfig(level=level.upper(), handlers=[handover])
    logging.getLogger("alembic").setLevel(logging.WARNING)  # it names each plugin it sets up
