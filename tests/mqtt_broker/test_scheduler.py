"""Ordinary traffic gives way to urgent messages, in its order and without loss."""

import asyncio
from collections.abc import Callable

import aiomqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mqtt_broker import decode, encode
from mqtt_broker.access import UNRESTRICTED, Access, Unrestricted, User
from mqtt_broker.connection import Connection, Limits
from mqtt_broker.packets import V311, Type
from mqtt_broker.scheduler import CLIENT_WORK, ITERATION_WORK, Scheduler
from mqtt_broker.server import Server
from tests.mqtt_broker.conftest import Address

URGENT, ORDINARY = "urgent/a", "ordinary/a"
LIMITS = Limits(urgent=("urgent/",))


class Wire(asyncio.Transport):
    """A socket without a network: what the client sends waits while nobody reads, what it is sent
    is kept."""

    def __init__(self, server: Server, name: str, *filters: str) -> None:
        super().__init__()
        self._splitter = decode.Splitter(1 << 20)
        self._payloads: list[bytes] = []
        self._unread = bytearray()
        self.is_paused = False
        self._connection = Connection(server)
        self._connection.connection_made(self)
        body = encode.text("MQTT") + bytes([V311, 2, 0, 0]) + encode.text(name)
        self.say(encode.packet(Type.CONNECT, 0, body))
        for number, text in enumerate(filters, 1):
            head = number.to_bytes(2, "big") + encode.text(text) + b"\x01"
            self.say(encode.packet(Type.SUBSCRIBE, 2, head))

    def say(self, data: bytes) -> None:
        """Send as the client; the broker reads it all at once, if it reads."""
        self._unread += data
        if not self.is_paused and self._unread:
            data, self._unread = bytes(self._unread), bytearray()
            self._connection.data_received(data)

    def received(self) -> list[bytes]:
        """The payloads it has been sent so far."""
        return self._payloads

    def write(self, data: bytes | bytearray | memoryview) -> None:
        for kind, flags, body in self._splitter.feed(bytes(data)):
            if kind == Type.PUBLISH:
                self._payloads.append(decode.parse_publish(V311, flags, body).payload)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        if self.is_paused:
            self.is_paused = False
            asyncio.get_running_loop().call_soon(self.say, b"")

    def close(self) -> None:
        self._connection.connection_lost(None)


def publish(topic: str, payload: bytes) -> bytes:
    head, tail = encode.publish_parts(V311, topic, payload, 0, retain=False, items=[])
    return head + tail


def numbered(count: int) -> list[bytes]:
    return [b"%d" % number for number in range(count)]


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():
            await asyncio.sleep(0)


async def test_urgent_message_does_not_wait_for_those_that_came_before_it() -> None:
    server = Server(LIMITS)
    phone, archive = Wire(server, "phone", URGENT), Wire(server, "archive", "ordinary/#")
    station, service = Wire(server, "station"), Wire(server, "ew")
    await asyncio.sleep(0)
    records = numbered(5000)
    station.say(b"".join(publish(ORDINARY, one) for one in records))
    assert len(archive.received()) <= ITERATION_WORK
    service.say(publish(URGENT, b"run"))
    assert phone.received() == [b"run"]
    await until(lambda: len(archive.received()) == len(records))
    assert archive.received() == records


async def test_no_client_waits_longer_than_each_of_the_others_takes_its_share() -> None:
    server = Server(LIMITS)
    archive = Wire(server, "archive", "ordinary/#")
    stations = [Wire(server, f"station-{number}") for number in range(8)]
    await asyncio.sleep(0)
    for number, station in enumerate(stations):
        topic = f"ordinary/{number}"
        station.say(publish(topic, b"%d" % number) * 1000)
    await until(lambda: len(set(archive.received())) == len(stations))
    one_round = (len(stations) + 1) * CLIENT_WORK + ITERATION_WORK
    assert len(archive.received()) <= one_round
    await until(lambda: len(archive.received()) == 8000)


async def test_endless_urgent_messages_leave_ordinary_traffic_its_share() -> None:
    server = Server(LIMITS)
    archive = Wire(server, "archive", "ordinary/#")
    phones = [Wire(server, f"phone-{number}", URGENT) for number in range(50)]
    station, service = Wire(server, "station"), Wire(server, "ew")
    records = numbered(1000)
    station.say(b"".join(publish(ORDINARY, one) for one in records))
    turns = 0
    while len(archive.received()) < len(records):
        service.say(publish(URGENT, b"x") * 20)  # a thousand deliveries a turn
        await asyncio.sleep(0)
        turns += 1
    assert turns <= 2 * 2 * len(records) / ITERATION_WORK
    assert len(phones[0].received()) >= 20 * turns


