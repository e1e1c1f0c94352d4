"""The sources of a service and the packets that wait for its next tick."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ew.broker_address import BrokerAddress
from ew.config import Config
from ew.records import Packet
from ew.service.tasks import Watch
from ew.sources.ahead import Ahead
from ew.sources.backlog import Backlog
from ew.sources.mqtt import MqttWaveforms
from ew.sources.openeew import OpenEew
from ew.sources.seedlink import SeedLinkClient
from ew.sources.shake import Shakes
from ew.sources.watch import WatchedFolder
from ew.times import NS_PER_S

if TYPE_CHECKING:
    from ew.service.health import StationHealth

INBOX_LIMIT = 200_000
"""Packets waiting for the pipeline; beyond it the oldest go, counted: late data warn nobody."""

NAMED, LISTED = 3, 20
"""So many files that are left aside are named in a reason, and listed in the status."""

REPEAT_LOOK_S = 0.1
REPEAT_FIRST_S, REPEAT_IDLE_S = 3.0, 1.0
"""A source from which nothing has come for so long, at first and later, has nothing from before."""
REPEAT_MOST_S = 20.0
PRESENT_NS = 4 * NS_PER_S
"""A channel whose data end no longer ago is in the present: records of dense networks are 1-3 s long."""
PRESENT_SHARE = 0.2
"""Some channels are always late."""


class Acquisition:
    """Reads from all configured sources and hands over, tick by tick, what came."""

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
        self.ahead = Ahead()
        self.dropped = 0
        self.last_packet_s = 0.0
        self.stations: StationHealth | None = None
        """What is told of each packet, where health is judged by station."""
        self._config = config.service
        self._broker = broker
        self._inbox: deque[Packet] = deque()

    def __len__(self) -> int:
        """How many packets wait."""
        return len(self._inbox)

    @property
    def has_sources(self) -> bool:
        """Whether any source is configured."""
        return self._config.has_sources

    def take(self, packet: Packet) -> None:
        """Take a packet from a source, unless it is from the future, or a backlog of a live channel."""
        now_s, steady_s = time.time(), time.monotonic()
        passed = self.ahead.pass_on(packet, now_s, steady_s)
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
        """All packets that wait, in order of arrival."""
        return [self._inbox.popleft() for _ in range(len(self._inbox))]

    def sequences(self) -> dict[str, dict[str, int]]:
        """How far each SeedLink server has been read."""
        return {client.name: client.status.sequences for client in self.seedlink}

    @property
    def refused(self) -> dict[str, str]:
        """The stations (NET.STA) that a SeedLink server refuses, with its answer."""
        return {
            station.replace("_", ".", 1): told
            for client in self.seedlink
            for station, told in client.status.refused.items()
        }

    def left_aside(self) -> list[str]:
        """What is not read of what sources are given, for health."""
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
        """How each source does, for the API."""
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
        """Have SeedLink servers send what came after these sequence numbers; call it before ``start``."""
        for client in self.seedlink:
            client.status.sequences.update(sequences.get(client.name, {}))

    async def repeated(self) -> AsyncIterator[list[Packet]]:
        """What the sources send once more after a restart, until it reaches the present.

        Ends also when nothing comes for a while, or when it takes too long: then alerts must not wait.
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
        """Start reading, each source in a task of its own that is started again when it fails."""
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
