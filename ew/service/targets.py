"""SHELL: a service's alert targets: the registered devices, and the cells around its stations."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from ew.alerts.groups import TargetGroup
from ew.alerts.planner import AlertPlanner
from ew.config import Config
from ew.errors import InputError
from ew.records import Channel
from ew.shaking.targets import Targets, cell_targets, cells_around
from ew.storage.database import Database
from ew.storage.registry import read_targets

log = logging.getLogger("ew.service")

RETRY_S = 2.0
"""Pause between two attempts to read devices from a database that can't be read, s."""


class AlertTargets:
    """Reads the targets and hands them to the planner.

    ``use``: makes the planner use the groups of targets it prepared. Devices that have been read
    stay when the database can't be read any more, or is another one: ``trouble`` then reports it.
    """

    def __init__(
        self,
        config: Config,
        channels: Iterable[Channel],
        planner: AlertPlanner,
        use: Callable[[list[TargetGroup]], Awaitable[None]],
    ) -> None:
        self._where = Database(config.service.database)
        self._kinds = list(config.policy.kinds)
        self._within_km = config.policy.cells_within_km
        self._places = {(round(c.latitude, 1), round(c.longitude, 1)) for c in channels}
        self._planner = planner
        self._use = use
        self._changed: set[str] = set()
        self._cells: set[str] = set()
        self._cell_group: Targets | None = None
        self._has_groups = False
        self._error: str | None = None
        self._database: tuple[int, int] | None = None
        self._is_database_lost = False
        self._reloading = asyncio.Lock()

    async def add_cells(self, cells: set[str]) -> None:
        """Alert these cells as well; the first ones take the place of those around the stations."""
        self._cells |= cells
        self._cell_group = None
        await self.reload()

    async def reload(self) -> None:
        """Read the devices and give them to the planner, with the cells."""
        async with self._reloading:
            self._changed.clear()
            groups = [await self._cell_targets()]
            if self._database_loss():
                return
            try:
                devices = await asyncio.to_thread(read_targets, self._where, self._kinds)
            except InputError as error:
                if self._error is None:
                    log.warning("devices: %s", error)
                self._error = str(error)
                if self._has_groups:
                    return
            else:
                self._error = None
                self._database = self._where.file_id()
                groups.append(devices)
            await self._use(await asyncio.to_thread(self._planner.prepare, groups))
            self._has_groups = True

    async def take_changes(self, ids: Iterable[str]) -> None:
        """Read these devices, which came, moved or went; the others stay as they are."""
        self._changed.update(ids)
        if not self._has_groups or self._error is not None:
            await self.reload()
            return
        async with self._reloading:
            # A device that had to wait here may have been read together with those before
            wanted, self._changed = sorted(self._changed), set()
            if not wanted or self._database_loss():
                return
            try:
                found = await asyncio.to_thread(read_targets, self._where, self._kinds, wanted)
            except InputError as error:
                log.warning("devices: %s", error)
                self._error = str(error)  # until all have been read again
                return
            self._database = self._where.file_id()
            gone = sorted(set(wanted).difference(found.ids))
            await self._use(await asyncio.to_thread(self._planner.prepare_change, found, gone))

    async def keep_reading(self) -> None:
        """Read the devices again for as long as the database can't be read."""
        while True:
            await asyncio.sleep(RETRY_S)
            if self._error is not None:
                await self.reload()

    def trouble(self) -> str | None:
        """Why the devices in use may not be those registered now; ``None`` if they are."""
        return self._error or self._database_loss()

    def _database_loss(self) -> str | None:
        """What happened to the database that the devices were read from."""
        if self._database is not None and self._where.file_id() != self._database:
            self._is_database_lost = True  # for good: a new file may get the old one's inode
        if not self._is_database_lost:
            return None
        name = self._where.name
        return f"{name} was deleted or replaced: those registered before stay until a restart"

    async def _cell_targets(self) -> Targets:
        if self._cell_group is None:
            cells = self._cells or await asyncio.to_thread(self._cells_around_stations)
            self._cell_group = cell_targets(cells)
        return self._cell_group

    def _cells_around_stations(self) -> set[str]:
        """The cells so near to a station that an earthquake there is located in time."""
        cells: set[str] = set()
        for place in self._places:
            cells.update(cells_around(*place, self._within_km))
        return cells
