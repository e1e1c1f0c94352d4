"""PURE: ``PickerBank``: packets of any channels in, P picks out.

Owns the arrays the compiled core works on, checks packets once, puts each tick's packets side by side in groups of 16
of one sampling rate, and turns what the core finds into ``Pick`` records.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ew.config import Config, PickerConfig
from ew.detect import kernels as k
from ew.detect.continuity import CLOCK_STEP_S, CONTINUES_WITHIN, RATE_TOLERANCE
from ew.detect.filters import band_pass
from ew.records import Packet, Pick
from ew.times import NS_PER_S

HISTORY = 4096
"""Samples kept a channel, raw and band-passed: 40 s at 100 Hz, 32 KiB."""
MAX_RATE_HZ = 500.0
MIN_RATE_HZ = 10.0
MIN_DECISION_SAMPLES = 10  # fewer can't tell a spike from an onset: at 31 Hz this is 0.32 s
ONSET_WINDOW_S = 2.0
NOISE_WINDOW_S = 3.0
CLIP_COUNTS = 2**23 - 1
"""Full scale of a 24-bit digitiser."""
SAMPLE_TYPES = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int32))
FOUND_ROWS = 4096


@dataclass(slots=True)
class Counters:
    """What the bank met and how often, since it was made."""

    packets: int = 0
    samples: int = 0
    triggers: int = 0
    picks: int = 0
    rejected_snr: int = 0
    rejected_glitch: int = 0
    gaps_bridged: int = 0
    gaps_restarted: int = 0
    overlaps: int = 0
    duplicates: int = 0
    clock_steps: int = 0
    rate_changes: int = 0
    not_finite: int = 0
    clipped: int = 0
    refused: int = 0

    def as_dict(self) -> dict[str, int]:
        """Names and counts, for metrics."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True, slots=True)
class Trigger:
    """One window of STA/LTA between its on and its last sample above the off threshold."""

    seed_id: str
    on_ns: int
    off_ns: int


