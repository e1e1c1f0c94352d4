"""PURE: the events under way: versions, updates, cancels, and other agencies' origins.

``EventEngine.feed`` takes the tick's picks and packets, gives each pick to the event that explains
it or tries to declare a new one, sizes each event from its stations' waveforms, and returns the
versions that are due.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ew.components import is_vertical, verticals_of
from ew.config import Config
from ew.locate.amplitudes import log_acceleration
from ew.locate.associator import Associator, Candidate
from ew.locate.claims import Claims
from ew.locate.event import Event, as_told, event_id
from ew.locate.event_size import EventSizer
from ew.locate.felt import FeltRule, Shaken
from ew.locate.grouping import WITHDRAW_SHARE, Grouping
from ew.locate.locator import Locator
from ew.locate.onsets import Onset
from ew.locate.partners import PartnerSolutions
from ew.locate.reports import PickReport
from ew.locate.stations import Network
from ew.locate.strong import StrongRule
from ew.locate.waves import Waves
from ew.records import (
    EventVersion,
    Inventory,
    Packet,
    Pick,
)
from ew.stage_timer import StageTimer
from ew.times import seconds_from_ns
from ew.traveltimes import TravelTimes

KEEP_PICKS_S = 120.0
CLAIM_S = 300.0
"""S of an event at the network's far end, and the coda of a large one."""
PUT_OFF_S = 0.02
"""A search that was put off follows with the next tick."""
UNSIZED_S = 0.5
"""An event without a magnitude is not told for so long: nobody would be alerted by it."""


