"""Ordinary traffic gives way to alerts in the embedded broker, in its order and without loss."""

import asyncio
from collections.abc import Callable

import aiomqtt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ew.broker_address import BrokerAddress
from ew.delivery.embedded import decode, encode
from ew.delivery.embedded.access import Access, Role, User
from ew.delivery.embedded.connection import Connection
from ew.delivery.embedded.packets import V311, Type
from ew.delivery.embedded.server import Server
from ew.delivery.embedded.turns import PORTION, TURN_WORK, Turns

ALERT, WAVEFORM = "ew/v1/alert/cell/a", "ew/v1/waveform/XX.S000.00.HHZ"


class Wire(asyncio.Transport):
    """A socket without a network: what the client sends waits while nobody reads, what it is sent is kept."""

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


async def test_alert_does_not_wait_for_the_records_that_came_before_it() -> None:
    server = Server()
    phone, archive = Wire(server, "phone", ALERT), Wire(server, "archive", "ew/v1/waveform/#")
    station, service = Wire(server, "station"), Wire(server, "ew")
    await asyncio.sleep(0)
    records = numbered(5000)
    station.say(b"".join(publish(WAVEFORM, one) for one in records))
    assert len(archive.received()) <= TURN_WORK
    service.say(publish(ALERT, b"run"))
    assert phone.received() == [b"run"]
    await until(lambda: len(archive.received()) == len(records))
    assert archive.received() == records


async def test_no_station_waits_longer_than_the_others_take_a_portion_each() -> None:
    server = Server()
    archive = Wire(server, "archive", "ew/v1/waveform/#")
    stations = [Wire(server, f"station-{number}") for number in range(8)]
    await asyncio.sleep(0)
    for number, station in enumerate(stations):
        topic = f"ew/v1/waveform/XX.S{number:03d}.00.HHZ"
        station.say(publish(topic, b"%d" % number) * 1000)
    await until(lambda: len(set(archive.received())) == len(stations))
    one_round = (len(stations) + 1) * PORTION + TURN_WORK
    assert len(archive.received()) <= one_round
    await until(lambda: len(archive.received()) == 8000)


async def test_alerts_without_end_leave_ordinary_traffic_its_share() -> None:
    server = Server()
    archive = Wire(server, "archive", "ew/v1/waveform/#")
    phones = [Wire(server, f"phone-{number}", ALERT) for number in range(50)]
    station, service = Wire(server, "station"), Wire(server, "ew")
    records = numbered(1000)
    station.say(b"".join(publish(WAVEFORM, one) for one in records))
    turns = 0
    while len(archive.received()) < len(records):
        service.say(publish(ALERT, b"x") * 20)  # a thousand deliveries a turn
        await asyncio.sleep(0)
        turns += 1
    assert turns <= 2 * 2 * len(records) / TURN_WORK
    assert len(phones[0].received()) >= 20 * turns


async def test_who_sends_alerts_keeps_its_order_between_them_and_other_messages() -> None:
    server = Server()
    listener = Wire(server, "listener", "ew/v1/#")
    station, service = Wire(server, "station"), Wire(server, "ew")
    await asyncio.sleep(0)
    station.say(publish(WAVEFORM, b"record") * 500)
    topics = ["ew/v1/heartbeat", ALERT, "ew/v1/heartbeat", "ew/v1/event/e", ALERT, "ew/v1/keys"]
    service.say(b"".join(publish(topic, b"%d" % n) for n, topic in enumerate(topics)))
    await until(lambda: len(listener.received()) == 500 + len(topics))
    assert [one for one in listener.received() if one != b"record"] == numbered(len(topics))


async def test_client_that_may_not_send_alerts_does_not_overtake_with_them() -> None:
    server = Server(access=Access({"ew": User(Role.SERVICE, "")}))
    device, other = Wire(server, "device"), Wire(server, "other", ALERT)
    await asyncio.sleep(0)
    device.say(publish("ew/v1/receipt/d", b"r") * TURN_WORK)  # the turn's work is done
    other.say(publish(ALERT, b"forged"))
    assert other.is_paused


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 400), min_size=1, max_size=4), min_size=1, max_size=5),
    st.integers(1, 5000),
)
def test_each_client_is_heard_in_its_order_and_nothing_is_lost_however_its_bytes_come(
    crowds: list[list[int]], cut: int
) -> None:
    async def play() -> None:
        server = Server()
        archive = Wire(server, "archive", "ew/v1/#")
        sent: dict[int, list[bytes]] = {}
        for number, bursts in enumerate(crowds):
            station = Wire(server, f"station-{number}")
            sent[number] = [b"%d %d" % (number, n) for n in range(sum(bursts))]
            topic = ALERT if number == 3 else f"ew/v1/waveform/XX.S{number:03d}.00.HHZ"
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
    """Never has enough."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.done = 0

    def go_on(self, floor: int) -> None:
        while self._turns.left > floor:
            self._turns.spend(1)
            self.done += 1
        self._turns.wait(self)


def test_turn_has_so_much_work_and_no_more_for_all_in_line() -> None:
    due: list[Callable[[], None]] = []
    turns = Turns(due.append)
    workers = [Greedy(turns), Greedy(turns)]
    for worker in workers:
        turns.wait(worker)
    for number in range(1, 4):
        (call,) = due
        due.clear()
        call()
        assert [worker.done for worker in workers] == [number * TURN_WORK // 2] * 2


@pytest.mark.parametrize("qos", [0, 1])
async def test_flood_of_four_stations_neither_holds_up_an_alert_nor_loses_a_record(
    embedded: BrokerAddress, qos: int
) -> None:
    count = 3000

    async def station(number: int) -> None:
        async with aiomqtt.Client(embedded.host, embedded.port) as one:
            topic = f"ew/v1/waveform/XX.S{number:03d}.00.HHZ"
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
        aiomqtt.Client(embedded.host, embedded.port) as archive,
        aiomqtt.Client(embedded.host, embedded.port) as phone,
        aiomqtt.Client(embedded.host, embedded.port) as service,
        asyncio.TaskGroup() as group,
    ):
        await archive.subscribe("ew/v1/waveform/#", qos=qos)
        await phone.subscribe(ALERT, qos=1)
        group.create_task(hear(archive, records, 4 * count))
        hearing = group.create_task(hear(phone, alerts, 20))
        for number in range(4):
            group.create_task(station(number))
        for payload in numbered(20):
            await service.publish(ALERT, payload, qos=1)
        await hearing
        assert sum(map(len, records.values())) < 4 * count  # the flood is still on
    assert alerts == {ALERT: numbered(20)}
    assert list(records.values()) == [numbered(count)] * 4
