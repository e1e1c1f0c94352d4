"""PURE: counts of an event's targets by kind of device: to be alerted, and alerted."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ew.alerts.planner import EVENTS_KEPT, AlertPlan
from ew.delivery.retained import SendRecord
from ew.shaking.targets import Address, Targets

CELLS = "cells"
"""The key under which cells are counted: the number of phones in one is unknown."""


@dataclass(slots=True)
class _Counted:
    targets: Targets
    expected: NDArray[np.bool_]
    alerted: NDArray[np.bool_]

    @classmethod
    def of(cls, targets: Targets) -> "_Counted":
        """None of the targets counted yet."""
        return cls(targets, np.zeros(len(targets), bool), np.zeros(len(targets), bool))

    def moved(self, targets: Targets) -> "_Counted":
        """A copy for another list of targets."""
        rows = targets.rows_of(self.targets)
        stay = np.flatnonzero(rows >= 0)
        made = _Counted.of(targets)
        made.expected[rows[stay]] = self.expected[stay]
        made.alerted[rows[stay]] = self.alerted[stay]
        return made


class AlertedDevices:
    """The devices of the newest events; ``kinds``: names of the targets' numbers."""

    def __init__(self, kinds: Sequence[str]) -> None:
        self._kinds = list(kinds)
        self._events: dict[str, dict[Address, _Counted]] = {}

    def update(
        self, plans: Iterable[AlertPlan], records: Iterable[SendRecord]
    ) -> list[dict[str, Any]]:
        """Add new plans and acknowledged alerts; returns the counts of each event they change.

        It takes some ms for a million devices.
        """
        changed: dict[str, None] = {}
        for plan in plans:
            changed[plan.version.event_id] = None
            counted = self._counted(plan)
            counted.expected |= plan.order.is_chosen
        for record in records:
            address: Address = "cell" if "/alert/cell/" in record.topic else "device"
            known = self._events.get(record.event_id, {}).get(address)
            if known is not None and record.row < len(known.alerted):
                known.alerted[record.row] = True
                changed[record.event_id] = None
        return [
            {"event_id": event_id, "kinds": self._by_kind(self._events[event_id])}
            for event_id in changed
        ]

    def _counted(self, plan: AlertPlan) -> _Counted:
        event_id, targets = plan.version.event_id, plan.targets
        if event_id not in self._events:
            while len(self._events) >= EVENTS_KEPT:
                del self._events[next(iter(self._events))]
        event = self._events.setdefault(event_id, {})
        known = event.get(targets.address)
        if known is None:
            known = _Counted.of(targets)
        elif known.targets is not targets:
            known = known.moved(targets)
        event[targets.address] = known
        return known

    def _by_kind(self, event: dict[Address, _Counted]) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = {}
        for address, counted in event.items():
            if address == "cell":
                found[CELLS] = {
                    "alerted": int(counted.alerted.sum()),
                    "expected": int(counted.expected.sum()),
                }
                continue
            size = len(self._kinds)
            alerted = np.bincount(counted.targets.kinds[counted.alerted], minlength=size)
            expected = np.bincount(counted.targets.kinds[counted.expected], minlength=size)
            for number, kind in enumerate(self._kinds):
                if expected[number]:
                    found[kind] = {
                        "alerted": int(alerted[number]),
                        "expected": int(expected[number]),
                    }
        return found
