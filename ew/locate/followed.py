"""PURE: onsets of which the motion is kept up before they belong to an event, and what its course says of the source.

A damaging earthquake goes on moving the ground for as long as its rupture lasts, and its motion
grows: rupture begins small whatever it comes to (Meier et al. 2016, Geophys. Res. Lett. 43;
Colombelli et al. 2014, Nat. Commun. 5), and S follows P. What falls, slams, passes or explodes is
loudest at once and dies away, and what is not there between two bursts is no wave train.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ew.locate.amplitudes import BIN_S, ONSET_BIN, PeakBins
from ew.locate.onsets import Onset
from ew.locate.waves import Waves
from ew.times import seconds_from_ns

BAND = 2
"""The corner (1 Hz) whose displacement is looked at: lower ones hold drift and tilt."""
STAYS = 0.25
"""Motion above this share of its peak so far lasts."""
BEGINNING_S = 1.0
"""The first of the motion, that grows no more where something falls or slams."""
GROWN = 0.5
"""Of the peaks of two stations the first second has at most this share (geometric mean): 0.45 in
synthetic earthquakes of M 5.5-8 when they are declared, 0.6 and more where motion is loudest at
once."""
PAUSE_S = 1.0
PAUSE = 0.05
"""Motion below this share of its peak so far for ``PAUSE_S`` has ended: 4 % and less between
bursts, 14 % at least of synthetic earthquakes of M 5.5-8 between P and S."""

Floats = NDArray[np.float64]


@dataclass(slots=True, eq=False)
class Course:
    """How displacement went on after an onset.

    ``lasts_s``: how long at most it stayed above ``STAYS`` of the peak it had reached by then;
    ``stretch_s``: the longest such time without a break; ``beginning``: the peak of ``BEGINNING_S``
    over that of all, 1 where there is no more; ``has_paused``: it was gone for a while.
    """

    lasts_s: float = 0.0
    stretch_s: float = 0.0
    beginning: float = 1.0
    has_paused: bool = False


@dataclass(slots=True, eq=False)
class Followed:
    """An onset, the peaks after it and their course by ``looked_ns`` (ns since the epoch)."""

    onset: Onset
    peaks: PeakBins
    looked_ns: int | None = None
    _course: Course = field(default_factory=Course)

    @property
    def course(self) -> Course:
        """The course of the motion by now."""
        if self.peaks.end_ns != self.looked_ns:
            self.looked_ns, self._course = self.peaks.end_ns, course_of(self.peaks)
        return self._course


class FollowedOnsets:
    """The onsets a rule keeps up the motion of."""

    def __init__(self, waves: Waves) -> None:
        self._waves = waves
        self._followed: dict[tuple[str, int], Followed] = {}

    def __iter__(self) -> Iterator[Followed]:
        return iter(self._followed.values())

    def __getitem__(self, onset: Onset) -> Followed:
        return self._followed[onset.pick.seed_id, onset.pick.time_ns]

    def have_grown(self, one: Onset, other: Onset) -> bool:
        """Whether motion at two stations is larger by now than in its first second, as only a long source makes it."""
        return self[one].course.beginning * self[other].course.beginning <= GROWN**2

    def keep(self, onsets: Sequence[Onset]) -> None:
        """Follow these onsets and no others."""
        wanted = {(o.pick.seed_id, o.pick.time_ns): o for o in onsets}
        for key in [k for k in self._followed if k not in wanted]:
            self._waves.let_go(self._followed.pop(key).peaks)
        for key, onset in wanted.items():
            if key not in self._followed:
                self._followed[key] = Followed(onset, self._waves.follow(onset.pick))


def course_of(peaks: PeakBins) -> Course:
    """The course of the motion that is known by now."""
    if peaks.end_ns is None:
        return Course()
    last = ONSET_BIN + int((seconds_from_ns(peaks.end_ns) - peaks.onset_s) / BIN_S)
    motion = peaks.bins[BAND, ONSET_BIN:last]
    if not len(motion) or not motion.any():
        return Course()
    so_far = np.maximum.accumulate(motion)
    # Against the peak by each moment, for S is several times as large as the P before it
    above = np.tril(motion[None, :] >= STAYS * so_far[:, None])
    runs = np.zeros(len(above), dtype=np.int64)
    longest = 0
    for column in above.T:
        runs = (runs + 1) * column
        longest = max(longest, int(runs.max()))
    beginning = float(motion[: round(BEGINNING_S / BIN_S)].max() / so_far[-1])
    return Course(
        float(above.sum(axis=1).max()) * BIN_S,
        longest * BIN_S,
        beginning,
        _has_paused(motion, so_far),
    )


def _has_paused(motion: Floats, so_far: Floats) -> bool:
    width = round(PAUSE_S / BIN_S)
    if len(motion) < width:
        return False
    loudest = np.lib.stride_tricks.sliding_window_view(motion, width).max(axis=1)
    return bool((loudest < PAUSE * so_far[: len(loudest)]).any())
