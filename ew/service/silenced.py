"""SHELL: the stations that operators have silenced: their data are left out until they are not."""

import asyncio
import logging

from ew.errors import InputError
from ew.storage.database import Database
from ew.storage.registry import read_silenced

log = logging.getLogger("ew.service")

RETRY_S = 2.0


class SilencedStations:
    """Reads them from the database; those read before stay while it can't be read."""

    def __init__(self, database: Database) -> None:
        self.why: dict[str, str] = {}
        """Who silenced each station (NET.STA), and why."""
        self.error: str | None = None
        self._database = database
        self._is_read = False

    async def read(self) -> None:
        """Read them anew."""
        try:
            self.why = await asyncio.to_thread(read_silenced, self._database)
        except InputError as error:
            self.error = str(error)
            return
        self.error, self._is_read = None, True
        log.info("silenced stations: %s", ", ".join(self.why) or "none")

    async def run(self) -> None:
        """Read them until they could be read, and again whenever that has failed since."""
        while True:
            if not self._is_read or self.error is not None:
                await self.read()
            await asyncio.sleep(RETRY_S)
