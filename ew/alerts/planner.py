"""PURE: an event version becomes a plan: who is told, in which order, in what words.

Lanes by predicted harm, then earliest S arrival first; whom the S-wave has reached comes after all whom it has not. Messages
are built only when they are sent, so that the first leaves while the last is not yet written.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ew.alerts.message import TOPIC_CELL, TOPIC_DEVICE, AlertTemplate
from ew.alerts.signing import Signer
from ew.config import Config
from ew.geo import ecef_km, in_polygon, local_radius_km
from ew.records import EventVersion, Origin, VersionKind
from ew.shaking import event_rows
from ew.shaking.kernels import rank_targets
from ew.shaking.relations import RELATIONS
from ew.shaking.targets import Targets, device_targets
from ew.traveltimes import TravelTimes

NOT_TOLD = 65535
KEY_STEPS_PER_S = 20.0
"""S arrival in a key is good to 0.05 s; 13 bits reach 409 s, beyond any region."""


@dataclass(slots=True, eq=False)
class _Told:
    """What each target of a group was told of one event: intensity and S travel time, NaN before it was."""

    intensity: NDArray[np.float32]
    s_arrival_s: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AlertPlan:
    """One version's messages to one group of targets, most urgent first.

    ``order`` (n,) i8: indices into ``targets``; ``keys`` (n,) u2: sending keys in that order (smaller is sooner);
    ``is_first`` (n,) bool: targets not told of this event before.
    """

    version: EventVersion
    targets: Targets
    order: NDArray[np.int64]
    keys: NDArray[np.uint16]
    is_first: NDArray[np.bool_]
    p_s: NDArray[np.float64]
    s_s: NDArray[np.float64]
    intensity: NDArray[np.float32]
    template: AlertTemplate
    lanes: int
    expire_s: float

    def __len__(self) -> int:
        return len(self.order)

    def topic(self, place: int) -> str:
        """Topic of the message at a place in the order."""
        form = TOPIC_CELL if self.targets.address == "cell" else TOPIC_DEVICE
        return form.format(self.targets.ids[self.order[place]])

    def expires_s(self, place: int) -> float:
        """When the message at a place in the order expires, epoch seconds."""
        arrival_s = self.version.origin.time_s + float(self.s_s[place])
        return max(self.version.issued_s, arrival_s) + self.expire_s

    def message(self, place: int, signer: Signer) -> bytes:
        """The signed message at a place in the order.

        Raises:
            ConfigError: the signer may not sign this status.
        """
        origin = self.version.origin
        kind: VersionKind = self.version.kind
        if kind != "cancel":
            kind = "alert" if self.is_first[place] else "update"
        return self.template.build(
            signer,
            kind=kind,
            address=self.targets.address,
            target_id=self.targets.ids[self.order[place]],
            p_arrival_s=origin.time_s + float(self.p_s[place]),
            s_arrival_s=origin.time_s + float(self.s_s[place]),
            intensity=float(self.intensity[place]),
            priority=int(self.keys[place]) >> 13,
            expires_s=self.expires_s(place),
        )


@dataclass(slots=True, eq=False)
class _Group:
    targets: Targets
    least: NDArray[np.float32]
    in_region: NDArray[np.bool_]
    told: dict[str, _Told] = field(default_factory=dict)


class AlertPlanner:
    """Makes plans for cells and devices; keeps what each was told of each event, so that updates are worth sending."""

    def __init__(
        self,
        config: Config,
        travel_times: TravelTimes,
        groups: Sequence[Targets],
        key_id: str = "exercise",
    ) -> None:
        self._config = config
        self._travel = travel_times
        self._key_id = key_id
        self._lanes = np.array(config.policy.lanes, dtype=np.float64)
        self._kinds = list(config.policy.kinds.values())
        self._groups = [self._group(targets) for targets in groups if len(targets)]

    def warm_up(self) -> None:
        """Compile (or load) the kernel, on one target."""
        one = device_targets(
            ["warm-up"], np.zeros(1, np.uint8), np.array([30.0]), np.array([100.0])
        )
        version = EventVersion("warm-up", 1, "alert", 0.0, Origin(0.0, 30.0, 100.0, 10.0, 6.0), 4)
        self._plan(self._group(one), version, 5.0)

    def set_groups(self, groups: Sequence[Targets]) -> None:
        """Use other targets from now on (devices came or went); what was told is forgotten."""
        self._groups = [self._group(targets) for targets in groups if len(targets)]

    def plan(self, version: EventVersion, now_s: float) -> list[AlertPlan]:
        """One plan for each group that has someone to tell."""
        plans = [self._plan(group, version, now_s) for group in self._groups]
        return [plan for plan in plans if len(plan)]

    def forget(self, event_id: str) -> None:
        """Let go of an event that is over."""
        for group in self._groups:
            group.told.pop(event_id, None)

    def _group(self, targets: Targets) -> _Group:
        if targets.address == "cell":
            # A cell is told what its most easily alerted kind of device is to hear
            kinds = [k for k in self._kinds if k.address == "cell"]
            least = np.full(
                len(targets), min((k.min_intensity for k in kinds), default=math.inf), np.float32
            )
        else:
            by_kind = np.array([k.min_intensity for k in self._kinds], np.float32)
            least = by_kind[targets.kinds]
        regions = self._config.policy.regions
        in_region = np.array(
            [
                not regions or any(in_polygon(lat, lon, list(r.polygon)) for r in regions)
                for lat, lon in zip(targets.latitudes, targets.longitudes, strict=True)
            ],
            dtype=np.bool_,
        )
        least = np.where(in_region, least, np.float32(99.0)).astype(np.float32)
        return _Group(targets, least, in_region)

    def _plan(self, group: _Group, version: EventVersion, now_s: float) -> AlertPlan:
        count = len(group.targets)
        keys, s_s, strength = (
            np.empty(count, np.uint16),
            np.empty(count),
            np.empty(count, np.float32),
        )
        origin = version.origin
        rows = event_rows(origin, self._travel, self._config.shaking.relation)
        rank_targets(
            group.targets.ecef,
            group.targets.radius_km,
            ecef_km(origin.latitude, origin.longitude),
            local_radius_km(origin.latitude),
            rows,
            self._least(group, version),
            now_s - origin.time_s,
            self._lanes,
            KEY_STEPS_PER_S,
            keys,
            s_s,
            strength,
        )
        told = group.told.get(version.event_id)
        chosen = self._chosen(told, version, keys, s_s, strength)
        order = chosen[np.argsort(keys[chosen], kind="stable")]
        is_first = (
            np.ones(len(order), np.bool_) if told is None else np.isnan(told.intensity[order])
        )
        self._note(group, told, version, order, s_s, strength)
        return AlertPlan(
            version=version,
            targets=group.targets,
            order=order,
            keys=np.where(keys[order] == NOT_TOLD, NOT_TOLD - 1, keys[order]).astype(np.uint16),
            is_first=is_first,
            p_s=np.interp(s_s[order], rows[1], rows[0]),
            s_s=s_s[order],
            intensity=strength[order],
            template=AlertTemplate(
                version,
                self._config.policy.mode,
                RELATIONS[self._config.shaking.relation][0],
                self._key_id,
            ),
            lanes=len(self._lanes),
            expire_s=self._config.policy.expire_s,
        )

    def _least(self, group: _Group, version: EventVersion) -> NDArray[np.float32]:
        """Least intensity of each target, out of reach for kinds whose magnitude threshold is not met."""
        magnitude = version.origin.magnitude
        if group.targets.address == "cell":
            kinds = [k for k in self._kinds if k.address == "cell"]
            is_met = any(magnitude >= k.min_magnitude for k in kinds)
            return group.least if is_met else np.full_like(group.least, 99.0)
        met = np.array([magnitude >= k.min_magnitude for k in self._kinds])
        return np.where(met[group.targets.kinds], group.least, np.float32(99.0)).astype(np.float32)

    def _chosen(
        self,
        told: _Told | None,
        version: EventVersion,
        keys: NDArray[np.uint16],
        s_s: NDArray[np.float64],
        strength: NDArray[np.float32],
    ) -> NDArray[np.int64]:
        """Who is told: whoever is above the threshold, and of those told before, whom it changes for."""
        if told is None:
            return (
                np.flatnonzero(keys != NOT_TOLD)
                if version.kind != "cancel"
                else np.empty(0, np.int64)
            )
        knows = ~np.isnan(told.intensity)
        if version.kind == "cancel":
            return np.flatnonzero(knows)
        policy = self._config.policy
        moved = np.abs(version.origin.time_s + s_s - told.s_arrival_s) >= policy.update_arrival_s
        changed = np.abs(strength - told.intensity) >= policy.update_intensity
        # Someone told before hears of a change even below the threshold now
        return np.flatnonzero(np.where(knows, moved | changed, keys != NOT_TOLD))

    @staticmethod
    def _note(
        group: _Group,
        told: _Told | None,
        version: EventVersion,
        order: NDArray[np.int64],
        s_s: NDArray[np.float64],
        strength: NDArray[np.float32],
    ) -> None:
        if told is None:
            if not len(order):
                return
            count = len(s_s)
            told = _Told(np.full(count, np.nan, np.float32), np.full(count, np.nan))
            group.told[version.event_id] = told
        told.intensity[order] = strength[order]
        told.s_arrival_s[order] = version.origin.time_s + s_s[order]
