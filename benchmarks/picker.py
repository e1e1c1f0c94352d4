"""How truly P onsets are picked: recall, time error and false picks, beside obspy's pickers.

Four kinds of data. Synthetic onsets, whose times are known. Recorded earthquakes (``EW_RECORDED``,
or ``../shared/data/recorded``) against their ``picks.csv``. The same recordings against TauP
(ak135) from the catalogue origin, on the stations with a pick and, apart, on those without one
whose P stands out: the RMS (1-12 Hz, no phase shift) of its loudest second between 3 s before the
TauP time and 3 s after it, or S if that is earlier, is at least twice the RMS of the 10 s before.
And noise: recordings without an earthquake, and the minutes before each origin.

Origin times of that catalogue are whole seconds, depths unknown (``DEPTH_KM`` stands in) and places
good to 10-15 km: against TauP a picker can be no better than the catalogue, so ``picks.csv`` itself
stands in the same table, and TauP times are given once as they are and once moved by their
earthquake's median difference to its picks.

The rival ``recursive_sta_lta`` + ``trigger_onset`` takes the same band and averages and, where that
gives more false picks than ew, the lowest on-threshold that does not; ``pk_baer`` and ``ar_pick``
are made for one onset in a short window and are given windows of 20 s.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from obspy.signal.filter import bandpass
from obspy.taup import TauPyModel

from benchmarks.harness import BenchmarkResult, budget
from benchmarks.rivals.pickers import (
    Samples,
    Trace,
    ar_picks,
    baer_pick,
    sta_lta_picks,
    windows,
)
from ew import Packet, Pick, PickerBank
from ew.config import PickerConfig
from ew.geo import distance_km
from ew.sources.files import EventDir, load_event_dir

NAME = "picker"
WITHIN_S = 0.5
CATALOGUE_WITHIN_S = 3.0
"""How far a catalogue of whole seconds and 15 km may put the P-wave: beyond it, another onset was
picked."""
DEPTH_KM = 20.0
"""Where the catalogue gives none: the middle of the interface off Guerrero and Oaxaca; 10 km are up
to 0.7 s."""
KM_A_DEGREE = 111.19
STANDS_OUT = 2.0
WARM_UP_S = 10.0
"""Less noise than this tells nothing: the LTA is still filling."""


@dataclass(slots=True)
class DataSet:
    """Traces under one name; an onset found within ``reach_s`` counts for the errors' median."""

    name: str
    traces: list[Trace] = field(default_factory=list)
    reach_s: float = WITHIN_S


def recorded() -> Path | None:
    """Where the recordings are, if they are."""
    here = Path(os.environ.get("EW_RECORDED", Path(__file__).parents[2] / "shared/data/recorded"))
    return here if here.is_dir() else None


@dataclass(slots=True)
class Vertical:
    """One run of a recorded vertical: in seconds from its start, its pick, TauP's P, and the
    earthquake's origin.
    """

    samples: Samples
    rate: float
    event: str
    pick: float | None
    taup: float | None
    stands_out: bool
    origin: float | None

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate

    def with_onset(self, onset: float) -> Trace:
        return Trace(self.samples, self.rate, [onset], 0.0)


def verticals(path: Path, most: int) -> Iterator[Vertical]:
    model = TauPyModel("ak135")
    # Those with an analyst's picks first: a quick run of the others could judge nothing
    folders = (p for p in path.iterdir() if p.is_dir())
    for directory in sorted(folders, key=lambda p: (not (p / "picks.csv").exists(), p))[:most]:
        event = load_event_dir(directory)
        origin = event.event.origin if event.event else None
        for run in (run for run in event.runs if run.seed_id.endswith("Z")):
            start, rate = run.start_ns / 1e9, run.sampling_rate
            samples = np.asarray(run.samples, np.float64)
            inside = [
                at
                for p in event.analyst_picks
                if p.seed_id == run.seed_id
                and 0 < (at := p.time_ns / 1e9 - start) < len(samples) / rate
            ]
            pick = inside[0] if inside else None
            if origin is None:
                yield Vertical(samples, rate, directory.name, pick, None, False, None)
                continue
            p, s = (origin.time_s - start + t for t in taup_s(model, event, run.seed_id))
            loud = stands_out(samples, rate, p, s)
            yield Vertical(samples, rate, directory.name, pick, p, loud, origin.time_s - start)


def taup_s(model: TauPyModel, event: EventDir, seed_id: str) -> tuple[float, float]:
    """First P and first S of the catalogue origin, in seconds after it."""
    assert event.event is not None
    assert event.event.origin is not None
    origin, channel = event.event.origin, event.inventory[seed_id]
    place = [channel.latitude], [channel.longitude]
    degrees = float(distance_km(origin.latitude, origin.longitude, *place)[0]) / KM_A_DEGREE
    depth_km = DEPTH_KM if np.isnan(origin.depth_km) else origin.depth_km
    p, s = (model.get_travel_times(depth_km, degrees, [phase])[0].time for phase in ("ttp", "tts"))
    return p, s


