"""SHELL: a detector (``service.role = "detect"``): sources in, reports of picks out over MQTT.

Associators on other machines subscribe to the reports.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from ew import __version__
from ew.alerts.message import TOPIC_DETECTOR, TOPIC_PICK
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.components import verticals_of
from ew.config import Config
from ew.delivery.publisher import Publisher
from ew.detect.bank import PickerBank
from ew.detect.coarse import CoarseSensors
from ew.detect.sensors import SensorPicker
from ew.locate.reports import PickReport, Reporter
from ew.pipeline import TICK_NS
from ew.records import Channel, Packet
from ew.service.acquisition import Acquisition
from ew.service.systemd import SystemdNotifier
from ew.service.tasks import Watch
from ew.sources.inventory import stations_of
from ew.sources.picks import encode_ends, encode_report
from ew.times import NS_PER_S

log = logging.getLogger("ew.detector")

REPORT_LIFE_S = 60.0


class Detector:
    """Picks P onsets on its share of the stations and publishes reports of them."""

    def __init__(
        self, config: Config, inventory: Mapping[str, Channel], broker: BrokerAddress, watch: Watch
    ) -> None:
        self.name = config.service.name
        self.inventory = inventory
        self.acquisition = Acquisition(config, broker, stations_of(inventory))
        self.bank = PickerBank(config.picker)
        self.sensors = SensorPicker(self.bank, verticals_of(inventory))
        self._coarse = CoarseSensors(inventory)
        self.reporter = Reporter(inventory)
        # Reports are not signed: the broker's access rules say who may publish them
        self.publisher = Publisher(broker, Signer.ephemeral("detector"), config.delivery)
        self.watch = watch
        self.systemd = SystemdNotifier()
        self.on_status: list[Callable[[dict[str, Any]], None]] = []
        self.picks = 0
        self.started_s = time.time()

    async def run(self) -> None:
        """Run until cancelled; it ends by itself only when picking fails, with the error."""
        # A full collection over what the start made takes 40 ms, during an earthquake too
        gc.freeze()
        async with self.publisher:
            self.acquisition.start(self.watch)
            self.watch.keep("pulse", self._pulse)
            log.info("detector %s started: %d channels", self.name, len(self.inventory))
            self.systemd.ready()
            await self._ticks()

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK_NS / NS_PER_S)
            self.systemd.alive()
            if len(self.acquisition):
                packets = self.acquisition.hand_over()
                for report in await asyncio.to_thread(self._detect, packets):
                    self.publisher.publish(
                        TOPIC_PICK.format(report.pick.seed_id),
                        encode_report(report, self.name),
                        expires_s=time.time() + REPORT_LIFE_S,
                    )

    def _detect(self, packets: list[Packet]) -> list[PickReport]:
        known = self._coarse.usable(p for p in packets if p.seed_id in self.inventory)
        picks = self.sensors.process(known)
        self.picks += len(picks)
        return self.reporter.take(picks, known)

    async def _pulse(self) -> None:
        while True:
            ends = encode_ends(self.reporter.ends_ns, self.name)
            self.publisher.publish(TOPIC_DETECTOR.format(self.name), ends, qos=0)
            status = self.status()
            for tell in self.on_status:
                tell(status)
            await asyncio.sleep(1.0)

    def close(self) -> None:
        """Do nothing: a detector stores no state, and its pickers warm up from the sources."""

    @property
    def health(self) -> str:
        """``ok``, or what is wrong in a few words."""
        reasons = [] if self.publisher.status.connected else ["broker lost"]
        reasons += self.watch.failing(time.time())
        return "; ".join(reasons) if reasons else "ok"

    def status(self) -> dict[str, Any]:
        """The detector's state as plain JSON values, for its HTTP address."""
        return {
            "health": self.health,
            "role": "detect",
            "name": self.name,
            "version": __version__,
            "uptime_s": round(time.time() - self.started_s, 1),
            "channels": len(self.inventory),
            "picks": self.picks,
            "packets_dropped": self.acquisition.dropped,
            **self.acquisition.status(),
            "picker": self.bank.counters.as_dict(),
        }
