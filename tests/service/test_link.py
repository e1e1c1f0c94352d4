"""The seal between service and web process: one secret, one topic, one time, once."""

import pytest

from ew.errors import MessageError
from ew.service.link import MESSAGE_MOST_BYTES, WINDOW_US, Seal

NOW_US = 1_800_000_000_000_000
SECRET = b"s" * 64


def sealed(topic: str = "a", *, secret: bytes = SECRET, now_us: int = NOW_US) -> bytes:
    return Seal(secret).close(topic, {"kind": "origin"}, nonce="n1", now_us=now_us)


def test_what_was_sealed_opens_on_the_other_side() -> None:
    assert Seal(SECRET).open("a", sealed(), NOW_US + 5_000_000) == ("n1", {"kind": "origin"})


@pytest.mark.parametrize(
    ("topic", "payload", "now_us"),
    [
        ("b", sealed(), NOW_US),
        ("a", sealed(secret=b"t" * 64), NOW_US),
        ("a", sealed(), NOW_US + WINDOW_US + 1),
        ("a", sealed(), NOW_US - WINDOW_US - 1),
        ("a", sealed()[:-1], NOW_US),
        ("a", b"", NOW_US),
        ("a", b"0" * (MESSAGE_MOST_BYTES + 1), NOW_US),
    ],
    ids=["other topic", "other secret", "too late", "too early", "cut", "empty", "too large"],
)
def test_anything_else_is_refused(topic: str, payload: bytes, now_us: int) -> None:
    with pytest.raises(MessageError):
        Seal(SECRET).open(topic, payload, now_us)


def test_one_bit_anywhere_breaks_the_seal() -> None:
    payload = sealed()
    for place in range(len(payload)):
        changed = bytearray(payload)
        changed[place] ^= 1
        with pytest.raises(MessageError):
            Seal(SECRET).open("a", bytes(changed), NOW_US)


def test_a_message_opens_once() -> None:
    seal = Seal(SECRET)
    seal.open("a", sealed(), NOW_US)
    with pytest.raises(MessageError, match="before"):
        seal.open("a", sealed(), NOW_US + 1)


def test_a_receiver_that_was_restarted_refuses_what_was_sealed_before() -> None:
    with pytest.raises(MessageError, match="time"):
        Seal(SECRET, since_us=NOW_US + 1).open("a", sealed(), NOW_US + 2)
