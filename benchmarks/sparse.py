"""Large earthquakes where stations are few: how soon people near them are told, and with what.

    python -m benchmarks sparse

Seeded earthquakes of M 5.5-8 (ruptures of finite length above M 7) anywhere on Earth, in networks
with a station every 40-120 km, up to 30 % of them dead, with low-cost sensors (noise as recorded,
where recordings are at hand) or good ones. The limit is P at the third live station. The rule that
waits for four stations runs beside on the same packets. Each earthquake is played once more with
one bad sensor among the nearest: a gain wrong by up to 1,000, bursts, a clock 3 s off, or swapped
coordinates.
"""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from itertools import pairwise
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import BenchmarkResult, budget
from benchmarks.suite import recorded
from benchmarks.suite.playing import START_S, apart_km, is_same, other_earth
from ew import Channel, Config, EventVersion, Origin, Packet
from ew.geo import destination, distance_km
from ew.pipeline import Pipeline
from ew.report import by_event
from ew.sources.files import load_event_dir
from ew.traveltimes import TravelTimes
from simulators import noise, waveforms
from simulators.rupture import pieces

NAME = "sparse"
EARTHQUAKES, QUICK = 160, 4
LEAD_S, LASTS_S = 40.0, 75.0
PACKET_S = 1.0
STATIONS = 30
LARGE = 6.0
P_ERROR, VP_VS_ERROR = 0.02, 0.01
MEMS_NOISE, GOOD_NOISE = 2e-4, 2e-6
"""Densities of a sensor's own noise, m/s² per root Hz (Evans et al. 2014 for MEMS sensors of class
C)."""
AFTER_S = (5.0, 10.0, 20.0)
FAULTS = ("none", "gain", "bursts", "clock", "coordinates")
CLOCK_S = 3.0
TOLD_KM, TOLD_MAGNITUDE = 50.0, 1.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Site:
    """A station: where it stands, where its inventory says so, and its sensor."""

    code: str
    latitude: float
    longitude: float
    is_low_cost: bool

    @property
    def rate(self) -> float:
        return 31.25 if self.is_low_cost else 50.0

    @property
    def is_velocity(self) -> bool:
        """Every third of the good ones is a seismometer, which clips at 21 mm/s."""
        return not self.is_low_cost and int(self.code[1:]) % 3 == 0

    def channels(self) -> list[Channel]:
        band, units, gain = ("BH", "M/S", 4e8) if self.is_velocity else ("BN", "M/S**2", 1e5)
        if not self.is_low_cost and not self.is_velocity:
            gain = 4e5
        return [
            Channel(f"XS.{self.code}..{band}{c}", self.latitude, self.longitude, 0.0, gain, units)  # type: ignore[arg-type]  # one of two literals
            for c in "ZNE"
        ]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one earthquake; NaN where it was not told. ``late_s``: after P at the third live
    station.
    """

    seed: int
    magnitude: float
    spacing_km: float
    is_low_cost: bool
    fault: str
    rule: str
    events: int
    late_s: float = math.nan
    blind_km: float = math.nan
    stations: int = 0
    first_km: float = math.nan
    last_km: float = math.nan
    magnitudes: tuple[float, ...] = field(default=())
    """Errors of the first, those ``AFTER_S`` the first, and the last."""


@cache
def _recorded_noise() -> list[Floats]:
    """Acceleration (3, N), m/s², of stations of the quiet recordings, without the mean."""
    found = []
    for path in recorded.directories():
        if not path.name.startswith("quiet-"):
            continue
        event_dir = load_event_dir(path)
        runs: dict[str, dict[str, Floats]] = {}
        for r in event_dir.runs:
            wave = r.samples.astype(np.float64) / event_dir.channels[r.seed_id].gain
            best = runs.setdefault(r.seed_id[:-1], {})
            if len(wave) > len(best.get(r.seed_id[-1], ())):
                best[r.seed_id[-1]] = wave - np.median(wave)
        for rows in runs.values():
            count = min(len(w) for w in rows.values())
            if len(rows) == 3 and count > (LEAD_S + LASTS_S + 1) * 31.25:
                found.append(np.array([rows[c][:count] for c in sorted(rows, reverse=True)]))
    return found


def _noise(rng: np.random.Generator, site: Site, count: int) -> Floats:
    known = _recorded_noise()
    if site.is_low_cost and known:
        rows = known[int(rng.integers(len(known)))]
        at = int(rng.integers(rows.shape[1] - count + 1))
        return rows[:, at : at + count]
    own = MEMS_NOISE if site.is_low_cost else GOOD_NOISE
    return np.array([noise.acceleration(rng, count, site.rate, 0.5, own) for _ in range(3)])


def network(rng: np.random.Generator) -> tuple[list[Site], float, bool]:
    """Stations on a loose triangular grid around a place anywhere, their spacing (km), and whether
    they are low-cost ones.
    """
    spacing_km, is_low_cost = float(rng.uniform(40, 120)), bool(rng.random() < 0.5)
    centre = float(np.degrees(np.arcsin(rng.uniform(-0.8, 0.85)))), float(rng.uniform(-180, 180))
    east, north = np.meshgrid(np.arange(-4, 5), np.arange(-4, 5))
    x = (east + 0.5 * (north % 2)).ravel() * spacing_km
    y = north.ravel() * spacing_km * math.sqrt(3) / 2
    x, y = (a + rng.normal(0, 0.18 * spacing_km, len(a)) for a in (x, y))
    nearest = np.argsort(np.hypot(x, y))[:STATIONS]
    alive = [i for i in nearest if rng.random() > rng.uniform(0, 0.3)]
    sites = []
    for i in alive:
        azimuth = float(np.degrees(np.arctan2(x[i], y[i])))
        latitude, longitude = destination(*centre, azimuth, float(np.hypot(x[i], y[i])))
        sites.append(Site(f"S{i:02d}", float(latitude), float(longitude), is_low_cost))
    return sites, spacing_km, is_low_cost


def earthquake(rng: np.random.Generator, sites: list[Site], spacing_km: float) -> Origin:
    """Among the stations or up to one spacing beside the middle ones, 5-45 km deep."""
    near = sites[int(rng.integers(min(8, len(sites))))]
    away_km = float(rng.uniform(0.1, 1.0)) * spacing_km
    latitude, longitude = destination(
        near.latitude, near.longitude, float(rng.uniform(0, 360)), away_km
    )
    depth_km = float(np.clip(rng.lognormal(np.log(15), 0.5), 5, 45))
    magnitude = float(rng.uniform(5.5, 8.0))
    return Origin(START_S + LEAD_S, float(latitude), float(longitude), depth_km, magnitude)


def times(origin: Origin, site: Site, earth: TravelTimes) -> tuple[float, float, float]:
    """P and S travel times (s) and hypocentral distance (km)."""
    away = float(distance_km(origin.latitude, origin.longitude, site.latitude, site.longitude))
    p_s, s_s = (float(f(away, origin.depth_km)) for f in (earth.p_s, earth.s_s))
    return p_s, s_s, math.hypot(away, origin.depth_km)


def counts(
    seed: int, number: int, site: Site, sources: list[Origin], earth: TravelTimes
) -> NDArray[np.int32]:
    """What a station records, (3, N) counts."""
    rng = np.random.default_rng([seed, number])
    count = round((LEAD_S + LASTS_S) * site.rate)
    ground = _noise(rng, site, count).copy()
    for source in sources:
        p_s, s_s, away = times(source, site, earth)
        since_s = source.time_s - START_S
        ground += waveforms.ground_acceleration(
            rng,
            count,
            site.rate,
            magnitude=source.magnitude,
            distance_km=away,
            p_onset_s=since_s + p_s,
            s_onset_s=since_s + s_s,
        )
    gain = site.channels()[0].gain
    wave = waveforms.velocity(ground, site.rate) if site.is_velocity else ground
    limit = 2 * 9.81 * gain if not site.is_velocity else 2**23 - 1
    return np.clip(np.round(wave * gain), -limit, limit).astype(np.int32)


def _with_fault(
    fault: str, rng: np.random.Generator, wave: NDArray[np.int32], rate: float, gain: float
) -> NDArray[np.int32]:
    """A bad sensor's samples."""
    if fault == "gain":
        wrong = 10 ** float(rng.uniform(-3, 3))
        return np.clip(np.round(wave * wrong), -(2**30), 2**30).astype(np.int32)
    if fault == "bursts":
        t = np.arange(wave.shape[1]) / rate
        is_on = (t + float(rng.uniform(0, 9))) % 9.0 < 1.0
        burst = 0.1 * gain * rng.normal(size=wave.shape) * is_on
        return (wave + burst).astype(np.int32)
    return wave


