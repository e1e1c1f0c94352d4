"""The simulated network over MQTT, with a line as bad as asked for."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

from ew.broker_address import BrokerAddress
from ew.sources.mqtt import MqttWaveforms
from simulators import scenario
from simulators.faults import Faults
from simulators.network import over_mqtt


async def test_bad_line_over_mqtt_cuts_repeats_and_garbles_and_all_arrives(
    embedded: BrokerAddress,
) -> None:
    quiet = scenario.load("quiet")
    small = replace(quiet, stations=quiet.stations[:2], seconds=20.0)
    due = sum(len(packet.samples) for _, packet in small.play().packets(1.0))
    taken: list[Any] = []
    source = MqttWaveforms(embedded, taken.append)
    listening = asyncio.create_task(source.run())
    bad = Faults(cut=0.05, delay=0.05, delay_s=0.01, duplicate=0.3, reorder=0.3, garbage=0.2)
    async with asyncio.timeout(40):
        await source.subscribed.wait()
        sent = await over_mqtt(small, embedded, packet_s=1.0, speed=100.0, faults=bad)
        while source.packets + source.refusals.count < sent:
            await asyncio.sleep(0.01)
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
    once = {(p.seed_id, p.start_ns): len(p.samples) for p in taken}
    assert sum(once.values()) == due
    assert len(taken) > len(once)
    assert source.refusals.count > 0
