"""PURE: connects detection, location, shaking and alerts; the only module that knows them all.

Packets and the time go in; picks, event versions and alert plans come out. ``wake_at_ns`` says when
to call again if no packet comes. ``replay`` drives it by data time, ``serve`` by the wall clock,
with the same results.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ew.alerts.news import is_news
from ew.alerts.other_services import OtherServices
from ew.alerts.planner import AlertPlan, AlertPlanner
from ew.alerts.release_gate import ReleaseGate
from ew.components import verticals_of
from ew.config import Config
from ew.detect.bank import PickerBank
from ew.detect.coarse import CoarseSensors
from ew.detect.sensors import SensorPicker
from ew.locate.events import EventEngine
from ew.locate.gains import StationGains
from ew.locate.reports import PickReport
from ew.locate.suspects import StationTiming
from ew.records import EventVersion, Inventory, Packet, Pick
from ew.stage_timer import StageTimer
from ew.times import ns_from_seconds, seconds_from_ns
from ew.traveltimes import TravelTimes

TICK_NS = 20_000_000
"""Packets are handed on in ticks of this length, ns: 20 ms, a tenth of a percent of the warning,
and thousands of channels in a call."""


AGAIN_TICK_NS = 250_000_000
"""Tick when data are fed again, ns: half the least time between two versions; finer ticks bring
nothing new."""

PUBLISHED_KEPT = 64
"""Events of which the version published last is known."""

LAST_WAKE_NS = 120_000_000_000
"""A replay goes on for this long after the last packet, ns: versions end 60 s after the origin,
cancels soon after."""


@dataclass(frozen=True, slots=True)
class Output:
    """The results of one call of ``feed``, in the order of the stages.

    ``stages``: the time each stage took, ms, if the pipeline has a clock.
    """

    picks: tuple[Pick, ...] = ()
    versions: tuple[EventVersion, ...] = ()
    plans: tuple[AlertPlan, ...] = ()
    wake_at_ns: int | None = None
    stages: Mapping[str, float] = field(default_factory=dict)


class Pipeline:
    """Packets in, alert plans out.

    Only channels in ``inventory`` are used; others are named in ``unknown_channels`` and skipped,
    as are channels whose counts are too coarse (``coarse.useless``). P-waves are picked on the
    vertical components (``ew.components``); the other components serve amplitudes. With a ``gate``,
    only versions that it lets through are published.
    """

    def __init__(
        self,
        config: Config,
        inventory: Inventory,
        travel_times: TravelTimes,
        planner: AlertPlanner | None = None,
        timer: StageTimer | None = None,
        gate: ReleaseGate | None = None,
    ) -> None:
        self.gate = gate
        self.other_services = OtherServices()
        self.timer = timer or StageTimer()
        self.bank = PickerBank(config.picker)
        self._sensors = SensorPicker(self.bank, verticals_of(inventory))
        self.engine = EventEngine(config, inventory, travel_times, self.timer)
        self.timing = StationTiming(inventory, travel_times)
        self.gains = StationGains(inventory, travel_times)
        self.planner = planner
        self.wake_at_ns: int | None = None
        self.unknown_channels: set[str] = set()
        self.coarse = CoarseSensors(inventory)
        self._is_feeding_again = False
        self._published: dict[str, EventVersion] = {}
        self._inventory = inventory
        self._config = config
        self._travel = travel_times

    def feed(self, packets: Sequence[Packet], now_ns: int) -> Output:
        """Take the packets that arrived by ``now_ns`` (ns, UTC); returns the results."""
        known = self.coarse.usable(p for p in packets if self._is_known(p.seed_id))
        with self.timer.stage("pick"):
            picks = self._sensors.process(known)
        return self.feed_picks(picks, known, now_ns)

    def feed_again(self, packets: Iterable[Packet], now_ns: int) -> None:
        """Take data from before a restart, in order of their time, without alerts.

        Afterwards the pickers are warm and the events under way are known again; ``engine.settle``
        continues them from the published versions. No packet counts as having come after
        ``now_ns``.
        """
        planner, self.planner = self.planner, None
        self._is_feeding_again = True
        try:
            ticks: dict[int, list[Packet]] = {}
            for packet in packets:
                ticks.setdefault(-(-packet.end_ns // AGAIN_TICK_NS), []).append(packet)
            for tick in sorted(ticks):
                self.feed(ticks[tick], min(tick * AGAIN_TICK_NS, now_ns))
        finally:
            self.planner = planner
            self._is_feeding_again = False

    def feed_picks(self, picks: Sequence[Pick], packets: Sequence[Packet], now_ns: int) -> Output:
        """Process picks that were made elsewhere; ``packets`` only serve amplitudes."""
        now_s = seconds_from_ns(now_ns)
        versions = self.engine.feed(picks, packets, now_s)
        self.timing.feed(picks, versions, now_s)
        self.gains.feed(picks, versions, now_s)
        if self.gate is not None:
            self.gate.note(picks, now_s)
        released, plans = self.plan_alerts(versions, now_s)
        wake_at_s = self.engine.wake_at_s
        self.wake_at_ns = None if wake_at_s is None else ns_from_seconds(wake_at_s)
        stages = self.timer.take()
        return Output(tuple(picks), released, plans, self.wake_at_ns, stages)

    def plan_alerts(
        self, versions: Sequence[EventVersion], now_s: float
    ) -> tuple[tuple[EventVersion, ...], tuple[AlertPlan, ...]]:
        """The versions that are published at ``now_s`` (epoch seconds), and their plans.

        What is held back by the door, or says nothing new to anybody, is not among them.
        """
        if self.gate is not None and not self._is_feeding_again:
            versions = self.gate.release(versions, now_s, self.engine.active_events)
        if self.planner is None:
            return tuple(versions), ()
        with self.timer.stage("estimate"):
            planned = [(v, self._plans(self.planner, v, now_s)) for v in versions]
        released = []
        for version, plans in planned:
            if plans or self._is_news(version):
                released.append(version)
                self.other_services.note_ours(version)
                self._note_told(version)
            else:
                self.engine.take_back(version, self._published[version.event_id])
        return tuple(released), tuple(plan for _, plans in planned for plan in plans)

    def _is_news(self, version: EventVersion) -> bool:
        """Whether a version that changes nothing for any target is published all the same."""
        last = self._published.get(version.event_id)
        if last is None or version.kind != "update" or version.source != "ew":
            return True
        return is_news(last, version)

    def _note_told(self, version: EventVersion) -> None:
        self._published.pop(version.event_id, None)
        self._published[version.event_id] = version
        if len(self._published) > PUBLISHED_KEPT:
            del self._published[next(iter(self._published))]

    def _plans(
        self, planner: AlertPlanner, version: EventVersion, now_s: float
    ) -> Sequence[AlertPlan]:
        if version.kind == "cancel":
            # These plans are not sent: they make the planner know who is to receive the cancel
            for published in self.other_services.take(version.event_id):
                planner.plan(published, now_s)
        return planner.plan(version, now_s)

    def receive(self, published: Sequence[EventVersion]) -> None:
        """Continue from versions that another service of the same stations has published."""
        for version in published:
            if self.gate is not None:
                self.gate.recall(version)  # it passed theirs, so ours may cancel it
            if self.other_services.receive(version):
                self._note_told(version)
                self.engine.hear(version)

    def feed_reports(
        self,
        reports: Sequence[PickReport],
        ends_s: Mapping[str, float],
        published: Sequence[EventVersion],
        now_ns: int,
    ) -> Output:
        """Process reports of other detectors and versions of another associator.

        ``ends_s``: the end of each channel's data at its detector, epoch seconds.
        """
        self.engine.note_ends(ends_s)
        self.receive(published)
        return self.feed_picks(self.engine.take_reports(reports), (), now_ns)

    def moments(self, arrivals: Iterable[tuple[int, Packet]]) -> Iterator[tuple[int, list[Packet]]]:
        """The times and packets with which to call ``feed`` for a recording (``replay``, ``demo``).

        ``arrivals`` are (arrival time in ns, packet) in order of time. Packets are gathered in
        ticks as a live service gathers them; between ticks, and after the last, the pipeline is
        called when it asked to be.
        """
        tick: list[Packet] = []
        tick_ns = 0
        for arrival_ns, packet in arrivals:
            due_ns = -(-arrival_ns // TICK_NS) * TICK_NS
            if tick and due_ns > tick_ns:
                yield tick_ns, tick
                tick = []
            if not tick:
                yield from self._wakes(due_ns)
            tick_ns = due_ns
            tick.append(packet)
        if tick:
            yield tick_ns, tick
        yield from self._wakes(tick_ns + LAST_WAKE_NS)

    def _wakes(self, until_ns: int) -> Iterator[tuple[int, list[Packet]]]:
        while self.wake_at_ns is not None and self.wake_at_ns < until_ns:
            asked_ns = self.wake_at_ns
            yield asked_ns, []
            if self.wake_at_ns is not None and self.wake_at_ns <= asked_ns:
                return  # asked again for the same moment: nothing more can follow without data

    def _is_known(self, seed_id: str) -> bool:
        if seed_id in self._inventory:
            return True
        self.unknown_channels.add(seed_id)
        return False
