"""SHELL: the state of this host's clock, from chrony where it runs, else from the kernel.

The kernel is asked by ntp_adjtime(3).

timedatectl is not asked: it reports the kernel's answer.
"""

import asyncio
import ctypes
import logging
import math
import shutil
import subprocess
from dataclasses import asdict, dataclass
from typing import Any

log = logging.getLogger("ew.clock")

LOOK_EVERY_S = 30.0
ASKED_FOR_S = 3.0
UNSYNCHRONIZED = 0x0040  # STA_UNSYNC of <sys/timex.h>
TIME_ERROR = 5
OFFSET_FIELD, LEAP_FIELD = 4, 13
"""Fields of ``chronyc -c tracking``: seconds the system clock is off (positive: behind), and leap
status."""


class _Timex(ctypes.Structure):
    """The beginning of ``struct timex``, and room for the rest of it."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 32),
    )


@dataclass(frozen=True, slots=True)
class ClockState:
    """Whether the host's clock is synchronized by NTP or the like, and how far it is off, s.

    ``None`` where nothing is known.
    """

    is_synchronized: bool | None = None
    offset_s: float | None = None
    by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The state as plain JSON values."""
        return asdict(self)


def read_clock() -> ClockState:
    """Ask chrony, else the kernel; it may take seconds."""
    program = shutil.which("chronyc")
    if program is not None:
        try:
            answer = subprocess.run(
                [program, "-c", "tracking"],
                capture_output=True,
                text=True,
                timeout=ASKED_FOR_S,
                check=True,
            ).stdout
            return parse_tracking(answer)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            log.debug("chronyc: %s", error)  # installed and not running: the kernel knows
    return _kernel()


def parse_tracking(answer: str) -> ClockState:
    """Parse the answer of ``chronyc -c tracking``.

    Raises:
        ValueError: it is no such answer.
    """
    fields = answer.strip().split(",")
    if len(fields) <= LEAP_FIELD:
        raise ValueError(f"chronyc answers {answer!r}")
    offset_s = float(fields[OFFSET_FIELD])
    if not math.isfinite(offset_s):
        raise ValueError(f"chronyc answers an offset of {offset_s}")
    return ClockState(fields[LEAP_FIELD] != "Not synchronised", -offset_s, "chrony")


def _kernel() -> ClockState:
    library = ctypes.CDLL(None)
    if not hasattr(library, "adjtimex"):  # Linux alone has it by this name
        return ClockState()
    timex = _Timex()
    state = library.adjtimex(ctypes.byref(timex))
    if state < 0:  # forbidden in some containers
        return ClockState()
    is_synchronized = state != TIME_ERROR and not timex.status & UNSYNCHRONIZED
    return ClockState(is_synchronized, None, "kernel")


class HostClock:
    """Keeps ``state`` up to date."""

    def __init__(self) -> None:
        self.state = ClockState()

    async def run(self) -> None:
        """Read the clock's state again and again until cancelled."""
        while True:
            found = await asyncio.to_thread(read_clock)
            if found.is_synchronized is False and self.state.is_synchronized is not False:
                log.warning("this host's clock is not synchronized (%s)", found.by)
            self.state = found
            await asyncio.sleep(LOOK_EVERY_S)
