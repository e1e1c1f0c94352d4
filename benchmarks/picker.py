"""How truly P onsets are picked: recall, time error and false picks, beside obspy's pickers.

On recorded earthquakes (``EW_RECORDED``, or ``../shared/data/recorded``) against their picks, with the noise before
each earthquake for the false picks, and everywhere against synthetic onsets whose times are known. The rival
``recursive_sta_lta`` + ``trigger_onset`` takes the same band and averages and, where that gives more false picks than
ew, the lowest on-threshold that does not; ``pk_baer`` and ``ar_pick`` are made for one onset in a short window and
are given windows of 20 s.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from obspy.signal.filter import bandpass
from obspy.signal.trigger import ar_pick, pk_baer, recursive_sta_lta, trigger_onset

from benchmarks.harness import BenchmarkResult, budget
from ew import Packet, PickerBank
from ew.config import PickerConfig
from ew.sources.files import load_event_dir

NAME = "picker"
WITHIN_S = 0.5
WINDOW_S = (14.0, 6.0)
Samples = NDArray[np.float64]


@dataclass(slots=True)
class Trace:
    """One run of a vertical channel: true onsets and the span counted as noise, in seconds from its start."""

    samples: Samples
    rate: float
    onsets: list[float]
    noise_until: float
    beside: tuple[Samples, Samples] | None = None


def recorded() -> Path | None:
    """Where the recordings are, if they are."""
    here = Path(os.environ.get("EW_RECORDED", Path(__file__).parents[2] / "shared/data/recorded"))
    return here if here.is_dir() else None


def recorded_traces(path: Path, most: int) -> Iterator[Trace]:
    for directory in sorted(p for p in path.iterdir() if p.is_dir())[:most]:
        event = load_event_dir(directory)
        origin = event.event.origin if event.event else None
        for run in event.runs:
            if not run.seed_id.endswith("Z"):
                continue
            start = run.start_ns / 1e9
            seconds = len(run.samples) / run.sampling_rate
            onsets = [
                p.time_ns / 1e9 - start
                for p in event.analyst_picks
                if p.seed_id == run.seed_id and 0 < p.time_ns / 1e9 - start < seconds
            ]
            quiet = seconds if origin is None else min(seconds, max(0.0, origin.time_s - start))
            samples = np.asarray(run.samples, np.float64)
            yield Trace(samples, run.sampling_rate, onsets, quiet)


def synthetic_traces(count: int, rate: float, snr: float) -> Iterator[Trace]:
    """Noise with a slope like the ground's and, 30 s in, a wave of 2-8 Hz that rises within 10-200 ms."""
    for seed in range(count):
        rng = np.random.default_rng(seed)
        n = round(50 * rate)
        frequencies = np.maximum(np.fft.rfftfreq(n, 1 / rate), 0.1)
        ground = np.fft.irfft(np.fft.rfft(rng.normal(size=n)) / np.sqrt(frequencies), n)
        onset = 30 + rng.uniform(0, 1)
        t = np.arange(n) / rate - onset
        after = np.maximum(t, 0)
        rise = 1 - np.exp(-after / rng.uniform(0.01, 0.2))
        tones = rng.uniform(2, 8, 5)
        wave = sum(np.sin(2 * np.pi * f * after) for f in tones) * rise * np.exp(-after / 5)
        wave *= snr * ground.std() / np.abs(wave[(t > 0) & (t < 1)]).max()
        yield Trace((ground + wave) * 1000, rate, [onset], onset - 1)


def ew_picks(trace: Trace) -> list[float]:
    """Onsets by the streaming picker, fed 1 s packets, in seconds from the start."""
    return [time for time, _ in ew_decisions(trace)]


def ew_decisions(trace: Trace) -> list[tuple[float, float]]:
    """Each pick's onset and the time it was decided."""
    bank, length = PickerBank(), round(trace.rate)
    found = []
    for at in range(0, len(trace.samples), length):
        start_ns = round(at * 1e9 / trace.rate)
        found += bank.process(
            [Packet("XX.A..HHZ", start_ns, trace.rate, trace.samples[at : at + length])]
        )
    return [(pick.time_ns / 1e9, pick.decided_ns / 1e9) for pick in found]


def sta_lta_picks(trace: Trace, on_ratio: float) -> list[float]:
    c, rate = PickerConfig(), trace.rate
    high = min(c.band_high_hz, 0.45 * rate)
    filtered = bandpass(trace.samples - trace.samples[0], c.band_low_hz, high, rate, corners=4)
    ratio = recursive_sta_lta(filtered, int(c.sta_s * rate), int(c.lta_s * rate))
    return [on / rate for on, _ in trigger_onset(ratio, on_ratio, c.off_ratio)]


