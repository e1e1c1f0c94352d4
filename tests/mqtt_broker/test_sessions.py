"""The broker's sessions without a socket: what a client is sent, read back as packets."""

from dataclasses import dataclass, field

import pytest

from mqtt_broker import decode
from mqtt_broker.packets import V5, Prop, Properties, Publish, Type, Will, number
from mqtt_broker.router import Broker
from mqtt_broker.sessions import QUEUE_BYTES, QUEUE_LIMIT, Message, Session, new_message
from mqtt_broker.subscriptions import Subscription


@dataclass
class Link:
    """A connection that keeps what it is sent."""

    data: bytearray = field(default_factory=bytearray)

    def send(self, data: bytes) -> None:
        self.data += data

    def publishes(self) -> list[Publish]:
        packets = decode.Splitter(1 << 26).feed(bytes(self.data))
        self.data.clear()
        return [decode.parse_publish(V5, f, b) for kind, f, b in packets if kind == Type.PUBLISH]


def message(topic: str = "a", payload: bytes = b"x", life_s: int | None = None) -> Message:
    items: Properties = [] if life_s is None else [(Prop.MESSAGE_EXPIRY, life_s)]
    return new_message(topic, payload, 1, items, "someone", 0.0)


@pytest.fixture
def broker() -> Broker:
    return Broker()


def join(broker: Broker, name: str, topic: str = "a", expiry_s: float = 60.0) -> Session:
    session = broker.sessions[name] = Session(name, V5, expiry_s=expiry_s)
    broker.subscriptions.add(session, topic, Subscription(1, False, False, 0))
    return session


def connect(
    session: Session, *, receive: int = 10, largest: int = 1 << 20, aliases: int = 0
) -> Link:
    link = Link()
    session.attach(link, receive, largest, aliases)
    return link


@pytest.mark.rule("3.3.2.3.4")
def test_client_that_takes_aliases_is_told_each_topic_once(broker: Broker) -> None:
    session = join(broker, "phone", "a/+")
    link = connect(session, aliases=1)
    for topic in ("a/1", "a/1", "a/2"):
        broker.publish(message(topic), retain=False, now=0.0)
    found = [(p.topic, number(p.properties, Prop.TOPIC_ALIAS, 0)) for p in link.publishes()]
    assert found == [("a/1", 1), ("", 1), ("a/2", 0)]
    link = connect(session, aliases=1)
    broker.publish(message("a/1"), retain=False, now=0.0)
    assert link.publishes()[0].topic == "a/1", "aliases end with their connection"


@pytest.mark.rule("3.1.2.11.3")
def test_no_more_is_under_way_than_the_client_takes(broker: Broker) -> None:
    session = join(broker, "phone")
    link = connect(session, receive=2)
    for place in range(4):
        broker.publish(message(payload=b"%d" % place), retain=False, now=0.0)
    first = link.publishes()
    assert [p.payload for p in first] == [b"0", b"1"]
    session.acknowledge(Type.PUBACK, first[0].packet_id, 0, 0.0)
    assert [p.payload for p in link.publishes()] == [b"2"]


@pytest.mark.rule("4.4")
def test_unacknowledged_message_comes_again_marked_as_duplicate(broker: Broker) -> None:
    session = join(broker, "phone")
    (sent,) = _sent(broker, session)
    session.link = None
    link = connect(session)
    session.resend(1.0)
    (again,) = link.publishes()
    assert (again.packet_id, again.payload, again.dup) == (sent.packet_id, b"x", True)


def _sent(broker: Broker, session: Session) -> list[Publish]:
    link = connect(session)
    broker.publish(message(), retain=False, now=0.0)
    return link.publishes()


@pytest.mark.rule("3.3.2.3.3")
def test_expired_message_is_not_sent_to_who_comes_back_and_the_rest_tells_its_time_left(
    broker: Broker,
) -> None:
    session = join(broker, "phone")
    broker.publish(message(payload=b"short", life_s=5), retain=False, now=0.0)
    broker.publish(message(payload=b"long", life_s=60), retain=False, now=0.0)
    link = connect(session)
    session.resend(20.0)
    (found,) = link.publishes()
    assert found.payload == b"long"
    assert number(found.properties, Prop.MESSAGE_EXPIRY, 0) == 40


@pytest.mark.rule("3.3.2.3.3")
@pytest.mark.parametrize(("now", "is_sent"), [(4.9, True), (5.0, False)])
def test_message_expires_at_its_moment(broker: Broker, now: float, is_sent: bool) -> None:
    session = join(broker, "phone")
    broker.publish(message(life_s=5), retain=True, now=0.0)
    link = connect(session)
    session.resend(now)
    late = join(broker, "late", "b")
    other = connect(late)
    broker.send_retained(late, "a", Subscription(1, False, False, 0), now)
    broker.tick(now)
    assert [len(found.publishes()) for found in (link, other)] == [is_sent, is_sent]
    assert ("a" in broker.retained) is is_sent


