"""PURE: turns an event version into plans: the targets, the order of sending, the messages.

Targets are ordered by lanes of predicted harm, then by earliest S arrival; those that the S-wave
has reached come last. Messages are built only when they are sent, so that the first leaves while
the last is not yet written.
"""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ew.alerts.groups import OUT_OF_REACH, TargetGroup, group_of
from ew.alerts.last_alerts import LastAlerts
from ew.alerts.message import TOPIC_CELL, TOPIC_DEVICE, AlertTemplate, ReceiptRequest
from ew.alerts.signing import Signer
from ew.config import Config
from ew.geo import ecef_km, local_radius_km
from ew.records import EventVersion, VersionKind
from ew.shaking import event_rows, lane_reach_km
from ew.shaking.kernels import order_by_key, rank_targets
from ew.shaking.observed import raise_by_observed
from ew.shaking.relations import RELATIONS
from ew.shaking.targets import Address, Targets
from ew.traveltimes import TravelTimes

LANES = 4
NOT_TOLD = 65535
LANE_BITS = 13
"""A sending key is 3 bits of lane above this many bits of time; ``NOT_TOLD`` is the last of the
last lane."""
EVENTS_KEPT = 16
"""Events of which the last alert of each target is known, 8 bytes for each; older events are
over."""
UPDATED_FOR_S = 900.0
"""After this long an event is neither updated nor cancelled any more, s."""
WARNED_FOR_S = 300.0
"""Nobody can be warned of an older earthquake, s: S reaches 1,000 km in 250 s."""
AHEAD_MOST_S = 10.0
"""An origin may lie this far ahead of the clock, s: clocks and first locations are a little off."""
KEY_STEPS_PER_S = 20.0
"""Steps of S arrival in a key, 1/s: accurate to 0.05 s; 13 bits reach 409 s, beyond any region."""


class SendingOrder:
    """Targets by their keys, most urgent first, sorted lane by lane on demand.

    So the first message does not wait until a million targets are sorted. ``keys`` (D,) u2 of all
    targets; ``is_chosen`` (D,) bool: the targets to alert; ``None``: all that have a key.
    """

    def __init__(
        self, keys: NDArray[np.uint16], is_chosen: NDArray[np.bool_] | None = None
    ) -> None:
        self._keys = keys
        self.is_chosen: NDArray[np.bool_] = keys != NOT_TOLD if is_chosen is None else is_chosen
        self._size = int(np.count_nonzero(self.is_chosen))
        self._sorted: list[NDArray[np.int64]] = []
        self._ends: list[int] = []

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: int) -> int:
        """Index of the target at a place."""
        if not 0 <= place < len(self):
            raise IndexError(place)
        while not self._ends or place >= self._ends[-1]:
            self._sort_next()
        part = bisect.bisect_right(self._ends, place)
        return int(self._sorted[part][place - (self._ends[part - 1] if part else 0)])

    def _sort_next(self) -> None:
        low = len(self._sorted) << LANE_BITS
        is_inside = self._keys - np.uint16(low) < 1 << LANE_BITS  # below ``low`` it wraps around
        inside = np.flatnonzero(is_inside & self.is_chosen)
        order = np.empty(len(inside), np.int64)
        order_by_key(self._keys[inside], order)
        self._sorted.append(inside[order])
        self._ends.append(len(inside) + (self._ends[-1] if self._ends else 0))


