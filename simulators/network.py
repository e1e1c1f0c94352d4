"""The station network as a process: a scenario's packets over SeedLink or MQTT.

Data times are shifted so that the scenario begins now: a live service would refuse old ones.
"""

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from operator import itemgetter

import aiomqtt

from ew.alerts.message import TOPIC_WAVEFORM
from ew.broker_address import BrokerAddress
from ew.errors import BrokerError
from ew.records import Packet
from ew.sources import miniseed
from ew.sources.listen import client_of
from ew.times import NS_PER_S
from simulators.faults import Action, Cut, Faults, Wait, disturbed
from simulators.scenario import Scenario
from simulators.seedlink import RECORD_BYTES, SeedLinkServer


def shifted(arrivals: Iterator[tuple[int, Packet]], start_ns: int) -> Iterator[tuple[int, Packet]]:
    """The packets with shifted times, the first arriving at ``start_ns``."""
    shift: int | None = None
    for arrival_ns, packet in arrivals:
        if shift is None:
            shift = start_ns - arrival_ns
        yield arrival_ns + shift, replace(packet, start_ns=packet.start_ns + shift)


async def over_seedlink(
    scenario: Scenario,
    *,
    port: int,
    packet_s: float,
    speed: float,
    faults: Faults,
    linger_s: float = 5.0,
) -> None:
    """Serve a scenario's packets over SeedLink on ``port`` of 127.0.0.1."""
    async with SeedLinkServer(faults=faults, port=port) as server:
        print(f"seedlink on 127.0.0.1:{server.port}", flush=True)
        await server.play(shifted(scenario.play().packets(packet_s), time.time_ns()), speed=speed)
        await asyncio.sleep(linger_s)


async def over_mqtt(
    scenario: Scenario, broker: BrokerAddress, *, packet_s: float, speed: float, faults: Faults
) -> int:
    """Publish a scenario's packets as miniSEED records; returns how many records were sent.

    Raises:
        BrokerError: the broker is lost.
    """
    arrivals = shifted(scenario.play().packets(packet_s), time.time_ns())
    line = _Line(arrivals, faults, speed)
    try:
        while not line.is_over:
            async with client_of(broker) as client:
                await line.play(client)
    except aiomqtt.MqttError as error:
        raise BrokerError(f"broker {broker.url}: {error}") from error
    return line.sent


class _Line:
    """The packets still to be published; a connection that is cut is followed by the next."""

    def __init__(
        self, arrivals: Iterator[tuple[int, Packet]], faults: Faults, speed: float
    ) -> None:
        self.sent, self.is_over = 0, False
        self._faults, self._speed = faults, speed
        self._random = random.Random(faults.seed)
        self._begin_s, self._first_ns = time.monotonic(), -1
        self._actions = self._disturbed(arrivals)

    async def play(self, client: aiomqtt.Client) -> None:
        for due_s, action in self._actions:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            if isinstance(action, Cut):
                return
            if isinstance(action, Wait):
                await asyncio.sleep(action.seconds)
            else:
                topic, record = action.record
                await client.publish(topic, record, qos=0)
                self.sent += 1
        self.is_over = True

    def _disturbed(
        self, arrivals: Iterator[tuple[int, Packet]]
    ) -> Iterator[tuple[float, Action[tuple[str, bytes]]]]:
        """Yield (when, what); records that arrive at one time are disturbed together."""
        for arrival_ns, batch in groupby(arrivals, key=itemgetter(0)):
            self._first_ns = arrival_ns if self._first_ns < 0 else self._first_ns
            due_s = self._begin_s + (arrival_ns - self._first_ns) / NS_PER_S / self._speed
            records = [record for _, packet in batch for record in _records(packet)]
            for action in disturbed(records, self._faults, self._random, self._garbled):
                yield due_s, action

    def _garbled(self, record: tuple[str, bytes]) -> tuple[str, bytes]:
        return record[0], self._random.randbytes(len(record[1]))


def _records(packet: Packet) -> list[tuple[str, bytes]]:
    """The topic and bytes of each record of a packet."""
    data, topic = miniseed.encode(packet), TOPIC_WAVEFORM.format(packet.seed_id)
    return [(topic, data[at : at + RECORD_BYTES]) for at in range(0, len(data), RECORD_BYTES)]
