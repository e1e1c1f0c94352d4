"""SHELL: what follows the alerts of published versions, for journal and page.

Latency receipts, acknowledged alerts with their times, and numbers of devices of each kind. All of
it comes after the alerts have been sent.
"""

import asyncio
import time
from collections.abc import Sequence

from ew.alerts.message import TOPIC_RECEIPT
from ew.alerts.planner import AlertPlan
from ew.broker_address import BrokerAddress
from ew.config import Config
from ew.delivery.publisher import Publisher
from ew.service.alerted_devices import AlertedDevices
from ew.service.latency import Latencies
from ew.service.live_updates import LiveUpdates
from ew.sources.listen import listen
from ew.storage.journal import Journal
from ew.times import NS_PER_US

EVERY_S = 1.0


class Outcomes:
    """Gathers changes each second, and gives them to the journal and to web processes."""

    def __init__(
        self, config: Config, publisher: Publisher, journal: Journal, live: LiveUpdates
    ) -> None:
        asked = config.delivery.receipts
        self.asks_for_receipts = bool(asked.cells or asked.devices)
        self.latencies = Latencies(publisher.progress.of)
        self._publisher, self._journal, self._live = publisher, journal, live
        self._alerted = AlertedDevices(list(config.policy.kinds))
        self._plans: list[AlertPlan] = []

    def planned(self, plan: AlertPlan) -> None:
        """Note a plan whose alerts are being sent."""
        self._plans.append(plan)

    async def run(self) -> None:
        """Journal and publish changes each second, until cancelled."""
        while True:
            await asyncio.sleep(EVERY_S)
            plans, self._plans = self._plans, []
            records = self._publisher.take_acknowledged()
            self._journal.note_alerts(records)
            for counts in await asyncio.to_thread(self._alerted.update, plans, records):
                self._live.publish("devices", **counts)
            self._tell_latencies()

    def finish(self) -> None:
        """Give the journal the last changes."""
        self._journal.note_alerts(self._publisher.take_acknowledged())
        self._tell_latencies()

    def _tell_latencies(self) -> None:
        for event_id, version, body in self.latencies.changed():
            self._journal.note_latency(event_id, version, body)
            self._live.publish("latency", event_id=event_id, version=version, **body)

    async def listen(self, broker: BrokerAddress) -> None:
        """Receive the receipts of devices, until cancelled."""
        await listen(broker, [(TOPIC_RECEIPT.format("+"), 0)], self._take, "receipts")

    def _take(self, messages: Sequence[tuple[str, bytes]]) -> None:
        now_us = time.time_ns() // NS_PER_US
        for topic, payload in messages:
            self.latencies.receive(topic, payload, now_us)
