"""The alert path: sources feed the pipeline, the pipeline feeds the publisher.

Nothing else is waited for. Packets gather for a tick of 20 ms and go to the pipeline in a thread of
its own, so that the event loop stays free for the broker's sockets. Journal and resume file are
written by threads of their own; API and page are another process, fed over the broker. Every task
beside the pipeline is restarted when it fails; only a failing pipeline ends the service.
"""

import asyncio
import gc
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ew import __version__
from ew.alerts.groups import TargetGroup
from ew.alerts.message import (
    EVENT_LIFE_S,
    TOPIC_EVENT,
    TOPIC_HEARTBEAT,
    TOPIC_KEYS,
    event_body,
    heartbeat,
    signed,
    verified_event,
)
from ew.alerts.planner import AlertPlanner
from ew.alerts.release_gate import ReleaseGate
from ew.broker_address import BrokerAddress
from ew.components import station_of, verticals_of
from ew.config import Config
from ew.delivery.publisher import Publisher
from ew.pipeline import TICK_NS, Output, Pipeline
from ew.records import Channel, EventVersion, Pick, Status
from ew.service.acquisition import Acquisition
from ew.service.command_handlers import CommandHandlers
from ew.service.commands import Commands
from ew.service.ground_motion import GroundMotion
from ew.service.health import Judgement, StationHealth
from ew.service.hostclock import HostClock
from ew.service.keys_publisher import KeysPublisher
from ew.service.live_updates import LiveUpdates
from ew.service.loading import load_keys
from ew.service.outcomes import Outcomes
from ew.service.resume_file import ResumeFile
from ew.service.resuming import resume
from ew.service.retained_events import retained_events
from ew.service.silenced import SilencedStations
from ew.service.status import status_of, trouble_of
from ew.service.systemd import SystemdNotifier
from ew.service.targets import AlertTargets
from ew.service.tasks import Watch
from ew.shaking.relations import RELATIONS
from ew.sources.inventory import stations_of
from ew.sources.listen import listen
from ew.sources.picks import PickExchange, Received
from ew.stage_timer import StageTimer
from ew.storage.database import Database
from ew.storage.journal import Journal
from ew.storage.keyring import ServiceKeys
from ew.times import NS_PER_S, iso_from_ns, us_from_seconds
from ew.traveltimes import TravelTimes

log = logging.getLogger("ew.service")

SAVE_EVERY_S = 10.0
MOTION_EVERY_S = 1.0


@dataclass(slots=True)
class Counts:
    """Numbers of what the service has processed since its start."""

    packets: int = 0
    picks: int = 0
    versions: int = 0
    alerts: int = 0
    slowest_tick_ms: float = 0.0


