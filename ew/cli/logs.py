"""Log lines on standard error, written by a thread: whoever reads them slowly, or not at all, holds nothing up."""

import logging
import logging.handlers
import queue

import structlog

LINES_WAITING_MOST = 10_000


class _Handover(logging.handlers.QueueHandler):
    """Drops lines while too many wait, and says later how many."""

    def __init__(self, lines: "queue.Queue[logging.LogRecord]") -> None:
        super().__init__(lines)
        self.lost = 0
        self._lines = lines

    def enqueue(self, record: logging.LogRecord) -> None:
        """Hand a line over to the thread that writes."""
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


def set_up(level: str) -> None:
    """Log lines as ``time level logger event``, one way for our own and the libraries'."""
    written = logging.StreamHandler()
    written.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.dev.ConsoleRenderer(colors=False),
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        )
    )
    lines: queue.Queue[logging.LogRecord] = queue.Queue(LINES_WAITING_MOST)
    writer = logging.handlers.QueueListener(lines, written)
    writer.start()
    logging.basicConfig(level=level.upper(), format="%(message)s", handlers=[_Handover(lines)])
