"""PURE: the alert message, built fast and parsed strictly, in its fixed form (I-JSON, 1 KiB).

All messages of a plan share most of their text, so a template in canonical order (RFC 8785: members
sorted, shortest numbers) is filled for each target, and the signature is inserted. Tests compare it
with the ``rfc8785`` package.
"""

import math
from typing import Annotated, Any, Literal, Self, TypeVar

import rfc8785
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ew.alerts.signing import Signer
from ew.alerts.strict_json import MOST_INT, read_object
from ew.alerts.trust import Verifier
from ew.errors import MessageError
from ew.records import EventVersion, Origin, Status, VersionKind
from ew.times import US_PER_S, us_from_seconds

MAX_BYTES = 1024
EVENT_LIFE_S = 300.0
"""An event version expires this long after it was issued, s."""
EVENT_MOST_BYTES = 16 * 1024
HEALTH_MOST_BYTES = 500
"""Most bytes of health in a heartbeat, as JSON: the other members leave this much of 1 KiB."""
TOPIC_CELL = "ew/v1/alert/cell/{}"
TOPIC_DEVICE = "ew/v1/alert/device/{}"
TOPIC_EVENT = "ew/v1/event/{}"
TOPIC_HEARTBEAT = "ew/v1/heartbeat"
TOPIC_KEYS = "ew/v1/keys"
TOPIC_RECEIPT = "ew/v1/receipt/{}"
TOPIC_WAVEFORM = "ew/v1/waveform/{}"
TOPIC_PICK = "ew/v1/pick/{}"
TOPIC_DETECTOR = "ew/v1/detector/{}"

Micros = Annotated[int, Field(ge=0, le=MOST_INT)]
Number = Annotated[int, Field(ge=1, le=MOST_INT)]
EVENT_ID_MOST = 64
EventId = Annotated[str, Field(min_length=1, max_length=EVENT_ID_MOST)]


class _Model(BaseModel):
    # Strict: "1" and true are no 1, since a reader in another language would refuse them too;
    # unknown members are ignored, so that the format can grow
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class OriginBody(_Model):
    """The origin in a message."""

    time_us: Micros
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    depth_km: float = Field(ge=-10, le=1000)
    magnitude: float = Field(ge=-3, le=11)


class TargetBody(_Model):
    """The target of a message: a cell or a device."""

    cell: str | None = None
    device: str | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.cell is None) == (self.device is None):
            raise ValueError("either a cell or a device")
        return self


class ReceiptRequest(_Model):
    """A request for receipts from a ``share`` of the receivers, within ``within_s`` seconds."""

    share: float = Field(gt=0, le=1)
    within_s: float = Field(gt=0, le=3600)


class ReceiptBody(_Model):
    """A device's receipt of a version; the time is the service's as far as the device knows it."""

    v: Literal[1]
    event_id: EventId
    version: Number
    received_us: Micros


class AlertBody(_Model):
    """An alert as received."""

    v: Literal[1]
    event_id: EventId
    version: Number
    kind: VersionKind
    status: Status
    source: str
    issued_us: Micros
    expires_us: Micros
    origin: OriginBody
    target: TargetBody
    p_arrival_us: Micros
    s_arrival_us: Micros
    intensity: float = Field(ge=0, le=12)
    scale: Literal["CSIS", "MMI"]
    priority: int = Field(ge=0)
    receipt: ReceiptRequest | None = None
    headline: dict[str, str]
    key_id: str
    signature: str


Body = TypeVar("Body", bound=_Model)


def parse_alert(payload: bytes) -> tuple[AlertBody, dict[str, object]]:
    """Parse an alert: the validated body, and the plain object for the verifier.

    Raises:
        MessageError: it is too long, no JSON, or lacks a member; the message says which.
    """
    plain = read_object(payload, "alert", MAX_BYTES)
    return _checked(AlertBody, plain, "alert"), plain


def parse_receipt(payload: bytes) -> ReceiptBody:
    """Parse a device's receipt.

    Raises:
        MessageError: it is too long or no receipt; the message says why.
    """
    return _checked(ReceiptBody, read_object(payload, "receipt", MAX_BYTES), "receipt")


def _checked(model: type[Body], plain: dict[str, Any], name: str) -> Body:
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise MessageError(f"{name}: {where}: {first['msg']}") from error


def number(value: float, digits: int) -> str:
    """A rounded number as RFC 8785 writes it: shortest, without a trailing ``.0``."""
    rounded = round(value, digits)
    return str(int(rounded)) if rounded == int(rounded) else repr(rounded)


