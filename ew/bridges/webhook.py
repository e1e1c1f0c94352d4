"""PURE: alerts for a place as signed HTTP requests, in the form of Standard Webhooks."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from ew.bridges.notify import Filter
from ew.bridges.watcher import PlaceAlert
from ew.errors import ConfigError
from ew.times import iso_from_seconds

PREFIX = "whsec_"
SECRET_LEAST_BYTES = 24


def secret_from_text(text: str) -> bytes:
    """The key in ``whsec_`` and base64, the form the specification gives secrets.

    Raises:
        ConfigError: it has another form, or is shorter than 24 bytes.
    """
    try:
        secret = base64.b64decode(text.strip().removeprefix(PREFIX), validate=True)
    except ValueError as error:  # binascii.Error, or a letter that is not ASCII
        raise ConfigError(f"the webhook's secret is not {PREFIX} and base64: {error}") from error
    if len(secret) < SECRET_LEAST_BYTES:
        raise ConfigError(f"the webhook's secret has fewer than {SECRET_LEAST_BYTES} bytes")
    return secret


@dataclass(frozen=True, slots=True)
class Delivery:
    """A request to be made until ``expires_us`` (µs since the epoch), when its alert is over."""

    message_id: str
    body: bytes
    expires_us: int

    def headers(self, secret: bytes, now_s: float) -> Mapping[str, str]:
        """Headers that say who sent the body and when (Standard Webhooks, "Signature scheme")."""
        moment = str(int(now_s))
        signed = f"{self.message_id}.{moment}.".encode() + self.body
        signature = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
        return {
            "Content-Type": "application/json",
            "webhook-id": self.message_id,
            "webhook-timestamp": moment,
            "webhook-signature": f"v1,{signature}",
        }


@dataclass(slots=True)
class Deliveries:
    """Decides which alerts, updates and cancels are delivered."""

    wanted: Filter
    _delivered: set[tuple[str, str]] = field(default_factory=set)

    def on_alert(self, received: PlaceAlert) -> Delivery | None:
        """The request for an alert that passes the filter, or that takes back one that did."""
        key = (received.place.name, received.alert.event_id)
        if received.alert.kind == "cancel":
            if key not in self._delivered:
                return None
            self._delivered.remove(key)
        elif self.wanted.takes(received):
            self._delivered.add(key)
        else:
            return None
        alert = received.alert
        return Delivery(
            f"{alert.event_id}.{alert.version}.{received.place.name}",
            orjson.dumps(_body(received)),
            alert.expires_us,
        )


def _body(received: PlaceAlert) -> dict[str, Any]:
    alert, place = received.alert, received.place
    return {
        "type": f"earthquake.{alert.kind}",
        "timestamp": iso_from_seconds(alert.issued_us / 1e6),
        "data": {
            "event_id": alert.event_id,
            "version": alert.version,
            "status": alert.status,
            "source": alert.source,
            "origin": alert.origin.model_dump(),
            "place": {
                "name": place.name,
                "latitude": place.latitude,
                "longitude": place.longitude,
            },
            "distance_km": round(received.distance_km, 1),
            "intensity": alert.intensity,
            "scale": alert.scale,
            "level": received.level,
            "s_arrival_us": received.s_arrival_us,
            "expires_us": alert.expires_us,
        },
    }
