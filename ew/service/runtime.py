"""The running service: sources feed the pipeline, the pipeline feeds journal, broker and live page.

Packets gather for a tick of 20 ms and go to the pipeline in a thread of their own, so that the event loop stays free for
the broker's sockets. Every task is owned by one group: when one fails for good, the service stops with its reason.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ew import __version__
from ew.address import BrokerAddress
from ew.alerts.message import (
    TOPIC_EVENT,
    TOPIC_HEARTBEAT,
    TOPIC_KEYS,
    TOPIC_RECEIPT,
    event_body,
    heartbeat,
    parse_event,
    signed,
)
from ew.alerts.planner import AlertPlanner
from ew.alerts.trust import Verifier
from ew.config import Config
from ew.delivery.publisher import Publisher
from ew.errors import ConfigError
from ew.pipeline import TICK_NS, Output, Pipeline
from ew.records import Channel, EventVersion, Status
from ew.service.hub import Hub
from ew.service.intake import Intake
from ew.service.latency import Latencies
from ew.shaking.targets import cell_targets
from ew.sources import fdsn
from ew.sources.inventory import read_inventory, stations_of
from ew.sources.listen import listen
from ew.sources.picks import PickExchange
from ew.stopwatch import Stopwatch
from ew.storage.keyring import ServiceKeys, load_service_keys
from ew.storage.store import RegisteredDevice, Store
from ew.times import NS_PER_S, iso_from_ns, us_from_seconds
from ew.traveltimes import TravelTimes

log = logging.getLogger("ew.service")

EVENT_LIFE_S = 300.0
SAVE_EVERY_S = 10.0
STALE_S = 15.0
JOURNAL_EVERY_S = 1.0


@dataclass(slots=True)
class Counts:
    """What the service has done."""

    packets: int = 0
    picks: int = 0
    versions: int = 0
    alerts: int = 0
    slowest_tick_ms: float = 0.0


def load_inventory(config: Config) -> dict[str, Channel]:
    """The channels of the configured inventory.

    Raises:
        ConfigError: none is configured.
        InputError: the file or the station service can't be used.
    """
    where = config.service.inventory
    if where is None:
        raise ConfigError(
            "service.inventory: name a StationXML file, a stations.csv or the URL of a station service; "
            "without it no packet can be placed"
        )
    if fdsn.is_url(where):
        kept = config.service.database.with_suffix(".stations.xml")
        stations = fdsn.read_stations(where, kept)
    else:
        stations = read_inventory(Path(where))
    for note in stations.notes:
        log.warning("%s", note)
    return stations.channels


def load_keys(config: Config) -> ServiceKeys:
    """What the service signs with: as configured, or, for exercises and tests, keys of its own.

    Raises:
        ConfigError: the mode is ``actual`` and no key is named, or key and document do not fit.
        InputError: a configured file can't be read.
    """
    service = config.service
    return load_service_keys(
        config.policy.mode,
        service.database,
        key_file=service.key_file,
        key_id=service.key_id,
        document=service.keys_document,
        root=service.root,
    )


class Service:
    """Everything of ``ew serve`` between its sources and its broker."""

    def __init__(
        self, config: Config, inventory: Mapping[str, Channel], store: Store, broker: BrokerAddress
    ) -> None:
        self.config = config
        self.inventory = inventory
        self.store = store
        self.broker = broker
        self.hub = Hub()
        self.counts = Counts()
        self.keys = load_keys(config)
        self.signer = self.keys.signer
        self._verifier = Verifier([self.keys.root])
        self._verifier.update(self.keys.document)
        self.travel_times = TravelTimes.of(config.locate)
        self.planner = AlertPlanner(config, self.travel_times, [], self.signer.key_id)
        self.pipeline = Pipeline(
            config, inventory, self.travel_times, self.planner, Stopwatch(time.perf_counter_ns)
        )
        self.publisher = Publisher(broker, self.signer, config.delivery)
        self.latencies = Latencies(self.publisher.tallies.of)
        self.intake = Intake(config, broker, stations_of(inventory))
        self.exchange = (
            PickExchange(broker, self._check_event) if config.service.role == "associate" else None
        )
        self.last_event_id: str | None = None
        self.started_s = time.time()
        self._cells: set[str] = set()
        self._pipeline_lock = asyncio.Lock()

    @property
    def mode(self) -> Status:
        """The status of all it sends."""
        return self.config.policy.mode

    @property
    def health(self) -> str:
        """``ok``, or what is wrong in a word or two."""
        if not self.publisher.status.connected:
            return "broker lost"
        since_s = time.time() - max(self.intake.last_packet_s, self.started_s)
        if self.intake.has_sources and since_s > STALE_S:
            return "no data"
        return "ok"

    async def run(self) -> None:
        """Run until cancelled."""
        await asyncio.to_thread(self.pipeline.warm_up)
        await self.reload_targets()
        await self.intake.load(self.store)
        gc.freeze()  # a full collection over what start-up made takes 40 ms, amid an earthquake too
        async with self.publisher, asyncio.TaskGroup() as group:
            self.publisher.publish(TOPIC_KEYS, self.keys.document, retain=True)
            self.intake.start(group)
            if self.exchange is not None:
                group.create_task(self.exchange.run(), name="picks")
            if self._asks_for_receipts:
                wanted = [(TOPIC_RECEIPT.format("+"), 0)]
                group.create_task(
                    listen(self.broker, wanted, self._take_receipts, "receipts"), name="receipts"
                )
            group.create_task(self._journal_latencies(), name="latencies")
            group.create_task(self._ticks(), name="ticks")
            group.create_task(self._pulse(), name="heartbeat")
            group.create_task(self._save(), name="save")
            log.info(
                "service started: %d channels, mode %s, broker %s",
                len(self.inventory),
                self.mode,
                self.broker.url,
            )

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK_NS / NS_PER_S)
            now_ns = time.time_ns()
            wake_ns = self.pipeline.wake_at_ns
            has_heard = self.exchange is not None and bool(self.exchange.heard)
            if not len(self.intake) and not has_heard and (wake_ns is None or wake_ns > now_ns):
                continue
            begin = time.perf_counter()
            async with self._pipeline_lock:
                output = await asyncio.to_thread(self._feed, now_ns)
            self.counts.slowest_tick_ms = max(
                self.counts.slowest_tick_ms, (time.perf_counter() - begin) * 1e3
            )
            await self._act(output)

    def _feed(self, now_ns: int) -> Output:
        if self.exchange is not None:
            heard = self.exchange.take()
            return self.pipeline.feed_reports(heard.reports, heard.ends_s, heard.told, now_ns)
        packets = self.intake.hand_over()
        self.counts.packets += len(packets)
        return self.pipeline.feed(packets, now_ns)

    def _check_event(self, payload: bytes) -> EventVersion:
        """What another associator tells, if it is signed with the key they share.

        Raises:
            MessageError: it is not, or is no event message.
        """
        version, plain = parse_event(payload)
        self._verifier.verify(plain, time.time_ns() // 1000)
        return version

    async def _act(self, output: Output) -> None:
        """Alerts first; then the journal and whoever looks on."""
        for plan in output.plans:
            self.counts.alerts += len(plan)
            self.publisher.submit(plan)
        for version in output.versions:
            self.latencies.note(version, output.picks, output.stages)
            await self._publish_version(version)
        self.counts.picks += len(output.picks)
        for pick in output.picks:
            self.hub.say(
                "pick", seed_id=pick.seed_id, time=iso_from_ns(pick.time_ns), snr=round(pick.snr, 1)
            )

    async def _publish_version(self, version: EventVersion) -> None:
        self.counts.versions += 1
        self.last_event_id = version.event_id
        expires_s = version.issued_s + EVENT_LIFE_S
        body = event_body(version, self.mode, us_from_seconds(expires_s))
        topic = TOPIC_EVENT.format(version.event_id)
        self.publisher.publish(
            topic, signed(body, self.signer, self.mode), retain=True, expires_s=expires_s
        )
        self.hub.say("event", **body)
        log.info(
            "event %s version %d %s M %.1f",
            version.event_id,
            version.version,
            version.kind,
            version.origin.magnitude,
        )
        await self.store.note_version(body)

    async def partner_origin(self, version: EventVersion) -> EventVersion:
        """Act on another agency's origin as on our own."""
        async with self._pipeline_lock:
            now_s = time.time()
            merged = self.pipeline.engine.add_origin(version, now_s)
            plans = self.planner.plan(merged, now_s)
        for plan in plans:
            self.publisher.submit(plan)
        self.latencies.note(merged)
        await self._publish_version(merged)
        return merged

    @property
    def _asks_for_receipts(self) -> bool:
        asked = self.config.delivery.receipts
        return bool(asked.cells or asked.devices)

    def _take_receipts(self, messages: Sequence[tuple[str, bytes]]) -> None:
        now_us = time.time_ns() // 1000
        for topic, payload in messages:
            self.latencies.receive(topic, payload, now_us)

    async def _journal_latencies(self) -> None:
        """Keep and show what is known of each version's way to the devices, as it comes to be known."""
        while True:
            await asyncio.sleep(JOURNAL_EVERY_S)
            await self._note_latencies()

    async def _note_latencies(self) -> None:
        for event_id, version, body in self.latencies.changed():
            await self.store.note_latency(event_id, version, body)
            self.hub.say("latency", event_id=event_id, version=version, **body)

    async def register(self, device: RegisteredDevice) -> None:
        """Add or move a device."""
        await self.store.register(device)
        await self.reload_targets()

    async def unregister(self, device_id: str) -> bool:
        """Remove a device; whether it was there."""
        was_there = await self.store.unregister(device_id)
        await self.reload_targets()
        return was_there

    async def use_cells(self, cells: set[str]) -> None:
        """Alert these cells (as well)."""
        self._cells |= cells
        await self.reload_targets()

    async def reload_targets(self) -> None:
        """Take the registered devices and the region's cells into the planner."""
        devices = await self.store.targets(list(self.config.policy.kinds))
        async with self._pipeline_lock:
            self.planner.set_groups([cell_targets(self._cells or self._network_cells()), devices])

    def _network_cells(self) -> set[str]:
        """The cells around the stations: where waves can be told of in time."""
        from ew.shaking.targets import cells_around  # noqa: PLC0415 - needed once

        cells: set[str] = set()
        for place in {
            (round(c.latitude, 1), round(c.longitude, 1)) for c in self.inventory.values()
        }:
            cells.update(cells_around(*place, self.config.policy.cells_within_km))
        return cells

    async def _pulse(self) -> None:
        while True:
            body = heartbeat(
                now_us=time.time_ns() // 1000,
                version=__version__,
                mode=self.mode,
                last_event_id=self.last_event_id,
                health=self.health,
            )
            self.publisher.publish(TOPIC_HEARTBEAT, signed(body, self.signer, self.mode), qos=0)
            self.publisher.clear_expired()
            self.hub.say("heartbeat", **body)
            await asyncio.sleep(1.0)

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            await self.save()

    async def save(self) -> None:
        """Keep what a restart goes on from, and what is known of the last alerts."""
        await self.intake.save(self.store)
        await self._note_latencies()

    def status(self) -> dict[str, Any]:
        """Health in full, for the API."""
        return {
            "health": self.health,
            "mode": self.mode,
            "role": self.config.service.role,
            "version": __version__,
            "uptime_s": round(time.time() - self.started_s, 1),
            "channels": len(self.inventory),
            "unknown_channels": sorted(self.pipeline.unknown_channels)[:20],
            "suspect_stations": {
                s.station: {"residual_s": round(s.residual_s, 2), "events": s.events}
                for s in self.pipeline.timing.suspects
            },
            "last_event_id": self.last_event_id,
            "broker": {"url": self.broker.url, "connected": self.publisher.status.connected > 0},
            "seedlink": {
                client.name: {
                    "connected": client.status.is_connected,
                    "protocol": client.status.protocol,
                    "packets": client.status.packets,
                    "last_error": client.status.last_error,
                }
                for client in self.intake.seedlink
            },
            "counts": {
                **{name: getattr(self.counts, name) for name in Counts.__slots__},
                "packets_dropped": self.intake.dropped,
                "receipts": self.latencies.receipts,
                "receipts_refused": self.latencies.refused,
            },
            "picker": self.pipeline.bank.counters.as_dict(),
        }
