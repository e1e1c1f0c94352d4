"""The station network as a process of its own: a scenario's packets over SeedLink or MQTT, in real or scaled time.

Data times are moved so that the scenario begins now: a live service must not take them for old.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import aiomqtt

from ew.alerts.message import TOPIC_WAVEFORM
from ew.delivery.broker import BrokerAddress
from ew.errors import BrokerError
from ew.records import Packet
from ew.sources import miniseed
from ew.times import NS_PER_S
from simulators.scenario import Scenario
from simulators.seedlink import Faults, SeedLinkServer


def shifted(arrivals: Iterator[tuple[int, Packet]], start_ns: int) -> Iterator[tuple[int, Packet]]:
    """The same packets, the first arriving at ``start_ns``."""
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
    scenario: Scenario, broker: BrokerAddress, *, packet_s: float, speed: float
) -> int:
    """Publish a scenario's packets as miniSEED records; returns how many records were sent.

    Raises:
        BrokerError: the broker is lost.
    """
    sent, begin_s, first_ns = 0, time.monotonic(), None
    try:
        async with aiomqtt.Client(broker.host, broker.port) as client:
            for arrival_ns, packet in shifted(scenario.play().packets(packet_s), time.time_ns()):
                first_ns = arrival_ns if first_ns is None else first_ns
                due_s = begin_s + (arrival_ns - first_ns) / NS_PER_S / speed
                await asyncio.sleep(max(0.0, due_s - time.monotonic()))
                data = miniseed.encode(packet)
                for at in range(0, len(data), 512):
                    await client.publish(
                        TOPIC_WAVEFORM.format(packet.seed_id), data[at : at + 512], qos=0
                    )
                    sent += 1
    except aiomqtt.MqttError as error:
        raise BrokerError(f"broker {broker.url}: {error}") from error
    return sent
