"""PURE: how a phone, a TV or a valve behaves: what it believes, when it acts, how it counts down.

A device knows its own place, its cell, and the time of its own clock; from the heartbeat it learns how far that is off the
service's. It acts once for each (event, version), on messages that are signed, fresh and newer than what it knows.

    idle -> countdown -> shaking -> all-clear -> idle        cancelled at any time -> idle
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ew.alerts.message import AlertBody, OriginBody, parse_alert
from ew.alerts.signing import Verifier
from ew.errors import MessageError
from ew.geo import distance_km
from ew.times import US_PER_S
from ew.traveltimes import TravelTimes
from simulators.population import Device

State: TypeAlias = Literal["idle", "countdown", "shaking", "all-clear"]
Level: TypeAlias = Literal["silent", "notice", "full"]
Check: TypeAlias = Callable[[bytes, int], AlertBody]

SHAKING_S = 30.0
ALL_CLEAR_S = 20.0
OFFSET_SHARE = 0.2
"""How fast a new heartbeat moves the clock's offset: jitter averages out, a step is followed at once."""
STEP_US = 2 * US_PER_S
SAME_S = 20.0
SAME_KM = 100.0
"""Alerts of two ids whose origins are so near are of one earthquake: two services may name it before they hear each other."""


@dataclass(frozen=True, slots=True)
class KindOfDevice:
    """What one kind does: thresholds of intensity, its action, and whether it makes a sound."""

    full_intensity: float
    notice_intensity: float
    action: str
    sound: bool


KINDS: Mapping[str, KindOfDevice] = {
    "phone": KindOfDevice(3.0, 2.0, "ring through silent mode", sound=True),
    "tv": KindOfDevice(3.0, 2.0, "interrupt the programme", sound=True),
    "speaker": KindOfDevice(3.0, 2.0, "announce", sound=True),
    "gas-valve": KindOfDevice(5.0, 5.0, "close", sound=False),
    "lift": KindOfDevice(4.0, 4.0, "stop at the next floor", sound=False),
}


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a device did about one message; times in service µs.

    ``lead_s``: from receipt to its own S arrival (negative: too late). ``sounds``: it made its sound now.
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


def check_with(verifier: Verifier) -> Check:
    """A check of messages against published keys."""

    def check(payload: bytes, now_us: int) -> AlertBody:
        body, plain = parse_alert(payload)
        verifier.verify(plain, now_us)
        return body

    return check


@dataclass(slots=True)
class DeviceMachine:
    """One device's state; ``on_*`` take what arrives with the device's own clock (µs) and return what it does."""

    device: Device
    check: Check
    travel_times: TravelTimes
    state: State = "idle"
    is_drill: bool = False
    offset_us: int | None = None
    refused: dict[str, int] = field(default_factory=dict)
    _versions: dict[str, int] = field(default_factory=dict)
    _origins: dict[str, OriginBody] = field(default_factory=dict)
    _sounded: set[str] = field(default_factory=set)
    _event_id: str = ""
    _s_arrival_us: int = 0

    def now_us(self, clock_us: int) -> int:
        """The service's time by this device's clock."""
        return clock_us + (self.offset_us or 0)

    def on_heartbeat(self, time_us: int, clock_us: int) -> None:
        """Learn how far the own clock is off. A heartbeat never comes early, so the offset leans to the largest."""
        offset = time_us - clock_us
        if (
            self.offset_us is None
            or abs(offset - self.offset_us) > STEP_US
            or offset > self.offset_us
        ):
            self.offset_us = offset
        else:
            self.offset_us += round(OFFSET_SHARE * (offset - self.offset_us))

    def on_alert(self, payload: bytes, clock_us: int) -> Reaction | None:
        """Act on a message, or refuse it (counted by reason)."""
        now_us = self.now_us(clock_us)
        try:
            body = self.check(payload, now_us)
        except MessageError as error:
            self._refuse(str(error))
            return None
        if body.issued_us > now_us:
            # Signed, so it can't come from the future: the own clock is behind by at least so much
            self.offset_us = (self.offset_us or 0) + body.issued_us - now_us
            now_us = body.issued_us
        if body.expires_us <= now_us:
            self._refuse("expired")
            return None
        if body.target.device is not None and body.target.device != self.device.device_id:
            self._refuse("for another device")
            return None
        if body.version <= self._versions.get(body.event_id, 0):
            self._refuse("old version")
            return None
        is_new = body.event_id not in self._versions
        self._versions[body.event_id] = body.version
        if body.kind == "cancel":
            return self._cancel(body, now_us) if not is_new else None
        return self._act(body, now_us)

    def tick(self, clock_us: int) -> State:
        """The state at a moment: the countdown runs out, shaking passes, all is clear."""
        since_s = (self.now_us(clock_us) - self._s_arrival_us) / US_PER_S
        if self.state == "countdown" and since_s >= 0:
            self.state = "shaking"
        if self.state == "shaking" and since_s >= SHAKING_S:
            self.state = "all-clear"
        if self.state == "all-clear" and since_s >= SHAKING_S + ALL_CLEAR_S:
            self.state = "idle"
        return self.state

    def countdown_s(self, clock_us: int) -> float:
        """Seconds until S arrives here, NaN when nothing is expected."""
        if self.state == "idle":
            return math.nan
        return (self._s_arrival_us - self.now_us(clock_us)) / US_PER_S

    def _refuse(self, reason: str) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1

    def _cancel(self, body: AlertBody, now_us: int) -> Reaction:
        if self._event_id == body.event_id:
            self.state = "idle"
        return self._reaction(body, now_us, "notice", body.s_arrival_us, sounds=False)

    def _act(self, body: AlertBody, now_us: int) -> Reaction:
        kind = KINDS[self.device.kind]
        if body.intensity >= kind.full_intensity:
            level: Level = "full"
        else:
            level = "notice" if body.intensity >= kind.notice_intensity else "silent"
        s_arrival_us = self._own_arrival_us(body)
        earthquake = self._earthquake(body)
        sounds = level == "full" and kind.sound and earthquake not in self._sounded
        if sounds:
            self._sounded.add(earthquake)
        self._event_id, self._s_arrival_us = body.event_id, s_arrival_us
        self.is_drill = body.status != "actual"
        self.state = "countdown" if s_arrival_us > now_us else "shaking"
        return self._reaction(body, now_us, level, s_arrival_us, sounds=sounds)

    def _earthquake(self, body: AlertBody) -> str:
        """The first id under which this earthquake was told."""
        for event_id, origin in self._origins.items():
            apart_km = distance_km(
                origin.latitude, origin.longitude, body.origin.latitude, body.origin.longitude
            )
            apart_s = abs(origin.time_us - body.origin.time_us) / US_PER_S
            if event_id == body.event_id or (apart_s < SAME_S and float(apart_km) < SAME_KM):
                return event_id
        self._origins[body.event_id] = body.origin
        return body.event_id

    def _own_arrival_us(self, body: AlertBody) -> int:
        """S arrival at the device's own place; its cell's was that of the cell's nearest point."""
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
        )
