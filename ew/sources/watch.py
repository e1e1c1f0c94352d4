"""SHELL: reads miniSEED files of a directory as they grow.

Every file in it and in its folders is read, whatever its name. A file is read on from where the
last read ended; one that was rewritten is read from its begin, and each packet is passed on once.
What can't be read is left aside and named, once in the log and in ``left_aside`` for as long as it
stays so.
"""

import asyncio
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from ew.records import Packet
from ew.sources import miniseed

log = logging.getLogger("ew.watch")

LOOK_EVERY_S = 0.25
BUSY_SHARE = 0.1
"""Most of the time, as a share, that searching may take: 100,000 files are searched in a second."""
LOOK_BYTES = 4 << 20
"""Most bytes read in one pass, the newest files first: a full archive must not delay live data."""
PART_BYTES = 1 << 20
"""Most bytes of one file read in one pass."""
FOREIGN_BYTES = 1 << 20
"""A file without a record in this many bytes is not read on: control headers of a full SEED volume
are shorter."""
MARK_BYTES = 64
"""Bytes at a file's begin, and of the last record read, that show whether it was rewritten: headers
and first samples; records end with zeros, which do not differ."""
UNFINISHED_S = 5.0
"""A file that ends within a record and has not grown for this long, s, is named."""
REMEMBERED = 200_000
"""Packets remembered, to recognize them when a file is rewritten, renamed or copied."""


State: TypeAlias = tuple[int, int, int]
"""A file's inode, size in bytes and time of change in ns."""


class WatchedFolder:
    """A directory and the state of its files; ``run`` passes packets on until it is cancelled.

    ``left_aside``: what is not read, by path within the directory, with the reason; ``repeated``
    counts packets that had been read before.
    """

    def __init__(self, folder: Path, take: Callable[[Packet], None]) -> None:
        self.folder = folder
        self.packets = self.repeated = 0
        self.left_aside: dict[str, str] = {}
        self._take = take
        self._files: dict[str, _File] = {}
        self._known: dict[int, None] = {}

    @property
    def files(self) -> int:
        """The number of files in it."""
        return len(self._files)

    async def run(self) -> None:
        """Search for new data again and again, until cancelled."""
        while True:
            begin_s = time.monotonic()
            packets = await asyncio.to_thread(self.look, begin_s)
            took_s = time.monotonic() - begin_s
            for packet in packets:
                self._take(packet)
            await asyncio.sleep(max(LOOK_EVERY_S, took_s / BUSY_SHARE))

    def look(self, now_s: float) -> list[Packet]:
        """The packets written since the last call, by time; ``now_s`` is of any monotonic clock."""
        left: dict[str, str] = {}
        found = dict(self._walk(str(self.folder), set(), left))
        files: dict[str, _File] = {}
        packets: list[Packet] = []
        budget = LOOK_BYTES
        for path in sorted(found, key=lambda path: found[path][2], reverse=True):
            try:
                file = files[path] = _looked_up(self._files.get(path), path, found[path])
                done = file.done
                packets += file.read(path, found[path], now_s, min(budget, PART_BYTES))
                budget -= file.done - done
            except FileNotFoundError:
                continue  # it was removed meanwhile
            except OSError as error:
                left[self._name(path)] = f"can't read it: {error.strerror}"
                continue
            if reason := file.left(now_s):
                left[self._name(path)] = reason
        for name in left.keys() - self.left_aside.keys():
            log.warning("%s: %s left aside: %s", self.folder, name, left[name])
        self._files, self.left_aside = files, left
        fresh = [packet for packet in packets if self._is_new(packet)]
        self.packets += len(fresh)
        self.repeated += len(packets) - len(fresh)
        return sorted(fresh, key=lambda packet: packet.start_ns)

    def _walk(
        self, folder: str, seen: set[tuple[int, int]], left: dict[str, str]
    ) -> Iterator[tuple[str, State]]:
        """All files below a folder; links are followed, each folder once."""
        try:
            here = Path(folder).stat()
            if (here.st_dev, here.st_ino) in seen:
                return
            seen.add((here.st_dev, here.st_ino))
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            left[self._name(folder)] = f"can't read it: {error.strerror}"
            return
        for entry in listed:
            try:
                found = entry.stat()
            except OSError as error:
                if entry.is_symlink() or not isinstance(error, FileNotFoundError):
                    left[self._name(entry.path)] = f"can't read it: {error.strerror}"
                continue
            if stat.S_ISDIR(found.st_mode):
                yield from self._walk(entry.path, seen, left)
            elif stat.S_ISREG(found.st_mode):
                yield entry.path, (found.st_ino, found.st_size, found.st_mtime_ns)
            else:  # reading a pipe might never end
                left[self._name(entry.path)] = "neither a file nor a folder"

    def _name(self, path: str) -> str:
        """A path within the directory, the directory itself as a dot."""
        return os.path.relpath(path, self.folder)

    def _is_new(self, packet: Packet) -> bool:
        key = hash((packet.seed_id, packet.start_ns, packet.sampling_rate, len(packet.samples)))
        if key in self._known:
            return False
        self._known[key] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        return True


