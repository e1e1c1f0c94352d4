"""PURE: places as devices of Home Assistant, by its MQTT discovery.

Each place is a device with sensors (seconds left, intensity, magnitude), a binary sensor for
automations that is on for real alerts alone, one for drills, and a button that tests the connection
to Home Assistant and can't be mistaken for an alert. Source: Home Assistant's documentation,
"MQTT", discovery payloads.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from ew import __version__
from ew.bridges.watcher import Place, PlaceAlert

STATE = "ew-bridge/{}/state"
AVAILABLE = "ew-bridge/status"
TEST = "ew-bridge/{}/test"
AFTER_S = 50.0
"""Sensors are reset this long after S, s: the all-clear has passed."""
TEST_S = 10.0

Message = tuple[str, bytes, bool]
"""Topic, payload, and whether it is retained."""


def discovery(place: Place, prefix: str) -> Iterator[Message]:
    """The retained discovery messages of a place's device and its entities."""
    device = {
        "identifiers": [f"ew_{place.name}"],
        "name": f"Earthquake warning {place.name}",
        "manufacturer": "ew",
        "sw_version": __version__,
    }
    state = STATE.format(place.name)
    common: dict[str, Any] = {
        "device": device,
        "origin": {"name": "ew", "sw_version": __version__},
        "availability_topic": AVAILABLE,
        "has_entity_name": True,
    }
    entities: list[tuple[str, str, dict[str, Any]]] = [
        (
            "sensor",
            "seconds_left",
            {
                "name": "Seconds to shaking",
                "device_class": "duration",
                "unit_of_measurement": "s",
                "icon": "mdi:timer-alert",
            },
        ),
        ("sensor", "intensity", {"name": "Intensity", "icon": "mdi:pulse"}),
        ("sensor", "magnitude", {"name": "Magnitude", "icon": "mdi:earth"}),
        (
            "binary_sensor",
            "alert",
            {"name": "Earthquake alert", "device_class": "safety", "json_attributes_topic": state},
        ),
        ("binary_sensor", "drill", {"name": "Drill (no earthquake)", "icon": "mdi:school"}),
        (
            "binary_sensor",
            "test",
            {"name": "Test signal", "entity_category": "diagnostic", "icon": "mdi:test-tube"},
        ),
    ]
    for component, name, more in entities:
        template = f"{{{{ value_json.{name} }}}}"
        body = {
            **common,
            **more,
            "unique_id": f"ew_{place.name}_{name}",
            "object_id": f"ew_{place.name}_{name}",
            "state_topic": state,
            "value_template": template,
        }
        yield f"{prefix}/{component}/ew_{place.name}/{name}/config", orjson.dumps(body), True
    button = {
        **common,
        "name": "Send a test signal",
        "unique_id": f"ew_{place.name}_send_test",
        "object_id": f"ew_{place.name}_send_test",
        "command_topic": TEST.format(place.name),
        "payload_press": "TEST",
        "entity_category": "diagnostic",
    }
    yield f"{prefix}/button/ew_{place.name}/send_test/config", orjson.dumps(button), True


@dataclass(slots=True)
class PlaceState:
    """The state of a place's entities; of several earthquakes the strongest that is not over."""

    place: Place
    test_until_us: int = 0
    _alerts: dict[str, PlaceAlert] = field(default_factory=dict)
    _last: bytes = b""

    def on_alert(self, received: PlaceAlert) -> None:
        """Take an alert, update or cancel for this place."""
        if received.alert.kind == "cancel" or received.level == "silent":
            self._alerts.pop(received.alert.event_id, None)
        else:
            self._alerts[received.alert.event_id] = received

    def forget_last(self) -> None:
        """Send the state again at the next call of ``message``: Home Assistant has just started."""
        self._last = b""

    def message(self, now_us: int) -> Message | None:
        """The new state if it has changed, which it does each second during a countdown."""
        body = orjson.dumps(self._body(now_us), option=orjson.OPT_SORT_KEYS)
        if body == self._last:
            return None
        self._last = body
        return STATE.format(self.place.name), body, True

    def _body(self, now_us: int) -> dict[str, Any]:
        over_us = now_us - round(AFTER_S * 1e6)
        self._alerts = {i: one for i, one in self._alerts.items() if one.s_arrival_us > over_us}
        shown = max(self._alerts.values(), key=lambda one: one.alert.intensity, default=None)
        is_test = "ON" if now_us < self.test_until_us else "OFF"
        if shown is None:
            return {
                "seconds_left": None,
                "intensity": None,
                "magnitude": None,
                "alert": "OFF",
                "drill": "OFF",
                "test": is_test,
            }
        alert = shown.alert
        is_actual = alert.status == "actual"
        return {
            "seconds_left": max(0, math.ceil((shown.s_arrival_us - now_us) / 1e6)),
            "intensity": round(alert.intensity, 1),
            "magnitude": round(alert.origin.magnitude, 1),
            "alert": "ON" if is_actual else "OFF",
            "drill": "OFF" if is_actual else "ON",
            "test": is_test,
            "level": shown.level,
            "status": alert.status,
            "event_id": alert.event_id,
            "headline": alert.headline.get("en", ""),
            "distance_km": round(shown.distance_km),
        }
