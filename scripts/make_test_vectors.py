"""Writes docs/test-vectors.json: what a phone is sent, in order, whether it is to act on it, and
how. docs/device-protocol.md names the vectors of each rule by their ``id``.

    python scripts/make_test_vectors.py

The keys are made from their names, so that the file is the same each time. Nothing else uses them.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ew.alerts.message import heartbeat, signed
from ew.alerts.signing import Signer, base64url
from ew.alerts.trust import KeyEntry, public_pem, sign_document
from ew.records import Status
from ew.shaking.targets import cell_of

if TYPE_CHECKING:
    from collections.abc import Callable

FILE = Path(__file__).parents[1] / "docs" / "test-vectors.json"
START_US = 1_800_000_000_000_000
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
PLACE = (30.66, 104.07)
CELL = cell_of(*PLACE)


def key(name: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def signer(key_id: str, name: str, status: Status = "exercise") -> Signer:
    return Signer(key(name), key_id, (status,))


ROOT, FOREIGN_ROOT = key("ew test vectors: root"), key("ew test vectors: another root")
FIRST, SECOND = signer("key-1", "ew test vectors: 1"), signer("key-2", "ew test vectors: 2")
REAL, REAL_EVENT = signer("real-1", "ew test vectors: real", "actual"), "ew20270115T080002beef"
FOREIGN = signer("key-1", "ew test vectors: a stranger's key of the same name")


def keys(serial: int, *signers: Signer, root: Ed25519PrivateKey = ROOT) -> bytes:
    entries = [KeyEntry.of(one, START_US, life_us=20 * DAY_US) for one in signers]
    return sign_document(root, entries, serial=serial, issued_us=START_US)


def with_unknown(document: bytes) -> bytes:
    """The document with a key of another algorithm and a member that no device knows."""
    body = json.loads(document)
    del body["signature"]
    other = {**body["keys"][0], "key_id": "other-1", "algorithm": "ML-DSA-44"}
    body |= {"keys": [other, *body["keys"]], "note": "new"}
    return rfc8785.dumps({**body, "signature": base64url(ROOT.sign(rfc8785.dumps(body)))})


def alert(
    version: int, by: Signer, at_us: int, *, key_id: str | None = None, **change: object
) -> dict[str, Any]:
    """A signed alert; ``change`` before it is signed."""
    body = {
        "v": 1,
        "event_id": "ew20270115T080000abcd",
        "version": version,
        "kind": "alert" if version == 1 else "update",
        "status": "exercise",
        "source": "ew",
        "issued_us": at_us,
        "expires_us": at_us + 120 * SECOND_US,
        "origin": {
            "time_us": at_us - 6 * SECOND_US,
            "latitude": 30.0,
            "longitude": 103.0,
            "depth_km": 12.0,
            "magnitude": 6.1,
        },
        "target": {"cell": CELL},
        "p_arrival_us": at_us + 10 * SECOND_US,
        "s_arrival_us": at_us + 25 * SECOND_US,
        "intensity": 5.3,
        "scale": "CSIS",
        "priority": 1,
        "headline": {"en": "Exercise: M 6.1, shaking in 25 s", "zh": "演习：6.1级，25秒后有震感"},
        "key_id": key_id or by.key_id,
        **change,
    }
    (may_sign,) = by.may_sign  # whatever the message says
    return {**body, "signature": by.sign(rfc8785.dumps(body), may_sign)}


def beat(time_us: int, by: Signer) -> bytes:
    body = heartbeat(
        now_us=time_us, version="1.0", mode="exercise", last_event_id=None, health="ok"
    )
    return signed(body, by, "exercise")


def steps() -> list[dict[str, Any]]:  # noqa: PLR0915 - one story, told in order
    found: list[dict[str, Any]] = []
    now_us = START_US

    def send(
        topic: str, payload: bytes | dict[str, Any], why: str, *, accept: bool, **expect: object
    ) -> None:
        text = payload if isinstance(payload, bytes) else rfc8785.dumps(payload)
        found.append(
            {
                "at_us": now_us,
                "topic": f"ew/v1/{topic}",
                "payload": text.decode(),
                "accept": accept,
                "id": re.sub(r"[^a-z0-9]+", "-", why.lower()),
                "why": why,
                **({"expect": expect} if expect else {}),
            }
        )

    def tell(why: str, message: dict[str, Any], *, accept: bool = False, **expect: object) -> None:
        send(f"alert/cell/{CELL}", message, why, accept=accept, **expect)

    spoilt: list[tuple[str, Callable[[dict[str, Any]], dict[str, Any]]]] = [
        ("the magnitude was changed", lambda a: {**a, "origin": {**a["origin"], "magnitude": 8.1}}),
        ("the status was changed", lambda a: {**a, "status": "actual"}),
        ("a member was added", lambda a: {**a, "extra": 1}),
        ("a member was taken out", lambda a: {n: v for n, v in a.items() if n != "headline"}),
        ("the signature has another bit", lambda a: {**a, "signature": _other_bit(a["signature"])}),
        (
            "the signature is spelt otherwise",
            lambda a: {**a, "signature": _respelt(a["signature"])},
        ),
        ("there is no signature", lambda a: {n: v for n, v in a.items() if n != "signature"}),
    ]
    early = alert(1, FIRST, now_us, event_id="early", intensity=1.5)
    tell("kept while keys and time are not known", early)
    send("keys", keys(2, FIRST), "signed by the root", accept=True)
    send("heartbeat", beat(now_us, FIRST), "by a key of the document", accept=True)
    send("heartbeat", beat(now_us + SECOND_US, FOREIGN), "by a stranger's key", accept=False)
    old_us = now_us - 11 * SECOND_US
    send("heartbeat", beat(old_us, FIRST), "11 s older than the newest: a replay", accept=False)
    tell("the one that was kept was acted on", early)
    first = alert(1, FIRST, now_us)
    tell("signed, for this cell", first, accept=True, **shown("full", sounds=True))
    now_us += SECOND_US
    tell("acted on before", alert(1, FIRST, now_us - SECOND_US))
    for why, spoil in spoilt:
        tell(why, spoil(alert(2, FIRST, now_us)))
    tell("a stranger's key under the same name", alert(2, FOREIGN, now_us))
    tell("a key that no document lists", alert(2, SECOND, now_us))
    tell("this key may not sign actual", alert(2, FIRST, now_us, status="actual"))
    tell("expired", alert(2, FIRST, now_us - 300 * SECOND_US))
    tell("for another cell", alert(2, FIRST, now_us, target={"cell": cell_of(0.0, 0.0)}))
    tell("longer than 1 KiB", alert(2, FIRST, now_us, padding="x" * 1024))
    tell("unknown members are ignored", alert(2, FIRST, now_us, note="new"), accept=True)
    now_us += SECOND_US
    send("keys", keys(1, FIRST, SECOND), "the serial goes back", accept=False)
    send("keys", keys(2, FIRST, SECOND), "another one with the serial known", accept=False)
    send("keys", keys(9, FOREIGN, root=FOREIGN_ROOT), "signed by no known root", accept=False)
    unsigned = json.loads(keys(9, FIRST, SECOND))
    send("keys", {**unsigned, "serial": 10}, "changed after it was signed", accept=False)
    send("keys", {"v": 1, "keys": unsigned["keys"]}, "not of version 2", accept=False)
    further = with_unknown(keys(3, FIRST, SECOND, REAL))
    send("keys", further, "further keys, and one of another algorithm", accept=True)
    tell("by the first key, with both valid", alert(3, FIRST, now_us), accept=True)
    tell("by the second key", alert(4, SECOND, now_us), accept=True)
    real = alert(1, REAL, now_us, event_id=REAL_EVENT, status="actual")
    tell("a real alert by the key for real ones", real, accept=True)
    tell("a drill by the key for real ones", alert(2, REAL, now_us, event_id=REAL_EVENT))
    now_us += SECOND_US
    send("keys", keys(4, SECOND, REAL), "the first key is revoked", accept=True)
    tell("by a revoked key", alert(5, FIRST, now_us))
    tell("an older version", alert(3, SECOND, now_us))
    tell("by the key that is left", alert(5, SECOND, now_us), accept=True)
    end = alert(6, SECOND, now_us, kind="cancel")
    tell("the end of the event", end, accept=True, do="cancel", is_drill=True)
    weak = alert(1, SECOND, now_us, event_id="weak", intensity=1.9)
    tell("below notice: silent", weak, accept=True, **shown("silent"))
    felt = alert(2, SECOND, now_us, event_id="weak", intensity=2.0)
    tell("notice from 2", felt, accept=True, **shown("notice"))
    strong = alert(3, SECOND, now_us, event_id="weak", intensity=3.0)
    tell("full from 3; the earthquake has sounded", strong, accept=True, **shown("full"))
    far = {**strong["origin"], "latitude": 33.0}
    other = alert(1, SECOND, now_us, event_id="far", origin=far)
    tell("an earthquake farther than 100 km", other, accept=True, **shown("full", sounds=True))
    large = alert(1, SECOND, now_us, event_id="large", origin={**far, "magnitude": 7.2})
    tell("one larger by 1.0 or more", large, accept=True, **shown("full", sounds=True))
    late = alert(2, SECOND, now_us, event_id="large", s_arrival_us=now_us - 5 * SECOND_US)
    tell("already shaking", late, accept=True, **shown("full", left_s=-5.0))
    asking = alert(3, SECOND, now_us, event_id="large", receipt={"share": 0.01, "within_s": 30})
    tell("asks for a receipt", asking, accept=True, **shown("full"))
    send("heartbeat", beat(now_us + 200 * SECOND_US, SECOND), "a later time counts", accept=True)
    tell("expired by the time of heartbeats", alert(4, SECOND, now_us, event_id="large"))
    ahead = alert(5, SECOND, now_us + 300 * SECOND_US, event_id="large")
    tell("issued ahead of the clock: it is moved", ahead, accept=True, **shown("full"))
    between = alert(6, SECOND, now_us + 150 * SECOND_US, event_id="large")
    tell("expired by the time of an alert", between)
    now_us = START_US + 21 * DAY_US
    tell("the key's time is over", alert(7, SECOND, now_us))
    send(
        "keys",
        sign_document(
            ROOT, [KeyEntry.of(FIRST, now_us)], serial=5, issued_us=START_US, expires_us=now_us - 1
        ),
        "an expired document is taken for its serial",
        accept=True,
    )
    tell("the document has expired", alert(7, FIRST, now_us))
    return found


def shown(level: str, *, sounds: bool = False, left_s: float = 25.0) -> dict[str, object]:
    """What a phone does at an exercise; ``left_s`` to the cell's ``s_arrival_us``."""
    return {"do": "alert", "level": level, "sounds": sounds, "is_drill": True, "left_s": left_s}


def _other_bit(signature: str) -> str:
    return ("B" if signature[0] == "A" else "A") + signature[1:]


def _respelt(signature: str) -> str:
    """The same bytes: the last character of 86 carries four bits that decode to nothing."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return signature[:-1] + letters[letters.index(signature[-1]) + 1]


def vectors() -> dict[str, Any]:
    return {
        "about": "A phone made with this root is sent these messages in this order; `at_us` is the "
        "time by its clock. `accept`: it takes the document, believes the heartbeat, or acts on "
        "the alert.",
        "root": public_pem(ROOT.public_key().public_bytes_raw()).decode(),
        "latitude": PLACE[0],
        "longitude": PLACE[1],
        "cell": CELL,
        "steps": steps(),
    }


def text() -> str:
    return json.dumps(vectors(), ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
    print(f"{FILE}: {len(steps())} steps")
