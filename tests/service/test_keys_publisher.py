"""The topic of keys holds one document: two services take turns on it and say that the other is
there."""

from pathlib import Path

import pytest

from ew.alerts.trust import Verifier, root_id
from ew.errors import MessageError
from ew.service.keys_publisher import AFTER_OTHER_S, OTHER_NAMED_S, REPEAT_EVERY_S, KeysPublisher
from ew.storage.keyring import Keyring, ServiceKeys

NOW_US = 1_800_000_000_000_000
NOW_S = NOW_US / 1e6
DAY_US = 86_400_000_000


class Topic:
    """What is retained, and everything that was said."""

    def __init__(self) -> None:
        self.said: list[bytes] = []

    def keys_publisher(self, keys: ServiceKeys) -> KeysPublisher:
        return KeysPublisher(keys, self.said.append, lambda: keys)


@pytest.fixture
def topic() -> Topic:
    return Topic()


def test_two_services_with_roots_of_their_own_take_turns_and_say_so(topic: Topic) -> None:
    both = [topic.keys_publisher(ServiceKeys.ephemeral(now_us=NOW_US)) for _ in range(2)]
    heard = [Verifier([one.keys.root]) for one in both]
    for one in both:
        one.publish()
    played = 0
    for tenth in range(1, 300):
        now_s = NOW_S + tenth / 10
        for payload in topic.said[played:]:
            for one in both:
                one.take(payload, now_s)
        played = len(topic.said)
        for one in both:
            one.tick(now_s)
    for one, other in (both, both[::-1]):
        name = root_id(other.keys.root)
        assert one.trouble(now_s) == [
            f"another service or a stranger speaks on the broker: a document of root {name}"
        ]
    late = topic.said[-4:]  # what a device hears that comes now
    for verifier in heard:
        for payload in late:
            try:
                verifier.update(payload)
            except MessageError:
                continue
        assert verifier.serial > 0
    assert len(topic.said) <= 2 + 2 * 30 / AFTER_OTHER_S, "no flood"


def test_service_that_is_alone_again_says_its_document_last_and_is_well(topic: Topic) -> None:
    ours = topic.keys_publisher(ServiceKeys.ephemeral(now_us=NOW_US))
    ours.publish()
    ours.take(topic.said[-1], NOW_S)
    for second in range(60):
        ours.tick(NOW_S + second)
    assert len(topic.said) == 1, "nothing is said again for nothing"
    ours.take(b"no document at all", NOW_S)
    assert ours.trouble(NOW_S) == [
        "another service or a stranger speaks on the broker: something that is no document of keys"
    ]
    ours.tick(NOW_S + AFTER_OTHER_S)
    assert topic.said[1:] == [ours.keys.document]
    assert ours.trouble(NOW_S + OTHER_NAMED_S + 1) == []


def test_document_outlives_a_broker_that_lets_retained_messages_expire(topic: Topic) -> None:
    ours = topic.keys_publisher(ServiceKeys.ephemeral(now_us=NOW_US))
    ours.publish()
    for second in range(3600):
        ours.tick(NOW_S + second)
    assert len(topic.said) == 3600 / REPEAT_EVERY_S


def test_document_issued_anew_is_said_without_a_restart(topic: Topic, tmp_path: Path) -> None:
    database = tmp_path / "ew.sqlite"
    ours = topic.keys_publisher(ServiceKeys.beside(database, NOW_US))
    device = Verifier([ours.keys.root])
    device.update(ours.keys.document)
    ours.renew(ServiceKeys.beside(database, NOW_US + 60_000_000))
    assert topic.said == [], "it is the same"
    ours.renew(ServiceKeys.beside(database, NOW_US + 20 * DAY_US))
    (payload,) = topic.said
    assert device.update(payload).expires_us > NOW_US + 40 * DAY_US
    assert ours.trouble(NOW_S) == []


def test_health_names_what_is_about_to_end(topic: Topic, tmp_path: Path) -> None:
    ours = topic.keys_publisher(keys_of(Keyring.init(tmp_path / "keys", NOW_US), "actual-1"))
    assert ours.trouble(NOW_S + 26 * 86_400) == []
    assert ours.trouble(NOW_S + 29 * 86_400) == [
        "the document of keys ends in 24 h: issue a new one (`ew keys rotate`)"
    ]
    assert "ends in 0 h" in ours.trouble(NOW_S + 40 * 86_400)[0]


def test_clock_that_was_set_back_makes_no_document_that_devices_refuse(tmp_path: Path) -> None:
    ahead = ServiceKeys.beside(tmp_path / "ew.sqlite", NOW_US + 60 * DAY_US)
    device = Verifier([ahead.root])
    device.update(ahead.document)
    right = ServiceKeys.beside(tmp_path / "ew.sqlite", NOW_US)
    assert device.update(right.document).issued_us == NOW_US


def keys_of(ring: Keyring, key_id: str) -> ServiceKeys:
    folder = ring.path
    return ServiceKeys.configured(
        folder / "signing" / f"{key_id}.pem", key_id, folder / "keys.json",
        folder / "root.pub.pem", "actual", NOW_US,
    )  # fmt: skip


def test_service_whose_key_was_revoked_elsewhere_says_so(topic: Topic, tmp_path: Path) -> None:
    ring = Keyring.init(tmp_path / "keys", NOW_US)
    ours = topic.keys_publisher(keys_of(ring, "actual-1"))
    ring = ring.rotate(NOW_US)
    ours.take((tmp_path / "keys" / "keys.json").read_bytes(), NOW_S)
    assert ours.trouble(NOW_S) == [], "both keys are valid"
    ring.revoke("actual-1", NOW_US)
    ours.take((tmp_path / "keys" / "keys.json").read_bytes(), NOW_S)
    (reason,) = ours.trouble(NOW_S)
    assert "serial 3) does not list 'actual-1'" in reason


def test_files_with_another_key_take_a_restart_and_health_says_so(
    topic: Topic, tmp_path: Path
) -> None:
    ring = Keyring.init(tmp_path / "keys", NOW_US)
    ours = topic.keys_publisher(keys_of(ring, "actual-1"))
    ours.renew(keys_of(ring.rotate(NOW_US), "actual-2"))
    assert topic.said == []
    assert "restart the service" in ours.trouble(NOW_S)[0]
    ours.renew(keys_of(ring, "actual-1"))
    assert len(topic.said) == 1, "the new document that lists our key still is said"
    assert ours.trouble(NOW_S) == []
