"""SHELL: what a web process can have the service do, and the form of each command over the broker."""

from typing import TYPE_CHECKING, Any

from ew.storage.versions import version_body, version_of

if TYPE_CHECKING:
    from ew.service.commands import Handler
    from ew.service.runtime import Service

ORIGIN = "origin"
"""Another agency's origin: the body is an event version; so is the answer, as it was told.

The answer is empty where nothing is told: it is known, or cancels what stands on others as well."""
CANCEL = "cancel"
"""An operator cancels an event: ``{"event_id": …}``; the answer is the version told, or empty."""
DEVICES = "devices"
"""Devices have been registered, moved or removed: read them again. Empty body and answer."""
CELLS = "cells"
"""Alert these cells as well: ``{"cells": [...]}``; empty answer."""


class CommandHandlers:
    """Carries commands out on a service."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    def handlers(self) -> "dict[str, Handler]":
        """What carries out each kind of command."""
        return {
            ORIGIN: self._origin,
            CANCEL: self._cancel,
            DEVICES: self._devices,
            CELLS: self._cells,
        }

    async def _origin(self, body: dict[str, Any]) -> dict[str, Any]:
        told = await self._service.partner_origin(version_of(body))
        return {} if told is None else version_body(told)

    async def _cancel(self, body: dict[str, Any]) -> dict[str, Any]:
        told = await self._service.cancel(str(body["event_id"]))
        return {} if told is None else version_body(told)

    async def _devices(self, _: dict[str, Any]) -> dict[str, Any]:
        await self._service.targets.reload()
        return {}

    async def _cells(self, body: dict[str, Any]) -> dict[str, Any]:
        await self._service.targets.add_cells(set(body["cells"]))
        return {}
