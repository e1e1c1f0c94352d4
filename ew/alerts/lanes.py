"""PURE: the queue between planning and publishing: always the most urgent message of all plans next.

A newer version of an event takes the place of what the older one has not yet sent to the same target, so nobody hears
version 1 after version 3; what the newer one leaves as it was is still sent.
"""

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ew.alerts.planner import EVENTS_KEPT, AlertPlan


@dataclass(frozen=True, slots=True)
class Due:
    """One message to be sent: a plan and a place in its order."""

    plan: AlertPlan
    place: int


class AlertQueue:
    """Pending alerts of all events and groups, by lane and S arrival."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, float, int, int, AlertPlan]] = []
        self._newest: dict[tuple[str, str], NDArray[np.int32]] = {}
        self._serial = 0

    def put(self, plan: AlertPlan) -> None:
        """Take in a plan; its messages stand before or behind those of others by their own urgency."""
        if not len(plan):
            return
        newest = self._newest_of(plan)
        newest[plan.chosen] = np.maximum(newest[plan.chosen], plan.version.version)
        self._push(plan, 0)

    def pop(self) -> Due | None:
        """The most urgent message; ``None`` when nothing is due."""
        while self._heap:
            _, _, _, place, plan = heapq.heappop(self._heap)
            if place + 1 < len(plan):
                self._push(plan, place + 1)
            if self._newest_of(plan)[plan.order[place]] <= plan.version.version:
                return Due(plan, place)
        return None

    def __bool__(self) -> bool:
        return bool(self._heap)

    @property
    def pending(self) -> int:
        """How many messages are still to be popped, those a newer version has replaced among them."""
        return sum(len(plan) - place for *_, place, plan in self._heap)

    def forget(self, event_id: str) -> None:
        """Let go of what is known of an event that is over."""
        for key in [key for key in self._newest if key[0] == event_id]:
            del self._newest[key]

    def _push(self, plan: AlertPlan, place: int) -> None:
        self._serial += 1
        heapq.heappush(
            self._heap, (plan.lane(place), plan.s_arrival_s(place), self._serial, place, plan)
        )

    def _newest_of(self, plan: AlertPlan) -> NDArray[np.int32]:
        key = (plan.version.event_id, plan.targets.address)
        newest = self._newest.get(key)
        if newest is None or len(newest) != len(plan.targets):
            while len(self._newest) >= 2 * EVENTS_KEPT:  # events come and go for years
                del self._newest[next(iter(self._newest))]
            newest = self._newest[key] = np.zeros(len(plan.targets), np.int32)
        return newest