def stands_out(samples: Samples, rate: float, p: float, s: float) -> bool:
    """The rule of the module's docstring; a P-wave without 15 s before and 3 s after it in the run
    does not.
    """
    first, last = p - CATALOGUE_WITHIN_S, min(p + CATALOGUE_WITHIN_S, s)
    if first < 15 or p + CATALOGUE_WITHIN_S > len(samples) / rate or last - first < 1:
        return False
    band = bandpass(samples - samples[0], 1.0, 12.0, rate, corners=4, zerophase=True)
    second = round(rate)
    noise = np.mean(band[round((first - 10) * rate) : round(first * rate)] ** 2)
    energy = np.convolve(
        band[round(first * rate) : round(last * rate)] ** 2, np.ones(second) / second, "valid"
    )
    return bool(energy.max() >= STANDS_OUT**2 * noise)


def recorded_sets(everything: list[Vertical]) -> tuple[list[DataSet], list[str]]:
    """The recordings as onsets and as noise, and what there is to say of their catalogue."""
    picks = DataSet("recorded, picks.csv")
    quiet, before = DataSet("recorded, no earthquake"), DataSet("recorded, before the origin")
    picked = DataSet("TauP, stations with a pick", reach_s=CATALOGUE_WITHIN_S)
    others = DataSet("TauP, other stations", reach_s=CATALOGUE_WITHIN_S)
    moved = DataSet("TauP moved, other stations", reach_s=CATALOGUE_WITHIN_S)
    shifts = _shifts(everything)
    for v in everything:
        noise_until = v.seconds if v.origin is None else min(v.seconds, max(0.0, v.origin))
        onsets = [] if v.pick is None else [v.pick]
        picks.traces.append(Trace(v.samples, v.rate, onsets, noise_until))
        if noise_until > WARM_UP_S:
            noise = Trace(v.samples[: round(noise_until * v.rate)], v.rate, [], noise_until)
            (quiet if v.origin is None else before).traces.append(noise)
        if v.taup is None:
            continue
        if v.pick is not None:
            picked.traces.append(v.with_onset(v.taup))
        elif v.stands_out:
            others.traces.append(v.with_onset(v.taup))
            if v.event in shifts:
                moved.traces.append(v.with_onset(v.taup + shifts[v.event]))
    sets = [picks, quiet, before, picked, others, moved]
    moves = ", ".join(f"{event[3:]} {shift:+.1f}" for event, shift in shifts.items())
    notes = [f"picks.csv less TauP, median of each earthquake, s: {moves}"]
    return [data for data in sets if data.traces], notes


def _shifts(everything: list[Vertical]) -> dict[str, float]:
    """By how much each earthquake's picks lie after TauP, for those with three and more."""
    residuals: dict[str, list[float]] = {}
    for v in everything:
        if v.pick is not None and v.taup is not None:
            residuals.setdefault(v.event, []).append(v.pick - v.taup)
    return {event: float(np.median(r)) for event, r in residuals.items() if len(r) >= 3}


def synthetic_traces(count: int, rate: float, snr: float) -> Iterator[Trace]:
    """Noise with a slope like the ground's and, 30 s in, a wave of 2-8 Hz that rises within 10-200
    ms."""
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
    return [(pick.time_ns / 1e9, pick.decided_ns / 1e9) for pick in streamed(trace)]


def noise_ratio_note(everything: list[Vertical]) -> str:
    """How far ``Pick.noise_ratio`` tells P from what comes in the 40 s after it."""
    p, after = [], []
    for v in everything:
        if v.pick is not None:
            for pick in streamed(v.with_onset(v.pick)):
                late = pick.time_ns / 1e9 - v.pick
                if abs(late) <= WITHIN_S:
                    p.append(pick.noise_ratio)
                elif WITHIN_S < late < 40:
                    after.append(pick.noise_ratio)
    if not p:
        return "noise_ratio: no analyst's P pick among these recordings"
    low, high = np.nanquantile(after, [0.05, 0.5]) if after else (np.nan, np.nan)
    return (
        f"noise_ratio: at most {np.nanmax(p):.1f} before {len(p)} P picks; before the {len(after)} "
        "picks "
        f"of the next 40 s {high:.1f} (median), 95 % above {low:.1f}"
    )


def streamed(trace: Trace) -> list[Pick]:
    """ew's picks of a trace in packets of 1 s."""
    bank, length = PickerBank(), round(trace.rate)
    found: list[Pick] = []
    for at in range(0, len(trace.samples), length):
        start_ns = round(at * 1e9 / trace.rate)
        found += bank.process(
            [Packet("XX.A..HHZ", start_ns, trace.rate, trace.samples[at : at + length])]
        )
    return found


