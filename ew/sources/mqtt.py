"""SHELL: miniSEED records (version 2 or 3) that low-cost sensors publish on ``ew/v1/waveform/NET.STA.LOC.CHA``."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiomqtt

from ew.alerts.message import TOPIC_WAVEFORM
from ew.records import Packet
from ew.sources import miniseed

log = logging.getLogger("ew.waveforms")

RETRY_S = 1.0
MOST_AT_ONCE = 256
"""Records that wait are decoded together, so many at most."""


@dataclass(slots=True)
class MqttWaveforms:
    """Subscribes and hands packets on; counts what it refuses."""

    host: str
    port: int
    take: Callable[[Packet], None]
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    packets: int = 0
    refused: int = 0
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Read until cancelled; a lost broker is tried again each second."""
        while True:
            try:
                async with aiomqtt.Client(
                    self.host, self.port, username=self.username, password=self.password
                ) as client:
                    await client.subscribe(TOPIC_WAVEFORM.format("+"), qos=0)
                    self.subscribed.set()
                    async for message in client.messages:
                        batch = [message]
                        while len(client.messages) and len(batch) < MOST_AT_ONCE:
                            batch.append(await anext(client.messages))
                        self._records(batch)
            except aiomqtt.MqttError as error:
                log.warning(
                    "waveforms: broker %s:%d: %s; trying again", self.host, self.port, error
                )
                await asyncio.sleep(RETRY_S)

    def _records(self, messages: Sequence[aiomqtt.Message]) -> None:
        payloads = [m.payload if isinstance(m.payload, bytes) else b"" for m in messages]
        for message, decoded in zip(messages, miniseed.decode_each(payloads), strict=True):
            self._record(str(message.topic), decoded)

    def _record(self, topic: str, decoded: miniseed.Decoded) -> None:
        seed_id = topic.rsplit("/", 1)[1]
        for packet in decoded.packets:
            if packet.seed_id == seed_id:
                self.packets += 1
                self.take(packet)
            else:
                self.refused += 1
                log.warning(
                    "waveforms: record of %s on the topic of %s refused", packet.seed_id, seed_id
                )
        if not decoded.packets:
            self.refused += 1
            log.warning("waveforms: %s: %s", topic, decoded.notes[:1])
