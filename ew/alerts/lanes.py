"""PURE: the queue between planning and publishing, ordered by urgency over all plans.

A newer version of an event replaces the messages of the older one that have not been sent yet, so
nobody receives version 1 after version 3; what the newer one does not change is still sent. A
target's first message goes before changes, and a target that the S-wave reaches while the message
waits goes to the end: on a saturated broker both would cost lives elsewhere (``python -m benchmarks
order``).
"""

import heapq
from collections import deque
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ew.alerts.planner import EVENTS_KEPT, AlertPlan, SendingOrder
from ew.shaking.targets import Targets

USEFUL_LEAD_S = 4.0
"""Lead that people need to drop and cover, s; asked for only where messages wait."""
_FIRST, _CHANGE, _LATE = range(3)


@dataclass(frozen=True, slots=True)
class Due:
    """One message to be sent: a plan and a place in its order."""

    plan: AlertPlan
    place: int


class _Known:
    """The newest version and whether anything was sent, for each target of one event and group.

    With a single plan no columns are needed, and the first message does not wait for them.
    """

    def __init__(self, first: AlertPlan) -> None:
        self.targets = first.targets
        self._first: AlertPlan | None = first
        self._popped: set[int] = set()
        self._newest = np.empty(0, np.int32)
        self._was_sent = np.empty(0, np.bool_)

    def moved(self, targets: Targets) -> None:
        """Continue with another list of targets: devices came, moved or went."""
        self._spread()
        rows = targets.rows_of(self.targets)
        stay = np.flatnonzero(rows >= 0)
        newest, was_sent = np.zeros(len(targets), np.int32), np.zeros(len(targets), np.bool_)
        newest[rows[stay]] = self._newest[stay]
        was_sent[rows[stay]] = self._was_sent[stay]
        self.targets, self._newest, self._was_sent = targets, newest, was_sent

    def _spread(self) -> None:
        """Make columns for all targets, in place of the first plan."""
        if self._first is None:
            return
        is_first = self._first.order.is_chosen
        self._newest = np.where(is_first, np.int32(self._first.version.version), np.int32(0))
        self._was_sent = np.zeros(len(self.targets), np.bool_)
        self._was_sent[list(self._popped)] = True
        self._first = None

    def add(self, plan: AlertPlan) -> NDArray[np.bool_]:
        """Add a further plan; returns which of its targets have been sent something before."""
        self._spread()
        is_chosen, version = plan.order.is_chosen, np.int32(plan.version.version)
        np.maximum(self._newest, version, out=self._newest, where=is_chosen)
        return is_chosen & self._was_sent

    def is_replaced(self, due: Due) -> bool:
        """Whether there is a newer version for its target."""
        if self._first is not None:
            return False
        row = self._row(due)
        return row is not None and bool(self._newest[row] > due.plan.version.version)

    def note(self, due: Due) -> None:
        """Note that its message is sent."""
        row = self._row(due)
        if row is None:
            return
        if self._first is None:
            self._was_sent[row] = True
        else:
            self._popped.add(row)

    def _row(self, due: Due) -> int | None:
        """The present row of a message's target; ``None``: it has left."""
        row, targets = due.plan.order[due.place], due.plan.targets
        return row if targets.ids is self.targets.ids else self.targets.row_of.get(targets.ids[row])


def _is_too_late(due: Due, now_s: float) -> bool:
    """Whether S is there, or so near that other waiting targets would gain more.

    Earliest S first chases the wave once more waits than can be sent: each target gets its message
    in the last moment. So the longer a plan has waited, up to ``USEFUL_LEAD_S``, the more lead is
    asked for; where nothing waits, nothing is put off.
    """
    waited_s = max(0.0, now_s - due.plan.version.issued_s)
    return due.plan.s_arrival_s(due.place) - min(USEFUL_LEAD_S, waited_s) <= now_s


class AlertQueue:
    """Pending alerts of all events and groups, by lane and S arrival."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, float, int, int, AlertPlan]] = []
        self._late: deque[Due] = deque()
        self._known: dict[tuple[str, str], _Known] = {}
        self._serial = 0

    def put(self, plan: AlertPlan) -> None:
        """Add a plan; its messages are queued among those of other plans by their own urgency."""
        if not len(plan):
            return
        known = self._known.get(_key(plan))
        if known is None:
            self._know(plan)
            self._push(plan, 0, is_change=False)
            return
        if known.targets is not plan.targets:
            known.moved(plan.targets)
        is_change = known.add(plan)
        if not is_change.any():
            self._push(plan, 0, is_change=False)
            return
        for part in (plan.order.is_chosen & ~is_change, is_change):
            if part.any():
                some = replace(plan, order=SendingOrder(plan.keys, part))
                self._push(some, 0, is_change=part is is_change)

    def pop(self, now_s: float = float("-inf")) -> Due | None:
        """Remove and return the most urgent message at a time (epoch s), or ``None``."""
        while self._heap or self._late:
            if self._late and (not self._heap or self._heap[0][0] == _LATE):
                due, is_late = self._late.popleft(), True
            else:
                tier, _, _, _, place, plan = heapq.heappop(self._heap)
                if place + 1 < len(plan):
                    self._push(plan, place + 1, is_change=tier == _CHANGE)
                due, is_late = Due(plan, place), tier == _LATE
            known = self._known.get(_key(due.plan))
            if known is not None and known.is_replaced(due):
                continue
            if not is_late and _is_too_late(due, now_s):
                self._late.append(due)
                continue
            if known is not None:
                known.note(due)
            return due
        return None

    def __bool__(self) -> bool:
        return bool(self._heap or self._late)

    @property
    def pending(self) -> int:
        """The number of messages to be popped, including those a newer version replaced."""
        return len(self._late) + sum(len(plan) - place for *_, place, plan in self._heap)

    def _push(self, plan: AlertPlan, place: int, *, is_change: bool) -> None:
        self._serial += 1
        lane = plan.lane(place)
        tier = _LATE if lane >= plan.lanes else _CHANGE if is_change else _FIRST
        row = (tier, lane, plan.s_arrival_s(place), self._serial, place, plan)
        heapq.heappush(self._heap, row)

    def _know(self, plan: AlertPlan) -> None:
        while (
            len(self._known) >= 2 * EVENTS_KEPT
        ):  # keeps a service that runs for years from growing
            del self._known[next(iter(self._known))]
        self._known[_key(plan)] = _Known(plan)


def _key(plan: AlertPlan) -> tuple[str, str]:
    return plan.version.event_id, plan.targets.address
