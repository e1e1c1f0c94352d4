"""SHELL: reads the configured sources and queues their packets for the pipeline's next tick."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ew.broker_address import BrokerAddress
from ew.components import station_of
from ew.config import Config
from ew.records import Packet
from ew.service.tasks import Watch
from ew.sources.backlog import Backlog
from ew.sources.future_packets import FuturePackets
from ew.sources.mqtt import MqttWaveforms
from ew.sources.openeew import OpenEew
from ew.sources.seedlink import SeedLinkClient
from ew.sources.shake import Shakes
from ew.sources.watch import WatchedFolder
from ew.times import NS_PER_S

if TYPE_CHECKING:
    from ew.service.health import StationHealth

INBOX_LIMIT = 200_000
"""Most packets that wait for the pipeline; beyond it the oldest are dropped and counted."""

NAMED, LISTED = 3, 20
"""Most skipped files that are named in a health reason, and listed in the status."""

REPEAT_LOOK_S = 0.1
REPEAT_FIRST_S, REPEAT_IDLE_S = 3.0, 1.0
"""After a restart a source repeats nothing (more) when no packet has come for this long, s: at
first, and between packets."""
REPEAT_MOST_S = 20.0
PRESENT_NS = 4 * NS_PER_S
"""A channel is up to date when its data end at most this long ago, ns: records of dense networks
are 1-3 s long."""
PRESENT_SHARE = 0.2
"""Share of the channels that may still be late when the repeated data have reached the present:
some always are."""


class Acquisition:
    """Reads from all configured sources and queues the packets until the pipeline takes them."""

    def __init__(self, config: Config, broker: BrokerAddress, stations: Sequence[str] = ()) -> None:
        self.seedlink = [
            SeedLinkClient(source, self.take, stations=stations)
            for source in config.service.seedlink
        ]
        folder = config.service.watch
        self.folder = None if folder is None else WatchedFolder(folder, self.take)
        self.shakes = Shakes(config.service.shakes, self.take)
        self.openeew = [OpenEew(source, self.take) for source in config.service.openeew]
        self.backlog = Backlog()
        self.ahead = FuturePackets()
        self.dropped = 0
        self.last_packet_s = 0.0
        self.silenced: Callable[[], Container[str]] = frozenset
        """The stations (NET.STA) whose packets are left out."""
        self.stations: StationHealth | None = None
        """Is given each packet, where health is judged by station."""
        self._config = config.service
        self._broker = broker
        self._inbox: deque[Packet] = deque()

    def __len__(self) -> int:
        """The number of packets that wait."""
        return len(self._inbox)

    @property
    def has_sources(self) -> bool:
        """Whether any source is configured."""
        return self._config.has_sources

    def take(self, packet: Packet) -> None:
        """Queue a packet, unless it is from the future or holds old data of a live channel."""
        if (silenced := self.silenced()) and station_of(packet.seed_id) in silenced:
            return
        now_s, steady_s = time.time(), time.monotonic()
        passed = self.ahead.filter(packet, now_s, steady_s)
        if self.stations is not None and packet not in passed:
            self.stations.note(packet, now_s, is_held=True)
        for one in passed:
            self._take(one, now_s, steady_s)

    def _take(self, packet: Packet, now_s: float, steady_s: float) -> None:
        if self.backlog.is_backlog(packet, steady_s):
            return
        if len(self._inbox) >= INBOX_LIMIT:
            self._inbox.popleft()
            self.dropped += 1
        self._inbox.append(packet)
        self.last_packet_s = now_s
        if self.stations is not None:
            self.stations.note(packet, now_s)

    def hand_over(self) -> list[Packet]:
        """Remove and return all packets that wait, in order of arrival."""
        return [self._inbox.popleft() for _ in range(len(self._inbox))]

    def sequences(self) -> dict[str, dict[str, int]]:
        """The newest sequence number read of each station, by SeedLink server."""
        return {client.name: client.status.sequences for client in self.seedlink}

    @property
    def refused(self) -> dict[str, str]:
        """The stations (NET.STA) that a SeedLink server refuses, with its answer."""
        return {
            station.replace("_", ".", 1): answer
            for client in self.seedlink
            for station, answer in client.status.refused.items()
        }

    def left_aside(self) -> list[str]:
        """Reasons for health: stations with data from the future, and files that can't be read."""
        ahead = self.ahead.named(time.monotonic())
        found = [
            f"held back: data of {station} are {lead_s:.0f} s in the future"
            for station, lead_s in list(ahead.items())[:NAMED]
        ]
        return found + self._files_left_aside()

    def _files_left_aside(self) -> list[str]:
        if self.folder is None or not self.folder.left_aside:
            return []
        names = sorted(self.folder.left_aside)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        return [f"{self.folder.folder}: left aside {', '.join(names[:NAMED])}{more}"]

    def status(self) -> dict[str, Any]:
        """The state of each source, as plain JSON values for the API."""
        status: dict[str, Any] = {
            "seedlink": {
                client.name: {
                    "connected": client.status.is_connected,
                    "protocol": client.status.protocol,
                    "packets": client.status.packets,
                    "last_error": client.status.last_error,
                    "refused": client.status.refused,
                }
                for client in self.seedlink
            },
            "backlog_left_out": self.backlog.left_out,
            "ahead_left_out": self.ahead.left_out,
            "ahead_stations_s": self.ahead.named(time.monotonic()),
        }
        if self.folder is not None:
            status["watch"] = {
                "folder": str(self.folder.folder),
                "files": self.folder.files,
                "packets": self.folder.packets,
                "packets_repeated": self.folder.repeated,
                "left_aside": dict(sorted(self.folder.left_aside.items())[:LISTED]),
                "left_aside_files": len(self.folder.left_aside),
            }
        if self._config.shakes:
            status["shakes"] = {
                "packets": {name: one.packets for name, one in self.shakes.status.items()},
                "refused": {name: one.refused for name, one in self.shakes.status.items()},
                "strangers": self.shakes.strangers.refused,
                "last_stranger": self.shakes.strangers.refused_from,
            }
        if self.openeew:
            status["openeew"] = {
                source.address.url: {
                    "packets": source.packets,
                    "refused": source.refused,
                    "unknown_devices": sorted(source.unknown),
                }
                for source in self.openeew
            }
        return status

    def resume(self, sequences: Mapping[str, Mapping[str, int]]) -> None:
        """Have SeedLink servers continue after these sequence numbers; call it before ``start``."""
        for client in self.seedlink:
            client.status.sequences.update(sequences.get(client.name, {}))

    async def repeated(self) -> AsyncIterator[list[Packet]]:
        """Yield the packets that sources repeat after a restart, until they reach the present.

        It also ends when nothing comes for ``REPEAT_IDLE_S``, or after ``REPEAT_MOST_S``: alerts
        must not wait any longer.
        """
        begin = time.monotonic()
        until = begin + REPEAT_FIRST_S
        ends_ns: dict[str, int] = {}
        while time.monotonic() < min(until, begin + REPEAT_MOST_S):
            await asyncio.sleep(REPEAT_LOOK_S)
            packets = self.hand_over()
            if not packets:
                continue
            until = time.monotonic() + REPEAT_IDLE_S
            ends_ns.update((packet.seed_id, packet.end_ns) for packet in packets)
            yield packets
            late = np.array(list(ends_ns.values())) < time.time_ns() - PRESENT_NS
            if np.count_nonzero(late) <= PRESENT_SHARE * len(late):
                return

    def start(self, tasks: Watch) -> None:
        """Start reading; each source is a task of its own that is restarted when it fails."""
        for client in self.seedlink:
            tasks.keep(f"seedlink {client.name}", client.run)
        if self._config.mqtt_waveforms:
            tasks.keep("waveforms", MqttWaveforms(self._broker, self.take).run)
        if self.folder is not None:
            tasks.keep("watch", self.folder.run)
        if self._config.shakes:
            tasks.keep("shakes", self.shakes.run)
        for source in self.openeew:
            tasks.keep(f"openeew {source.address.url}", source.run)
