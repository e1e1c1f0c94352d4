"""Receivers believe their pinned roots, the newest document of keys, and nothing else."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ew import EventVersion, Origin
from ew.alerts.message import (
    AlertTemplate,
    event_body,
    heartbeat,
    parse_heartbeat,
    signed,
    verified_event,
)
from ew.alerts.signing import Signer, base64url, from_base64url
from ew.alerts.trust import DOCUMENT_LIFE_US, KeyEntry, Verifier, read_document, sign_document
from ew.errors import MessageError
from ew.traveltimes import TravelTimes
from simulators.device import DeviceMachine, check_with
from simulators.population import Device
from tests.trust import ROOT, ROOT_PUBLIC, document, trusting

NOW_US = 1_800_000_000_000_000
SIGNER = Signer.ephemeral("drill-1")
DOCUMENT = document([SIGNER], NOW_US, serial=7)
TABLE = TravelTimes.load()
TV = Device("tv-1", "tv", 28.75, 104.64, "Yibin")


def alert(signer: Signer = SIGNER, version: int = 1, event_id: str = "ew-1") -> bytes:
    now_s = NOW_US / 1e6
    made = EventVersion(
        event_id, version, "alert", now_s - 1, Origin(now_s - 6, 28.34, 104.90, 16.0, 6.0), 6
    )
    return AlertTemplate(made, "exercise", "CSIS", signer.key_id).build(
        signer, kind="alert", address="device", target_id="tv-1", p_arrival_s=now_s + 1,
        s_arrival_s=now_s + 9, intensity=6.0, priority=0, expires_s=now_s + 60,
    )  # fmt: skip


def test_document_signed_by_a_pinned_root_is_believed() -> None:
    verifier = Verifier([ROOT_PUBLIC])
    read = verifier.update(DOCUMENT)
    assert (read.serial, [key.key_id for key in read.keys]) == (7, ["drill-1"])
    verifier.verify(json.loads(alert()), NOW_US)


def test_document_has_the_fixed_members() -> None:
    plain = json.loads(DOCUMENT)
    assert set(plain) == {"v", "serial", "issued_us", "expires_us", "root_id", "keys", "signature"}
    assert plain["v"] == 2
    assert set(plain["keys"][0]) == {
        "key_id", "algorithm", "public_key", "statuses", "not_before_us", "not_after_us",
    }  # fmt: skip
    assert rfc8785.dumps(plain) == DOCUMENT


def test_document_of_another_root_is_refused() -> None:
    with pytest.raises(MessageError, match="not signed by a known root"):
        read_document(DOCUMENT, [Ed25519PrivateKey.generate().public_key().public_bytes_raw()])
    with pytest.raises(MessageError, match="not signed by a known root"):
        Verifier().update(DOCUMENT)


def test_second_pinned_root_may_take_over() -> None:
    other = Ed25519PrivateKey.generate()
    verifier = Verifier([ROOT_PUBLIC, other.public_key().public_bytes_raw()])
    verifier.update(DOCUMENT)
    keys = [KeyEntry.of(SIGNER, NOW_US)]
    verifier.update(sign_document(other, keys, serial=8, issued_us=NOW_US))
    assert verifier.serial == 8


def test_serial_never_goes_back_and_a_key_no_longer_listed_is_forgotten() -> None:
    verifier, new = trusting([SIGNER], NOW_US), Signer.ephemeral("drill-2")
    verifier.update(document([new], NOW_US, serial=9))
    with pytest.raises(MessageError, match="goes back from 9"):
        verifier.update(DOCUMENT)
    with pytest.raises(MessageError, match="another one with serial 9"):
        verifier.update(document([SIGNER], NOW_US, serial=9))
    with pytest.raises(MessageError, match="'drill-1' is unknown"):
        verifier.verify(json.loads(alert()), NOW_US)
    verifier.verify(json.loads(alert(new)), NOW_US)


def test_receiver_that_remembers_its_serial_refuses_an_older_document_after_a_restart() -> None:
    with pytest.raises(MessageError, match="goes back from 8"):
        Verifier([ROOT_PUBLIC], serial=8).update(DOCUMENT)


def test_expired_document_ends_trust_in_its_keys() -> None:
    verifier = trusting([SIGNER], NOW_US)
    verifier.verify(json.loads(alert()), NOW_US + DOCUMENT_LIFE_US - 1)
    with pytest.raises(MessageError, match="document has expired"):
        verifier.verify(json.loads(alert()), NOW_US + DOCUMENT_LIFE_US)


def test_key_signs_only_the_statuses_listed_for_it() -> None:
    plain = json.loads(alert())
    plain["status"] = "actual"
    del plain["signature"]
    plain["signature"] = base64url(SIGNER._key.sign(rfc8785.dumps(plain)))
    with pytest.raises(MessageError, match="may not sign 'actual'"):
        trusting([SIGNER], NOW_US).verify(plain, NOW_US)


def test_heartbeat_is_signed_for_its_mode() -> None:
    beat = heartbeat(now_us=NOW_US, version="1", mode="exercise", last_event_id=None, health="ok")
    verifier = trusting([SIGNER], NOW_US)
    verifier.verify(json.loads(signed(beat, SIGNER, "exercise")), NOW_US)
    forged = {**json.loads(signed(beat, SIGNER, "exercise")), "mode": "test"}
    with pytest.raises(MessageError, match="signature is wrong"):
        verifier.verify(forged, NOW_US)


def test_event_told_as_a_drill_is_no_real_one_to_an_associator() -> None:
    verifier = trusting([SIGNER], NOW_US)
    now_s = NOW_US / 1e6
    told = EventVersion("ew-1", 1, "alert", now_s, Origin(now_s - 5, 28.0, 104.0, 10.0, 6.0), 5)
    payload = signed(event_body(told, "exercise", NOW_US + 60_000_000), SIGNER, "exercise")
    assert verified_event(payload, verifier, "exercise", NOW_US).event_id == "ew-1"
    with pytest.raises(MessageError, match="has status exercise, not actual"):
        verified_event(payload, verifier, "actual", NOW_US)


@pytest.mark.parametrize("letter", ["a", "\U0001f600", "\x01", '"'])
def test_heartbeat_stays_readable_however_much_is_wrong(letter: str) -> None:
    beat = heartbeat(
        now_us=NOW_US, version="1", mode="exercise", last_event_id="e" * 64, health=letter * 5000
    )
    body, plain = parse_heartbeat(signed(beat, SIGNER, "exercise"))
    trusting([SIGNER], NOW_US).verify(plain, body.time_us)


@pytest.mark.parametrize("text", ["", "A", "AA=", "AB", "A+/A", "A A", "AAAA\n", "ÄAAA"])
def test_base64url_has_one_spelling(text: str) -> None:
    if text == "":
        assert from_base64url(text) == b""
        return
    with pytest.raises(MessageError):
        from_base64url(text)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"v": 1}, "v is not 2"),
        ({"v": True}, "v is not 2"),
        ({"serial": -1}, "serial"),
        ({"serial": 2**53}, "serial"),
        ({"serial": "7"}, "serial"),
        ({"serial": None}, "serial"),
        ({"expires_us": 1.5}, "expires_us"),
        ({"keys": {}}, "keys is not a list"),
        ({"keys": [1]}, "a key is no object"),
        ({"keys": [{"algorithm": "Ed25519", "key_id": "x", "statuses": ["actual"]}]}, "public_key"),
    ],
)
def test_malformed_document_is_named_even_if_the_root_signed_it(
    change: dict[str, Any], reason: str
) -> None:
    plain = {**json.loads(DOCUMENT), **change}
    del plain["signature"]
    try:
        plain["signature"] = base64url(ROOT.sign(rfc8785.dumps(plain)))
        payload = rfc8785.dumps(plain)
    except rfc8785.CanonicalizationError:
        payload = json.dumps(plain | {"signature": "x"}).encode()
        reason = "beyond 2"
    with pytest.raises(MessageError, match=reason):
        read_document(payload, [ROOT_PUBLIC])


def device() -> DeviceMachine:
    made = DeviceMachine(TV, check_with(trusting([SIGNER], NOW_US)), TABLE)
    made.on_heartbeat(NOW_US, NOW_US)
    return made


def test_every_changed_bit_of_an_alert_is_refused() -> None:
    payload = alert()
    heard = device()
    for place in range(len(payload)):
        changed = bytearray(payload)
        changed[place] ^= 1 << (place % 8)
        assert heard.on_alert(bytes(changed), NOW_US) is None, changed
    assert heard.on_alert(payload, NOW_US) is not None


def test_every_changed_bit_of_a_document_is_refused() -> None:
    for place in range(len(DOCUMENT)):
        changed = bytearray(DOCUMENT)
        changed[place] ^= 1 << (place % 8)
        with pytest.raises(MessageError):
            read_document(bytes(changed), [ROOT_PUBLIC])


STRANGER = Signer.ephemeral("drill-1")  # the same name, another key
MUTATIONS: list[Callable[[bytes, int, int], bytes]] = [
    lambda p, a, b: p[:a] + bytes([p[a] ^ (b % 255 + 1)]) + p[a + 1 :],
    lambda p, a, _: p[:a],
    lambda p, a, b: p[:a] + p[a + 1 + b % 8 :],
    lambda p, a, b: p[:a] + bytes([b % 256]) + p[a:],
    lambda p, a, b: p[: min(a, b)] + p[max(a, b) :] + b" x",
    lambda _p, a, _b: FOREIGN[a % len(FOREIGN)],
    lambda p, _a, _b: p,  # said before
]
FOREIGN = [alert(STRANGER, version=version) for version in range(1, 9)]


def test_device_acts_on_none_of_ten_thousand_messages_altered_foreign_or_said_before() -> None:
    heard, payloads = device(), [alert(version=version) for version in (1, 2, 3)]
    for payload in payloads:
        assert heard.on_alert(payload, NOW_US) is not None
    lot = random.Random(13)
    for number in range(10_000):
        payload, mutate = payloads[number % 3], MUTATIONS[number % len(MUTATIONS)]
        a, b = lot.randrange(len(payload)), lot.randrange(len(payload))
        assert heard.on_alert(mutate(payload, a, b), NOW_US) is None, (number, a, b)
    assert sum(heard.refused.values()) == 10_000
    assert heard.on_alert(alert(version=4), NOW_US) is not None


def test_device_whose_clock_is_wrong_acts_when_it_learns_the_time() -> None:
    for clock_us in (NOW_US - 400 * 86_400_000_000, NOW_US + 3_600_000_000):
        late = DeviceMachine(TV, check_with(trusting([SIGNER], NOW_US)), TABLE)
        assert late.on_alert(alert(), clock_us) is None
        (reaction,) = late.on_heartbeat(NOW_US, clock_us)
        assert (reaction.event_id, reaction.sounds) == ("ew-1", True)
        assert late.on_heartbeat(NOW_US + 1_000_000, clock_us + 1_000_000) == []


def test_device_that_hears_an_alert_before_the_keys_acts_when_they_come() -> None:
    verifier = Verifier([ROOT_PUBLIC])
    early = DeviceMachine(TV, check_with(verifier), TABLE)
    assert early.on_alert(alert(), NOW_US) is None
    verifier.update(DOCUMENT)
    (reaction,) = early.on_keys(verifier.serial, NOW_US)
    assert reaction.event_id == "ew-1"