@dataclass(frozen=True, slots=True, eq=False)
class AlertPlan:
    """One version's messages to one group of targets, most urgent first.

    ``order``: indices into ``targets``, most urgent first. The columns of all D targets are kept as
    computed and read where a message is built: ``keys`` (D,) u2 sending keys (smaller is sooner),
    ``s_s`` (D,) f4 travel times, ``intensity`` (D,) f4, ``knew`` (D,) bool targets alerted before
    (``None``: none).
    """

    version: EventVersion
    targets: Targets
    order: SendingOrder
    keys: NDArray[np.uint16]
    s_s: NDArray[np.float32]
    intensity: NDArray[np.float32]
    knew: NDArray[np.bool_] | None
    rows: NDArray[np.float64]
    template: AlertTemplate
    lanes: int
    expire_s: float

    def __len__(self) -> int:
        return len(self.order)

    @property
    def chosen(self) -> NDArray[np.int64]:
        """The targets of the plan, ascending."""
        return np.flatnonzero(self.order.is_chosen)

    def topic(self, place: int) -> str:
        """Topic of the message at a place in the order."""
        form = TOPIC_CELL if self.targets.address == "cell" else TOPIC_DEVICE
        return form.format(self.targets.ids[self.order[place]])

    def expires_s(self, place: int) -> float:
        """Expiry of the message at a place in the order, epoch seconds."""
        return max(self.version.issued_s, self.s_arrival_s(place)) + self.expire_s

    def s_arrival_s(self, place: int) -> float:
        """S arrival at the target at a place in the order, epoch seconds."""
        return self.version.origin.time_s + float(self.s_s[self.order[place]])

    def lane(self, place: int) -> int:
        """Lane of the message at a place in the order; the last ones are of targets behind S."""
        key = int(self.keys[self.order[place]])
        # A target alerted before receives a change even below the threshold: last of all
        return 2 * self.lanes if key == NOT_TOLD else key >> 13

    def is_first(self, place: int) -> bool:
        """Whether it is the first alert of this event for the target at a place in the order."""
        return self.knew is None or not self.knew[self.order[place]]

    def message(self, place: int, signer: Signer) -> bytes:
        """The signed message at a place in the order.

        Raises:
            ConfigError: the signer may not sign this status.
        """
        origin, target = self.version.origin, self.order[place]
        kind: VersionKind = self.version.kind
        if kind != "cancel":
            kind = "alert" if self.is_first(place) else "update"
        return self.template.build(
            signer,
            kind=kind,
            address=self.targets.address,
            target_id=self.targets.ids[target],
            p_arrival_s=origin.time_s
            + float(np.interp(self.s_s[target], self.rows[1], self.rows[0])),
            s_arrival_s=self.s_arrival_s(place),
            intensity=float(self.intensity[target]),
            priority=self.lane(place),
            expires_s=self.expires_s(place),
        )