def packets(
    seed: int, sites: list[Site], waves: list[NDArray[np.int32]], late_s: dict[str, float]
) -> list[tuple[int, Packet]]:
    """(arrival time in ns, packet) in order: packets of ``PACKET_S`` with each station's own
    phase."""

    def one(number: int, site: Site, rows: NDArray[np.int32]) -> Iterator[tuple[int, Packet]]:
        step = round(PACKET_S * site.rate)
        first = 1 + (seed * 7 + number * 13) % step
        edges = [0, *range(first, rows.shape[1], step), rows.shape[1]]
        for begin, end in pairwise(edges):
            begin_ns, end_ns = (round((START_S + i / site.rate) * 1e9) for i in (begin, end))
            said_ns = begin_ns + round(late_s.get(site.code, 0.0) * 1e9)
            for channel, row in zip(site.channels(), rows, strict=True):
                yield end_ns, Packet(channel.seed_id, said_ns, site.rate, row[begin:end])

    found = [p for n, (s, w) in enumerate(zip(sites, waves, strict=True)) for p in one(n, s, w)]
    return sorted(found, key=lambda item: (item[0], item[1].seed_id))


def play(task: tuple[int, bool]) -> list[Outcome]:
    """One earthquake by both rules, and once more with a bad sensor."""
    seed, is_quick = task
    rng = np.random.default_rng([14, seed])
    table = TravelTimes.load()
    earth = other_earth(rng, table, P_ERROR, VP_VS_ERROR)
    sites, spacing_km, is_low_cost = network(rng)
    truth = earthquake(rng, sites, spacing_km)
    sources = pieces(truth, rng)
    waves = [counts(seed, n, s, sources, earth) for n, s in enumerate(sites)]
    by_p = sorted((times(truth, s, earth)[0], i) for i, s in enumerate(sites))
    third_s = truth.time_s + by_p[2][0]
    fault = FAULTS[1 + seed % (len(FAULTS) - 1)]
    bad = by_p[int(rng.integers(4))][1]
    given, late_s, moved = list(waves), {}, list(sites)
    given[bad] = _with_fault(fault, rng, waves[bad], sites[bad].rate, sites[bad].channels()[0].gain)
    if fault == "clock":
        late_s[sites[bad].code] = CLOCK_S
    if fault == "coordinates":
        moved[bad] = replace(
            sites[bad],
            latitude=max(min(sites[bad].longitude, 89.0), -89.0),
            longitude=sites[bad].latitude,
        )
    common = Outcome(seed, truth.magnitude, spacing_km, is_low_cost, "none", "strong", 0)
    runs = [(common, sites, waves, {}, True)]
    if not is_quick:
        runs.append((replace(common, rule="four"), sites, waves, {}, False))
    runs.append((replace(common, fault=fault), moved, given, late_s, True))
    return [
        _judge(outcome, told(seed, s, w, late, is_strong, table), truth, third_s, earth)
        for outcome, s, w, late, is_strong in runs
    ]


