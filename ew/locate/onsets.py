"""PURE: picks as the associator sees them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ew.records import Pick

AGAIN_S = 0.3
"""A second pick of a station so close to the first is the same onset, seen with more data: S
follows no sooner, from 2.5 km away."""
SAME_ARRIVAL_S = 1.5
"""Two sensors of one place pick one wave within this: the one with more noise of its own picks an
emergent onset later."""
LATE_WEIGHT = 0.25
"""Of an onset that came with Pg after Pn was missed: it says that the wave passed, and little about
when it set out."""
MAX_NOISE_RATIO = 2.5
"""RMS before a pick over the quietest before: at most 2.1 before 53 recorded P onsets, above 2.8
before 95 % of the picks that followed them within 40 s (docs/picker.md)."""


@dataclass(frozen=True, slots=True)
class Onset:
    """A pick as the associator sees it.

    ``is_coda``: it came within the coda of an event at its station. ``log_amplitude``: log10 of the
    peak acceleration of its first swings, m/s² (NaN where the pick gives no amplitude). ``is_s``:
    it is read as S, its P having been missed. ``is_late``: it is read as what follows an emergent
    Pn, up to Pg.
    """

    pick: Pick
    station: int
    time_s: float
    is_coda: bool = False
    log_amplitude: float = math.nan
    is_s: bool = False
    is_late: bool = False

    @property
    def is_restless(self) -> bool:
        """Whether the ground was loud before it: it is S, or in the coda of whatever earthquake."""
        return self.pick.noise_ratio > MAX_NOISE_RATIO

    @property
    def is_calm(self) -> bool:
        """Whether the ground was quiet before it, so that its S will stand out."""
        return not (self.is_coda or self.is_restless)

    @property
    def weight(self) -> float:
        """Clear onsets count in full, weak ones for half; what may be coda for less."""
        share = LATE_WEIGHT if self.is_late else 0.5 if self.is_coda else 1.0
        return min(1.0, 0.4 + self.pick.snr / 10) * share

    def repeats(self, other: "Onset | None") -> bool:
        """Whether it is an onset known before, picked anew."""
        return (
            other is not None
            and other.pick.seed_id == self.pick.seed_id
            and abs(other.time_s - self.time_s) <= AGAIN_S
        )

    def is_beside(self, other: "Onset | None") -> bool:
        """Whether another sensor of the same place has picked the same arrival."""
        return (
            other is not None
            and other.station == self.station
            and other.pick.seed_id[:-1] != self.pick.seed_id[:-1]
            and abs(other.time_s - self.time_s) <= SAME_ARRIVAL_S
        )


def is_mostly_restless(onsets: Sequence[Onset]) -> bool:
    """Whether the ground was loud before most of the onsets: P of another earthquake had passed, or this one's own."""
    return 2 * sum(o.is_restless for o in onsets) > len(onsets)


def is_mostly_s(onsets: Sequence[Onset]) -> bool:
    """Whether most of the onsets are read as S."""
    return 2 * sum(o.is_s for o in onsets) > len(onsets)


def read_as(onsets: Sequence[Onset], *, is_s: bool) -> list[Onset]:
    """The onsets with the restless ones read as S, or all of them as P."""
    return [replace(o, is_s=is_s and o.is_restless) for o in onsets]


def first_by_station(onsets: Sequence[Onset]) -> list[Onset]:
    """The earliest onset of each station, in order of time."""
    first: dict[int, Onset] = {}
    for onset in sorted(onsets, key=lambda o: o.time_s):
        first.setdefault(onset.station, onset)
    return list(first.values())
