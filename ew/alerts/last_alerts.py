"""PURE: the last alert of each target, from which the planner decides on updates."""

from typing import Self

import numpy as np
from numpy.typing import NDArray


class LastAlerts:
    """The last alert of each target of a group, for one event.

    ``knows`` (D,) bool: targets with an alert; ``intensity`` (D,) f4; ``s_since_base`` (D,) f4: S
    arrival in seconds after ``base_s`` (epoch seconds).

    The first version's columns are used without a copy, and a further version is merged when the
    next one asks (``catch_up``): no first message waits for it.
    """

    def __init__(
        self,
        knows: NDArray[np.bool_],
        intensity: NDArray[np.float32],
        s_since_base: NDArray[np.float32],
        base_s: float,
    ) -> None:
        self.knows, self.intensity, self.s_since_base = knows, intensity, s_since_base
        self.base_s = base_s
        self._are_ours = False  # the columns are the first plan's until they have to change
        self._next: tuple[NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]] | None = None

    def note(
        self,
        is_chosen: NDArray[np.bool_],
        intensity: NDArray[np.float32],
        s_since_base: NDArray[np.float32],
    ) -> None:
        """Note a further version that is sent to the chosen targets."""
        self._next = (is_chosen, intensity, s_since_base)

    def catch_up(self) -> None:
        """Merge the version that was noted last."""
        if self._next is None:
            return
        is_chosen, intensity, s_since_base = self._next
        self._next = None
        self.knows = self.knows | is_chosen  # a plan holds the old one
        if not self._are_ours:
            self.intensity, self.s_since_base = self.intensity.copy(), self.s_since_base.copy()
            self._are_ours = True
        np.copyto(self.intensity, intensity, where=is_chosen)
        np.copyto(self.s_since_base, s_since_base, where=is_chosen)

    def moved(self, rows: NDArray[np.int64], count: int) -> Self:
        """A copy for a list of ``count`` targets; ``rows`` (D,): each target's row there, or -1."""
        self.catch_up()
        known = np.flatnonzero(self.knows & (rows >= 0))
        to = rows[known]
        knows = np.zeros(count, np.bool_)
        intensity, s_since_base = np.zeros(count, np.float32), np.zeros(count, np.float32)
        knows[to] = True
        intensity[to], s_since_base[to] = self.intensity[known], self.s_since_base[known]
        return type(self)(knows, intensity, s_since_base, self.base_s)