class AlertPlanner:
    """Makes plans for cells and devices.

    It keeps the last alert of each target and event, so that only updates worth sending are sent.
    """

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
        self._kinds = list(config.policy.kinds.values())
        asked = config.delivery.receipts
        shares: dict[Address, float] = {"cell": asked.cells, "device": asked.devices}
        self._receipts = {
            address: ReceiptRequest(share=share, within_s=asked.within_s) if share else None
            for address, share in shares.items()
        }
        self._groups = [group_of(targets, config.policy) for targets in groups if len(targets)]

    def prepare(self, groups: Sequence[Targets]) -> list[TargetGroup]:
        """Prepare new groups of targets, the slow part; it may run beside ``plan``."""
        before = {group.targets.address: group for group in self._groups}
        policy = self._config.policy
        prepared = [group_of(targets, policy) for targets in groups if len(targets)]
        prepared += [
            group_of(old.targets.some(np.empty(0, np.int64)), policy)  # the last of them have left
            for address, old in before.items()
            if address not in {group.targets.address for group in prepared}
        ]
        for group in prepared:
            if old := before.get(group.targets.address):
                group.rows = group.targets.rows_of(old.targets)
        return prepared

    def prepare_change(self, changed: Targets, gone: Sequence[str]) -> list[TargetGroup]:
        """Prepare groups where few devices came or moved (``changed``) or have ``gone`` (ids)."""
        groups = {group.targets.address: group for group in self._groups}
        other = group_of(changed, self._config.policy)
        old = groups.get(changed.address)
        if old is None:
            groups[changed.address] = other
        else:
            groups[changed.address] = old.changed(other, gone)
        return list(groups.values())

    def set_groups(self, prepared: Sequence[TargetGroup], now_s: float) -> None:
        """Use prepared groups from now on: devices came, moved or went.

        The last alert of each target is kept, so that updates and cancels reach all of them.
        """
        before = {group.targets.address: group for group in self._groups}
        for group in prepared:
            old = before.get(group.targets.address)
            if old is not None and old is not group:
                over = [
                    i for i, last in old.last_alerts.items() if now_s - last.base_s > UPDATED_FOR_S
                ]
                for event_id in over:
                    del old.last_alerts[event_id]
                group.take_over(old)
        self._groups = [group for group in prepared if len(group.targets)]

    def plan(self, version: EventVersion, now_s: float) -> list[AlertPlan]:
        """One plan for each group with targets to alert."""
        since_s = now_s - version.origin.time_s
        if version.kind != "cancel" and not -AHEAD_MOST_S <= since_s <= WARNED_FOR_S:
            return []  # too late to warn, or an impossible time
        plans = [self._plan(group, version, now_s) for group in self._groups]
        return [plan for plan in plans if len(plan)]

    def _plan(self, group: TargetGroup, version: EventVersion, now_s: float) -> AlertPlan:
        count = len(group.targets)
        keys, s_s, strength = (
            np.empty(count, np.uint16),
            np.empty(count, np.float32),
            np.empty(count, np.float32),
        )
        origin = version.origin
        rows = event_rows(origin, self._travel, self._config.shaking.relation)
        rank_targets(
            group.targets.ecef,
            group.targets.radius_km,
            ecef_km(origin.latitude, origin.longitude),
            local_radius_km(origin.latitude),
            rows.astype(np.float32),
            self._least(group, version),
            now_s - origin.time_s,
            lane_reach_km(rows, self._config.policy.lanes),
            KEY_STEPS_PER_S,
            keys,
            s_s,
            strength,
        )
        scale = RELATIONS[self._config.shaking.relation][0]
        raised = raise_by_observed(version.motions, origin, rows, scale, group.targets, strength)
        if len(raised):
            since_s = np.float32(now_s - origin.time_s)
            least = self._least(group, version)[raised]
            keys[raised] = self._keys(strength[raised], s_s[raised], least, since_s)
        last = group.last_alerts.get(version.event_id)
        if last is not None:
            last.catch_up()
        knew = None if last is None else last.knows
        # For the first version a target's S arrival is its travel time
        since_base = s_s if last is None else s_s + np.float32(origin.time_s - last.base_s)
        order = self._order(last, version, keys, since_base, strength)
        self._note(group, last, version, order, since_base, strength)
        return AlertPlan(
            version=version,
            targets=group.targets,
            order=order,
            keys=keys,
            s_s=s_s,
            intensity=strength,
            knew=knew,
            rows=rows,
            template=AlertTemplate(
                version,
                self._config.policy.mode,
                scale,
                self._key_id,
                self._receipts[group.targets.address],
            ),
            lanes=LANES,
            expire_s=self._config.policy.expire_s,
        )

    def _keys(
        self,
        strength: NDArray[np.float32],
        s_s: NDArray[np.float32],
        least: NDArray[np.float32],
        since_s: np.float32,
    ) -> NDArray[np.uint16]:
        """Sending keys by intensity instead of distance, in the form of ``rank_targets``."""
        lane = sum(strength < bound for bound in self._config.policy.lanes[: LANES - 1])
        lane = np.minimum(lane, LANES - 1) + LANES * (s_s <= since_s)
        step = np.minimum(s_s * KEY_STEPS_PER_S, 8190)
        keys = (lane.astype(np.uint16) << LANE_BITS) | step.astype(np.uint16)
        return np.where(strength >= least, keys, NOT_TOLD).astype(np.uint16)

    def _least(self, group: TargetGroup, version: EventVersion) -> NDArray[np.float32]:
        """Least intensity of each target, out of reach where the magnitude threshold is not met."""
        magnitude = version.origin.magnitude
        if group.targets.address == "cell":
            kinds = [k for k in self._kinds if k.address == "cell"]
            is_met = any(magnitude >= k.min_magnitude for k in kinds)
            return group.least if is_met else np.full_like(group.least, OUT_OF_REACH)
        met = tuple(magnitude >= k.min_magnitude for k in self._kinds)
        known = group.least_by_met.get(met)
        if (
            known is None
            # A gather over all devices, the same for every version between two thresholds
        ):
            is_alerted = np.array(met)[group.targets.kinds]
            known = np.where(is_alerted, group.least, np.float32(OUT_OF_REACH)).astype(np.float32)
            group.least_by_met = {met: known}
        return known

    def _order(
        self,
        last: LastAlerts | None,
        version: EventVersion,
        keys: NDArray[np.uint16],
        since_base: NDArray[np.float32],
        strength: NDArray[np.float32],
    ) -> SendingOrder:
        """The targets above the threshold, and those alerted before for which it changes."""
        if last is None:
            nobody = np.zeros(len(keys), np.bool_)
            return SendingOrder(keys, nobody if version.kind == "cancel" else None)
        if version.kind == "cancel":
            return SendingOrder(keys, last.knows)
        policy = self._config.policy
        moved = np.abs(since_base - last.s_since_base) >= policy.update_arrival_s
        changed = np.abs(strength - last.intensity) >= policy.update_intensity
        # A target alerted before receives a change even below the threshold
        return SendingOrder(keys, np.where(last.knows, moved | changed, keys != NOT_TOLD))

    @staticmethod
    def _note(
        group: TargetGroup,
        last: LastAlerts | None,
        version: EventVersion,
        order: SendingOrder,
        since_base: NDArray[np.float32],
        strength: NDArray[np.float32],
    ) -> None:
        if not len(order):
            return
        if last is None:
            while len(group.last_alerts) >= EVENTS_KEPT:
                del group.last_alerts[next(iter(group.last_alerts))]
            base_s = version.origin.time_s
            group.last_alerts[version.event_id] = LastAlerts(
                order.is_chosen, strength, since_base, base_s
            )
            return
        last.note(order.is_chosen, strength, since_base)