@dataclass(slots=True)
class _File:
    """How far a file was read: ``done`` bytes are decoded, the bytes to ``seen`` were searched."""

    state: State = (0, 0, 0)
    done: int = 0
    seen: int = 0
    first: bytes = b""
    last: bytes = b""
    last_at: int = 0
    packets: int = 0
    places: int = 0
    """Number of places that can't be read."""
    note: str = ""
    """What is wrong with the first of them."""
    grew_s: float = 0.0

    @property
    def is_foreign(self) -> bool:
        return not self.packets and self.done >= FOREIGN_BYTES

    def goes_on(self, path: str, state: State) -> bool:
        """Whether a file that has changed still begins with the part that was read."""
        if state[0] != self.state[0] or state[1] < self.done:
            return False
        with Path(path).open("rb") as opened:
            if opened.read(len(self.first)) != self.first:
                return False
            opened.seek(self.last_at)
            return opened.read(len(self.last)) == self.last

    def read(self, path: str, state: State, now_s: float, most: int) -> list[Packet]:
        """The packets that were written since the last read, of at most ``most`` bytes."""
        if state == self.state and (self.seen >= state[1] or self.is_foreign):
            return []
        if most <= 0 and not self.is_foreign:
            return []  # it is read in the next pass
        part = b""
        if not self.is_foreign:
            with Path(path).open("rb") as opened:
                opened.seek(self.done)
                part = opened.read(most)
        self.state, self.grew_s = state, now_s
        decoded, count = miniseed.decode_growing(part, Path(path).name, self.done)
        if not count and len(part) == PART_BYTES:
            count = len(part)  # no record is that long
        self.first = self.first or part[: min(count, MARK_BYTES)]
        if decoded.offsets:
            last = decoded.offsets[-1]
            self.last_at, self.last = self.done + last, part[last : min(count, last + MARK_BYTES)]
        self.seen = self.done + len(part)
        self.done += count
        self.packets += len(decoded.packets)
        self.places += len(decoded.notes)
        self.note = self.note or next(iter(decoded.notes), "")
        return decoded.packets

    def left(self, now_s: float) -> str:
        """What of it is left aside, in a few words; empty where all is read."""
        waiting = 0 if self.is_foreign else self.seen - self.done
        is_stuck = waiting > 0 and now_s - self.grew_s > UNFINISHED_S
        if not self.packets:
            return "no miniSEED record in it" if self.places or is_stuck else ""
        parts = [self.note] if self.places else []
        parts += [f"and {self.places - 1} places more"] if self.places > 1 else []
        parts += [f"its last {waiting} bytes are no whole record"] if is_stuck else []
        return ", ".join(parts)


def _looked_up(known: _File | None, path: str, state: State) -> _File:
    """The state of a known file, or a new one if it was rewritten."""
    if known is not None and (state == known.state or known.goes_on(path, state)):
        return known
    return _File()
