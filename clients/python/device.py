"""The smallest honest device in Python: whom it believes, when it acts, what it counts down to.

    pip install paho-mqtt cryptography rfc8785
    python device.py --broker 127.0.0.1:1883 --root root.pub.pem --cell 85… --state FILE

``Device`` has no socket and no clock: give ``take`` what arrives, in order. The long form is
docs/device-protocol.md. A user's password of the broker comes from EW_BROKER_PASSWORD.
"""

import argparse
import base64
import contextlib
import json
import math
import os
import time
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

Json = dict[str, Any]
KEEP = 16  # messages kept while keys or time are not known
SHAKING_US = 30_000_000
NOTICE, FULL = 2.0, 3.0  # intensities of a phone's levels


def is_signed_by(message: Json, key: Ed25519PublicKey) -> bool:
    """Whether the message without its ``signature``, in canonical form, was signed with the key."""
    rest = {name: value for name, value in message.items() if name != "signature"}
    text = message.get("signature")
    if not isinstance(text, str):
        return False
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        return False  # another spelling of the same bytes
    try:
        key.verify(raw, rfc8785.dumps(rest))
    except InvalidSignature:
        return False
    return True


def is_same_earthquake(one: Json, other: Json) -> bool:
    """Two origins of one earthquake: two services may name it before they hear each other."""
    east = (one["longitude"] - other["longitude"] + 540) % 360 - 180
    east *= math.cos(math.radians(one["latitude"]))
    km = 111.2 * math.hypot(one["latitude"] - other["latitude"], east)
    is_near = abs(one["time_us"] - other["time_us"]) <= 20e6 and km <= 100
    return is_near and one["magnitude"] < other["magnitude"] + 1


class Device:
    """``roots``: PEM texts. ``target``: ("cell", "85…") or ("device", "…").

    ``known``: serial and signature of the newest document, to be kept over restarts.
    """

    def __init__(self, roots: list[bytes], target: tuple[str, str]) -> None:
        self.target = target
        self.known = (0, "")
        self.roots: list[Ed25519PublicKey] = []
        for pem in roots:
            key = load_pem_public_key(pem)
            if not isinstance(key, Ed25519PublicKey):
                raise TypeError("the root is not an Ed25519 public key")
            self.roots.append(key)
        self.document: Json | None = None
        self.offset_us: float | None = None  # the service's time minus ours
        self.newest_us = 0
        self.behind_since: float | None = None
        self.versions: dict[str, int] = {}
        self.sounded: dict[str, Json] = {}  # origins by event
        self.expected: dict[str, Json] = {}  # alerts by event
        self.waiting: list[bytes] = []

    def take(self, topic: str, payload: bytes, own_us: float) -> list[Json]:
        """What is done about one message that came at ``own_us`` of the own clock."""
        is_alert = topic.startswith("ew/v1/alert/")
        if len(payload) > (65536 if topic == "ew/v1/keys" else 1024):
            return []
        if is_alert and (self.document is None or self.offset_us is None):
            self.waiting = [*self.waiting, payload][-KEEP:]
            return []
        try:
            body = json.loads(payload)
            if is_alert:
                return self._alert(body, own_us)
            found = self._keys(body) if topic == "ew/v1/keys" else self._heartbeat(body, own_us)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return []  # not of the form
        if found is None:
            return []
        actions = [found]
        if self.document is not None and self.offset_us is not None:
            waiting, self.waiting = self.waiting, []
            for kept in waiting:
                actions += self.take("ew/v1/alert/kept", kept, own_us)
        return actions

    def _keys(self, body: Json) -> Json | None:
        serial, signature = self.known
        if body["v"] != 2 or body["serial"] < serial:
            return None
        if body["serial"] == serial and body["signature"] != signature:
            return None
        if not any(is_signed_by(body, root) for root in self.roots):
            return None
        if body["serial"] > serial:
            self.newest_us = 0
        self.document = body  # keys that are not in it are forgotten
        self.known = (body["serial"], body["signature"])
        return {"do": "trust", "serial": body["serial"]}

    def _believes(self, message: Json, status: str, now_us: float) -> bool:
        if self.document is None or now_us >= self.document["expires_us"]:
            return False
        for entry in self.document["keys"]:
            if entry["key_id"] == message["key_id"] and entry["algorithm"] == "Ed25519":
                is_valid = entry["not_before_us"] <= now_us <= entry["not_after_us"]
                raw = base64.urlsafe_b64decode(entry["public_key"] + "=")
                key = Ed25519PublicKey.from_public_bytes(raw)
                return is_valid and status in entry["statuses"] and is_signed_by(message, key)
        return False

    def _heartbeat(self, body: Json, own_us: float) -> Json | None:
        told_us = body["time_us"]
        if not self._believes(body, body["mode"], told_us) or told_us < self.newest_us - 10e6:
            return None
        if told_us > self.newest_us:
            self.newest_us = told_us
            self._set_clock(told_us - own_us, own_us)
        return {"do": "time", "health": body["health"]}

    def _set_clock(self, offset_us: float, own_us: float) -> None:
        """A heartbeat never comes early: the largest offset counts, others move it slowly."""
        if self.offset_us is None or offset_us >= self.offset_us:
            self.offset_us, self.behind_since = offset_us, None
        elif self.offset_us - offset_us <= 2e6:
            self.offset_us += 0.2 * (offset_us - self.offset_us)
            self.behind_since = None
        elif self.behind_since is None:
            self.behind_since = own_us
        elif own_us - self.behind_since >= 5e6:
            self.offset_us = offset_us

    def _alert(self, alert: Json, own_us: float) -> list[Json]:
        assert self.offset_us is not None  # noqa: S101 - `take` has looked
        # A signed alert can't come from the future: it moves the clock, once it is believed
        now_us = max(own_us + self.offset_us, alert["issued_us"])
        kind, name = self.target
        if not self._believes(alert, alert["status"], now_us):
            return []
        if alert["target"].get(kind) != name or alert["expires_us"] <= now_us:
            return []
        event, version = alert["event_id"], alert["version"]
        if version <= self.versions.get(event, 0):
            return []
        self.offset_us = now_us - own_us
        self.versions[event] = version
        action = {"event_id": event, "version": version, "is_drill": alert["status"] != "actual"}
        if alert["kind"] == "cancel":
            self.expected.pop(event, None)
            return [{"do": "cancel", **action}]
        self.expected[event] = alert
        intensity, origin = alert["intensity"], alert["origin"]
        level = "full" if intensity >= FULL else "notice" if intensity >= NOTICE else "silent"
        is_old = event in self.sounded or any(
            is_same_earthquake(origin, other) for other in self.sounded.values()
        )
        if level == "full":
            self.sounded[event] = origin
        action |= {"do": "alert", "level": level, "sounds": level == "full" and not is_old}
        action |= {"left_s": (alert["s_arrival_us"] - now_us) / 1e6, "intensity": intensity}
        return [action | {"magnitude": origin["magnitude"], "headline": alert["headline"]}]

    def countdown(self, own_us: float) -> tuple[float, Json] | None:
        """Seconds to S (negative while it shakes) and the alert of the strongest earthquake."""
        now_us = own_us + (self.offset_us or 0.0)
        for event, alert in list(self.expected.items()):
            if now_us - alert["s_arrival_us"] > SHAKING_US:
                del self.expected[event]
        strongest = max(self.expected.values(), key=lambda one: one["intensity"], default=None)
        return strongest and ((strongest["s_arrival_us"] - now_us) / 1e6, strongest)