def told(
    seed: int,
    sites: list[Site],
    waves: list[NDArray[np.int32]],
    late_s: dict[str, float],
    is_strong: bool,
    table: TravelTimes,
) -> list[EventVersion]:
    """All versions the pipeline gives."""
    config = Config()
    config = config.model_copy(
        update={"locate": config.locate.model_copy(update={"strong_motion": is_strong})}
    )
    inventory = {c.seed_id: c for s in sites for c in s.channels()}
    pipeline = Pipeline(config, inventory, table)
    moments = pipeline.moments(packets(seed, sites, waves, late_s))
    return [v for now_ns, tick in moments for v in pipeline.feed(tick, now_ns).versions]


def _judge(
    outcome: Outcome,
    versions: list[EventVersion],
    truth: Origin,
    third_s: float,
    earth: TravelTimes,
) -> Outcome:
    events = list(by_event(versions).values())
    outcome = replace(outcome, events=len(events))
    ours = [e for e in events if is_same(e[-1], truth) or is_same(e[0], truth)]
    if not ours:
        return outcome
    event = ours[0]
    first = event[0]
    km = np.arange(0.0, 400.0)
    has_s = earth.s_s(km, truth.depth_km) <= first.issued_s - truth.time_s
    after = [
        [v for v in event if v.issued_s <= first.issued_s + s][-1] for s in (0.0, *AFTER_S, 1e9)
    ]
    return replace(
        outcome,
        late_s=first.issued_s - third_s,
        blind_km=float(km[has_s].max(initial=0.0)),
        stations=first.stations,
        first_km=apart_km(first, truth),
        last_km=apart_km(event[-1], truth),
        magnitudes=tuple(v.origin.magnitude - truth.magnitude for v in after),
    )


