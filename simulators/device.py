"""PURE: how a phone, a TV or a valve behaves: what it trusts, when it acts, how it counts down.

A device knows its place, its cell, and the time of its own clock; by the heartbeat it sets it to
the service's. It acts once for each (event, version), on messages that are signed, fresh and newer
than what it knows. What each kind of device does is data: the policy of the configuration. A phone
that moves subscribes to the cells around its own as well, and acts on the alerts of the cell it is
in.

    idle -> countdown -> shaking -> all-clear -> idle        cancelled at any time -> idle
"""

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import h3

from ew.alerts.message import (
    TOPIC_CELL,
    TOPIC_DEVICE,
    AlertBody,
    OriginBody,
    ReceiptBody,
    parse_alert,
)
from ew.alerts.trust import Verifier
from ew.config.policy import KindPolicy, PolicyConfig
from ew.errors import MessageError
from ew.geo import distance_km
from ew.shaking.targets import cell_of
from ew.times import US_PER_S
from ew.traveltimes import TravelTimes
from simulators.deviceclock import DeviceClock
from simulators.population import Device

State: TypeAlias = Literal["idle", "countdown", "shaking", "all-clear"]
Level: TypeAlias = Literal["silent", "notice", "full"]
Check: TypeAlias = Callable[[bytes, int], AlertBody]

SHAKING_S = 30.0
ALL_CLEAR_S = 20.0
SAME_S = 20.0
SAME_KM = 100.0
SAME_MAGNITUDE = 1.0
"""Alerts of two ids with origins this near, in s, km and magnitude, are of one earthquake: two
services may publish it before they receive each other's. One larger by more than this is another
earthquake and sounds again."""


WAITING_MOST = 16
"""Most messages kept by a device that can't verify them yet, since it has no time or no keys."""

STILL_S = 120.0
"""A phone that has stayed in its place for this long, s, unsubscribes from the neighbours'
cells."""
LEVELS: tuple[Level, ...] = ("silent", "notice", "full")
KINDS: Mapping[str, KindPolicy] = PolicyConfig().kinds


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a device did about one message; times in service µs.

    ``lead_s``: from receipt to its own S arrival (negative: too late). ``sounds``: it made its
    sound now. ``action``: what its kind does at full, else empty.
    """

    device_id: str
    event_id: str
    version: int
    kind: str
    status: str
    level: Level
    received_us: int
    s_arrival_us: int
    lead_s: float
    sounds: bool
    already_shaking: bool
    action: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt that the service asked for, and when it is to be sent (service µs)."""

    body: ReceiptBody
    due_us: int


def check_with(verifier: Verifier) -> Check:
    """A function that verifies messages by published keys."""

    def check(payload: bytes, now_us: int) -> AlertBody:
        body, plain = parse_alert(payload)
        verifier.verify(plain, now_us)
        return body

    return check


@dataclass(frozen=True, slots=True)
class Expected:
    """An earthquake that a device has been alerted of, at its own place."""

    event_id: str
    s_arrival_us: int
    intensity: float
    is_drill: bool

    def state(self, now_us: int) -> State:
        """What the device shows of it at a moment."""
        since_s = (now_us - self.s_arrival_us) / US_PER_S
        if since_s < 0:
            return "countdown"
        if since_s < SHAKING_S:
            return "shaking"
        return "all-clear" if since_s < SHAKING_S + ALL_CLEAR_S else "idle"


