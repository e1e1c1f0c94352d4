"""PURE: the detection core once more in NumPy and SciPy: the reference of the tests, and what runs where no compiler was.

Step by step the same as ``core/`` (the rules and their reasons are told there and in docs/picker.md): ``_read``,
``_Channel.place`` (continuity), ``_Channel.run`` (filter, STA/LTA, trigger), ``_Channel.judge`` (AIC onset, quality).
Triggers are the core's to the last bit, measures of picks to rounding. A packet of 100 samples takes some 100 us.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ew.detect.rates import HISTORY, LIMIT, PADDING, Rate
from ew.records import Packet

Reals = NDArray[np.float64]
Row = tuple[Any, ...]

HUGE_SAMPLE, FULL_SCALE, TINY, NEVER = 1e18, 8388607, 1e-150, 2**62
CLOCK_STEP_NS, RATE_TOLERANCE, CONTINUES_WITHIN, DRIFT = 15e9, 0.02, 0.5, 0.25
EARLY_DOUBT, LONGER, MOST_STEPS, MOST_SNR = 1.3, 4, 6, 1e6
RATES_HZ, LATEST_NS, LONGEST_NS = (10.0, 500.0), 4 * 10**18, 1e17


def sections(rate: Rate) -> Reals:
    """The band-pass without its gain as (4, 6) sections of scipy."""
    rows = zip(rate.a1, rate.a2, strict=True)
    return np.array([[1.0, 0.0, -1.0, 1.0, a1, a2] for a1, a2 in rows])


def averaged(energy: Reals, keep: float, before: float) -> Reals:
    """The recursive sum ``keep`` * sum + energy (Withers et al. 1998, eq. 3, times its length)."""
    from scipy.signal import lfilter  # noqa: PLC0415 - slow to load

    total: Reals = lfilter([1.0], [1.0, -keep], energy, zi=[keep * before])[0]
    return total


def course(samples: Reals, rate: Rate) -> tuple[Reals, Reals]:
    """The band-passed samples and STA / LTA of a channel fed ``samples`` (N,) from its start; no ratio in the warm-up."""
    from scipy.signal import sosfilt  # noqa: PLC0415 - slow to load

    keep_sta, keep_lta, *_ = rate.averages
    band, energy = np.zeros(len(samples)), np.zeros(len(samples))
    if len(samples):
        start = np.zeros((4, 2))
        start[0] = -samples[0]
        band = sosfilt(sections(rate), samples, zi=start)[0]
        energy = band * band
    sta = averaged(energy, keep_sta, 0.0) / rate.lengths.nsta
    lta = averaged(energy, keep_lta, 0.0) / rate.lengths.nlta
    ratio = sta / np.maximum(lta, TINY)
    ratio[: rate.lengths.nlta] = 0.0
    return rate.gain * band, ratio


@dataclass(slots=True)
class _Candidate:
    """A trigger not yet judged: samples of its on, of the next look and of its off."""

    trigger: int
    look: int
    off: int = NEVER


@dataclass(slots=True)
class _Channel:
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
    decided: int = -1
    history: Reals = field(default_factory=lambda: np.zeros(0))
    form: str = "f"
    candidates: list[_Candidate] = field(default_factory=list)
    windows: list[Row] = field(default_factory=list)

    def time_ns(self, sample: float) -> int:
        return self.anchor_ns + round((sample - self.anchor) * self.sample_ns)

    def sample(self, time_ns: int) -> int:
        return self.anchor + round((time_ns - self.anchor_ns) / self.sample_ns)

    # Continuity

    def place(
        self, start_ns: int, rate_hz: float, samples: NDArray[Any], rate: Rate, lta_ns: float
    ) -> NDArray[Any]:
        """Settle by its start time what of a packet is used, none of it if empty, and bring the state in order."""
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
            self._start_anew(action == "restart", samples.dtype.char)
        return samples[cut:]

    def _follow(self, start_ns: int, rate_hz: float, sample_ns: float, is_new: bool) -> None:
        self.late_ns = 0.0
        is_new = is_new or rate_hz != self.rate_hz
        if is_new or abs(start_ns - self.time_ns(self.seen)) > DRIFT * sample_ns:
            self.rate_hz, self.sample_ns = rate_hz, sample_ns
            self.anchor_ns, self.anchor = start_ns, self.seen

    def _start_anew(self, is_restart: bool, form: str) -> None:
        lengths = self.rate.lengths
        self.delays = np.zeros((4, 2))
        self.offset = self.last = np.nan
        self.repeats, self.segment, self.form = 0, self.seen, form
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

    def run(self, samples: NDArray[Any]) -> None:
        from scipy.signal import sosfilt  # noqa: PLC0415 - slow to load

        if samples.dtype.char == "i":
            clipped = np.abs(samples.astype(np.float64)) >= FULL_SCALE
            self.counts["clipped"] += int(clipped.sum())
        x = self._mended(samples.astype(np.float64))
        self._keep(x, samples.dtype.char)
        before, self.last = self.last, float(x[-1])
        band, self.delays = sosfilt(self.sections, x, zi=self.delays)
        keep_sta, keep_lta, *_ = self.rate.averages
        sta = averaged(band * band, keep_sta, self.sta)
        lta = averaged(band * band, keep_lta, self.lta)
        self.sta, self.lta = (float(v[-1]) if abs(v[-1]) > TINY else 0.0 for v in (sta, lta))
        self.delays[np.abs(self.delays) <= TINY] = 0.0
        self._trigger(sta, lta, x == np.concatenate([[before], x[:-1]]))
        self.seen += len(x)

    def _mended(self, x: Reals) -> Reals:
        is_good = np.abs(x) < HUGE_SAMPLE
        if np.isnan(self.offset):
            good = np.flatnonzero(is_good)
            self.offset = float(x[good[0]]) if len(good) else 0.0
            self.delays[0] = -self.offset
        if not is_good.all():
            self.counts["not_finite"] += int((~is_good).sum())
            source = np.maximum.accumulate(np.where(is_good, np.arange(len(x)), -1))
            start = self.offset if np.isnan(self.last) else self.last
            x = np.where(source >= 0, x[source], start)
        return x

    def _keep(self, x: Reals, form: str) -> None:
        """As the core keeps it: float64 as float32 less the offset, and so from then on where the form has changed."""
        if form != self.form != "d":
            self.history = (self.history - self.offset).astype(np.float32).astype(np.float64)
            self.form = "d"
        kept = (x - self.offset).astype(np.float32).astype(np.float64) if self.form == "d" else x
        self.history = np.concatenate([self.history, kept])[-HISTORY:]

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
        waiting: list[_Candidate] = []
        for candidate in self.candidates:
            if waiting and candidate.trigger > self.decided:
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
        """The verdict, as its counter is called, and the row of a pick."""
        at, w = candidate.trigger, self.rate.windows
        if at <= self.decided:
            return "repeated", None
        if at < self.segment:
            return "rejected_gap", None
        if candidate.look >= self.seen:
            return "undecided", None
        segment = max(self.segment, self.seen - (HISTORY - PADDING))
        first = max(segment + 5 * w.guard, at - w.before - w.noise)
        if at - first < w.guard:
            self.decided = candidate.look
            return "rejected_snr", None
        end = min(self.seen - 1, at + max(w.wait, LONGER * w.patience))
        rest = max(segment, first - w.settle)
        raw, band = self._recalled(rest, first, end)
        while candidate.look <= end:
            last = candidate.look
            step = min(max(w.step, (last - at) // 4), MOST_STEPS * w.step)
            patience = (LONGER if candidate.off >= last else 1) * w.patience
            doubt = EARLY_DOUBT if last - at < 2 * w.wait else 1.0
            parts = raw[first - rest - 4 : last - rest + 1], band[: last - first + 1]
            start = max(0, at - w.before - first)
            verdict, onset, measures = self._look(*parts, start, doubt * min_snr, max_sparsity)
            if verdict == "picks" or last + step > at + patience:
                self.decided = last
                row = self._row(at, last, first + onset, measures, segment)
                return verdict, row if verdict == "picks" else None
            candidate.look = last + step
        return "undecided", None

    def _recalled(self, rest: int, first: int, end: int) -> tuple[Reals, Reals]:
        """The history from sample ``rest`` to ``end``, and band-passed from rest, from sample ``first`` on."""
        from scipy.signal import sosfilt  # noqa: PLC0415 - slow to load

        begin = self.seen - len(self.history)
        raw = self.history[rest - begin : end + 1 - begin]
        band = sosfilt(self.sections, self.rate.gain * (raw - raw[0]))
        return raw, band[first - rest :]

    def _look(
        self, raw: Reals, band: Reals, start: int, min_snr: float, max_sparsity: float
    ) -> tuple[str, int, tuple[float, ...]]:
        """One look: the verdict, the onset's index in ``band``, and SNR, period, peak and error; ``raw`` begins 4 earlier."""
        w = self.rate.windows
        onset = start + aic_onset(band[start:])
        noise = band[max(0, onset - w.noise) : max(0, onset - w.guard)]
        if len(noise) < w.guard:
            return "rejected_snr", onset, ()
        signal, slope = band[onset:], np.diff(band[onset - 1 :])
        energy = float(np.sum(signal**2))
        snr = min(MOST_SNR, np.sqrt(energy / len(signal) / max(float(np.mean(noise**2)), 1e-60)))
        period = 2 * np.pi * np.sqrt(energy / max(float(np.sum(slope**2)), 1e-60))  # Nakamura 1988
        error = max(1.0, period / (2 * max(snr, 1.0)))
        measures = (float(snr), float(period), float(np.max(np.abs(signal))), float(error))
        if snr < min_snr:
            return "rejected_snr", onset, measures
        steep = sparsity(raw[onset:]) > max_sparsity
        return "rejected_glitch" if steep else "picks", onset, measures

    def _row(
        self, at: int, last: int, onset: int, measures: tuple[float, ...], segment: int
    ) -> Row | None:
        """The arguments of ``Pick``."""
        if not measures:
            return None
        snr, period, peak, error = measures
        brought_early = onset - max(1.0, self.rate.windows.delay_thousandths / 1000)
        return (
            self.seed_id,
            self.time_ns(brought_early),
            self.time_ns(at),
            snr,
            self.time_ns(last + 1),
            period / self.rate_hz,
            peak,
            error / self.rate_hz,
            self._unrest(segment, onset),
        )

    def _unrest(self, segment: int, onset: int) -> float:
        w = self.rate.windows
        first, last = max(segment + 5 * w.guard, onset - w.quiet), onset - w.guard
        second = 10 * w.guard
        if last - first < 8 * second:
            return np.nan
        _, band = self._recalled(max(segment, first - w.settle), first, last)
        whole = band[: len(band) // second * second].reshape(-1, second)
        quietest = np.min(np.mean(whole**2, axis=1))
        noise = np.mean(band[max(0, len(band) - w.noise + w.guard) :] ** 2)
        return float(min(MOST_SNR, np.sqrt(noise / max(quietest, 1e-60))))


def aic_onset(w: Reals) -> int:
    """The first sample of the new state: the least k log var(w[:k]) + (n - k - 1) log var(w[k:]) (Maeda 1985, eq. 1)."""
    n = len(w)
    k = np.arange(4, n - 2)
    if not len(k):
        return n // 2
    total, square = np.cumsum(w), np.cumsum(w**2)
    floor = 1e-12 * square[-1] / n + 1e-60
    head, head_square = total[k - 1], square[k - 1]
    before = np.maximum(head_square / k - (head / k) ** 2, floor)
    mean = (total[-1] - head) / (n - k)
    after = np.maximum((square[-1] - head_square) / (n - k) - mean**2, floor)
    return int(k[np.argmin(k * np.log(before) + (n - k - 1) * np.log(after))])


def sparsity(raw: Reals) -> float:
    """Share of the steepest quarter of the samples (four at least) in the energy of the slope."""
    slope = np.sort(np.diff(raw) ** 2)
    return float(slope[-max(4, len(slope) // 4) :].sum() / max(slope.sum(), 1e-60))


class Bank:
    """The twin of ``_core.Bank``, with the same methods."""

    def __init__(
        self,
        packet_type: type[Packet],  # noqa: ARG002 - the core's fast way knows it
        rate_of: Callable[[float], Rate],
        lta_s: float,
        min_snr: float,
        max_sparsity: float,
    ) -> None:
        self._make_rate, self._rates = rate_of, dict[int, Rate]()
        self._lta_ns, self._limits = lta_s * 1e9, (min_snr, max_sparsity)
        self._channels: dict[str, _Channel] = {}
        names = """packets samples triggers picks rejected_snr rejected_glitch rejected_gap gaps_bridged gaps_restarted
            overlaps duplicates clock_steps rate_changes not_finite clipped dead refused"""
        self._counts = dict.fromkeys(names.split(), 0)

    def process(self, packets: list[Packet], /) -> tuple[list[Row], list[Row]]:
        """Run one tick: rows of ``Pick`` and of ``Trigger``."""
        read = [row for row in map(self._read, packets) if row is not None]
        picks: list[Row] = []
        met: dict[str, _Channel] = {}
        for seed_id, start_ns, rate_hz, samples in sorted(read, key=lambda row: row[1]):
            channel = self._channels.setdefault(seed_id, _Channel(seed_id, self._counts))
            met[seed_id] = channel
            rate = self._rate_of(rate_hz)
            used = channel.place(start_ns, rate_hz, samples, rate, self._lta_ns)
            for first in range(0, len(used), LIMIT):
                channel.run(used[first : first + LIMIT])
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
        before = channel.decided
        row = channel.judge(_Candidate(at, last, last), min_snr, self._limits[1])[1]
        channel.decided = before
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