class PickerBank:
    """One state machine a channel, made when its first packet comes.

    ``process`` takes whatever arrived in one tick. The same samples give the same picks however they are cut into
    packets. ``counters`` tells what was skipped and why; ``triggers`` holds the windows that ended since they were last
    taken with ``take_triggers``.
    """

    def __init__(self, config: PickerConfig | Config | None = None) -> None:
        if isinstance(config, Config):
            config = config.picker
        self.config = config or PickerConfig()
        self.counters = Counters()
        self._triggers: list[Trigger] = []
        self._slot_of: dict[str, int] = {}
        self._seed_ids: list[str] = []
        self._rate_class: dict[float, int] = {}
        self._biquads = np.zeros((0, 4, 5))
        self._lengths = np.zeros((0, 8), np.int64)
        c = self.config
        self._thresholds = np.array([c.on_ratio, c.off_ratio, c.min_snr, c.max_step_share])
        self._output = k.Output(np.zeros((FOUND_ROWS, 4), np.int64), np.zeros((FOUND_ROWS, 5)))
        self._allocate(64)

    @property
    def channels(self) -> Sequence[str]:
        """The SEED ids met so far."""
        return tuple(self._seed_ids)

    @property
    def bytes_per_channel(self) -> int:
        """Memory held for one channel."""
        rows = (*self._state, self._next_ns, self._anchor_ns, self._anchor, self._rate, self._class)
        return sum(row.nbytes for row in rows) // len(self._rate)

    def process(self, packets: Sequence[Packet]) -> list[Pick]:
        """Take in one tick's packets and return the picks they complete, in order of onset.

        Packets of one channel may come in any order within the tick. ``samples`` must be one-dimensional float32, float64
        or int32; a packet of another kind is refused (counted), as is one at a rate outside 10-500 Hz.
        """
        picks: list[Pick] = []
        pending = [packet for packet in packets if self._is_usable(packet)]
        while pending:
            now, later = _one_each(pending)
            self._run(now, picks)
            pending = later
        picks.sort(key=lambda pick: (pick.time_ns, pick.seed_id))
        return picks

    def take_triggers(self) -> list[Trigger]:
        """The trigger windows that ended since the last call."""
        taken, self._triggers = self._triggers, []
        return taken

    @classmethod
    def warm_up(cls) -> None:
        """Compile (or load) the core, so that no earthquake waits for it."""
        bank = cls()
        wave = np.random.default_rng(0).normal(size=4000)
        wave[2500:2600] *= 50
        for dtype in SAMPLE_TYPES:
            scaled = (wave * 1000).astype(dtype)
            bank.process([Packet(f"XX.WARM..{dtype.char}HZ", 0, 100.0, scaled)])

    @classmethod
    def characteristic(
        cls,
        samples: NDArray[Any],
        sampling_rate: float,
        config: PickerConfig | Config | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The band-passed samples and the STA/LTA ratio a channel sees when fed ``samples`` from its start.

        Both (N,) float64; the ratio is 0 through the warm-up, as in obspy's ``recursive_sta_lta``. Read off the
        state after each sample, so slow: for plots and checks.
        """
        bank = cls(config)
        filtered, ratio = np.zeros(len(samples)), np.zeros(len(samples))
        state = bank._state
        warm_up = int(bank.config.lta_s * sampling_rate)
        for i in range(len(samples)):
            start_ns = round(i * NS_PER_S / sampling_rate)
            bank.process([Packet("", start_ns, sampling_rate, samples[i : i + 1])])
            filtered[i] = state.band[0, i % HISTORY]
            if i >= warm_up:
                ratio[i] = state.level[0, k.STA] / max(state.level[0, k.LTA], 1e-60)
        return filtered, ratio

    # Packets to groups

    def _is_usable(self, packet: Packet) -> bool:
        samples = packet.samples
        usable = (
            samples.ndim == 1
            and samples.dtype in SAMPLE_TYPES
            and MIN_RATE_HZ <= packet.sampling_rate <= MAX_RATE_HZ
        )
        if not usable:
            self.counters.refused += 1
        return usable and len(samples) > 0

    def _run(self, packets: list[Packet], picks: list[Pick]) -> None:
        slots, actions, samples, classes = [], [], [], []
        for packet in packets:
            slot = self._slot_of.get(packet.seed_id)
            if slot is None:
                slot = self._add_channel(packet)
            action, kept = self._continuity(slot, packet)
            if kept is None:
                continue
            slots.append(slot)
            actions.append(action)
            samples.append(kept)
            classes.append(self._class[slot])
        if not slots:
            return
        lengths = np.fromiter(map(len, samples), np.int64, len(samples))
        starts = np.zeros(len(samples), np.int64)
        np.cumsum(lengths[:-1], out=starts[1:])
        flat = np.concatenate(samples, dtype=np.float64, casting="unsafe")
        self.counters.packets += len(samples)
        self.counters.samples += len(flat)
        if not np.isfinite(flat).all():
            self._mend(flat, starts, np.array(slots), np.array(actions))
        self._run_groups(
            flat, starts, lengths, np.array(slots), np.array(actions), np.array(classes), picks
        )

    def _run_groups(
        self,
        flat: NDArray[np.float64],
        starts: NDArray[np.int64],
        lengths: NDArray[np.int64],
        slots: NDArray[np.int64],
        actions: NDArray[np.int64],
        classes: NDArray[np.int64],
        picks: list[Pick],
    ) -> None:
        order = np.lexsort((lengths, classes))
        params = k.RateParams(self._biquads, self._lengths)
        at = 0
        while at < len(order):
            rate = int(classes[order[at]])
            group = order[at : at + k.LANES]
            group = group[classes[group] == rate]
            at += len(group)
            found = k.run_group(
                flat,
                starts[group],
                lengths[group],
                slots[group],
                actions[group],
                rate,
                self._thresholds,
                params,
                self._state,
                self._output,
                0,
            )
            if found:
                self._collect(found, picks)

    def _mend(
        self,
        flat: NDArray[np.float64],
        starts: NDArray[np.int64],
        slots: NDArray[np.int64],
        actions: NDArray[np.int64],
    ) -> None:
        """Replace NaN and Inf by the sample before, so that they make no step.

        A packet that begins with them after a gap begins with its first good sample instead; one that has none is
        as good as missing, and the next starts its channel anew.
        """
        bad = np.flatnonzero(~np.isfinite(flat))
        self.counters.not_finite += len(bad)
        owner = np.searchsorted(starts, bad, side="right") - 1
        for index, packet in zip(bad, owner, strict=True):
            slot, start = slots[packet], starts[packet]
            if index > start:
                flat[index] = flat[index - 1]
            elif actions[packet] == k.CONTINUE:
                flat[index] = self._state.level[slot, [k.PREVIOUS, k.OFFSET]].sum()
            else:
                end = starts[packet + 1] if packet + 1 < len(starts) else len(flat)
                good = flat[start:end][np.isfinite(flat[start:end])]
                flat[index] = good[0] if len(good) else 0.0
                if not len(good):
                    self._next_ns[slot] = -(10**18)

    # Continuity

    def _continuity(self, slot: int, packet: Packet) -> tuple[int, NDArray[Any] | None]:
        """What to do before this packet, and the samples to run (``None``: none); see ``continuity``."""
        rate, samples = packet.sampling_rate, packet.samples
        if samples.dtype == np.int32 and (
            samples.max() >= CLIP_COUNTS or samples.min() <= -CLIP_COUNTS
        ):
            self.counters.clipped += 1
        if abs(rate - self._rate[slot]) > RATE_TOLERANCE * rate:
            self.counters.rate_changes += self._rate[slot] > 0
            self._class[slot] = self._class_of(rate)
            return self._begin(slot, packet, k.RESTART), samples
        ahead_ns = packet.start_ns - int(self._next_ns[slot])
        sample_ns = NS_PER_S / rate
        if abs(ahead_ns) <= CONTINUES_WITHIN * sample_ns:
            self._late_s[slot] = 0.0
            self._advance(slot, packet.start_ns, rate, len(samples))
            return k.CONTINUE, samples
        if ahead_ns > 0:
            is_long = ahead_ns > self.config.lta_s * NS_PER_S
            self.counters.gaps_restarted += is_long
            self.counters.gaps_bridged += not is_long
            return self._begin(slot, packet, k.RESTART if is_long else k.BRIDGE), samples
        return self._overlap(slot, packet, round(-ahead_ns / sample_ns))

    def _overlap(self, slot: int, packet: Packet, seen: int) -> tuple[int, NDArray[Any] | None]:
        samples, rate = packet.samples, packet.sampling_rate
        if seen < len(samples):
            self.counters.overlaps += 1
            self._late_s[slot] = 0.0
            start_ns = packet.start_ns + round(seen * NS_PER_S / rate)
            self._advance(slot, start_ns, rate, len(samples) - seen)
            return k.CONTINUE, samples[seen:]
        self._late_s[slot] += len(samples) / rate
        if self._late_s[slot] <= CLOCK_STEP_S:
            self.counters.duplicates += 1
            return k.CONTINUE, None
        self.counters.clock_steps += 1
        return self._begin(slot, packet, k.RESTART), samples

    def _begin(self, slot: int, packet: Packet, action: int) -> int:
        self._rate[slot] = packet.sampling_rate
        self._late_s[slot] = 0.0
        self._anchor_ns[slot] = packet.start_ns
        self._anchor[slot] = self._state.count[slot, k.SEEN]
        self._next_ns[slot] = packet.end_ns
        return action

    def _advance(self, slot: int, start_ns: int, rate: float, count: int) -> None:
        """Move the expected start on; follow the packets' own clock only when it has drifted from the anchor's.

        Holding on to the anchor keeps times free of each packet's rounding, so that cuts don't show.
        """
        seen = int(self._state.count[slot, k.SEEN])
        if (
            rate != self._rate[slot]
            or abs(start_ns - self._time_ns(slot, seen)) > NS_PER_S / rate / 4
        ):
            self._rate[slot] = rate
            self._anchor_ns[slot], self._anchor[slot] = start_ns, seen
        self._next_ns[slot] = self._time_ns(slot, seen + count)

    def _time_ns(self, slot: int, sample: float) -> int:
        since = (sample - int(self._anchor[slot])) * NS_PER_S / float(self._rate[slot])
        return int(self._anchor_ns[slot]) + round(since)

    # Channels and rate classes

    def _add_channel(self, packet: Packet) -> int:
        slot = len(self._seed_ids)
        if slot == len(self._rate):
            self._allocate(2 * slot)
        self._slot_of[packet.seed_id] = slot
        self._seed_ids.append(packet.seed_id)
        return slot

    def _allocate(self, channels: int) -> None:
        """Make room for so many channels, keeping what is there. Untouched pages cost no memory."""
        old = len(self._seed_ids)
        state = k.BankState(
            z=np.zeros((channels, 8)),
            level=np.zeros((channels, 4)),
            count=np.zeros((channels, 7), np.int64),
            raw=np.zeros((channels, HISTORY), np.float32),
            band=np.zeros((channels, HISTORY), np.float32),
        )
        shell = [np.zeros(channels, np.int64) for _ in range(4)] + [
            np.zeros(channels),
            np.zeros(channels),
        ]
        if old:
            kept = (
                self._next_ns,
                self._anchor_ns,
                self._anchor,
                self._class,
                self._rate,
                self._late_s,
            )
            for new, array in zip((*state, *shell), (*self._state, *kept), strict=True):
                new[:old] = array[:old]
        self._state = state
        self._next_ns, self._anchor_ns, self._anchor, self._class = shell[:4]
        self._rate, self._late_s = shell[4:]

    def _class_of(self, rate: float) -> int:
        """The rate class: its filter and lengths, designed once for rates that round to the same 0.5 %."""
        rounded = float(f"{rate:.3g}")
        known = self._rate_class.get(rounded)
        if known is not None:
            return known
        c = self.config
        lengths = [
            max(2, int(c.sta_s * rounded)),
            max(10, int(c.lta_s * rounded)),
            round(c.dead_s * rounded),
            round(c.gap_hold_s * rounded),
            max(MIN_DECISION_SAMPLES, round(c.decision_s * rounded)),
            round(ONSET_WINDOW_S * rounded),
            round(NOISE_WINDOW_S * rounded),
            round(c.patience_s * rounded),
        ]
        filters = band_pass(c.band_low_hz, c.band_high_hz, rounded)
        self._biquads = np.concatenate([self._biquads, filters[None]])
        self._lengths = np.concatenate([self._lengths, np.array([lengths])])
        self._rate_class[rounded] = len(self._biquads) - 1
        return len(self._biquads) - 1

    # Findings to records

    def _collect(self, found: int, picks: list[Pick]) -> None:
        for row in range(found):
            kind, slot, trigger, decided = (int(v) for v in self._output.ints[row])
            if kind == k.PICK:
                picks.append(self._pick(slot, trigger, decided, self._output.reals[row]))
                self.counters.picks += 1
            elif kind == k.REJECT_SNR:
                self.counters.rejected_snr += 1
            elif kind == k.REJECT_GLITCH:
                self.counters.rejected_glitch += 1
            elif kind == k.ON:
                self.counters.triggers += 1
            else:
                ends = self._time_ns(slot, trigger), self._time_ns(slot, decided)
                self._triggers.append(Trigger(self._seed_ids[slot], *ends))

    def _pick(self, slot: int, trigger: int, decided: int, reals: NDArray[np.float64]) -> Pick:
        rate = float(self._rate[slot])
        onset, snr, period, amplitude, error = (float(v) for v in reals)
        return Pick(
            seed_id=self._seed_ids[slot],
            time_ns=self._time_ns(slot, onset),
            trigger_ns=self._time_ns(slot, trigger),
            snr=snr,
            decided_ns=self._time_ns(slot, decided + 1),
            period_s=period / rate,
            amplitude=amplitude,
            onset_error_s=error / rate,
        )


def _one_each(packets: list[Packet]) -> tuple[list[Packet], list[Packet]]:
    """The first packet in time of each channel, and the rest."""
    if len({packet.seed_id for packet in packets}) == len(packets):
        return packets, []
    now: dict[str, Packet] = {}
    later: list[Packet] = []
    for packet in sorted(packets, key=lambda packet: packet.start_ns):
        if packet.seed_id in now:
            later.append(packet)
        else:
            now[packet.seed_id] = packet
    return list(now.values()), later
