"""SHELL: the commands that a web process can send to the service, and their bodies and answers."""

from typing import TYPE_CHECKING, Any

from ew.storage.versions import version_body, version_of

if TYPE_CHECKING:
    from ew.service.commands import Handler
    from ew.service.runtime import Service

ORIGIN = "origin"
"""Command: take another agency's origin. Body and answer are event versions; the answer is the one
published, or empty where nothing is published: it is known already, or cancels an event that our
own picks support too."""
CANCEL = "cancel"
"""Command: cancel an event by hand, ``{"event_id": …}``; the answer is the published version, or
empty."""
DEVICES = "devices"
"""Command: read the registered devices again, since some have changed, ``{"ids": [...]}``; all of
them if it names none. The answer is empty."""
CELLS = "cells"
"""Command: alert these cells as well, ``{"cells": [...]}``; the answer is empty."""

SILENCED = "silenced"
"""Command: read the silenced stations again. Body and answer are empty."""


class CommandHandlers:
    """Carries out the commands on a service."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    def handlers(self) -> "dict[str, Handler]":
        """The handler of each command by its name."""
        return {
            ORIGIN: self._origin,
            CANCEL: self._cancel,
            DEVICES: self._devices,
            CELLS: self._cells,
            SILENCED: self._silenced,
        }

    async def _origin(self, body: dict[str, Any]) -> dict[str, Any]:
        published = await self._service.partner_origin(version_of(body))
        return {} if published is None else version_body(published)

    async def _cancel(self, body: dict[str, Any]) -> dict[str, Any]:
        published = await self._service.cancel(str(body["event_id"]))
        return {} if published is None else version_body(published)

    async def _devices(self, body: dict[str, Any]) -> dict[str, Any]:
        targets = self._service.targets
        await (targets.take_changes(body["ids"]) if "ids" in body else targets.reload())
        return {}

    async def _cells(self, body: dict[str, Any]) -> dict[str, Any]:
        await self._service.targets.add_cells(set(body["cells"]))
        return {}

    async def _silenced(self, _: dict[str, Any]) -> dict[str, Any]:
        await self._service.silenced.read()
        return {}
