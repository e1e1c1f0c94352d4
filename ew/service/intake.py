"""The sources of a service and the packets that wait for its next tick."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence

from ew.address import BrokerAddress
from ew.config import Config
from ew.records import Packet
from ew.sources.backlog import Backlog
from ew.sources.mqtt import MqttWaveforms
from ew.sources.seedlink import SeedLinkClient
from ew.sources.watch import watch
from ew.storage.store import Store

INBOX_LIMIT = 200_000
"""Packets waiting for the pipeline; beyond it the oldest go, counted: late data warn nobody."""


class Intake:
    """Reads from all configured sources and hands over, tick by tick, what came."""

    def __init__(self, config: Config, broker: BrokerAddress, stations: Sequence[str] = ()) -> None:
        self.seedlink = [
            SeedLinkClient(source, self.take, stations=stations)
            for source in config.service.seedlink
        ]
        self.backlog = Backlog()
        self.dropped = 0
        self.last_packet_s = 0.0
        self._config = config.service
        self._broker = broker
        self._inbox: deque[Packet] = deque()

    def __len__(self) -> int:
        """How many packets wait."""
        return len(self._inbox)

    @property
    def has_sources(self) -> bool:
        """Whether any source is configured."""
        return bool(self.seedlink or self._config.mqtt_waveforms or self._config.watch)

    def take(self, packet: Packet) -> None:
        """Take a packet from a source, unless it is old data of a channel that is live."""
        if self.backlog.is_backlog(packet, time.monotonic()):
            return
        if len(self._inbox) >= INBOX_LIMIT:
            self._inbox.popleft()
            self.dropped += 1
        self._inbox.append(packet)
        self.last_packet_s = time.time()

    def hand_over(self) -> list[Packet]:
        """All packets that wait, in order of arrival."""
        return [self._inbox.popleft() for _ in range(len(self._inbox))]

    def start(self, group: asyncio.TaskGroup) -> None:
        """Start reading, in tasks of this group."""
        for client in self.seedlink:
            group.create_task(client.run(), name=f"seedlink {client.name}")
        if self._config.mqtt_waveforms:
            waveforms = MqttWaveforms(self._broker, self.take)
            group.create_task(waveforms.run(), name="waveforms")
        if self._config.watch is not None:
            group.create_task(watch(self._config.watch, self.take), name="watch")

    async def load(self, store: Store) -> None:
        """Go on where the last run left off."""
        for client in self.seedlink:
            client.status.sequences.update(await store.load_state(f"seedlink {client.name}"))

    async def save(self, store: Store) -> None:
        """Keep what a restart goes on from."""
        for client in self.seedlink:
            await store.save_state(f"seedlink {client.name}", client.status.sequences)
