"""SHELL: miniSEED files that appear in a directory; each is read once, when it has stopped growing."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from ew.records import Packet
from ew.sources import miniseed

log = logging.getLogger("ew.watch")

LOOK_EVERY_S = 0.25


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.mseed"))


async def watch(folder: Path, take: Callable[[Packet], None]) -> None:
    """Hand on the packets of new files, in order of time within each; returns never."""
    sizes: dict[Path, int] = {}
    done: set[Path] = set()
    while True:
        for path in await asyncio.to_thread(_files, folder):
            if path in done:
                continue
            try:
                size = path.stat().st_size
                if sizes.get(path) != size:  # new, or still being written
                    sizes[path] = size
                    continue
                decoded = miniseed.decode(path.read_bytes(), path.name)
            except OSError as error:
                log.warning("%s: can't read it: %s", path, error.strerror)
                continue
            done.add(path)
            for note in decoded.notes:
                log.warning("%s", note)
            for packet in sorted(decoded.packets, key=lambda p: p.start_ns):
                take(packet)
        await asyncio.sleep(LOOK_EVERY_S)