async def test_client_with_urgent_messages_keeps_their_order_with_its_others() -> None:
    server = Server(LIMITS)
    listener = Wire(server, "listener", "#")
    station, service = Wire(server, "station"), Wire(server, "ew")
    await asyncio.sleep(0)
    station.say(publish(ORDINARY, b"record") * 500)
    topics = ["other/1", URGENT, "other/1", "other/2", URGENT, "other/3"]
    service.say(b"".join(publish(topic, b"%d" % n) for n, topic in enumerate(topics)))
    await until(lambda: len(listener.received()) == 500 + len(topics))
    assert [one for one in listener.received() if one != b"record"] == numbered(len(topics))


async def test_client_that_may_not_be_urgent_does_not_overtake() -> None:
    server = Server(
        LIMITS, Access({"owner": User(UNRESTRICTED, "")}, Unrestricted(may_be_urgent=False))
    )
    device, other = Wire(server, "device"), Wire(server, "other", URGENT)
    await asyncio.sleep(0)
    device.say(publish("other/1", b"r") * ITERATION_WORK)  # the turn's work is done
    other.say(publish(URGENT, b"forged"))
    assert other.is_paused


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=4), min_size=1, max_size=5),
    st.integers(1, 5000),
)
def test_messages_of_each_client_keep_their_order_and_none_is_lost_however_its_bytes_are_cut(
    crowds: list[list[int]], cut: int
) -> None:
    async def play() -> None:
        server = Server(LIMITS)
        archive = Wire(server, "archive", "#")
        sent: dict[int, list[bytes]] = {}
        for number, bursts in enumerate(crowds):
            station = Wire(server, f"station-{number}")
            sent[number] = [b"%d %d" % (number, n) for n in range(sum(bursts))]
            topic = URGENT if number == 3 else f"ordinary/{number}"
            data = b"".join(publish(topic, one) for one in sent[number])
            for at in range(0, len(data), cut):
                station.say(data[at : at + cut])
        total = sum(map(len, sent.values()))
        await until(lambda: len(archive.received()) >= total)
        for number, expected in sent.items():
            own = [one for one in archive.received() if one.startswith(b"%d " % number)]
            assert own == expected

    asyncio.run(play())


class Greedy:
    """Spends all the budget it is given."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.done = 0

    def resume(self, floor: int) -> None:
        while self._scheduler.budget > floor:
            self._scheduler.spend(1)
            self.done += 1
        self._scheduler.enqueue(self)


def test_iteration_has_its_budget_and_no_more_for_all_in_the_queue() -> None:
    due: list[Callable[[], None]] = []
    scheduler = Scheduler(due.append)
    workers = [Greedy(scheduler), Greedy(scheduler)]
    for worker in workers:
        scheduler.enqueue(worker)
    for number in range(1, 4):
        (call,) = due
        due.clear()
        call()
        assert [worker.done for worker in workers] == [number * ITERATION_WORK // 2] * 2


def test_client_that_comes_while_others_wait_has_nothing_to_spend() -> None:
    due: list[Callable[[], None]] = []
    scheduler = Scheduler(due.append)
    assert scheduler.floor == 0
    scheduler.enqueue(Greedy(scheduler))
    assert scheduler.floor == scheduler.budget == ITERATION_WORK


@pytest.mark.parametrize("qos", [0, 1])
async def test_flood_of_four_clients_neither_delays_urgent_messages_nor_loses_others(
    broker: Address, qos: int
) -> None:
    count = 3000

    async def station(number: int) -> None:
        async with aiomqtt.Client(broker.host, broker.port) as one:
            topic = f"ordinary/{number}"
            for payload in numbered(count):
                await one.publish(topic, payload, qos=qos)

    async def hear(one: aiomqtt.Client, found: dict[str, list[bytes]], most: int) -> None:
        async for message in one.messages:
            assert isinstance(message.payload, bytes)
            found.setdefault(message.topic.value, []).append(message.payload)
            if sum(map(len, found.values())) == most:
                return

    records: dict[str, list[bytes]] = {}
    alerts: dict[str, list[bytes]] = {}
    async with (
        asyncio.timeout(60),
        aiomqtt.Client(broker.host, broker.port) as archive,
        aiomqtt.Client(broker.host, broker.port) as phone,
        aiomqtt.Client(broker.host, broker.port) as service,
        asyncio.TaskGroup() as group,
    ):
        await archive.subscribe("ordinary/#", qos=qos)
        await phone.subscribe(URGENT, qos=1)
        group.create_task(hear(archive, records, 4 * count))
        hearing = group.create_task(hear(phone, alerts, 20))
        for number in range(4):
            group.create_task(station(number))
        for payload in numbered(20):
            await service.publish(URGENT, payload, qos=1)
        await hearing
        assert sum(map(len, records.values())) < 4 * count  # the flood is still on
    assert alerts == {URGENT: numbered(20)}
    assert list(records.values()) == [numbered(count)] * 4