def _row(name: str, outcomes: list[Outcome]) -> dict[str, object]:
    seen = [o for o in outcomes if not math.isnan(o.late_s)]
    large = [o for o in outcomes if o.magnitude >= LARGE]

    def q(values: list[float], at: float) -> float:
        return round(float(np.percentile(values, at)), 2) if values else math.nan

    row: dict[str, object] = {
        "rule": name,
        "earthquakes": len(outcomes),
        "told": len(seen),
        "M >= 6 missed": sum(math.isnan(o.late_s) for o in large),
        "false": sum(max(o.events - (not math.isnan(o.late_s)), 0) for o in outcomes),
        "after 3rd P s p50": q([o.late_s for o in seen], 50),
        "p90": q([o.late_s for o in seen], 90),
        "blind km p50": q([o.blind_km for o in seen], 50),
        "first km p50": q([o.first_km for o in seen], 50),
        "first km p90": q([o.first_km for o in seen], 90),
        "last km p90": q([o.last_km for o in seen], 90),
    }
    for k, when in enumerate(("first", *(f"{s:.0f} s" for s in AFTER_S), "last")):
        errors = [o.magnitudes[k] for o in seen]
        row[f"M {when}"] = f"{q(errors, 50):+.1f} ({q(errors, 10):+.1f} to {q(errors, 90):+.1f})"
    return row


def _is_well_told(o: Outcome) -> bool:
    return (
        not math.isnan(o.late_s)
        and o.first_km <= TOLD_KM
        and all(abs(m) <= TOLD_MAGNITUDE for m in (o.magnitudes[0], o.magnitudes[-1]))
    )


def run(quick: bool) -> BenchmarkResult:
    tasks = [(seed, quick) for seed in range(QUICK if quick else EARTHQUAKES)]
    with get_context("spawn").Pool(2 if quick else None) as pool:
        outcomes = [o for found in pool.map(play, tasks, chunksize=1) for o in found]
    plain = [o for o in outcomes if o.fault == "none"]
    strong, four = ([o for o in plain if o.rule == rule] for rule in ("strong", "four"))
    bad = [o for o in outcomes if o.fault != "none"]
    rows = [_row("two or three stations", strong)]
    if four:
        rows.append(_row("four stations", four))
    kinds = (("low-cost", True), ("good sensors", False))
    rows += [_row(name, [o for o in strong if o.is_low_cost == low]) for name, low in kinds]
    large = [o for o in strong if o.magnitude >= LARGE]
    rows.append(_row(f"M >= {LARGE:g}", large))
    rows += [_row(f"bad {f}", [o for o in bad if o.fault == f]) for f in FAULTS[1:]]
    late = [o.late_s for o in large if not math.isnan(o.late_s)]
    figures = {
        "M >= 6, first alert over P at the 3rd station, median": float(np.median(late))
        if late
        else math.inf,
        "M >= 6, missed": float(sum(math.isnan(o.late_s) for o in large)),
        "false or split": float(rows[0]["false"]),  # type: ignore[arg-type]  # an int
        "one bad sensor, told within 50 km and 1 of M": 100
        * sum(_is_well_told(o) for o in bad)
        / max(len(bad), 1),
    }
    note = "noise of low-cost sensors as recorded" if _recorded_noise() else "synthetic noise"
    return BenchmarkResult(
        NAME,
        rows,
        [budget(NAME, name, value) for name, value in figures.items()],
        (note,),
        details=[asdict(o) for o in outcomes],
    )
