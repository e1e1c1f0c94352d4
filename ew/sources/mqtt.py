"""SHELL: reads miniSEED records that sensors publish on ``ew/v1/waveform/NET.STA.LOC.CHA``."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ew.alerts.message import TOPIC_WAVEFORM
from ew.broker_address import BrokerAddress
from ew.records import Packet
from ew.sources import miniseed
from ew.sources.listen import listen
from ew.sources.refusals import Refusals

log = logging.getLogger("ew.waveforms")


@dataclass(slots=True)
class MqttWaveforms:
    """Subscribes to waveforms and passes packets on; ``refusals`` counts refused messages."""

    broker: BrokerAddress
    take: Callable[[Packet], None]
    packets: int = 0
    refusals: Refusals = field(default_factory=lambda: Refusals(log, "waveforms"))
    subscribed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Read until cancelled; a lost broker is tried again each second."""
        topics = [(TOPIC_WAVEFORM.format("+"), 0)]
        await listen(self.broker, topics, self._records, "waveforms", self.subscribed.set)

    def _records(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Decode the records that wait together."""
        decoded = miniseed.decode_each([payload for _, payload in messages])
        for (topic, _), one in zip(messages, decoded, strict=True):
            self._record(topic, one)

    def _record(self, topic: str, decoded: miniseed.Decoded) -> None:
        seed_id = topic.rsplit("/", 1)[1]
        for packet in decoded.packets:
            if packet.seed_id == seed_id:
                self.packets += 1
                self.take(packet)
            else:
                self.refusals.note(topic, f"a record of {packet.seed_id}")
        if not decoded.packets:
            self.refusals.note(topic, decoded.notes[:1])
