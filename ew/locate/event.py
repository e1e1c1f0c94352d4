"""PURE: one earthquake under way: what it rests on, what was told of it, and whether that has changed."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from ew.geo import distance_km
from ew.locate.amplitudes import PeakBins
from ew.locate.associator import Candidate
from ew.locate.locator import Hypocentre
from ew.locate.onsets import Onset, is_mostly_s
from ew.records import (
    Arrival,
    EventVersion,
    Origin,
    StationMagnitude,
    StationMotion,
    VersionKind,
)
from ew.times import iso_from_seconds

MOVED_KM = 2.0
GREW = 0.1
"""A version is due when the epicentre moved or the magnitude changed by so much."""
SHAKEN_M_S2 = 0.1
"""Or where the ground shakes harder than this (CSIS 3.4, felt by many) and ``HARDER`` times as hard
as was told."""
HARDER = 1.5
STAYS_KM, STAYS_ERRORS = 30.0, 3.0

MERGE_S = 20.0
MERGE_KM = 100.0
"""Origins nearer than this in time and place are of one earthquake."""


def is_same_earthquake(one: Origin, other: Origin) -> bool:
    """Whether two origins are of one earthquake."""
    if abs(one.time_s - other.time_s) >= MERGE_S:
        return False
    apart = distance_km(one.latitude, one.longitude, other.latitude, other.longitude)
    return float(apart) < MERGE_KM


@dataclass(slots=True, eq=False)
class Event:
    """An earthquake under way; ``onsets`` and ``trackers`` by station, ``version`` 0 before it was told.

    ``is_strong``: it was once so large that the shaking of its stations is kept up. ``needed``: the
    stations it must keep.
    """

    event_id: str
    hypocentre: Hypocentre
    onsets: dict[int, Onset]
    declared_s: float
    needed: int
    source: str = "ew"
    trackers: dict[int, PeakBins] = field(default_factory=dict)
    stations: tuple[StationMagnitude, ...] = ()
    motions: tuple[StationMotion, ...] = ()
    is_strong: bool = False
    magnitude: float = math.nan
    magnitude_error: float = math.nan
    version: int = 0
    looked_s: float = -math.inf
    issued: Origin | None = None
    issued_count: int = 0
    issued_motions: dict[str, float] = field(default_factory=dict)
    is_cancelled: bool = False
    is_silenced: bool = False  # by an operator: it goes on claiming its waves, and nothing is told

    @property
    def origin(self) -> Origin:
        """What is known of it now."""
        h = self.hypocentre
        return Origin(
            time_s=h.time_s,
            latitude=h.latitude,
            longitude=h.longitude,
            depth_km=h.depth_km,
            magnitude=self.magnitude,
            time_error_s=h.time_error_s,
            horizontal_error_km=h.horizontal_error_km,
            depth_error_km=h.depth_error_km,
            magnitude_error=self.magnitude_error,
        )

    @property
    def is_by_s(self) -> bool:
        """Whether it rests on S more than on P."""
        return is_mostly_s(list(self.onsets.values()))

    @property
    def is_changed(self) -> bool:
        """Whether enough has changed since it was last told to tell it again."""
        told, now = self.issued, self.origin
        if told is None or len(self.onsets) != self.issued_count:
            return True
        moved = float(distance_km(now.latitude, now.longitude, told.latitude, told.longitude))
        return (
            moved >= max(MOVED_KM, 0.3 * now.horizontal_error_km)
            or abs(now.magnitude - told.magnitude) >= GREW
            or any(
                m.pga_m_s2 >= max(SHAKEN_M_S2, HARDER * self.issued_motions.get(m.seed_id, 0.0))
                for m in self.motions
            )
        )

    def may_become(self, other: Candidate) -> bool:
        """Whether what it was told to be may be given up for another grouping of picks.

        Far beyond its stated error only if that keeps all of its onsets, or half of them and
        explains more: else it is another earthquake, or amid aftershocks a mixture.
        """
        h, to = self.hypocentre, other.hypocentre
        moved_km = float(distance_km(h.latitude, h.longitude, to.latitude, to.longitude))
        if not self.version or moved_km <= max(STAYS_KM, STAYS_ERRORS * h.horizontal_error_km):
            return True
        ours = {o.pick for o in self.onsets.values()}
        kept = sum(o.pick in ours for o in other.onsets)
        gain = sum(o.weight for o in other.onsets) - sum(o.weight for o in self.onsets.values())
        return kept == len(ours) or (2 * kept >= len(ours) and gain > 0)

    def issue(self, kind: VersionKind, now_s: float, arrivals: tuple[Arrival, ...]) -> EventVersion:
        """The next version, told at ``now_s``."""
        self.version += 1
        self.issued, self.issued_count = self.origin, len(self.onsets)
        self.issued_motions = {m.seed_id: m.pga_m_s2 for m in self.motions}
        return EventVersion(
            event_id=self.event_id,
            version=self.version,
            kind=kind,
            issued_s=now_s,
            origin=self.issued,
            stations=len(self.onsets),
            arrivals=arrivals,
            station_magnitudes=self.stations,
            source=self.source,
            motions=self.motions,
        )

    def is_same(self, theirs: Origin) -> bool:
        """Whether another origin is of this earthquake."""
        return is_same_earthquake(self.origin, theirs)


def as_told(told: EventVersion) -> Event:
    """An event of which only what was told is known."""
    o = told.origin
    errors = (0.0 if math.isnan(e) else e for e in (
        o.time_error_s, o.horizontal_error_km, o.depth_error_km))  # fmt: skip
    hypocentre = Hypocentre(o.time_s, o.latitude, o.longitude, o.depth_km, 0.0, *errors)
    return Event(told.event_id, hypocentre, {}, told.issued_s, 0, told.source)


def event_id(first: Onset, names: Sequence[str]) -> str:
    """The same on every machine that has the same first pick: its time and its station's checksum.

    ``names``: those of the stations, by their number.
    """
    stamp = iso_from_seconds(first.time_s)[:19].translate({ord(c): None for c in "-:"})
    return f"ew{stamp}{zlib.crc32(names[first.station].encode()) & 0xFFFF:04x}"
