"""A detector: sources in, reports of picks out over MQTT, for associators elsewhere (``service.role = "detect"``)."""

import asyncio
import gc
import logging
import time
from collections.abc import Mapping
from typing import Any

from ew import __version__
from ew.address import BrokerAddress
from ew.alerts.message import TOPIC_DETECTOR, TOPIC_PICK
from ew.alerts.signing import Signer
from ew.components import verticals_of
from ew.config import Config
from ew.delivery.publisher import Publisher
from ew.detect.bank import PickerBank
from ew.detect.sensors import SensorPicker
from ew.locate.reports import PickReport, Reporter
from ew.pipeline import TICK_NS
from ew.records import Channel, Packet
from ew.service.intake import Intake
from ew.sources.inventory import stations_of
from ew.sources.picks import encode_ends, encode_report
from ew.storage.store import Store
from ew.times import NS_PER_S

log = logging.getLogger("ew.detector")

SAVE_EVERY_S = 10.0
REPORT_LIFE_S = 60.0


class Detector:
    """Picks on its share of the stations and reports what it finds."""

    def __init__(
        self, config: Config, inventory: Mapping[str, Channel], store: Store, broker: BrokerAddress
    ) -> None:
        self.name = config.service.name
        self.inventory = inventory
        self.store = store
        self.intake = Intake(config, broker, stations_of(inventory))
        self.bank = PickerBank(config.picker)
        self.sensors = SensorPicker(self.bank, verticals_of(inventory))
        self.reporter = Reporter(inventory)
        # Reports are not signed: the broker's access rules say who may publish them
        self.publisher = Publisher(broker, Signer.ephemeral("detector"), config.delivery)
        self.picks = 0
        self.started_s = time.time()

    async def run(self) -> None:
        """Run until cancelled."""
        await asyncio.to_thread(PickerBank.warm_up)
        await self.intake.load(self.store)
        gc.freeze()  # a full collection over what start-up made takes 40 ms, amid an earthquake too
        async with self.publisher, asyncio.TaskGroup() as group:
            self.intake.start(group)
            group.create_task(self._ticks(), name="ticks")
            group.create_task(self._pulse(), name="pulse")
            log.info("detector %s started: %d channels", self.name, len(self.inventory))

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK_NS / NS_PER_S)
            if len(self.intake):
                packets = self.intake.hand_over()
                for report in await asyncio.to_thread(self._detect, packets):
                    self.publisher.publish(
                        TOPIC_PICK.format(report.pick.seed_id),
                        encode_report(report, self.name),
                        expires_s=time.time() + REPORT_LIFE_S,
                    )

    def _detect(self, packets: list[Packet]) -> list[PickReport]:
        known = [p for p in packets if p.seed_id in self.inventory]
        picks = self.sensors.process(known)
        self.picks += len(picks)
        return self.reporter.take(picks, known)

    async def _pulse(self) -> None:
        saved_s = time.time()
        while True:
            ends = encode_ends(self.reporter.ends_ns, self.name)
            self.publisher.publish(TOPIC_DETECTOR.format(self.name), ends, qos=0)
            if time.time() - saved_s >= SAVE_EVERY_S:
                saved_s = time.time()
                await self.save()
            await asyncio.sleep(1.0)

    async def save(self) -> None:
        """Keep what a restart goes on from."""
        await self.intake.save(self.store)

    def status(self) -> dict[str, Any]:
        """What it is doing, for its HTTP address."""
        return {
            "health": "ok" if self.publisher.status.connected else "broker lost",
            "role": "detect",
            "name": self.name,
            "version": __version__,
            "uptime_s": round(time.time() - self.started_s, 1),
            "channels": len(self.inventory),
            "picks": self.picks,
            "packets_dropped": self.intake.dropped,
            "picker": self.bank.counters.as_dict(),
        }
