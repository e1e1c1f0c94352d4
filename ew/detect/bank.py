"""PURE: ``PickerBank``: packets of any channels in, P picks out.

Owns the arrays the compiled stages work on and calls them in turn for each tick: ``reader`` (packets to columns),
``continuity`` (gaps and repeats), ``kernels`` (filter, STA/LTA, triggers), ``onset`` (triggers to picks).
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ew.config import Config
from ew.config.picker import PickerConfig
from ew.detect import continuity, kernels, onset, rates, reader
from ew.detect import layout as k
from ew.detect.counters import Counters
from ew.detect.frame import frame_of
from ew.records import UNKNOWN, Packet, Pick

TRIGGERS_KEPT = 10_000
LEAST_SHARE = 4096
"""Packets worth a thread of their own: of fewer, fetching them from the other core takes longer than running them."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One window of STA/LTA between its on and its last sample above the off threshold."""

    seed_id: str
    on_ns: int
    off_ns: int


class PickerBank:
    """One state machine a channel, made when its first packet comes.

    ``process`` takes whatever arrived in one tick. The same samples give the same picks however they are cut into
    packets. ``counters`` tells what was met and skipped; ``take_triggers`` gives the STA/LTA windows that ended since
    it was last asked, and ``PickerBank.characteristic`` the band-passed samples and the ratio, to plot or to check.
    """

    def __init__(self, config: PickerConfig | Config | None = None) -> None:
        if isinstance(config, Config):
            config = config.picker
        self.config = config or PickerConfig()
        self._slot_of: dict[str, int] = {}
        self._seed_ids: list[str] = []
        self._triggers: deque[Trigger] = deque(maxlen=TRIGGERS_KEPT)
        self._verdicts = [0] * 6
        self._triggered = self._refused = self._tick = 0
        self._known_rates = np.zeros(0, np.int64)
        self._params = k.RateParams(np.zeros((0, 13)), np.zeros((0, 4), np.int64))
        self._windows = np.zeros((0, 9), np.int64)
        self._room = onset.room_for(self._windows)
        self._limits = np.array([self.config.min_snr, self.config.max_sparsity])
        self._candidates = onset.no_candidates()
        self._state = k.state_for(0)
        self._batch = k.batch_for(0)
        self._works = [k.work_for(0, 0) for _ in range(self.config.threads)]
        self._pool = (
            ThreadPoolExecutor(self.config.threads - 1) if self.config.threads > 1 else None
        )
        self._stamps = np.zeros(0, np.int64)
        self._ids, self._guess = np.zeros(1, np.uint64), np.zeros(0, np.int64)
        self._arrange()

    @property
    def channels(self) -> Sequence[str]:
        """The SEED ids met so far."""
        return tuple(self._seed_ids)

    @property
    def counters(self) -> Counters:
        """What was met so far, and how often."""
        tally = np.sum([work.tally for work in self._works], axis=0).tolist()
        verdicts = self._verdicts
        return Counters(
            packets=tally[k.PACKETS],
            samples=tally[k.SAMPLES],
            triggers=self._triggered,
            picks=verdicts[onset.PICK],
            rejected_snr=verdicts[onset.LOW_SNR],
            rejected_glitch=verdicts[onset.GLITCH],
            rejected_gap=verdicts[onset.CUT_OFF],
            gaps_bridged=tally[k.BRIDGED],
            gaps_restarted=tally[k.RESTARTED],
            overlaps=tally[k.OVERLAPS],
            duplicates=tally[k.DUPLICATES],
            clock_steps=tally[k.CLOCK_STEPS],
            rate_changes=tally[k.RATE_CHANGES],
            not_finite=tally[k.NOT_FINITE],
            clipped=tally[k.CLIPPED],
            dead=tally[k.DIED],
            refused=self._refused,
        )

    @property
    def bytes_per_channel(self) -> int:
        """Memory held for one channel."""
        return sum(rows.nbytes // max(len(rows), 1) for rows in self._state) + self._stamps.itemsize

    def process(self, packets: Sequence[Packet]) -> list[Pick]:
        """Take in one tick's packets and return the picks they complete, in order of onset.

        Packets of one channel may come in any order within the tick. ``samples`` must be one-dimensional float32,
        float64 or int32; a packet of another kind is refused (counted), as is one at a rate outside 10-500 Hz.
        """
        picks: list[Pick] = []
        tick = packets if type(packets) is list else list(packets)
        tick, count, is_repeated = self._read(tick)
        if is_repeated:
            for part in _rounds(tick):  # ``tick`` keeps the samples alive whose addresses are read
                self._run(self._read(part)[1], picks)
        else:
            self._run(count, picks)
        picks.sort(key=lambda pick: (pick.time_ns, pick.seed_id))
        return picks

    def look_again(
        self, seed_id: str, other: Pick, *, min_snr: float, within_s: float
    ) -> Pick | None:
        """The pick of a channel if what another one was picked for shows there too, in the data up to that decision.

        It takes an SNR of ``min_snr`` only, and an onset ``within_s`` of the other's. The channel's own triggers are judged as before: its own pick
        may still follow. ``None`` also where that has been.
        """
        slot = self._slot_of.get(seed_id)
        if slot is None:
            return None
        trigger = self._sample(slot, other.trigger_ns)
        last = self._sample(slot, other.decided_ns) - 1
        count = self._state.count[slot]
        if last >= count[k.SEEN]:
            return None
        before = int(count[k.DECIDED])
        is_early = last - trigger < 2 * self._windows[self._class(slot), onset.WAIT]
        # What the other was picked for need not hold any longer here
        least = min_snr / (onset.EARLY_DOUBT if is_early else 1.0)
        candidate = onset.Candidates(*(np.array([at]) for at in (slot, trigger, last, last)))
        verdict, measures = self._look(candidate, np.array([least, self.config.max_sparsity]))
        count[k.DECIDED] = before
        if verdict[0] != onset.PICK:
            return None
        pick = self._pick(slot, trigger, int(candidate.look[0]), measures[0].tolist())
        is_near = abs(pick.time_ns - other.time_ns) <= within_s * 1e9
        return pick if is_near and pick.snr >= min_snr else None

    def take_triggers(self) -> list[Trigger]:
        """The trigger windows that ended since the last call, at most the last ``TRIGGERS_KEPT``."""
        taken = list(self._triggers)
        self._triggers.clear()
        return taken

    @classmethod
    def warm_up(cls) -> None:
        """Compile (or load) all compiled stages, so that no earthquake waits for it."""
        bank = cls()
        wave = np.random.default_rng(0).normal(size=4000)
        wave[2500:2600] *= 50
        for form in reader.FORMS:
            samples = (wave * 1000).astype(form)
            bank.process([Packet(f"XX.WARM..{form.char}HZ", 0, 100.0, samples)])

    @classmethod
    def characteristic(
        cls,
        samples: NDArray[Any],
        sampling_rate: float,
        config: PickerConfig | Config | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The band-passed samples and the STA/LTA ratio a channel sees when fed ``samples`` from its start.

        Both (N,) float64, by the same loop as ``process``; the ratio is 0 through the warm-up, as in obspy's
        ``recursive_sta_lta``.
        """
        bank = cls(config)
        bank._add_rate(sampling_rate)
        nsta, nlta = (int(n) for n in bank._params.lengths[0, [k.NSTA, k.NLTA]])
        band, sta, lta = (np.zeros(len(samples)) for _ in range(3))
        wide = np.ascontiguousarray(samples, np.float64)
        kernels.course(wide, bank._params.real[0], bank._works[0], band, sta, lta)
        ratio = (sta / nsta) / np.maximum(lta / nlta, k.TINY)
        ratio[:nlta] = 0.0
        return band, ratio

    # Packets to columns

    def _read(self, packets: list[Packet]) -> tuple[list[Packet], int, bool]:
        """Read the packets into the batch: the list as used, how many rows, and whether a channel came twice.

        The caller's list is left as it is: where a packet must be put in order or left out, a copy takes its place.
        """
        given = packets
        if len(packets) > len(self._batch.slot):
            self._batch = k.batch_for(2 * len(packets))
            self._works = [
                work._replace(order=np.zeros(2 * len(packets), np.int64)) for work in self._works
            ]
            self._guess = np.zeros(2 * len(packets), np.int64)
            self._arrange()
        self._tick += 1
        at = kept = 0
        is_repeated = False
        while True:
            at, kept, status, again = reader.read(
                packets,
                at,
                kept,
                self._slot_of,
                self._ids,
                self._guess,
                self._stamps,
                self._tick,
                self._batch,
                self._frames[0],
            )
            is_repeated = is_repeated or again
            if status == 0:
                return packets, kept, is_repeated
            if status == reader.UNKNOWN_CHANNEL:
                self._add_channel(packets[at].seed_id)
                continue
            if packets is given:
                packets = list(given)
            in_order = reader.plain(packets[at])
            if in_order is None or in_order is packets[at]:
                self._refused += 1
                del packets[at]
            else:
                packets[at] = in_order

    def _run(self, count: int, picks: list[Pick]) -> None:
        lta_ns = self.config.lta_s * 1e9
        first = kept = longest = 0
        while first != continuity.DONE:
            first, kept, length = continuity.plan(
                self._frames[0], first, kept, count, self._known_rates, lta_ns
            )
            longest = max(longest, length)
            if first != continuity.DONE:
                self._add_rate(float(self._batch.rate[first]))
        for first in range(0, longest, k.LIMIT):
            rows = self._run_samples(kept, first)
            if rows:
                self._note_triggers(rows)
            if len(self._candidates.slot):
                self._judge(picks)

    def _run_samples(self, kept: int, first: int) -> list[list[int]]:
        """Run ``LIMIT`` samples from ``first`` on of each packet of the batch; gives the rows found, by channel.

        A tick has at most one packet of a channel in its batch, so threads that share it touch no channel twice.
        """
        shares = min(len(self._frames), kept // LEAST_SHARE)
        if self._pool is None or shares < 2:
            found = [kernels.run(self._frames[0], 0, kept, first, k.LIMIT)]
        else:
            ends = [kept * i // shares // k.LANES * k.LANES for i in range(1, shares)] + [kept]
            parts = zip(self._frames[1:], ends[:-1], ends[1:], strict=False)
            running = [
                self._pool.submit(kernels.run, frame, start, end, first, k.LIMIT)
                for frame, start, end in parts
            ]
            found = [kernels.run(self._frames[0], 0, ends[0], first, k.LIMIT)]
            found += [job.result() for job in running]
        if not any(found):
            return []
        works = zip(self._works, found, strict=False)
        rows = [row for work, n in works for row in work.found[:n].tolist()]
        rows.sort(key=itemgetter(1))
        return rows

    # Channels and rate classes

    def _add_channel(self, seed_id: str) -> None:
        slot = len(self._seed_ids)
        if slot == len(self._stamps):
            room = max(64, 2 * slot)
            old, self._state = self._state, k.state_for(room)
            self._state.level[:slot] = old.level
            self._state.count[:slot] = old.count
            self._state.raw[:slot] = old.raw
            self._state.tail[:slot] = old.tail
            self._stamps = np.concatenate([self._stamps, np.zeros(room - slot, np.int64)])
            self._ids = np.concatenate([self._ids[:slot], np.zeros(room - slot, np.uint64)])
            self._works = [
                work._replace(found=np.zeros((1024 + 4 * room, 4), np.int64))
                for work in self._works
            ]
            self._arrange()
        self._state.raw[slot] = 0.0  # its pages are made now, not one by one in its first minute
        self._slot_of[seed_id] = slot
        self._seed_ids.append(seed_id)
        self._ids[slot] = id(seed_id)

    def _add_rate(self, rate: float) -> None:
        """Make the class of a rate in hundredths of Hz."""
        hundredths = round(rate * 100)
        real, lengths, windows = rates.of_rate(hundredths / 100, self.config)
        self._params = k.RateParams(
            np.vstack([self._params.real, real]), np.vstack([self._params.lengths, lengths])
        )
        self._windows = np.vstack([self._windows, windows])
        self._room = onset.room_for(self._windows)
        self._known_rates = np.append(self._known_rates, hundredths)
        self._arrange()

    def _arrange(self) -> None:
        """Tell the compiled stages where the arrays lie, after any has been made anew."""
        self._frames = [
            frame_of(self._batch, self._params, self._state, work) for work in self._works
        ]

    # Findings to records

    def _note_triggers(self, rows: list[list[int]]) -> None:
        waits = self._windows[:, onset.WAIT]
        new = [
            (slot, at, at + waits[self._class(slot)], onset.STILL_ON)
            for kind, slot, at, _ in rows
            if kind == k.ON
        ]
        if new:
            self._triggered += len(new)
            columns = np.array(new, np.int64).T
            pairs = zip(self._candidates, columns, strict=True)
            self._candidates = onset.Candidates(*(np.concatenate(pair) for pair in pairs))
        for kind, slot, first, last in rows:
            if kind == k.OFF:
                ends = self._time_ns(slot, first), self._time_ns(slot, last)
                self._triggers.append(Trigger(self._seed_ids[slot], *ends))
                of = (self._candidates.slot == slot) & (self._candidates.trigger == first)
                self._candidates.off[of] = last

    def _judge(self, picks: list[Pick]) -> None:
        found, measures = self._look(self._candidates, self._limits)
        verdicts = found.tolist()
        if not any(verdicts):
            return
        for i, verdict in enumerate(verdicts):
            self._verdicts[verdict] += 1
            if verdict == onset.PICK:
                slot, trigger, decided, _ = (int(column[i]) for column in self._candidates)
                picks.append(self._pick(slot, trigger, decided, measures[i].tolist()))
        left = found == onset.UNDECIDED
        self._candidates = onset.Candidates(*(column[left] for column in self._candidates))

    def _look(
        self, candidates: onset.Candidates, limits: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        n = len(candidates.slot)
        verdict, measures = np.zeros(n, np.int64), np.zeros((n, 6))
        onset.judge(
            candidates,
            n,
            self._state,
            self._params.real,
            self._windows,
            limits,
            self._room,
            verdict,
            measures,
        )
        return verdict, measures

    def _pick(self, slot: int, trigger: int, decided: int, measures: list[float]) -> Pick:
        rate = float(self._state.level[slot, k.RATE])
        return Pick(
            seed_id=self._seed_ids[slot],
            time_ns=self._time_ns(slot, measures[onset.ONSET]),
            trigger_ns=self._time_ns(slot, trigger),
            snr=measures[onset.SNR],
            decided_ns=self._time_ns(slot, decided + 1),
            period_s=measures[onset.PERIOD] / rate,
            amplitude=measures[onset.PEAK],
            onset_error_s=measures[onset.ERROR] / rate,
            unrest=UNKNOWN if np.isnan(measures[onset.UNREST]) else measures[onset.UNREST],
        )

    def _class(self, slot: int) -> int:
        return int(self._state.count[slot, k.CLASS])

    def _time_ns(self, slot: int, sample: float) -> int:
        count = self._state.count[slot]
        since = (sample - int(count[k.ANCHOR])) * float(self._state.level[slot, k.SAMPLE_NS])
        return int(count[k.ANCHOR_NS]) + round(since)

    def _sample(self, slot: int, time_ns: int) -> int:
        count = self._state.count[slot]
        since = (time_ns - int(count[k.ANCHOR_NS])) / float(self._state.level[slot, k.SAMPLE_NS])
        return int(count[k.ANCHOR]) + round(since)


def _rounds(packets: list[Packet]) -> list[list[Packet]]:
    """The packets so parted that each part has one of each channel, the earliest first."""
    of_channel: dict[str, list[Packet]] = {}
    for packet in sorted(packets, key=lambda packet: packet.start_ns):
        of_channel.setdefault(packet.seed_id, []).append(packet)
    rows = zip_longest(*of_channel.values())
    return [[packet for packet in row if packet is not None] for row in rows]
