"""A SeedLink client that runs, for tests of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np

from ew import Packet
from ew.config.service import SeedLinkSource
from ew.sources.seedlink import SeedLinkClient

START_NS = 1_600_000_000_000_000_000


def packets(count: int, seed_id: str = "XX.A..HHZ") -> list[Packet]:
    rng = np.random.default_rng(1)
    return [
        Packet(seed_id, START_NS + i * 10**9, 100.0, rng.integers(-500, 500, 100).astype(np.int32))
        for i in range(count)
    ]


class Reading:
    """A client that runs, and what it has taken."""

    def __init__(self, client: SeedLinkClient, taken: list[Packet]) -> None:
        self.client, self.taken = client, taken

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(40):
            while not condition():
                await asyncio.sleep(0.01)

    async def different(self, wanted: int) -> None:
        await self.until(lambda: len({(p.seed_id, p.start_ns) for p in self.taken}) >= wanted)


@contextlib.asynccontextmanager
async def reading(port: int, *select: str, **options: Any) -> AsyncIterator[Reading]:
    """A client that reads from ``port``; ``sequences`` are where it goes on."""
    taken: list[Packet] = []
    sequences, stations = options.pop("sequences", None), options.pop("stations", ())
    source = SeedLinkSource(host="127.0.0.1", port=port, select=select or ("XX_*",), **options)
    client = SeedLinkClient(source, taken.append, sequences=sequences, stations=stations)
    running = asyncio.create_task(client.run())
    try:
        yield Reading(client, taken)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