def headline(origin: Origin, status: Status, kind: VersionKind) -> dict[str, str]:
    """The headline in English and Chinese; for an exercise it says so first."""
    mark_en = "" if status == "actual" else f"{status.upper()}: "
    mark_zh = {"actual": "", "exercise": "【演练】", "test": "【测试】"}[status]
    if kind == "cancel":
        return {"en": f"{mark_en}Earthquake alert cancelled", "zh": f"{mark_zh}地震预警解除"}
    size = f"{origin.magnitude:.1f}" if math.isfinite(origin.magnitude) else "?"
    return {
        "en": f"{mark_en}Earthquake M{size}. Drop, cover, hold on",
        "zh": f"{mark_zh}地震预警 {size}级,请立即避险",
    }


class AlertTemplate:
    """The text that all alerts of one event version share."""

    def __init__(
        self,
        version: EventVersion,
        status: Status,
        scale: str,
        key_id: str,
        receipt: ReceiptRequest | None = None,
    ) -> None:
        self.status = status
        self._receipt = (
            f'"receipt":{rfc8785.dumps(receipt.model_dump()).decode()},' if receipt else ""
        )
        self._event_id = version.event_id
        self._version = version
        self._key_id = key_id
        self._scale = scale
        origin = version.origin
        depth = origin.depth_km if math.isfinite(origin.depth_km) else 0.0
        magnitude = origin.magnitude if math.isfinite(origin.magnitude) else 0.0
        self._origin = (
            f'{{"depth_km":{number(depth, 1)},"latitude":{number(origin.latitude, 4)},'
            f'"longitude":{number(origin.longitude, 4)},"magnitude":{number(magnitude, 1)},'
            f'"time_us":{us_from_seconds(origin.time_s)}}}'
        )
        self._issued_us = us_from_seconds(version.issued_s)
        self._parts = {kind: self._fixed_parts(kind) for kind in ("alert", "update", "cancel")}

    def _fixed_parts(self, kind: VersionKind) -> tuple[str, str, str]:
        words = rfc8785.dumps(headline(self._version.origin, self.status, kind)).decode()
        text = rfc8785.dumps(self._event_id).decode()
        after_expiry = f',"headline":{words},"intensity":'
        key_id = rfc8785.dumps(self._key_id).decode()
        after_intensity = (
            f',"issued_us":{self._issued_us},"key_id":{key_id},"kind":"{kind}",'
            f'"origin":{self._origin},"p_arrival_us":'
        )
        return f'{{"event_id":{text},"expires_us":', after_expiry, after_intensity

    def build(
        self,
        signer: Signer,
        *,
        kind: VersionKind,
        address: str,
        target_id: str,
        p_arrival_s: float,
        s_arrival_s: float,
        intensity: float,
        priority: int,
        expires_s: float,
    ) -> bytes:
        """The signed message for one target, in canonical order.

        Raises:
            ConfigError: the signer may not sign this status.
            MessageError: the message would exceed 1 KiB.
        """
        start, after_expiry, after_intensity = self._parts[kind]
        head = (
            f"{start}{us_from_seconds(expires_s)}"
            f"{after_expiry}{number(intensity, 1)}"
            f"{after_intensity}{us_from_seconds(p_arrival_s)},"
            f'"priority":{priority},{self._receipt}"s_arrival_us":{us_from_seconds(s_arrival_s)},'
            f'"scale":"{self._scale}",'
        )
        tail = (
            f'"source":{rfc8785.dumps(self._version.source).decode()},"status":"{self.status}",'
            f'"target":{{"{address}":{rfc8785.dumps(target_id).decode()}}},'
            f'"v":1,"version":{self._version.version}}}'
        )
        signature = signer.sign((head + tail).encode(), self.status)
        message = f'{head}"signature":"{signature}",{tail}'.encode()
        if len(message) > MAX_BYTES:
            raise MessageError(f"alert for {target_id!r} would be {len(message)} bytes long")
        return message


def signed(body: dict[str, Any], signer: Signer, status: Status) -> bytes:
    """Sign any other message: canonical, with ``key_id`` and ``signature``."""
    body = {**body, "key_id": signer.key_id}
    return rfc8785.dumps({**body, "signature": signer.sign(rfc8785.dumps(body), status)})