class EventEngine:
    """Picks and packets in, event versions out; time is what ``feed`` is told.

    ``wake_at_s`` is when ``feed`` should be called again even if nothing comes (``None``: no event
    under way).
    """

    def __init__(
        self,
        config: Config,
        inventory: Inventory,
        travel_times: TravelTimes,
        timer: StageTimer | None = None,
    ) -> None:
        self._timer = timer or StageTimer()
        self._config = config.locate
        self._inventory = inventory
        self._verticals = verticals_of(inventory)
        self._travel = travel_times
        self._network = Network(inventory)
        self._waves = Waves(inventory)
        self._associator = Associator(
            self._config,
            self._network,
            travel_times,
            Locator(self._config, travel_times),
            self._waves.s_onset,
            self._waves.s_sought_s,
        )
        self._fit = self._associator.fit
        self._claims = Claims(travel_times, self._fit)
        self._sizer = EventSizer(self._config.pd_relation, travel_times, self._fit, self._waves)
        self._strong = StrongRule(
            self._config, self._network, travel_times, self._associator, self._waves
        )
        self._felt = FeltRule(self._config, self._network, travel_times, self._waves)
        self._shaken: Shaken | None = None
        self._group = Grouping(
            self._config, travel_times, self._associator, self._claims, self._waves
        )
        self._told: dict[str, EventVersion] = {}
        self._is_new = False  # a free onset has come since the last search for a further event
        self._is_put_off = False
        self._partners = PartnerSolutions()
        self._recalled: dict[str, Event] = {}
        self.wake_at_s: float | None = None

    @property
    def active_events(self) -> tuple[str, ...]:
        """Ids of the events that still claim picks."""
        return tuple(event.event_id for event in self._group.events)

    def feed(
        self, picks: Sequence[Pick], packets: Sequence[Packet], now_s: float
    ) -> list[EventVersion]:
        """Take in a tick and return the event versions due at ``now_s`` (epoch seconds), oldest event first."""
        self._take_packets(packets)
        with self._timer.stage("associate"):
            for pick in sorted(picks, key=lambda p: p.time_ns):
                self._is_new |= self._take_pick(pick)
        versions = self._updates(now_s)
        # What there is to tell does not wait for the search of a further earthquake, nor that twice
        is_put_off = bool(versions) and self._is_new and not self._is_put_off
        if not is_put_off and self._declare(now_s):
            versions += self._updates(now_s)
        self._is_put_off = is_put_off
        if self._config.strong_motion and not versions:
            versions = self._feel(now_s)
        self._forget(now_s)
        wait_s = PUT_OFF_S if is_put_off else self._config.version_interval_s
        is_going = is_put_off or any(self._is_open(event, now_s) for event in self._group.events)
        self.wake_at_s = now_s + wait_s if is_going else None
        return versions

    def _declare(self, now_s: float) -> bool:
        """Search for an earthquake among the free onsets; whether one has begun."""
        with self._timer.stage("associate"):
            candidate = (
                self._associator.declare(self._group.free)
                if self._is_new and self._group.free
                else None
            )
            if candidate is None and self._config.strong_motion:
                candidate = self._strong.find(self._group.free, now_s, is_new=self._is_new)
            self._is_new = False
            if candidate is not None:
                self._begin(candidate, now_s)
        return candidate is not None

    def _feel(self, now_s: float) -> list[EventVersion]:
        """What is told where the ground shakes hard at stations whose onsets no event explains."""
        found = self._felt.find(self._group.free, now_s)
        known = {o.pick for o in self._shaken.onsets} if self._shaken is not None else set()
        if found and not known.intersection(o.pick for o in found):
            first = min(found, key=lambda o: (o.time_s, o.pick.seed_id))
            self._shaken = Shaken(event_id(first, self._network.names), found)
        if not found or self._shaken is None:
            return []
        self._shaken.onsets = found
        version = self._felt.version(self._shaken, now_s)
        if version is None:
            return []
        self._told[version.event_id] = version
        return [version]

    def _updates(self, now_s: float) -> list[EventVersion]:
        """The versions that are due, oldest event first."""
        going = [event for event in self._group.events if self._is_open(event, now_s)]
        return [v for event in going if (v := self._update(event, now_s)) is not None]

    def take_reports(self, reports: Sequence[PickReport]) -> list[Pick]:
        """Take in what detectors elsewhere report; returns the picks that are new, for ``feed``."""
        known = [r for r in reports if r.pick.seed_id in self._inventory]
        return [r.pick for r in known if self._waves.take_report(r)]

    def note_ends(self, ends_s: Mapping[str, float]) -> None:
        """Take in up to when (epoch seconds) the data of channels reach at detectors elsewhere."""
        for seed_id, end_s in ends_s.items():
            if seed_id in self._inventory:
                self._network.note_end(seed_id, end_s, end_s)

    def take_back(self, version: EventVersion, told: EventVersion) -> None:
        """A version of ours was not published, for it says no more than ``told``: go on from that."""
        for event in self._group.events:
            if event.event_id == version.event_id and event.version == version.version:
                event.version, event.issued = told.version, told.origin

    def hear(self, told: EventVersion) -> None:
        """Another associator of the same stations told of a version: go on from it instead of telling the same again."""
        self._told[told.event_id] = told
        if told.source != "ew":
            self._partners.recall(told)
        by_id = {event.event_id: event for event in self._group.events}
        if told.event_id in by_id:
            self._go_on_from(by_id[told.event_id], told)
            return
        same = [event for event in self._group.events if event.is_same(told.origin)]
        if same:
            nearest = min(same, key=lambda e: abs(e.hypocentre.time_s - told.origin.time_s))
            self._go_on_from(nearest, told)

    def settle(self) -> None:
        """After data that were read before a restart have been fed again: go on from what was told (``hear``).

        Versions count on from the newest that was told, and what nobody was told of is told at the
        next call. A told event that the data do not show any more (they may be lost) goes on
        claiming its S-waves and coda, or these would make new events; its P-waves may declare it
        again.
        """
        for event in self._group.events:
            told = self._told.get(event.event_id)
            event.version = told.version if told else 0
            event.issued = told.origin if told else None
            event.issued_count = told.stations if told else 0
            event.issued_motions = {m.seed_id: m.pga_m_s2 for m in told.motions} if told else {}
            event.is_cancelled = told is not None and told.kind == "cancel"
            event.looked_s = -math.inf
        known = {event.event_id for event in self._group.events}
        self._recalled = {
            event_id: as_told(told)
            for event_id, told in self._told.items()
            if event_id not in known and told.kind != "cancel"
        }

    def _go_on_from(self, event: Event, told: EventVersion) -> None:
        """Of two ids of one earthquake the smaller stays, that of the earlier first pick; versions count on."""
        if told.event_id > event.event_id and event.version:
            return
        if told.event_id != event.event_id or told.version > event.version:
            self._partners.rename(event.event_id, told.event_id)
            event.event_id, event.version = told.event_id, max(told.version, event.version)
            event.issued, event.issued_count = told.origin, told.stations

    def add_origin(self, theirs: EventVersion, now_s: float) -> EventVersion | None:
        """Another agency's solution, with its own id and version numbers (``PartnerSolutions.add``)."""
        return self._partners.add(replace(theirs, issued_s=now_s), self._group.events, self._told)

    def cancel(self, event_id: str, now_s: float) -> EventVersion | None:
        """Cancel an event by an operator's word; ``None``: it is not under way, or nobody was told.

        What is still heard of it, by us or by partners, makes no new event.
        """
        self._partners.drop(event_id)
        for event in self._group.events:
            if event.event_id == event_id and not event.is_cancelled:
                event.is_cancelled = event.is_silenced = True
                is_told = bool(event.version)
                return (
                    event.issue(
                        "cancel",
                        now_s,
                        self._fit.arrivals(event.hypocentre, list(event.onsets.values())),
                    )
                    if is_told
                    else None
                )
        told = self._told.get(event_id)
        if told is None or told.kind == "cancel":
            return None
        self._told[event_id] = replace(
            told, version=told.version + 1, kind="cancel", issued_s=now_s
        )
        return self._told[event_id]

    # What comes in

    def _take_packets(self, packets: Sequence[Packet]) -> None:
        self._network.note([p for p in packets if is_vertical(p.seed_id, self._verticals)])
        self._waves.take_packets(packets)

    def _take_pick(self, pick: Pick) -> bool:
        """Give a pick to an event, or keep it as free; whether it is free."""
        station = self._network.station(pick.seed_id)
        if station is None:
            return False
        amplitude = log_acceleration(pick, self._inventory[pick.seed_id])
        onset = Onset(pick, station, seconds_from_ns(pick.time_ns), log_amplitude=amplitude)
        here = [o for o in self._group.heard if o.station == station]
        if any(onset.is_beside(other) for other in here):
            return False
        if any(onset.repeats(other) for other in here):
            self._group.heard = [o for o in self._group.heard if not onset.repeats(o)]
            self._group.free = [o for o in self._group.free if not onset.repeats(o)]
        self._group.heard.append(onset)
        is_coda = self._network.is_just_back(station, onset.time_s)
        for event in self._group.events:
            if onset.repeats(event.onsets.get(station)):
                event.onsets[station] = onset
                return False
            (claim,) = self._claims.of(event, [onset])
            if claim in ("P", "Pg"):
                self._group.join(event, replace(onset, is_late=claim == "Pg"))
            elif claim == "S" and event.is_by_s and station not in event.onsets:
                self._group.join(event, replace(onset, is_s=True))
            if claim in ("P", "Pg", "S", "same"):
                return False
            is_coda |= claim == "coda"
        for event in self._recalled.values():
            (claim,) = self._claims.of(event, [onset])
            if claim == "S":
                return False
            is_coda |= claim == "coda"
        self._group.free.append(replace(onset, is_coda=is_coda))
        return True

    # Declaring, updating, letting go

    def _begin(self, candidate: Candidate, now_s: float) -> None:
        used = {o.pick for o in candidate.onsets}
        first = min(candidate.onsets, key=lambda o: (o.time_s, o.pick.seed_id))
        needed = min(self._config.min_stations, len(candidate.onsets))
        event = Event(event_id(first, self._network.names), candidate.hypocentre, {}, now_s, needed)
        for onset in candidate.onsets:
            self._group.join(event, onset)
        ours = {e.event_id for e in self._group.events}
        for told in self._told.values():
            is_withdrawn = told.kind == "cancel" and told.source != "ew"
            if told.event_id not in ours and event.is_same(told.origin) and not is_withdrawn:
                self._go_on_from(event, told)
        if self._shaken is not None and self._explains(event, self._shaken):
            self._go_on_from(event, self._told[self._shaken.event_id])
            self._shaken = None
        self._recalled.pop(event.event_id, None)
        self._group.events.append(event)
        left = [o for o in self._group.free if o.pick not in used]
        self._group.free = []
        for onset, claim in zip(left, self._claims.of(event, left), strict=True):
            if claim in ("P", "Pg") and onset.station not in event.onsets:
                self._group.join(event, replace(onset, is_late=claim == "Pg"))
                continue
            if claim == "coda" and not onset.is_coda:
                self._group.free.append(replace(onset, is_coda=True))
            elif claim not in ("S", "same"):
                self._group.free.append(onset)

    def _explains(self, event: Event, shaken: Shaken) -> bool:
        """Whether what was told without a source is of this event: its onsets are P, S or coda there."""
        claims = self._claims.of(event, shaken.onsets)
        heard = {o.pick for o in event.onsets.values()}
        return all(c or o.pick in heard for c, o in zip(claims, shaken.onsets, strict=True))

    def _update(self, event: Event, now_s: float) -> EventVersion | None:
        if now_s - event.looked_s < self._config.version_interval_s:
            return None
        event.looked_s = now_s
        with self._timer.stage("locate"):
            self._group.relocate(event, now_s)
        onsets = list(event.onsets.values())
        if not event.version and not self._fit.is_plausible(
            event.hypocentre, onsets, WITHDRAW_SHARE
        ):
            # Where it came to lie it should have been seen nearer by: its picks are free again, and
            # nobody was told
            event.is_cancelled = True
            self._group.regroup(event, ())
            self._group.free.extend(onsets)
            return None
        with self._timer.stage("size"):
            self._sizer.size(event)
        if event.version and self._group.is_refuted(event, now_s):
            return self._cancel(event, now_s)
        if event.version and not event.is_changed:
            return None
        if math.isnan(event.magnitude) and now_s - event.declared_s < UNSIZED_S:
            # Four stations close together: half a second of P is not in yet
            event.looked_s = -math.inf
            return None
        return event.issue(
            "update" if event.version else "alert",
            now_s,
            self._fit.arrivals(event.hypocentre, list(event.onsets.values())),
        )

    def _cancel(self, event: Event, now_s: float) -> EventVersion:
        """Our part of an event ends, and the event itself unless it stands on a partner as well."""
        event.is_cancelled = True
        left = self._partners.standing(event.event_id)
        if left is None:
            return event.issue(
                "cancel", now_s, self._fit.arrivals(event.hypocentre, list(event.onsets.values()))
            )
        self._told[event.event_id] = self._partners.next_version(
            event.event_id, event, self._told, replace(left, issued_s=now_s)
        )
        return self._told[event.event_id]

    def _is_open(self, event: Event, now_s: float) -> bool:
        """Whether versions of an event may still come."""
        return not event.is_cancelled and now_s <= self._group.ends_s(event)

    def _forget(self, now_s: float) -> None:
        self._group.heard = [o for o in self._group.heard if now_s - o.time_s <= KEEP_PICKS_S]
        self._group.free = [o for o in self._group.free if now_s - o.time_s <= KEEP_PICKS_S]
        self._waves.forget(now_s - KEEP_PICKS_S)
        self._partners.forget(now_s - CLAIM_S)
        self._told = {k: v for k, v in self._told.items() if now_s - v.origin.time_s <= CLAIM_S}
        self._recalled = {k: e for k, e in self._recalled.items() if k in self._told}
        if self._shaken is not None and self._shaken.event_id not in self._told:
            self._shaken = None
        for event in self._group.events:
            if event.trackers and not self._is_open(event, now_s):
                for tracker in event.trackers.values():
                    self._waves.let_go(tracker)
                event.trackers.clear()
        # An event goes on claiming its S-waves and coda long after its last version, or they would
        # make new ones
        self._group.events = [
            e
            for e in self._group.events
            if (e.is_silenced or not e.is_cancelled) and now_s - e.hypocentre.time_s <= CLAIM_S
        ]