def baer_pick(trace: Trace) -> list[float]:
    rate = trace.rate
    filtered = bandpass(
        trace.samples - trace.samples[0], 1.0, min(12.0, 0.45 * rate), rate, corners=4
    )
    # The parameters of obspy's own example, in seconds of this rate
    lengths = int(0.2 * rate), int(0.6 * rate)
    single = filtered.astype(np.float32)
    pick, _ = pk_baer(single, rate, *lengths, 7.0, 12.0, int(rate), int(rate))
    return [pick / rate] if pick > 0 else []


def ar_picks(trace: Trace) -> list[float]:
    z = trace.samples - trace.samples[0]
    # One component thrice: the P part of the method reads the vertical alone
    high = min(12.0, 0.45 * trace.rate)
    p, _ = ar_pick(z, z, z, trace.rate, 1.0, high, 1.0, 0.1, 4.0, 1.0, 2, 8, 0.1, 0.2)
    return [p] if p > 0 else []


def windows(trace: Trace) -> Iterator[Trace]:
    """20 s around each onset, and the noise in pieces of 20 s."""
    before, after = WINDOW_S
    for onset in trace.onsets:
        if onset > before:
            a, b = (round((onset + s) * trace.rate) for s in (-before, after))
            yield Trace(trace.samples[a:b], trace.rate, [onset - a / trace.rate], 0.0)
    for start in np.arange(0.0, trace.noise_until - 20, 20.0):
        a, b = (round(s * trace.rate) for s in (start, start + 20))
        yield Trace(trace.samples[a:b], trace.rate, [], 20.0)


def score(traces: list[Trace], pick: Callable[[Trace], list[float]]) -> dict[str, float]:
    errors, onsets, false, hours = [], 0, 0, 0.0
    for trace in traces:
        found = pick(trace)
        onsets += len(trace.onsets)
        hours += trace.noise_until / 3600
        false += sum(time < trace.noise_until - WITHIN_S for time in found)
        for onset in trace.onsets:
            nearest = min((time - onset for time in found), key=abs, default=np.inf)
            if abs(nearest) <= WITHIN_S:
                errors.append(nearest)
    size = np.abs(errors) if errors else np.array([np.nan])
    return {
        "onsets": onsets,
        "recall %": 100 * len(errors) / max(onsets, 1),
        "median |error| s": float(np.median(size)),
        "p90 |error| s": float(np.quantile(size, 0.9)),
        "bias s": float(np.median(errors)) if errors else float("nan"),
        "false a channel-hour": false / hours if hours else float("nan"),
    }


def compare(name: str, traces: list[Trace]) -> list[dict[str, object]]:
    """ew and its rivals on the same traces."""
    ours = score(traces, ew_picks)
    delays = [
        decided - onset
        for trace in traces
        for onset in trace.onsets
        for time, decided in ew_decisions(trace)
        if abs(time - onset) <= WITHIN_S
    ]
    rows: list[dict[str, object]] = [
        {
            "data": name,
            "picker": "ew",
            **ours,
            "decided after s": float(np.median(delays)) if delays else float("nan"),
        }
    ]
    same = score(traces, lambda trace: sta_lta_picks(trace, PickerConfig().on_ratio))
    rows.append({"data": name, "picker": "sta/lta, same threshold", **same})
    for ratio in np.arange(PickerConfig().on_ratio, 40.0):
        rival = score(traces, lambda trace, ratio=ratio: sta_lta_picks(trace, ratio))
        if rival["false a channel-hour"] <= ours["false a channel-hour"]:
            break
    rows.append({"data": name, "picker": f"sta/lta, on at {ratio:g}", **rival})
    short = [window for trace in traces for window in windows(trace)]
    rows += [
        {"data": name, "picker": label, **score(short, rival)}
        for label, rival in (("pk_baer", baer_pick), ("ar_pick", ar_picks))
    ]
    return rows


def run(quick: bool) -> BenchmarkResult:
    count = 5 if quick else 60
    rows: list[dict[str, object]] = []
    clear: list[float] = []
    for rate in (31.25, 100.0):
        for snr in (5.0, 20.0):
            traces = list(synthetic_traces(count, rate, snr))
            rows += compare(f"synthetic {rate:g} Hz, SNR {snr:g}", traces)
            if snr > 10:
                clear.append(float(str(rows[-5]["median |error| s"])))
    path = recorded()
    notes = [] if path else ["no recordings here (EW_RECORDED): synthetic onsets only"]
    if path:
        found = compare("recorded", list(recorded_traces(path, 2 if quick else 100)))
        rows += found
        clear.append(float(str(found[0]["median |error| s"])))
    budgets = [
        budget(NAME, "median error of clear onsets", max(clear)),
        budget(NAME, "recall above sta/lta with no more false picks", min(_leads(rows))),
    ]
    return BenchmarkResult(NAME, rows, budgets, notes)


def _leads(rows: list[dict[str, object]]) -> list[float]:
    """By how many percent points ew's recall is above its rival's at no more false picks, on each data set."""
    recalls = [float(str(row["recall %"])) for row in rows]
    return [recalls[i] - recalls[i + 2] for i in range(0, len(rows), 5)]
