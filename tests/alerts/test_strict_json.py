"""JSON that two readers could take for two things is taken for nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ew.alerts.message import parse_alert, parse_event, parse_heartbeat, parse_receipt
from ew.alerts.strict_json import MOST_INT, read_object
from ew.errors import MessageError


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"a":1,"a":2}', "'a' stands twice"),
        (b'{"a":{"b":1,"b":1}}', "'b' stands twice"),
        (b'{"a":1,"\\u0061":2}', "'a' stands twice"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":-Infinity}', "not JSON"),
        (b'{"a":1e999}', "not JSON"),
        (b'{"a":9007199254740992}', r"beyond 2\^53"),
        (b'{"a":-9007199254740992}', r"beyond 2\^53"),
        (b'{"a":' + b"9" * 900 + b"}", "not JSON"),
        (b'{"a":"\\ud800"}', "not JSON"),
        (b'{"a":"\xff"}', "not JSON"),
        (b'\xef\xbb\xbf{"a":1}', "not JSON"),
        ('{"a":1}'.encode("utf-16"), "not JSON"),
        (b'{"a":01}', "not JSON"),
        (b'{"a":1,}', "not JSON"),
        (b'{"a":1} x', "not JSON"),
        (b"[1]", "not a JSON object"),
        (b"", "not JSON"),
        (b'{"a":' * 17 + b"1" + b"}" * 17, "nested more than 16 deep"),
        (b"[" * 200 + b"]" * 200, "not a JSON object"),
        (b"[" * 1000, "not JSON"),
        (b'{"a":"' + b"x" * 1024 + b'"}', "at most 1024 are allowed"),
    ],
)
def test_ambiguous_json_is_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(MessageError, match=reason):
        read_object(payload, "message", 1024)


@given(
    st.dictionaries(
        st.text(max_size=8),
        st.one_of(
            st.integers(-MOST_INT, MOST_INT),
            st.floats(allow_nan=False, allow_infinity=False),
            st.text(max_size=20),
            st.booleans(),
            st.none(),
            st.lists(st.integers(0, 9), max_size=3),
        ),
    )
)
def test_plain_json_is_read_as_it_is(members: dict[str, object]) -> None:
    payload = json.dumps(members, ensure_ascii=False).encode()
    assert read_object(payload, "message", 1 << 20) == members


@given(st.binary(max_size=1200))
def test_no_reader_of_messages_fails_on_any_bytes(payload: bytes) -> None:
    for read in (parse_alert, parse_event, parse_heartbeat, parse_receipt):
        with pytest.raises(MessageError):
            read(payload)


@pytest.mark.parametrize("wrong", ["1", True, 1.5, None, [1], -1, 0, 2**53])
def test_version_is_a_positive_integer_and_nothing_like_one(wrong: object) -> None:
    body = {"v": 1, "event_id": "ew-1", "version": wrong, "received_us": 1}
    with pytest.raises(MessageError, match=r"receipt: (version|not JSON)"):
        parse_receipt(json.dumps(body).encode())
