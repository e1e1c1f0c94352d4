"""SHELL: the resume file, which a thread keeps up to date for a restart after a kill at any moment.

A version is in the file within tens of ms of its publication, and nothing waits for that. A disk
that can't be written is tried again; health names it.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ew.errors import InputError
from ew.records import EventVersion, Status
from ew.storage.resume import Resume, load_resume, save_resume

log = logging.getLogger("ew.resume")

KEPT_S = 300.0
"""Versions are kept for this long, s, as an event may claim picks; after it nothing more is
published of it."""
SNAPSHOT_EVERY_S = 5.0
SNAPSHOTS_KEPT = 40
AGAIN_S = 1.0
QUIET_S = 45.0
"""Without an event under way, data of this length are read again, s: the LTA's 10 s and its
warm-up, a P-wave's way to the station that declares, and the seconds between the last snapshot and
the kill."""
BEFORE_ORIGIN_S = 25.0
"""With an event under way, data are read again from this long before its origin, s: they warm the
pickers."""
UNDER_WAY_S = 60.0
OLD_S = 600.0
"""Sequence numbers older than this, s, are not used: the data since then would be a backlog."""

Sequences = Mapping[str, Mapping[str, int]]


class ResumeFile:
    """Published versions and sequence numbers, in a file.

    ``sequences`` gives how far each SeedLink server has been read now; ``mode`` is the status of
    what is published.
    """

    def __init__(self, path: Path, sequences: Callable[[], Sequences], mode: Status) -> None:
        self.path = path
        self.error: str | None = None
        self._sequences = sequences
        self._mode = mode
        self._versions: list[EventVersion] = []
        self._snapshots: deque[tuple[float, Sequences]] = deque(maxlen=SNAPSHOTS_KEPT)
        self._changed = asyncio.Event()
        # A thread of its own: it alone waits for a disk that hangs
        self._thread = ThreadPoolExecutor(1, "resume-file")

    @property
    def versions(self) -> tuple[EventVersion, ...]:
        """The versions published in the last minutes, oldest first."""
        return tuple(self._versions)

    def load(self, now_s: float) -> Sequences:
        """Read the file of an earlier run; returns the sequence numbers to continue from, if any.

        A damaged file is logged and ignored.
        """
        try:
            kept = load_resume(self.path)
        except InputError as error:
            log.warning("%s; starting without it", error)
            return {}
        if kept.mode == self._mode:
            self._versions = [v for v in kept.versions if now_s - v.issued_s < KEPT_S]
        elif kept.versions:
            # A drill must not continue as a real event, nor the other way round
            log.warning("%s: published in mode %s, not continued", self.path, kept.mode)
        if not kept.sequences or now_s - kept.sequences_s > OLD_S:
            return {}
        self._snapshots.append((kept.sequences_s, kept.sequences))
        return kept.sequences

    def add(self, retained: Sequence[EventVersion], now_s: float) -> None:
        """Add versions that the broker still retains and the file does not have."""
        newest = {v.event_id: v.version for v in self._versions}
        self._versions += [
            one
            for one in retained
            if one.version > newest.get(one.event_id, 0) and now_s - one.issued_s < KEPT_S
        ]
        self._versions.sort(key=lambda one: one.issued_s)

    def note(self, version: EventVersion) -> None:
        """Add a version that has been published."""
        fresh = version.issued_s - KEPT_S
        self._versions = [v for v in self._versions if v.issued_s > fresh] + [version]
        self._changed.set()

    async def run(self) -> None:
        """Write the file after each publication and every few seconds, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(SNAPSHOT_EVERY_S):
                    await self._changed.wait()
            except TimeoutError:
                self._take_snapshot()
            self._changed.clear()
            await self._save()

    def _take_snapshot(self) -> None:
        numbers = {name: dict(one) for name, one in self._sequences().items() if one}
        if numbers:
            self._snapshots.append((time.time(), numbers))

    async def _save(self) -> None:
        loop = asyncio.get_running_loop()
        resume = self._resume(time.time())
        try:
            await loop.run_in_executor(self._thread, save_resume, self.path, resume)
        except InputError as error:
            if self.error is None:
                log.warning("resume file: %s", error)
            self.error = str(error)
            await asyncio.sleep(AGAIN_S)
            self._changed.set()
        else:
            self.error = None

    def _resume(self, now_s: float) -> Resume:
        versions = tuple(v for v in self._versions if now_s - v.issued_s < KEPT_S)
        origins_s = [v.origin.time_s for v in versions if now_s - v.origin.time_s < UNDER_WAY_S]
        wanted_s = min([now_s - QUIET_S, *(time_s - BEFORE_ORIGIN_S for time_s in origins_s)])
        taken_s, sequences = self._snapshot(wanted_s)
        return Resume(versions, sequences, taken_s, self._mode)

    def _snapshot(self, wanted_s: float) -> tuple[float, Sequences]:
        """The newest snapshot from before ``wanted_s`` (epoch seconds), or the oldest of all."""
        found: tuple[float, Sequences] = (0.0, {})
        for taken_s, sequences in self._snapshots:
            if taken_s <= wanted_s or not found[1]:
                found = taken_s, sequences
        return found
