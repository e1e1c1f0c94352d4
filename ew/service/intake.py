"""The sources of a service and the packets that wait for its next tick."""

import time
from collections import deque
from collections.abc import Sequence

from ew.address import BrokerAddress
from ew.config import Config
from ew.records import Packet
from ew.service.tasks import Watch
from ew.sources.backlog import Backlog
from ew.sources.mqtt import MqttWaveforms
from ew.sources.seedlink import SeedLinkClient
from ew.sources.watch import watch

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

    def start(self, tasks: Watch) -> None:
        """Start reading, each source in a task of its own that is started again when it fails."""
        for client in self.seedlink:
            tasks.keep(f"seedlink {client.name}", client.run)
        if self._config.mqtt_waveforms:
            tasks.keep("waveforms", MqttWaveforms(self._broker, self.take).run)
        folder = self._config.watch
        if folder is not None:
            tasks.keep("watch", lambda: watch(folder, self.take))