def heartbeat(
    *, now_us: int, version: str, mode: Status, last_event_id: str | None, health: str
) -> dict[str, Any]:
    """The body of a heartbeat, which is sent once a second and sets the devices' clocks.

    A long ``health`` is cut: devices take no heartbeat above 1 KiB.
    """
    if len(rfc8785.dumps(health)) > HEALTH_MOST_BYTES:
        health = health[:HEALTH_MOST_BYTES]
        while len(rfc8785.dumps(health + "…")) > HEALTH_MOST_BYTES:
            health = health[:-1]
        health += "…"
    return {
        "v": 1,
        "time_us": now_us,
        "version": version,
        "mode": mode,
        "last_event_id": last_event_id,
        "health": health,
    }


class HeartbeatBody(_Model):
    """A heartbeat as received."""

    v: Literal[1]
    time_us: Micros
    mode: Status


def parse_heartbeat(payload: bytes) -> tuple[HeartbeatBody, dict[str, object]]:
    """Parse a heartbeat: the validated body, and the plain object for the verifier.

    Raises:
        MessageError: it is too long or no heartbeat; the message says why.
    """
    plain = read_object(payload, "heartbeat", MAX_BYTES)
    return _checked(HeartbeatBody, plain, "heartbeat"), plain


def event_body(version: EventVersion, status: Status, expires_us: int) -> dict[str, Any]:
    """The body of ``ew/v1/event/{event_id}``: one event version, for partners."""
    origin = version.origin
    return {
        "v": 1,
        "event_id": version.event_id,
        "version": version.version,
        "kind": version.kind,
        "status": status,
        "source": version.source,
        "issued_us": us_from_seconds(version.issued_s),
        "expires_us": expires_us,
        "origin": {
            "time_us": us_from_seconds(origin.time_s),
            "latitude": round(origin.latitude, 4),
            "longitude": round(origin.longitude, 4),
            "depth_km": round(origin.depth_km, 1) if math.isfinite(origin.depth_km) else None,
            "magnitude": round(origin.magnitude, 2) if math.isfinite(origin.magnitude) else None,
        },
        "uncertainty": {
            "time_s": _known(origin.time_error_s),
            "horizontal_km": _known(origin.horizontal_error_km),
            "magnitude": _known(origin.magnitude_error),
        },
        "stations": version.stations,
    }


class _UncertaintyBody(_Model):
    time_s: float | None = None
    horizontal_km: float | None = None
    magnitude: float | None = None


class _EventOrigin(_Model):
    time_us: Micros
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    depth_km: float | None
    magnitude: float | None


class _EventBody(_Model):
    v: Literal[1]
    event_id: EventId
    version: Number
    kind: VersionKind
    status: Status
    source: str
    issued_us: Micros
    expires_us: Micros
    origin: _EventOrigin
    uncertainty: _UncertaintyBody
    stations: int = Field(ge=0)


def parse_event(payload: bytes) -> tuple[EventVersion, dict[str, object]]:
    """Parse an event message: the version (without its arrivals), and the object for the verifier.

    Raises:
        MessageError: it is no event message; it names the first mistake.
    """
    plain = read_object(payload, "event", EVENT_MOST_BYTES)
    return event_version(plain), plain


def event_version(plain: dict[str, object]) -> EventVersion:
    """The version (without its arrivals) in an event message.

    Raises:
        MessageError: it is no event message; it names the first mistake.
    """
    body = _checked(_EventBody, plain, "event")
    origin = Origin(
        body.origin.time_us / US_PER_S,
        body.origin.latitude,
        body.origin.longitude,
        _number(body.origin.depth_km),
        _number(body.origin.magnitude),
        _number(body.uncertainty.time_s),
        _number(body.uncertainty.horizontal_km),
        magnitude_error=_number(body.uncertainty.magnitude),
    )
    issued_s = body.issued_us / US_PER_S
    return EventVersion(
        body.event_id, body.version, body.kind, issued_s, origin, body.stations, source=body.source
    )


def verified_event(payload: bytes, verifier: Verifier, status: Status, now_us: int) -> EventVersion:
    """Parse and verify an event message of another service of our stations, with the same status.

    Raises:
        MessageError: it is no event message, not signed with a key of this root, or of another
            status: a drill must not continue as a real event, nor the other way round.
    """
    version, plain = parse_event(payload)
    verifier.verify(plain, now_us)
    if plain["status"] != status:
        raise MessageError(f"event {version.event_id} has status {plain['status']}, not {status}")
    return version


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _known(value: float) -> float | None:
    return round(value, 2) if math.isfinite(value) else None
