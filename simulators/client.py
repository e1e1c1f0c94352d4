"""One device's MQTT 3.1.1 connection: it subscribes, acknowledges, and sends receipts."""

import asyncio
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import orjson

from ew.alerts.message import (
    TOPIC_HEARTBEAT,
    TOPIC_KEYS,
    TOPIC_RECEIPT,
    AlertBody,
    parse_alert,
    parse_heartbeat,
)
from ew.alerts.trust import Verifier
from ew.broker_address import BrokerAddress
from ew.times import US_PER_S
from ew.traveltimes import TravelTimes
from mqtt_broker import decode, encode
from mqtt_broker.packets import V311, Type
from simulators.device import DeviceMachine, Reaction

KEEP_ALIVE_S = 60
LARGEST_PACKET = 1 << 20
PINGREQ = encode.packet(Type.PINGREQ, 0, b"")


class Shared:
    """What all devices of a process share: roots and keys, verified messages, the inbox.

    ``roots``: the raw public keys the devices were made with; they trust nothing else. ``serial``:
    that of the newest document of keys they remember.
    """

    def __init__(self, roots: Iterable[bytes], serial: int = 0) -> None:
        self.verifier = Verifier(tuple(roots), serial=serial)
        self.travel_times = TravelTimes.load()
        self.subscribed = 0
        self.receipts = 0
        self.inbox: deque[tuple[DeviceClient, str, bytes, int]] = deque()
        self.has_mail = asyncio.Event()
        self._known: dict[bytes, AlertBody] = {}
        self._heartbeats: dict[bytes, int] = {}  # the newest alone

    def time_of(self, payload: bytes) -> int:
        """The service's time in a signed heartbeat, µs; verified once for all devices.

        The key has to be valid at the time in the heartbeat, since devices set their clocks by it.

        Raises:
            MessageError: it is no heartbeat, or not signed with a known key.
        """
        known = self._heartbeats.get(payload)
        if known is None:
            body, plain = parse_heartbeat(payload)
            self.verifier.verify(plain, body.time_us)
            known = body.time_us
            self._heartbeats = {payload: known}
        return known

    def check(self, payload: bytes, now_us: int) -> AlertBody:
        """Verify a message once for all devices that get the same bytes.

        A refused message is verified again each time, since keys may have come.

        Raises:
            MessageError: it is no alert, or not signed with a known key.
        """
        known = self._known.get(payload)
        if known is None:
            known, plain = parse_alert(payload)
            self.verifier.verify(plain, now_us)
            self._known[payload] = known
        return known