class Service:
    """Everything of ``ew serve`` between its sources and its broker.

    ``keys`` sign what it publishes; ``secret`` seals messages from and to web processes.
    """

    def __init__(
        self,
        config: Config,
        inventory: Mapping[str, Channel],
        broker: BrokerAddress,
        keys: ServiceKeys,
        secret: bytes,
        watch: Watch,
    ) -> None:
        self.config = config
        self.inventory = inventory
        self.broker = broker
        self.counts = Counts()
        self.signer = keys.signer
        self.travel_times = TravelTimes.of(config.locate)
        self.planner = AlertPlanner(config, self.travel_times, [], self.signer.key_id)
        self.targets = AlertTargets(config, inventory.values(), self.planner, self._use_targets)
        self.gate = (
            ReleaseGate(config, inventory, self.travel_times) if self.mode == "actual" else None
        )
        self.pipeline = Pipeline(
            config,
            inventory,
            self.travel_times,
            self.planner,
            StageTimer(time.perf_counter_ns),
            self.gate,
        )
        self.publisher = Publisher(broker, self.signer, config.delivery)
        self.keys_publisher = KeysPublisher(
            keys,
            lambda document: self.publisher.publish(TOPIC_KEYS, document, retain=True),
            lambda: load_keys(config, is_again=True),
        )
        self.live = LiveUpdates(config.service.name, secret, self.publisher)
        self.journal = Journal(config.service.database)
        scale = RELATIONS[config.shaking.relation][0]
        self.motion = GroundMotion(inventory, verticals_of(inventory).values(), scale)
        self.outcomes = Outcomes(config, self.publisher, self.journal, self.live)
        self.acquisition = Acquisition(config, broker, stations_of(inventory))
        self.stations = StationHealth(inventory, config.locate.min_stations)
        self.holds_until_s = min((c.until_s for c in inventory.values()), default=math.inf)
        self.acquisition.stations = self.stations
        self.silenced = SilencedStations(Database(config.service.database))
        self.acquisition.silenced = lambda: self.silenced.why
        self.resume_file = ResumeFile(
            config.service.files.with_suffix(".resume.json"),
            self.acquisition.sequences,
            self.mode,
        )
        self.is_associator = config.service.role == "associate"
        self.exchange = PickExchange(broker, self._check_event, takes_reports=self.is_associator)
        self.commands = Commands(
            config.service.name, secret, self.publisher, CommandHandlers(self).handlers()
        )
        self.watch = watch
        self.clock = HostClock()
        self.on_status: list[Callable[[dict[str, Any]], None]] = []
        """Called with the status each second."""
        self.systemd = SystemdNotifier()
        self.last_event_id: str | None = None
        self.started_s = time.time()
        self._held: dict[str, str] = {}
        self._pipeline_lock = asyncio.Lock()
        # The default threads may hang on a disk; the pipeline must not wait for one
        self._pipeline_thread = ThreadPoolExecutor(1, "pipeline")

    @property
    def mode(self) -> Status:
        """The status of everything it publishes."""
        return self.config.policy.mode

    @property
    def health(self) -> str:
        """``ok``, or what is wrong in a few words."""
        reasons = trouble_of(self)
        return "; ".join(reasons) if reasons else "ok"

    def judged(self, now_s: float) -> Judgement:
        """The state of the stations at ``now_s`` (epoch seconds)."""
        clock = self.clock.state
        return self.stations.judge(
            now_s, self.started_s, self.acquisition.refused, clock.is_synchronized, clock.offset_s
        )

    async def run(self) -> None:
        """Run until cancelled; it ends by itself only when the pipeline fails, with the error."""
        self.journal.start()
        sequences = self.resume_file.load(time.time())
        self.acquisition.resume(sequences)
        retained, _ = await asyncio.gather(
            retained_events(self.broker, self._check_event), self.targets.reload()
        )
        self.resume_file.add(retained, time.time())
        # A full collection over what the start made takes 40 ms, during an earthquake too
        gc.freeze()
        async with self.publisher:
            self.keys_publisher.publish()
            self.acquisition.start(self.watch)
            self.watch.keep("events", self.exchange.run)
            if self.outcomes.asks_for_receipts:
                self.watch.keep("receipts", lambda: self.outcomes.listen(self.broker))
            self.watch.keep("commands", self._listen_for_commands)
            self.watch.keep("keys", self.keys_publisher.run)
            self.watch.keep("motion", self._show_motion)
            self.watch.keep("outcomes", self.outcomes.run)
            self.watch.keep("heartbeat", self._pulse)
            self.watch.keep("devices", self.targets.keep_reading)
            self.watch.keep("resume-file", self.resume_file.run)
            self.watch.keep("clock", self.clock.run)
            self.watch.keep("silenced", self.silenced.run)
            started = "service started: %d channels, mode %s, broker %s"
            log.info(started, len(self.inventory), self.mode, self.broker.url)
            await resume(self, will_repeat=bool(sequences))
            self.systemd.ready()
            await self._ticks()

    # The alert path

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK_NS / NS_PER_S)
            self.systemd.alive()
            now_ns = time.time_ns()
            wake_ns = self.pipeline.wake_at_ns
            is_quiet = not len(self.acquisition) and not self.exchange.received
            if is_quiet and (wake_ns is None or wake_ns > now_ns):
                continue
            begin = time.perf_counter()
            async with self._pipeline_lock:
                output = await self.in_pipeline_thread(self._feed, self.exchange.take(), now_ns)
            tick_ms = (time.perf_counter() - begin) * 1e3
            self.counts.slowest_tick_ms = max(self.counts.slowest_tick_ms, tick_ms)
            self._act(output)

    async def in_pipeline_thread(self, work: Any, *arguments: Any) -> Any:  # noqa: ANN401
        """Call ``work`` in the one thread that uses the pipeline; its result."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pipeline_thread, work, *arguments)

    def _feed(self, received: Received, now_ns: int) -> Output:
        if self.is_associator:
            heard = [
                one
                for one in received.reports
                if station_of(one.pick.seed_id) not in self.silenced.why
            ]
            return self.pipeline.feed_reports(heard, received.ends_s, received.versions, now_ns)
        self.pipeline.receive(received.versions)
        packets = self.acquisition.hand_over()
        self.counts.packets += len(packets)
        self.motion.take(packets, ())
        return self.pipeline.feed(packets, now_ns)

    def _check_event(self, payload: bytes) -> EventVersion:
        """Parse and verify an event version of another associator, published in the same mode."""
        return verified_event(
            payload, self.keys_publisher.verifier, self.mode, time.time_ns() // 1000
        )

    def _act(self, output: Output) -> None:
        """Send the alerts first, then update journal, web processes and log."""
        for plan in output.plans:
            self.counts.alerts += len(plan)
            self.publisher.submit(plan)
            self.outcomes.planned(plan)
        for version in output.versions:
            self.outcomes.latencies.note(version, output.picks, output.stages)
            self._publish_version(version)
        self._log_held()
        self.counts.picks += len(output.picks)
        self.motion.take((), output.picks)
        self.live.publish_all([_pick_update(pick) for pick in output.picks])

    def _log_held(self) -> None:
        """Log, once for each reason, which events the gate holds back."""
        held = {one.version.event_id: one.reason for one in self.gate.held} if self.gate else {}
        for event_id, reason in held.items():
            if self._held.get(event_id) != reason:
                log.warning("event %s is held back: %s", event_id, reason)
        self._held = held

    def _publish_version(self, version: EventVersion) -> None:
        self.counts.versions += 1
        self.last_event_id = version.event_id
        expires_s = version.issued_s + EVENT_LIFE_S
        body = event_body(version, self.mode, us_from_seconds(expires_s))
        topic = TOPIC_EVENT.format(version.event_id)
        self.publisher.publish(
            topic, signed(body, self.signer, self.mode), retain=True, expires_s=expires_s
        )
        self.live.publish("event", **body)
        self.resume_file.note(version)
        self.journal.note_version(body)
        log.info(
            "event %s version %d %s M %.1f",
            version.event_id,
            version.version,
            version.kind,
            version.origin.magnitude,
        )

    async def partner_origin(self, version: EventVersion) -> EventVersion | None:
        """Treat another agency's origin like our own; returns the version published for it.

        ``None``: nothing is published, because nothing changes or the gate holds it back.
        """
        async with self._pipeline_lock:
            now_s = time.time()
            merged = self.pipeline.engine.add_origin(version, now_s)
            # Where the partner's origin ends, an event of our own may be published in its place
            self.pipeline.wake_at_ns = round(now_s * NS_PER_S)
            if merged is None:
                return None
            published = await self._publish_planned(merged, now_s)
        return next((one for one in published if one.event_id == merged.event_id), None)

    async def cancel(self, event_id: str) -> EventVersion | None:
        """Cancel an event by hand; ``None``: it is not under way."""
        async with self._pipeline_lock:
            now_s = time.time()
            cancelled = self.pipeline.engine.cancel(event_id, now_s)
            if cancelled is None:
                return None
            await self._publish_planned(cancelled, now_s)
        log.warning("event %s is cancelled by hand", event_id)
        return cancelled

    async def _publish_planned(self, version: EventVersion, now_s: float) -> Sequence[EventVersion]:
        plan = self.pipeline.plan_alerts
        versions, plans = await self.in_pipeline_thread(plan, [version], now_s)
        self._act(Output(versions=versions, plans=plans))
        return versions  # type: ignore[no-any-return] # of a thread's result

    async def _use_targets(self, prepared: list[TargetGroup]) -> None:
        async with self._pipeline_lock:
            await self.in_pipeline_thread(self.planner.set_groups, prepared, time.time())

    # What else is received and published

    async def _listen_for_commands(self) -> None:
        wanted = [*self.commands.wanted, (TOPIC_KEYS, 1)]
        await listen(self.broker, wanted, self._take_commands, "commands")

    def _take_commands(self, messages: Sequence[tuple[str, bytes]]) -> None:
        for topic, payload in messages:
            if topic == TOPIC_KEYS:
                self.keys_publisher.take(payload, time.time())
        self.commands.take([one for one in messages if one[0] != TOPIC_KEYS])

    async def _show_motion(self) -> None:
        """Publish the ground motion for web processes each second, until cancelled."""
        while True:
            await asyncio.sleep(MOTION_EVERY_S)
            self.live.publish_all(
                await asyncio.to_thread(self.motion.take_messages, time.time_ns())
            )

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
            self.live.publish("heartbeat", **body)
            status = self.status()
            self.live.publish_status(status)
            self.systemd.status(status["health"])
            for tell in self.on_status:
                tell(status)
            await asyncio.sleep(1.0)

    def close(self) -> None:
        """Store what became of the last versions, and let the journal write its queue."""
        self.outcomes.finish()
        self.journal.stop()

    def status(self) -> dict[str, Any]:
        """The service's state as plain JSON values, for the API."""
        return status_of(self)


def _pick_update(pick: Pick) -> dict[str, Any]:
    time_iso, snr = iso_from_ns(pick.time_ns), round(pick.snr, 1)
    return {"type": "pick", "seed_id": pick.seed_id, "time": time_iso, "snr": snr}
