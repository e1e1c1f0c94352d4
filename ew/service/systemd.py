"""SHELL: reports to systemd (sd_notify(3)): that the service is ready, that it lives, its health.

Nothing is sent where no supervisor listens, and nothing waits for an answer.
"""

import contextlib
import os
import socket
import time

from ew.times import US_PER_S

SAYINGS = 4.0
"""The watchdog is notified this many times within its time limit."""


class SystemdNotifier:
    """Writes to the socket in ``NOTIFY_SOCKET``, for the watchdog of ``WATCHDOG_USEC``."""

    def __init__(self, environment: "os._Environ[str] | dict[str, str]" = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        # systemd writes an abstract socket's leading zero byte as @
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._every_s = int(environment.get("WATCHDOG_USEC", "0")) / US_PER_S / SAYINGS
        self._notified_s = 0.0

    def ready(self) -> None:
        """Report that alerts are possible from now on."""
        self._notify("READY=1")

    def status(self, health: str) -> None:
        """Set the line that ``systemctl status`` shows."""
        self._notify(f"STATUS=health: {health}")

    def alive(self) -> None:
        """Report that the pipeline has completed a tick; it may be called at any rate."""
        now_s = time.monotonic()
        if self._every_s and now_s - self._notified_s >= self._every_s:
            self._notified_s = now_s
            self._notify("WATCHDOG=1")

    def _notify(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as speaker:
            speaker.setblocking(False)
            with contextlib.suppress(OSError):  # a supervisor that does not listen is not our fault
                speaker.sendto(text.encode(), self._address)