class DeviceClient(asyncio.Protocol):
    """A device as a client; messages go to the shared inbox.

    When the machine wants other topics, the new ones are subscribed first, and the old ones are
    unsubscribed when the broker has confirmed them: in between the device receives both.
    """

    def __init__(self, machine: DeviceMachine, shared: Shared, broker: BrokerAddress) -> None:
        self.machine = machine
        self.transport: asyncio.Transport | None = None
        self.is_lost = asyncio.Event()
        self.is_ready = False
        self._broker = broker
        self._shared = shared
        self._splitter = decode.Splitter(LARGEST_PACKET)
        self._topics: frozenset[str] = frozenset()
        self._asked: dict[int, frozenset[str]] = {}  # by packet identifier, until SUBACK
        self._last_id = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect and subscribe in one write.

        The keys have a SUBSCRIBE of their own before the alerts: without them a retained alert
        could not be verified, and RabbitMQ sends what is retained for one SUBSCRIBE last topic
        first.
        """
        # uvloop's transport is not of asyncio's class
        self.transport = transport  # type: ignore[assignment]
        self._splitter = decode.Splitter(LARGEST_PACKET)
        self._topics, self._asked = frozenset(), {}
        connect = connect_body(self.machine.device.device_id, self._broker)
        self._send(encode.packet(Type.CONNECT, 0, connect))
        self._subscribe(frozenset(), [(TOPIC_KEYS, 1), (TOPIC_HEARTBEAT, 0)])
        self._subscribe(self.machine.topics(_clock_us()), [])

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the broker has closed the connection."""
        del exc
        self.transport = None
        self.is_lost.set()

    def ping(self) -> None:
        """Keep the connection alive."""
        self._send(PINGREQ)

    def move(self, latitude: float, longitude: float) -> dict[str, Any] | None:
        """Move; returns the report of an alert of the new cell, if it had one."""
        clock_us = _clock_us()
        reaction = self.machine.move(latitude, longitude, clock_us)
        self.promise()
        self.listen()
        return None if reaction is None else reported(self, reaction, clock_us)

    def listen(self) -> None:
        """Subscribe to the topics the machine wants now."""
        asked = self._topics.union(*self._asked.values())
        new = self.machine.topics(_clock_us()) - asked
        if new:
            self._subscribe(new, [])
        elif not self._asked:
            self._let_go()

    def promise(self) -> None:
        """Schedule the machine's receipts."""
        if self.machine.receipts:
            wait_us = self.machine.receipts[-1].due_us - self.machine.now_us(_clock_us())
            loop = asyncio.get_running_loop()
            loop.call_later(max(0.0, wait_us / US_PER_S), self._answer)

    def _answer(self) -> None:
        topic = TOPIC_RECEIPT.format(self.machine.device.device_id)
        for body in self.machine.receipts_due(_clock_us()):
            payload = orjson.dumps(body.model_dump())
            head, tail = encode.publish_parts(V311, topic, payload, 0, retain=False, items=[])
            self._send(head + tail)
            self._shared.receipts += 1

    def data_received(self, data: bytes) -> None:
        """Stamp and acknowledge messages at once; they are handled later: no device waits."""
        clock_us = _clock_us()
        for kind, flags, body in self._splitter.feed(data):
            if kind == Type.PUBLISH:
                packet = decode.parse_publish(V311, flags, body)
                if packet.qos:
                    self._send(encode.ack(V311, Type.PUBACK, packet.packet_id))
                self._shared.inbox.append((self, packet.topic, packet.payload, clock_us))
                self._shared.has_mail.set()
            elif kind == Type.SUBACK:
                self._subscribed(int.from_bytes(body[:2], "big"))

    def _subscribed(self, packet_id: int) -> None:
        self._topics |= self._asked.pop(packet_id, frozenset())
        if self._asked:
            return
        self._let_go()
        if not self.is_ready:
            self.is_ready = True
            self._shared.subscribed += 1

    def _subscribe(self, alerts: frozenset[str], others: list[tuple[str, int]]) -> None:
        wanted = [*others, *((topic, 1) for topic in sorted(alerts))]
        filters = b"".join(encode.text(topic) + bytes([qos]) for topic, qos in wanted)
        packet_id = self._next_id()
        self._asked[packet_id] = alerts
        self._send(encode.packet(Type.SUBSCRIBE, 2, packet_id.to_bytes(2, "big") + filters))

    def _let_go(self) -> None:
        old = self._topics - self.machine.topics(_clock_us())
        if old:
            self._topics -= old
            filters = b"".join(encode.text(topic) for topic in sorted(old))
            packet_id = self._next_id().to_bytes(2, "big")
            self._send(encode.packet(Type.UNSUBSCRIBE, 2, packet_id + filters))

    def _next_id(self) -> int:
        self._last_id = self._last_id % 65_535 + 1
        return self._last_id

    def _send(self, data: bytes) -> None:
        if self.transport is not None:
            self.transport.write(data)


def connect_body(client_id: str, broker: BrokerAddress) -> bytes:
    """The body of a CONNECT of MQTT 3.1.1 with a clean session and the broker's login."""
    login = [word for word in (broker.username, broker.password) if word is not None]
    flags = 2 | (0x80 if broker.username is not None else 0)
    flags |= 0x40 if broker.password is not None else 0
    head = encode.text("MQTT") + bytes([V311, flags]) + KEEP_ALIVE_S.to_bytes(2, "big")
    return head + b"".join(encode.text(word) for word in (client_id, *login))


def handle_mail(shared: Shared) -> list[dict[str, Any]]:
    """Let a device handle the oldest message; returns its reactions as reports.

    Raises:
        MessageError: a heartbeat or a document of keys is not valid.
    """
    client, topic, payload, clock_us = shared.inbox.popleft()
    machine = client.machine
    if topic == TOPIC_HEARTBEAT:
        reactions = machine.on_heartbeat(shared.time_of(payload), clock_us)
    elif topic == TOPIC_KEYS:
        document = shared.verifier.update(payload)
        reactions = machine.on_keys(document.serial, clock_us)
    else:
        reaction = machine.on_alert(payload, clock_us)
        reactions = [] if reaction is None else [reaction]
    client.promise()
    return [reported(client, reaction, clock_us) for reaction in reactions]


def reported(client: DeviceClient, reaction: Reaction, clock_us: int) -> dict[str, Any]:
    """A reaction as a fleet reports it."""
    return {**asdict(reaction), "clock_us": clock_us, "device_kind": client.machine.device.kind}


def _clock_us() -> int:
    return time.time_ns() // 1000