@dataclass(slots=True)
class DeviceMachine:
    """The state machine of one device.

    ``on_*`` take what arrives, with the device's own clock (µs), and return what it does.
    """

    device: Device
    check: Check
    travel_times: TravelTimes
    state: State = "idle"
    clock: DeviceClock = field(default_factory=DeviceClock)
    kinds: Mapping[str, KindPolicy] = field(default_factory=lambda: KINDS)
    seed: int = 0
    receipts: list[Receipt] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)
    newest: dict[str, AlertBody] = field(default_factory=dict)  # last acted on, by event
    _cell: str = ""
    _moved_us: int | None = None  # time of its last move, by its own clock
    # The newest alerts of neighbouring cells
    _kept: dict[str, AlertBody] = field(default_factory=dict)
    _levels: dict[str, Level] = field(default_factory=dict)  # the highest acted on, by event
    _versions: dict[str, int] = field(default_factory=dict)
    _sounded: dict[str, OriginBody] = field(
        default_factory=dict
    )  # newest origins of events with a sound
    _expected: dict[str, Expected] = field(default_factory=dict)  # by event
    _shown: Expected | None = None
    _serial: int = 0  # of its document of keys
    _waiting: list[bytes] = field(default_factory=list)  # received before it could be verified

    def __post_init__(self) -> None:
        if self.policy.address == "cell":
            self._cell = cell_of(self.device.latitude, self.device.longitude)

    @property
    def policy(self) -> KindPolicy:
        """The policy of its kind."""
        return self.kinds[self.device.kind]

    def topics(self, clock_us: int) -> frozenset[str]:
        """The topics of its alerts now; of a moving phone, also those of the cells around."""
        if not self._cell:
            return frozenset({TOPIC_DEVICE.format(self.device.device_id)})
        return frozenset(TOPIC_CELL.format(cell) for cell in self._cells(clock_us))

    def _cells(self, clock_us: int) -> set[str]:
        if self._moved_us is None or clock_us - self._moved_us > STILL_S * US_PER_S:
            return {self._cell}
        return set(h3.grid_disk(self._cell, 1))

    def move(self, latitude: float, longitude: float, clock_us: int) -> Reaction | None:
        """Change its place; returns the reaction to an earlier alert of the new cell, if any."""
        self.device = replace(self.device, latitude=latitude, longitude=longitude)
        if not self._cell:
            return None
        self._moved_us = clock_us
        cell = cell_of(latitude, longitude)
        if cell == self._cell:
            return None
        self._cell = cell
        near = self._cells(clock_us)
        body = self._kept.pop(cell, None)
        self._kept = {name: kept for name, kept in self._kept.items() if name in near}
        return (
            None if body is None else self._receive(body, self.now_us(clock_us), is_entering=True)
        )

    def receipts_due(self, clock_us: int) -> list[ReceiptBody]:
        """Remove and return the receipts that are to be sent by now."""
        now_us = self.now_us(clock_us)
        due = [one.body for one in self.receipts if one.due_us <= now_us]
        self.receipts = [one for one in self.receipts if one.due_us > now_us]
        return due

    def now_us(self, clock_us: int) -> int:
        """The service's time by this device's clock."""
        return self.clock.now_us(clock_us)

    def on_heartbeat(self, time_us: int, clock_us: int) -> list[Reaction]:
        """Set the clock, and handle messages that could not be verified before."""
        result = self.clock.on_heartbeat(time_us, clock_us)
        if result == "old":
            self._refuse("old heartbeat")
        return self._look_again(clock_us) if result == "used" else []

    def on_keys(self, serial: int, clock_us: int) -> list[Reaction]:
        """Handle messages that waited for a document of keys, which has been verified.

        A newer document (``serial``) ends the effect of earlier heartbeats: by issuing one, a
        service whose clock was ahead makes its devices learn the time anew. Nobody else can.
        """
        if serial > self._serial:
            self._serial = serial
            self.clock.forget_heartbeats()
        return self._look_again(clock_us)

    def _look_again(self, clock_us: int) -> list[Reaction]:
        waiting, self._waiting = self._waiting, []
        found = [self.on_alert(payload, clock_us) for payload in waiting]
        return [reaction for reaction in found if reaction is not None]

    def on_alert(self, payload: bytes, clock_us: int) -> Reaction | None:
        """Act on a message, or refuse it (counted by reason)."""
        now_us = self.now_us(clock_us)
        try:
            body = self.check(payload, now_us)
        except MessageError as error:
            if self.clock.offset_us is None and len(self._waiting) < WAITING_MOST:
                self._waiting.append(payload)  # its time may be right and this clock wrong
            else:
                self._refuse(str(error))
            return None
        if self.clock.offset_us is None and body.expires_us <= now_us:
            # Expired by a clock that may be ahead: checked again when the time is known
            self._waiting = [*self._waiting, payload][-WAITING_MOST:]
            return None
        if body.issued_us > now_us:
            self.clock.on_signed_time(body.issued_us, clock_us)
            now_us = body.issued_us
        if body.target.device is not None and body.target.device != self.device.device_id:
            self._refuse("for another device")
            return None
        if body.target.cell is not None and body.target.cell != self._cell:
            self._keep(body.target.cell, body, clock_us)
            return None
        return self._receive(body, now_us, is_entering=False)

    def _receive(self, body: AlertBody, now_us: int, *, is_entering: bool) -> Reaction | None:
        """Act on a message for this device or for the cell it is in, unless it is out of date.

        ``is_entering``: it was received for the neighbours' cell that the device enters now; a
        known version is acted on again if it is stronger here.
        """
        if body.expires_us <= now_us:
            self._refuse("expired")
            return None
        known = self._versions.get(body.event_id, 0)
        is_stronger = is_entering and body.version == known and self._is_stronger(body)
        if body.version <= known and not is_stronger:
            if not is_entering:
                self._refuse("old version")
            return None
        self._versions[body.event_id] = body.version
        self.newest[body.event_id] = body
        if not is_stronger:
            self._promise_receipt(body, now_us)
        if body.kind == "cancel":
            return self._cancel(body, now_us) if known else None
        return self._act(body, now_us)

    def _keep(self, cell: str, body: AlertBody, clock_us: int) -> None:
        """Keep a neighbouring cell's alert until the phone enters it; refuse one farther away."""
        if not self._cell or cell not in self._cells(clock_us):
            self._refuse("for another cell")
            return
        kept = self._kept.get(cell)
        if kept is None or (body.issued_us, body.version) > (kept.issued_us, kept.version):
            self._kept[cell] = body

    def _is_stronger(self, body: AlertBody) -> bool:
        before = self._levels.get(body.event_id, "silent")
        return body.kind != "cancel" and LEVELS.index(self._level(body)) > LEVELS.index(before)

    def _promise_receipt(self, body: AlertBody, now_us: int) -> None:
        """Schedule a requested receipt, if the lot falls on this device, at a random time.

        A device that receives the alert after the window does not answer.
        """
        asked = body.receipt
        if asked is None or now_us - body.issued_us > asked.within_s * US_PER_S:
            return
        lot = random.Random(f"{self.seed}/{self.device.device_id}/{body.event_id}/{body.version}")
        if lot.random() >= asked.share:
            return
        answer = ReceiptBody(v=1, event_id=body.event_id, version=body.version, received_us=now_us)
        due_us = now_us + round(lot.random() * asked.within_s * US_PER_S)
        self.receipts.append(Receipt(answer, due_us))

    @property
    def is_drill(self) -> bool:
        """Whether what is shown is no real alert."""
        return self._shown is not None and self._shown.is_drill

    def tick(self, clock_us: int) -> State:
        """Update and return the state: the countdown ends, shaking passes, the all-clear ends.

        Of several earthquakes the strongest that is still to come or shaking is shown.
        """
        return self._look(self.now_us(clock_us))

    def _look(self, now_us: int) -> State:
        states = {one.event_id: one.state(now_us) for one in self._expected.values()}
        self._expected = {i: one for i, one in self._expected.items() if states[i] != "idle"}
        self._shown = max(
            self._expected.values(),
            key=lambda one: (states[one.event_id] != "all-clear", one.intensity, -one.s_arrival_us),
            default=None,
        )
        self.state = "idle" if self._shown is None else states[self._shown.event_id]
        return self.state

    def countdown_s(self, clock_us: int) -> float:
        """Seconds until S arrives here, NaN when nothing is expected."""
        if self._shown is None:
            return math.nan
        return (self._shown.s_arrival_us - self.now_us(clock_us)) / US_PER_S

    def _refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def _cancel(self, body: AlertBody, now_us: int) -> Reaction:
        """End this event alone: another one's countdown goes on."""
        self._expected.pop(body.event_id, None)
        self._look(now_us)
        return self._reaction(body, now_us, "notice", body.s_arrival_us, sounds=False)

    def _act(self, body: AlertBody, now_us: int) -> Reaction:
        level = self._level(body)
        self._levels[body.event_id] = max(
            level, self._levels.get(body.event_id, "silent"), key=LEVELS.index
        )
        s_arrival_us = self._own_arrival_us(body)
        sounds = level == "full" and self.policy.sound and not self._has_sounded(body)
        if sounds or body.event_id in self._sounded:
            self._sounded[body.event_id] = body.origin
        self._expected[body.event_id] = Expected(
            body.event_id, s_arrival_us, body.intensity, body.status != "actual"
        )
        self._look(now_us)
        return self._reaction(body, now_us, level, s_arrival_us, sounds=sounds)

    def _level(self, body: AlertBody) -> Level:
        if body.intensity >= self.policy.full_intensity:
            return "full"
        return "notice" if body.intensity >= self.policy.min_intensity else "silent"

    def _has_sounded(self, body: AlertBody) -> bool:
        """Whether this earthquake has made its sound, under this id or another."""
        now = body.origin
        for event_id, then in self._sounded.items():
            if event_id == body.event_id:
                return True
            apart_km = float(
                distance_km(then.latitude, then.longitude, now.latitude, now.longitude)
            )
            is_near = apart_km < SAME_KM and abs(then.time_us - now.time_us) < SAME_S * US_PER_S
            if is_near and now.magnitude - then.magnitude < SAME_MAGNITUDE:
                return True
        return False

    def _own_arrival_us(self, body: AlertBody) -> int:
        """S arrival at the device's own place; the alert's is that of the cell's nearest point."""
        origin = body.origin
        away = float(
            distance_km(
                origin.latitude, origin.longitude, self.device.latitude, self.device.longitude
            )
        )
        travel_s = float(self.travel_times.s_s(away, origin.depth_km))
        return max(body.s_arrival_us, origin.time_us + round(travel_s * US_PER_S))

    def _reaction(
        self, body: AlertBody, now_us: int, level: Level, s_arrival_us: int, *, sounds: bool
    ) -> Reaction:
        return Reaction(
            device_id=self.device.device_id,
            event_id=body.event_id,
            version=body.version,
            kind=body.kind,
            status=body.status,
            level=level,
            received_us=now_us,
            s_arrival_us=s_arrival_us,
            lead_s=(s_arrival_us - now_us) / US_PER_S,
            sounds=sounds,
            already_shaking=s_arrival_us <= now_us,
            action=self.policy.action if level == "full" else "",
        )