def score(data: DataSet, pick: Callable[[Trace], list[float]]) -> dict[str, float | str]:
    errors, onsets, false, hours = [], 0, 0, 0.0
    for trace in data.traces:
        found = pick(trace)
        onsets += len(trace.onsets)
        hours += trace.noise_until / 3600
        false += sum(time < trace.noise_until - WITHIN_S for time in found)
        for onset in trace.onsets:
            nearest = min((time - onset for time in found), key=abs, default=np.inf)
            if abs(nearest) <= data.reach_s:
                errors.append(nearest)
    row: dict[str, float | str] = {"onsets": onsets}
    if onsets:
        size = np.abs(errors) if errors else np.array([np.nan])
        row |= {
            "recall %": 100 * float((size <= WITHIN_S).sum()) / onsets,
            "within 3 s %": 100 * len(errors) / onsets if data.reach_s > WITHIN_S else "",
            "median |error| s": float(np.median(size)),
            "p90 |error| s": float(np.quantile(size, 0.9)),
            "bias s": float(np.median(errors)) if errors else float("nan"),
        }
    if hours:
        row |= {"channel-hours": hours, "false a channel-hour": false / hours}
    return row


def compare(data: DataSet) -> list[dict[str, object]]:
    """ew and its rivals on the same traces."""
    ours = score(data, ew_picks)
    delays = [
        decided - onset
        for trace in data.traces
        for onset in trace.onsets
        for time, decided in ew_decisions(trace)
        if abs(time - onset) <= WITHIN_S
    ]
    after = {"decided after s": float(np.median(delays))} if delays else {}
    rows: list[dict[str, object]] = [{"data": data.name, "picker": "ew", **ours, **after}]
    same = score(data, lambda trace: sta_lta_picks(trace, PickerConfig().on_ratio))
    rows.append({"data": data.name, "picker": "sta/lta, same threshold", **same})
    if "false a channel-hour" in ours:
        rows.append(_fair_rival(data, float(ours["false a channel-hour"])))
    windowed = [window for trace in data.traces for window in windows(trace)]
    short = DataSet(data.name, windowed, data.reach_s)
    rows += [
        {"data": data.name, "picker": label, **score(short, rival)}
        for label, rival in (("pk_baer", baer_pick), ("ar_pick", ar_picks))
    ]
    return rows


def _fair_rival(data: DataSet, most_false: float) -> dict[str, object]:
    """STA/LTA at the lowest on-threshold that gives no more false picks than ew."""
    for ratio in np.arange(PickerConfig().on_ratio, 40.0):
        rival = score(data, lambda trace, ratio=ratio: sta_lta_picks(trace, ratio))
        if float(rival["false a channel-hour"]) <= most_false:
            break
    return {"data": data.name, "picker": f"sta/lta, on at {ratio:g}", **rival}


def truth_row(everything: list[Vertical]) -> dict[str, object]:
    """``picks.csv`` as if it were a picker, against TauP: what the catalogue allows."""
    data = DataSet("TauP, stations with a pick", reach_s=CATALOGUE_WITHIN_S)
    answers: dict[int, list[float]] = {}
    for v in everything:
        if v.pick is not None and v.taup is not None:
            data.traces.append(v.with_onset(v.taup))
            answers[id(data.traces[-1])] = [v.pick]
    found = score(data, lambda trace: answers[id(trace)])
    return {"data": data.name, "picker": "picks.csv itself", **found}


def run(quick: bool) -> BenchmarkResult:
    count, most = (5, 2) if quick else (60, 100)
    sets = [
        DataSet(f"synthetic {rate:g} Hz, SNR {snr:g}", list(synthetic_traces(count, rate, snr)))
        for rate in (31.25, 100.0)
        for snr in (5.0, 20.0)
    ]
    judged = {data.name: compare(data) for data in sets}
    clear = [name for name in judged if name.endswith("SNR 20")]
    path = recorded()
    notes = ["no recordings here (EW_RECORDED): synthetic onsets only"]
    extra: list[dict[str, object]] = []
    if path:
        everything = list(verticals(path, most))
        (first, *rest), notes = recorded_sets(everything)
        notes.append(noise_ratio_note(everything))
        judged[first.name] = compare(first)
        clear.append(first.name)
        extra = [row for data in rest for row in compare(data)] + [truth_row(everything)]
    worst = max(float(str(judged[name][0]["median |error| s"])) for name in clear)
    lead = min(map(_lead, judged.values()))
    budgets = [
        budget(NAME, "median error of clear onsets", worst),
        budget(NAME, "recall above sta/lta with no more false picks", lead),
    ]
    rows = [row for found in judged.values() for row in found] + extra
    return BenchmarkResult(NAME, rows, budgets, notes)


def _lead(rows: list[dict[str, object]]) -> float:
    """By how many percent points ew's recall is above its rival's at no more false picks."""
    return float(str(rows[0]["recall %"])) - float(str(rows[2]["recall %"]))
