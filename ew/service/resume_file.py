"""SHELL: what the service would need if it were killed now, kept up to date in the resume file by a thread.

A version is in the file within tens of ms of its telling, and nothing waits for that. A disk that takes
nothing is tried again; health names it.
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
"""As long as an event may claim waves; after it nothing more is told of it."""
SNAPSHOT_EVERY_S = 5.0
SNAPSHOTS_KEPT = 40
AGAIN_S = 1.0
QUIET_S = 45.0
"""So much is read again where no event is under way: the LTA's 10 s and its warm-up, a P-wave's way to
the station that declares, and the seconds between the last snapshot and the kill."""
BEFORE_ORIGIN_S = 25.0
"""Where one is, its whole recording is, and what warms the pickers before it."""
UNDER_WAY_S = 60.0
OLD_S = 600.0
"""Sequence numbers from before are of no use: what was missed would be a backlog."""

Sequences = Mapping[str, Mapping[str, int]]


class ResumeFile:
    """``sequences`` tells how far each SeedLink server has been read now; ``mode``: the status of what is told."""

    def __init__(self, path: Path, sequences: Callable[[], Sequences], mode: Status) -> None:
        self.path = path
        self.error: str | None = None
        self._sequences = sequences
        self._mode = mode
        self._versions: list[EventVersion] = []
        self._snapshots: deque[tuple[float, Sequences]] = deque(maxlen=SNAPSHOTS_KEPT)
        self._changed = asyncio.Event()
        # A thread of its own: only this one hangs when the disk does
        self._thread = ThreadPoolExecutor(1, "resume-file")

    @property
    def versions(self) -> tuple[EventVersion, ...]:
        """The versions told in the last minutes, oldest first."""
        return tuple(self._versions)

    def load(self, now_s: float) -> Sequences:
        """Take over what an earlier run has kept; the sequence numbers to go on from, if they are of use.

        A damaged file is told and left aside.
        """
        try:
            kept = load_resume(self.path)
        except InputError as error:
            log.warning("%s; starting without it", error)
            return {}
        if kept.mode == self._mode:
            self._versions = [v for v in kept.versions if now_s - v.issued_s < KEPT_S]
        elif kept.versions:
            # What was told as a drill must not go on as real, nor the other way round
            log.warning("%s: told in mode %s, not gone on from", self.path, kept.mode)
        if not kept.sequences or now_s - kept.sequences_s > OLD_S:
            return {}
        self._snapshots.append((kept.sequences_s, kept.sequences))
        return kept.sequences

    def add(self, retained: Sequence[EventVersion], now_s: float) -> None:
        """Take over what the broker still retains and the file does not know."""
        newest = {v.event_id: v.version for v in self._versions}
        self._versions += [
            one
            for one in retained
            if one.version > newest.get(one.event_id, 0) and now_s - one.issued_s < KEPT_S
        ]
        self._versions.sort(key=lambda one: one.issued_s)

    def note(self, version: EventVersion) -> None:
        """A version has been told."""
        fresh = version.issued_s - KEPT_S
        self._versions = [v for v in self._versions if v.issued_s > fresh] + [version]
        self._changed.set()

    async def run(self) -> None:
        """Write the file whenever something has been told, and every few seconds; runs until cancelled."""
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
        """The newest snapshot from before a moment, or the oldest of all."""
        found: tuple[float, Sequences] = (0.0, {})
        for taken_s, sequences in self._snapshots:
            if taken_s <= wanted_s or not found[1]:
                found = taken_s, sequences
        return found