def remember(state: Path, known: tuple[int, str]) -> None:
    """Keep the newest document's serial and signature; a file half written is never seen."""
    new = state.with_name(state.name + ".new")
    new.write_text(json.dumps(known), encoding="utf-8")
    new.replace(state)


def words_of(found: tuple[float, Json] | None) -> str:
    """What is shown of the countdown."""
    if found is None:
        return ""
    left_s, alert = found
    word = f"{math.floor(left_s)} s" if left_s > 0 else "shaking"
    return word if alert["status"] == "actual" else f"EXERCISE {word}"


def main() -> None:
    """A device in a terminal."""
    from paho.mqtt import client as mqtt  # noqa: PLC0415 - `Device` needs no client

    words = argparse.ArgumentParser()
    words.add_argument("--broker", default="127.0.0.1:1883", metavar="HOST:PORT")
    words.add_argument("--user")
    words.add_argument("--tls", action="store_true")
    words.add_argument("--root", type=Path, action="append", required=True)
    where = words.add_mutually_exclusive_group(required=True)
    where.add_argument("--cell")
    where.add_argument("--device")
    words.add_argument("--state", type=Path)
    given = words.parse_args()
    target = ("cell", given.cell) if given.cell else ("device", given.device)
    device = Device([file.read_bytes() for file in given.root], target)
    if given.state and given.state.exists():
        device.known = tuple(json.loads(given.state.read_text(encoding="utf-8")))

    def on_connect(client: mqtt.Client, *_: object) -> None:
        client.subscribe([("ew/v1/keys", 1), ("ew/v1/heartbeat", 0)])
        client.subscribe("ew/v1/alert/{}/{}".format(*target), 1)  # keys first, then a kept alert

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        for action in device.take(message.topic, message.payload, time.time_ns() / 1000):
            if action["do"] == "trust" and given.state:
                remember(given.state, device.known)
            if action["do"] != "time":
                print(json.dumps(action, ensure_ascii=False), flush=True)

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.on_connect, client.on_message = on_connect, on_message
    if given.user:
        client.username_pw_set(given.user, os.environ.get("EW_BROKER_PASSWORD"))
    if given.tls:
        client.tls_set()
    host, _, port = given.broker.partition(":")
    client.connect(host, int(port or 1883))
    shown = ""
    while True:
        if client.loop(0.1) != mqtt.MQTT_ERR_SUCCESS:
            time.sleep(1.0)
            with contextlib.suppress(OSError):  # tried again in a second
                client.reconnect()
        line = words_of(device.countdown(time.time_ns() / 1000))
        if line and line != shown:
            print(line, flush=True)
        shown = line


if __name__ == "__main__":
    main()