def test_queue_of_a_client_that_is_away_is_bounded_in_number_and_bytes(broker: Broker) -> None:
    session = join(broker, "phone")
    for place in range(QUEUE_LIMIT + 5):
        broker.publish(message(payload=b"%d" % place), retain=False, now=0.0)
    assert session.dropped == 5
    large = bytes(QUEUE_BYTES // 2)
    for _ in range(3):
        broker.publish(message(payload=large), retain=False, now=0.0)
    link = connect(session, receive=5000, largest=1 << 24)
    session.resend(0.0)
    assert [p.payload for p in link.publishes()] == [large, large], "the oldest made room"


@pytest.mark.rule("3.1.2.11.4")
def test_message_larger_than_the_client_takes_is_left_out(broker: Broker) -> None:
    session = join(broker, "small")
    link = connect(session, largest=40)
    broker.publish(message(payload=bytes(100)), retain=False, now=0.0)
    broker.publish(message(payload=b"fits"), retain=False, now=0.0)
    assert [p.payload for p in link.publishes()] == [b"fits"]


@pytest.mark.rule("3.1.2.11.4")
@pytest.mark.parametrize(("length", "is_sent"), [(32, True), (33, False)])
def test_packet_of_the_largest_size_has_room_for_its_identifier(
    broker: Broker, length: int, is_sent: bool
) -> None:
    link = connect(join(broker, "small"), largest=40)  # 2 of head, 3 of topic, 2 of identifier, 1
    broker.publish(message(payload=bytes(length)), retain=False, now=0.0)
    assert len(link.data) == (40 if is_sent else 0)


@pytest.mark.rule("3.1.3.2.2")
def test_will_with_delay_comes_when_the_session_ends_if_that_is_sooner(broker: Broker) -> None:
    watcher = join(broker, "watcher", "wills")
    link = connect(watcher)
    dead = join(broker, "dead", expiry_s=5.0)
    dead.will = Will("wills", b"gone", 1, False, [(Prop.WILL_DELAY, 100)])
    broker.leave(dead, 0.0, with_will=True)
    broker.tick(4.9)
    assert link.publishes() == []
    broker.tick(5.0)
    assert [p.payload for p in link.publishes()] == [b"gone"]
    assert "dead" not in broker.sessions


@pytest.mark.rule("3.1.3.2.2")
def test_delayed_will_is_void_once_its_client_is_back(broker: Broker) -> None:
    link = connect(join(broker, "watcher", "wills"))
    session = join(broker, "phone")
    session.will = Will("wills", b"gone", 1, False, [(Prop.WILL_DELAY, 5)])
    broker.leave(session, 0.0, with_will=True)
    broker.back(session)
    broker.tick(100.0)
    assert link.publishes() == []
    assert "phone" in broker.sessions


@pytest.mark.rule("4.8.2")
def test_shared_message_goes_to_a_member_who_is_here(broker: Broker) -> None:
    members = [join(broker, name, "$share/g/a") for name in ("away", "here")]
    link = connect(members[1])
    for _ in range(3):
        assert broker.publish(message(), retain=False, now=0.0) == 1
    assert len(link.publishes()) == 3


@pytest.mark.rule("4.8.2")
def test_members_of_a_shared_subscription_take_turns(broker: Broker) -> None:
    links = [connect(join(broker, name, "$share/g/a")) for name in ("one", "two", "three")]
    for _ in range(6):
        broker.publish(message(), retain=False, now=0.0)
    assert [len(link.publishes()) for link in links] == [2, 2, 2]


@pytest.mark.rule("4.7")
def test_filters_with_wildcards_come_and_go_for_a_topic_that_was_published_before(
    broker: Broker,
) -> None:
    first = join(broker, "first", "a/+")
    broker.publish(message("a/b"), retain=False, now=0.0)
    link = connect(join(broker, "second", "a/#"))
    assert broker.publish(message("a/b"), retain=False, now=0.0) == 2
    assert len(link.publishes()) == 1
    broker.subscriptions.remove(first, "a/+")
    assert broker.publish(message("a/b"), retain=False, now=0.0) == 1


@pytest.mark.rule("3.1.2.11.2")
def test_session_is_over_at_its_time_though_no_tick_has_come(broker: Broker) -> None:
    session = join(broker, "phone", expiry_s=5.0)
    broker.leave(session, 0.0, with_will=False)
    assert [broker.is_over(session, now) for now in (4.9, 5.0)] == [False, True]
