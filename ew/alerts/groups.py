"""PURE: a group of targets of one kind of address, with their thresholds and last alerts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ew.alerts.last_alerts import LastAlerts
from ew.config.policy import PolicyConfig
from ew.geo import in_polygon
from ew.shaking.targets import Targets, with_rows

OUT_OF_REACH = 99.0
"""A least intensity that nothing reaches."""


@dataclass(slots=True, eq=False)
class TargetGroup:
    """D targets and the least intensity (D,) f4 at which each is alerted."""

    targets: Targets
    least: NDArray[np.float32]
    rows: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Rows in this group of the targets of the group before; -1: they have left."""
    last_alerts: dict[str, LastAlerts] = field(default_factory=dict)
    least_by_met: dict[tuple[bool, ...], NDArray[np.float32]] = field(default_factory=dict)

    def take_over(self, before: "TargetGroup") -> None:
        """Take over from the group before: alerted targets stay until their events are over.

        A target that left after it was alerted is kept out of reach of new alerts (``least`` 99),
        and is sent updates and the cancel of its alert.
        """
        if not before.last_alerts:
            return
        rows = self.rows
        for last in before.last_alerts.values():
            last.catch_up()
        was_alerted = np.logical_or.reduce([last.knows for last in before.last_alerts.values()])
        left = np.flatnonzero((rows < 0) & was_alerted)
        if len(left):
            rows[left] = len(self.targets) + np.arange(len(left))
            self.targets = self.targets.joined(before.targets.some(left))
            out_of_reach = np.full(len(left), OUT_OF_REACH, np.float32)
            self.least = np.concatenate([self.least, out_of_reach])
        count = len(self.targets)
        self.last_alerts = {
            event_id: last.moved(rows, count) for event_id, last in before.last_alerts.items()
        }

    def changed(self, other: Self, gone: Sequence[str]) -> "TargetGroup":
        """This group with the changed targets of another, and without those gone.

        Those gone keep their rows, out of reach: only a group that is read anew drops them.
        """
        targets = self.targets.changed(other.targets)
        rows = targets.rows_of(other.targets)
        least = with_rows(self.least, len(targets), rows, other.least)
        least[[targets.row_of[name] for name in gone if name in targets.row_of]] = OUT_OF_REACH
        return TargetGroup(targets, least, rows=np.arange(len(self.targets)))


def group_of(targets: Targets, policy: PolicyConfig) -> TargetGroup:
    """Targets with the least intensity of each, by its kind and region."""
    kinds = list(policy.kinds.values())
    if targets.address == "cell":
        # A cell is alerted for its most easily alerted kind of device
        asked = [kind.min_intensity for kind in kinds if kind.address == "cell"]
        least = np.full(len(targets), min(asked, default=math.inf), np.float32)
    else:
        least = np.array([kind.min_intensity for kind in kinds], np.float32)[targets.kinds]
    if policy.regions:
        is_inside = np.logical_or.reduce(
            [in_polygon(targets.latitudes, targets.longitudes, r.polygon) for r in policy.regions]
        )
        least = np.where(is_inside, least, np.float32(OUT_OF_REACH)).astype(np.float32)
    return TargetGroup(targets, least)
