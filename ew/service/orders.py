"""SHELL: what a web process can have the service do, and the form of each command over the broker."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ew.records import EventVersion, Origin

if TYPE_CHECKING:
    from ew.service.commands import Handler
    from ew.service.runtime import Service

ORIGIN = "origin"
"""Another agency's origin: the body is an event version; so is the answer, as it was told."""
DEVICES = "devices"
"""Devices have been registered, moved or removed: read them again. Empty body and answer."""
CELLS = "cells"
"""Alert these cells as well: ``{"cells": [...]}``; empty answer."""


def version_body(version: EventVersion) -> dict[str, Any]:
    """An event version without what it rests on, as a command's body."""
    return {
        "event_id": version.event_id,
        "version": version.version,
        "kind": version.kind,
        "issued_s": version.issued_s,
        "origin": asdict(version.origin),  # NaN becomes null on the wire
        "stations": version.stations,
        "source": version.source,
    }


def version_of(body: dict[str, Any]) -> EventVersion:
    """The event version of a command's body."""
    numbers = {k: float("nan") if v is None else v for k, v in body["origin"].items()}
    return EventVersion(**{**body, "origin": Origin(**numbers)})


class Orders:
    """Carries commands out on a service."""

    def __init__(self, service: "Service") -> None:
        self._service = service

    def handlers(self) -> "dict[str, Handler]":
        """What carries out each kind of command."""
        return {ORIGIN: self._origin, DEVICES: self._devices, CELLS: self._cells}

    async def _origin(self, body: dict[str, Any]) -> dict[str, Any]:
        return version_body(await self._service.partner_origin(version_of(body)))

    async def _devices(self, _: dict[str, Any]) -> dict[str, Any]:
        await self._service.reload_targets()
        return {}

    async def _cells(self, body: dict[str, Any]) -> dict[str, Any]:
        await self._service.use_cells(set(body["cells"]))
        return {}
