"""PURE: the detection core in NumPy and SciPy: the tests' reference, and what runs unbuilt.

Step by step the same as ``core/``, by the same names (docs/picker.md tells the rules and their
reasons): ``Bank._read``, ``_Channel.check_continuity``, ``_Channel.run_samples`` (filter, STA/LTA,
trigger), ``_Channel.judge`` (AIC onset, quality). Triggers equal the core's to the last bit,
measures of picks to rounding. A packet of 100 samples takes some 100 µs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ew.detect.counters import Counters
from ew.detect.onset import Look, look, noise_ratio
from ew.detect.rates import HISTORY, LIMIT, PADDING, Rate
from ew.detect.stalta import TINY, averaged, filtered, sections
from ew.records import Packet

Reals = NDArray[np.float64]
Row = tuple[Any, ...]

# As in core/bank.h, continuity.c, onset.c and read.c, which say what they are
HUGE_SAMPLE, FULL_SCALE, NEVER, BLOCK = 1e18, 8388607, 2**62, 128
CLOCK_STEP_NS, RATE_TOLERANCE, CONTINUES_WITHIN, DRIFT = 15e9, 0.02, 0.5, 0.25
EARLY_DOUBT, LONGER, MAX_STEPS = 1.3, 4, 6
RATES_HZ, LATEST_NS, LONGEST_NS = (10.0, 500.0), 4 * 10**18, 1e17


@dataclass(slots=True)
class _Candidate:
    """A trigger not yet judged: samples of its on, next look and off."""

    trigger: int
    look: int
    off: int = NEVER


@dataclass(slots=True)
class _Channel:
    """One channel's state; ``struct clock``, ``filter`` and ``trigger`` of the core say more."""

    seed_id: str
    counts: dict[str, int]
    rate: Rate = field(init=False)
    sections: Reals = field(init=False)
    rate_hz: float = 0.0
    sample_ns: float = 0.0
    next_ns: int = 0
    anchor_ns: int = 0
    anchor: int = 0
    seen: int = 0
    late_ns: float = 0.0
    delays: Reals = field(default_factory=lambda: np.zeros((4, 2)))
    sta: float = 0.0
    lta: float = 0.0
    offset: float = np.nan
    last: float = np.nan
    ready: int = 0
    segment: int = 0
    repeats: int = 0
    on_at: int = -1
    judged: int = -1
    history: Reals = field(default_factory=lambda: np.zeros(0))
    type: str = "f"
    candidates: list[_Candidate] = field(default_factory=list)
    windows: list[Row] = field(default_factory=list)

    def time_ns(self, sample: float) -> int:
        return self.anchor_ns + round((sample - self.anchor) * self.sample_ns)

    def sample(self, time_ns: int) -> int:
        return self.anchor + round((time_ns - self.anchor_ns) / self.sample_ns)

    # Continuity

    def check_continuity(
        self, start_ns: int, rate_hz: float, samples: NDArray[Any], rate: Rate, lta_ns: float
    ) -> NDArray[Any]:
        """Return the samples of a packet that are used: none of a duplicate."""
        sample_ns = self.sample_ns if rate_hz == self.rate_hz else 1e9 / rate_hz
        cut, action = 0, ""
        ahead_ns = start_ns - self.next_ns
        if abs(rate_hz - self.rate_hz) > RATE_TOLERANCE * rate_hz:
            self.counts["rate_changes"] += self.rate_hz > 0
            self.rate, self.sections, action = rate, sections(rate), "restart"
        elif ahead_ns > CONTINUES_WITHIN * sample_ns:
            action = "restart" if ahead_ns > lta_ns else "bridge"
            self.counts["gaps_restarted" if action == "restart" else "gaps_bridged"] += 1
        elif ahead_ns < -CONTINUES_WITHIN * sample_ns:
            cut = min(round(-ahead_ns / sample_ns), len(samples))
            if cut < len(samples):
                self.counts["overlaps"] += 1
            else:
                self.late_ns += len(samples) * sample_ns
                if self.late_ns <= CLOCK_STEP_NS:
                    self.counts["duplicates"] += 1
                    return samples[:0]
                self.counts["clock_steps"] += 1
                cut, action = 0, "restart"
        self._follow(start_ns + round(cut * sample_ns), rate_hz, sample_ns, bool(action))
        self.next_ns = self.time_ns(self.seen + len(samples) - cut)
        self.counts["packets"] += 1
        self.counts["samples"] += len(samples) - cut
        if action:
            self._begin(action == "restart", samples)
        return samples[cut:]

    def _follow(self, start_ns: int, rate_hz: float, sample_ns: float, is_new: bool) -> None:
        self.late_ns = 0.0
        is_new = is_new or rate_hz != self.rate_hz
        if is_new or abs(start_ns - self.time_ns(self.seen)) > DRIFT * sample_ns:
            self.rate_hz, self.sample_ns = rate_hz, sample_ns
            self.anchor_ns, self.anchor = start_ns, self.seen

    def _begin(self, is_restart: bool, samples: NDArray[Any]) -> None:
        """Set filter and trigger back; after a short gap the LTA stays."""
        lengths = self.rate.lengths
        head = samples[:BLOCK].astype(np.float64)
        finite = head[np.abs(head) < HUGE_SAMPLE]
        self.offset, self.last = float(finite[0]) if len(finite) else 0.0, np.nan
        self.delays = np.zeros((4, 2))
        self.delays[0] = -self.offset
        self.repeats, self.segment, self.type = 0, self.seen, samples.dtype.char
        if self.on_at >= 0:
            self._end_trigger(self.seen - 1)
        if is_restart:
            self.sta = self.lta = 0.0
            self.ready = self.seen + lengths.nlta
        else:
            self.sta = self.lta * lengths.nsta / lengths.nlta
            ready = self.seen + lengths.nlta if self.ready == NEVER else self.ready
            self.ready = max(ready, self.seen + lengths.hold)

    # Filter, STA/LTA and trigger

    def run_samples(self, samples: NDArray[Any]) -> None:
        """Take in at most ``LIMIT`` samples behind those seen."""
        x = samples.astype(np.float64)
        if samples.dtype.char == "i":
            self.counts["clipped"] += int((np.abs(x) >= FULL_SCALE).sum())
        x = self._mended(x)
        self._keep(x, samples.dtype.char)
        before, self.last = self.last, float(x[-1])
        band, self.delays = filtered(self.sections, x, self.delays)
        keep_sta, keep_lta, *_ = self.rate.averages
        sta = averaged(band * band, keep_sta, self.sta)
        lta = averaged(band * band, keep_lta, self.lta)
        self.sta, self.lta = (float(v[-1]) if abs(v[-1]) > TINY else 0.0 for v in (sta, lta))
        self.delays[np.abs(self.delays) <= TINY] = 0.0
        self._trigger(sta, lta, x == np.concatenate([[before], x[:-1]]))
        self.seen += len(x)

    def _mended(self, x: Reals) -> Reals:
        """The samples; the last good one stands in for those that are not a number."""
        is_good = np.abs(x) < HUGE_SAMPLE
        if is_good.all():
            return x
        self.counts["not_finite"] += int((~is_good).sum())
        source = np.maximum.accumulate(np.where(is_good, np.arange(len(x)), -1))
        start = self.offset if np.isnan(self.last) else self.last
        return np.where(source >= 0, x[source], start)

    def _keep(self, x: Reals, sample_type: str) -> None:
        """Keep the history as the core does: float64, and changed types, as float32 less offset."""
        if sample_type != self.type != "d":
            self.history = self._rounded(self.history)
            self.type = "d"
        kept = self._rounded(x) if self.type == "d" else x
        self.history = np.concatenate([self.history, kept])[-HISTORY:]

    def _rounded(self, x: Reals) -> Reals:
        return (x - self.offset).astype(np.float32).astype(np.float64)

    def _trigger(self, sta: Reals, lta: Reals, is_equal: NDArray[np.bool_]) -> None:
        *_, on, off = self.rate.averages
        dead, nlta = self.rate.lengths.dead, self.rate.lengths.nlta
        i = np.arange(len(sta))
        repeats = i - np.maximum.accumulate(np.where(is_equal, -1 - self.repeats, i))
        was_dead = np.concatenate([[self.repeats], repeats[:-1]]) >= dead
        rises, falls, dies = sta > on * lta, sta < off * lta, repeats == dead
        self.repeats = int(repeats[-1])
        is_on = self.on_at >= 0
        if not ((falls if is_on else rises) | dies | (was_dead & ~is_equal)).any():
            return
        for k in range(len(sta)):
            at = self.seen + k
            if was_dead[k] and not is_equal[k]:
                self.ready = at + nlta
            if dies[k]:
                self.ready = NEVER
                self.counts["dead"] += 1
            if self.on_at < 0:
                if at >= self.ready and rises[k]:
                    self.on_at = at
                    self.counts["triggers"] += 1
                    self.candidates.append(_Candidate(at, at + self.rate.windows.wait))
            elif dies[k] or falls[k]:
                self._end_trigger(at - 1)

    def _end_trigger(self, last: int) -> None:
        self.windows.append((self.seed_id, self.time_ns(self.on_at), self.time_ns(last)))
        for candidate in self.candidates:
            if candidate.trigger == self.on_at:
                candidate.off = last
        self.on_at = -1

    # Onset and quality

    def judge_all(self, min_snr: float, max_sparsity: float) -> Iterator[Row]:
        """Judge the candidates in the order of their triggers; yield rows of picks."""
        waiting: list[_Candidate] = []
        for candidate in self.candidates:
            if waiting and candidate.trigger > self.judged:
                waiting.append(candidate)
                continue
            verdict, row = self.judge(candidate, min_snr, max_sparsity)
            if verdict == "undecided":
                waiting.append(candidate)
            elif verdict != "repeated":
                self.counts[verdict] += 1
            if row:
                yield row
        self.candidates = waiting

    def judge(
        self, candidate: _Candidate, min_snr: float, max_sparsity: float
    ) -> tuple[str, Row | None]:
        """Look as often as the data allow; return the counter to raise and the row of a pick."""
        at, w = candidate.trigger, self.rate.windows
        if at <= self.judged:
            return "repeated", None
        if at < self.segment:
            return "rejected_gap", None
        if candidate.look >= self.seen:
            return "undecided", None
        segment = max(self.segment, self.seen - (HISTORY - PADDING))
        first = max(segment + 5 * w.guard, at - w.before - w.noise)
        if at - first < w.guard:
            self.judged = candidate.look
            return "rejected_snr", None
        end = min(self.seen - 1, at + max(w.wait, LONGER * w.patience))
        rest = max(segment, first - w.settle)
        raw, band = self._recalled(rest, first, end)
        while candidate.look <= end:
            last = candidate.look
            step = min(max(w.step, (last - at) // 4), MAX_STEPS * w.step)
            patience = (LONGER if candidate.off >= last else 1) * w.patience
            doubt = EARLY_DOUBT if last - at < 2 * w.wait else 1.0
            parts = raw[first - rest - 4 : last - rest + 1], band[: last - first + 1]
            start = max(0, at - w.before - first)
            found = look(*parts, start, w, doubt * min_snr, max_sparsity)
            if found.verdict == "picks" or last + step > at + patience:
                self.judged = last
                is_pick = found.verdict == "picks"
                return found.verdict, self._row(
                    at, last, first, found, segment
                ) if is_pick else None
            candidate.look = last + step
        return "undecided", None

    def _recalled(self, rest: int, first: int, end: int) -> tuple[Reals, Reals]:
        """The history from ``rest`` to ``end``, and band-passed, from sample ``first`` on."""
        begin = self.seen - len(self.history)
        raw = self.history[rest - begin : end + 1 - begin]
        band, _ = filtered(self.sections, self.rate.gain * (raw - raw[0]), np.zeros((4, 2)))
        return raw, band[first - rest :]

    def _row(self, at: int, last: int, first: int, found: Look, segment: int) -> Row:
        """The arguments of ``Pick``."""
        onset = first + found.onset
        delay = max(1.0, self.rate.windows.delay_thousandths / 1000)  # by the band-pass
        return (
            self.seed_id,
            self.time_ns(onset - delay),
            self.time_ns(at),
            found.snr,
            self.time_ns(last + 1),
            found.period / self.rate_hz,
            found.peak,
            found.error / self.rate_hz,
            self._noise_ratio(segment, onset),
        )

    def _noise_ratio(self, segment: int, onset: int) -> float:
        """The noise before the onset over that of the quietest second before it, or NaN."""
        w = self.rate.windows
        first, last = max(segment + 5 * w.guard, onset - w.quiet), onset - w.guard
        if last - first < 8 * 10 * w.guard:
            return np.nan
        _, band = self._recalled(max(segment, first - w.settle), first, last)
        return noise_ratio(band, w)


class Bank:
    """The twin of ``_core.Bank``, with the same methods."""

    def __init__(
        self,
        packet_type: type[Packet],  # noqa: ARG002 - the core reads it by its slots
        rate_of: Callable[[float], Rate],
        lta_s: float,
        min_snr: float,
        max_sparsity: float,
    ) -> None:
        self._make_rate, self._rates = rate_of, dict[int, Rate]()
        self._lta_ns, self._limits = lta_s * 1e9, (min_snr, max_sparsity)
        self._channels: dict[str, _Channel] = {}
        self._counts = Counters().as_dict()

    def process(self, packets: list[Packet], /) -> tuple[list[Row], list[Row]]:
        """Run one tick: rows of ``Pick`` and of ``Trigger``."""
        read = [row for row in map(self._read, packets) if row is not None]
        picks: list[Row] = []
        met: dict[str, _Channel] = {}
        for seed_id, start_ns, rate_hz, samples in sorted(read, key=lambda row: row[1]):
            channel = self._channels.setdefault(seed_id, _Channel(seed_id, self._counts))
            met[seed_id] = channel
            rate = self._rate_of(rate_hz)
            used = channel.check_continuity(start_ns, rate_hz, samples, rate, self._lta_ns)
            for first in range(0, len(used), LIMIT):
                channel.run_samples(used[first : first + LIMIT])
                picks += channel.judge_all(*self._limits)
        windows = [row for channel in met.values() for row in channel.windows]
        for channel in met.values():
            channel.windows.clear()
        return picks, windows

    def _read(self, packet: Packet) -> tuple[str, int, float, NDArray[Any]] | None:
        """The packet's fields as they are used; ``None`` if it is refused or empty."""
        seed_id, samples = packet.seed_id, packet.samples
        start, rate = packet.start_ns, packet.sampling_rate
        try:
            start_ns, rate_hz = int(start), float(rate)
        except (TypeError, ValueError, OverflowError):
            start_ns, rate_hz = 0, 0.0
        is_good = (
            isinstance(seed_id, str)
            and isinstance(samples, np.ndarray)
            and samples.ndim == 1
            and samples.dtype.char in "fdi"
            and abs(start_ns) <= LATEST_NS
            and RATES_HZ[0] <= rate_hz <= RATES_HZ[1]
            and len(samples) * 1e9 / rate_hz < LONGEST_NS
        )
        if not is_good:
            self._counts["refused"] += 1
            return None
        if not len(samples):
            return None
        return str(seed_id), start_ns, rate_hz, samples.astype(samples.dtype.char, copy=False)

    def _rate_of(self, rate_hz: float) -> Rate:
        hundredths = round(rate_hz * 100)
        if hundredths not in self._rates:
            self._rates[hundredths] = self._make_rate(hundredths / 100)
        return self._rates[hundredths]

    def look_again(
        self, seed_id: str, trigger_ns: int, decided_ns: int, min_snr: float, /
    ) -> Row | None:
        """A row of ``Pick``, or ``None``: judge a channel where another was picked."""
        channel = self._channels.get(seed_id)
        if channel is None:
            return None
        at, last = channel.sample(trigger_ns), channel.sample(decided_ns) - 1
        if not 0 <= at <= last < channel.seen:
            return None
        before = channel.judged
        row = channel.judge(_Candidate(at, last, last), min_snr, self._limits[1])[1]
        channel.judged = before
        return row

    def counts(self) -> dict[str, int]:
        """What was met so far, by the names of ``Counters``."""
        return dict(self._counts)

    def channels(self) -> tuple[str, ...]:
        """The SEED ids met so far."""
        return tuple(self._channels)

    def state(self, channel: int, /) -> tuple[float, ...]:
        """The filter's delays, S and L of a channel."""
        of = list(self._channels.values())[channel]
        return (*of.delays.ravel().tolist(), of.sta, of.lta)
