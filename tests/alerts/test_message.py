"""The fixed alert message: canonical, signed, small, and strict about what comes in."""

import json
from collections.abc import Callable

import orjson
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ew import EventVersion
from ew.alerts import message
from ew.alerts.planner import AlertPlanner
from ew.alerts.signing import Signer
from ew.errors import ConfigError, MessageError
from tests.trust import trusting

NOW_US = 1_560_783_350_000_000


@pytest.fixture
def payload(
    planner: AlertPlanner, make_version: Callable[..., EventVersion], signer: Signer
) -> bytes:
    return planner.plan(make_version(), 1_560_783_350.0)[0].message(0, signer)


def test_message_has_the_fixed_members_and_is_at_most_a_kibibyte(payload: bytes) -> None:
    plain = json.loads(payload)
    assert set(plain) == {
        "v",
        "event_id",
        "version",
        "kind",
        "status",
        "source",
        "issued_us",
        "expires_us",
        "origin",
        "target",
        "p_arrival_us",
        "s_arrival_us",
        "intensity",
        "scale",
        "priority",
        "headline",
        "key_id",
        "signature",
    }
    assert set(plain["origin"]) == {"time_us", "latitude", "longitude", "depth_km", "magnitude"}
    assert list(plain["target"]) == ["cell"]
    assert plain["s_arrival_us"] > plain["p_arrival_us"] > plain["origin"]["time_us"]
    assert len(payload) <= 1024


def test_message_is_in_canonical_form(payload: bytes) -> None:
    assert payload == rfc8785.dumps(json.loads(payload))


def test_signature_is_checked_by_any_ed25519_over_the_canonical_form(
    payload: bytes, signer: Signer
) -> None:
    _, plain = message.parse_alert(payload)
    trusting([signer], NOW_US).verify(plain, NOW_US)


@pytest.mark.parametrize(
    "member", ["version", "s_arrival_us", "status", "target", "origin", "headline"]
)
def test_changing_any_member_breaks_the_signature(
    payload: bytes, signer: Signer, member: str
) -> None:
    plain = json.loads(payload)
    plain[member] = {"status": "exercise", "version": 9}.get(member, 1)
    with pytest.raises(MessageError, match=r"signature is wrong|may not sign"):
        trusting([signer], NOW_US).verify(plain, NOW_US)


def test_key_that_is_unknown_or_out_of_its_time_is_refused(payload: bytes, signer: Signer) -> None:
    plain = json.loads(payload)
    with pytest.raises(MessageError, match="unknown"):
        trusting([Signer.ephemeral("other")], NOW_US).verify(plain, NOW_US)
    with pytest.raises(MessageError, match="not valid now"):
        trusting([signer], NOW_US).verify(plain, NOW_US - 86_400_000_000)


def test_exercise_key_can_not_sign_an_actual_alert() -> None:
    with pytest.raises(ConfigError, match="may sign exercise, test, not actual"):
        Signer.ephemeral().sign(b"{}", "actual")
    with pytest.raises(ConfigError, match="can't sign actual"):
        Signer.ephemeral(may_sign=("actual",))


def test_exercise_says_so_in_its_headline(make_version: Callable[..., EventVersion]) -> None:
    origin = make_version().origin
    assert message.headline(origin, "exercise", "alert")["en"].startswith("EXERCISE")
    assert message.headline(origin, "exercise", "cancel")["zh"].startswith("【演练】")
    assert "EXERCISE" not in message.headline(origin, "actual", "alert")["en"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"v": 2}, "v: "),
        ({"version": 0}, "version"),
        ({"kind": "hello"}, "kind"),
        ({"s_arrival_us": -1}, "s_arrival_us"),
        ({"origin": None}, "origin"),
        ({"headline": "x" * 2000}, "bytes"),
    ],
)
def test_malformed_message_is_refused_and_the_member_named(
    payload: bytes, change: dict, complaint: str
) -> None:
    with pytest.raises(MessageError, match=complaint):
        message.parse_alert(orjson.dumps({**json.loads(payload), **change}))


def test_unknown_members_are_ignored_so_the_format_can_grow(payload: bytes) -> None:
    body, _ = message.parse_alert(orjson.dumps({**json.loads(payload), "advice": "?"}))
    assert body.version == 1


@given(st.binary(max_size=300))
def test_any_bytes_are_parsed_or_refused_never_worse(data: bytes) -> None:
    try:
        message.parse_alert(data)
    except MessageError:
        return


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_numbers_are_written_as_rfc_8785_writes_them(value: float, digits: int) -> None:
    assert message.number(value, digits).encode() == rfc8785.dumps(round(value, digits))
