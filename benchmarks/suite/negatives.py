"""What is no earthquake near by, or hides one: nothing may be declared but the earthquakes
named."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from benchmarks.suite.playing import START_S, is_same, play_through
from ew import Origin, Packet
from ew.geo import distance_km
from ew.report import by_event
from ew.traveltimes import TravelTimes
from simulators import scenario, trouble
from simulators.scenario import Play, Station
from simulators.teleseism import Teleseism

CENTRE = (29.5, 103.5)
Packets = Iterator[tuple[int, Packet]]
Negative = Callable[[Play, int], tuple[Packets, list[Origin]]]
"""A quiet play and a seed become packets in which nothing must be declared but the earthquakes
named beside them."""


def _network(count: int = 120) -> list[Station]:
    stations = scenario.stations()
    away = distance_km(*CENTRE, [s.latitude for s in stations], [s.longitude for s in stations])
    return [stations[i] for i in np.argsort(away)[:count]]


def _quiet(seconds: float, seed: int) -> Play:
    return Play(_network(), [], START_S, seconds, seed)


def _noise(play: Play, seed: int) -> tuple[Packets, list[Origin]]:
    return play.packets(1.0), []


def _by(change: Callable[[Play, int], trouble.Change]) -> Negative:
    """A negative case that does something to the samples of a quiet network."""
    return lambda play, seed: (
        trouble.changed(play.packets(1.0), play.start_s, change(play, seed)),
        [],
    )


def _flooded(play: Play, seed: int) -> trouble.Change:
    codes = {s.code for s in play.stations[seed::60]}  # lorries beside one station in sixty
    return trouble.flood(codes, seed)


def _alone(change: Callable[[Play, int], trouble.Change]) -> Negative:
    """The same at three stations far apart, with no others around that stay quiet, as in a network
    that has just begun."""

    def negative(play: Play, seed: int) -> tuple[Packets, list[Origin]]:
        alone = replace(play, stations=play.stations[seed::40])
        return trouble.changed(alone.packets(1.0), play.start_s, change(alone, seed)), []

    return negative


def _outage(play: Play, seed: int) -> tuple[Packets, list[Origin]]:
    """The whole network gone for 25 s or more amid an M 6.2, and back in its S-waves and coda."""
    origin = Origin(play.start_s + 28.0, 29.3 + 0.1 * seed, 103.4, 12.0, 6.2)
    packets = replace(play, origins=[origin]).packets(1.0)
    return trouble.without(packets, play.start_s, 24.0, 49.0 + 3 * seed), [origin]


def _s_alone(least: float, most: float, share: float) -> Negative:
    """An earthquake whose P is hidden at a share of the stations."""

    def negative(play: Play, seed: int) -> tuple[Packets, list[Origin]]:
        rng = np.random.default_rng([13, seed])
        place = CENTRE + rng.normal(0, 0.4, 2)
        origin = Origin(play.start_s + 25.0, *place, 12.0, float(rng.uniform(least, most)))
        codes = frozenset(s.code for s in play.stations if rng.random() < share)
        hidden = trouble.HiddenP(origin, TravelTimes.load(), codes)
        return replace(play, others=[hidden]).packets(1.0), [origin]

    return negative


def teleseism(seed: int, rise_s: float) -> Teleseism:
    """A seeded earthquake of M 7-8.5 at 30-90 degrees, from anywhere, 10-80 km deep."""
    rng = np.random.default_rng([9, seed])
    away, azimuth = float(rng.uniform(32, 88)), float(rng.uniform(0, 360))
    magnitude, depth_km = float(rng.uniform(7, 8.5)), float(rng.uniform(10, 80))
    return Teleseism(*CENTRE, away, azimuth, magnitude, START_S + 45, rise_s, depth_km, seed)


def _from_afar(rise_s: float) -> Negative:
    return lambda play, seed: (
        replace(play, others=[teleseism(seed, rise_s)]).packets(1.0),
        [],
    )


NEGATIVES: dict[str, Negative] = {
    "noise": _noise,
    "spikes on every station at once": _by(lambda _play, _seed: trouble.spikes(40.0)),
    "steps on every station at once": _by(lambda _play, _seed: trouble.steps(40.0)),
    "calibration pulse train": _by(lambda _play, _seed: trouble.calibration(30.0)),
    "single stations flooded": _by(_flooded),
    "lightning": _by(lambda play, seed: trouble.lightning(play.stations, *CENTRE, 40.0 + seed)),
    "quarry blast on three stations": _by(
        lambda play, seed: trouble.blast(play.stations, *CENTRE, 40.0, seed)
    ),
    "three stations alone, a blast": _alone(
        lambda play, seed: trouble.blast(play.stations, *CENTRE, 40.0, seed)
    ),
    "three stations alone, flooded": _alone(
        lambda play, seed: trouble.flood({s.code for s in play.stations}, seed)
    ),
    "M 2-3, only S and coda seen": _s_alone(2.0, 3.0, 1.0),
    "M 4-5.5, P hidden at half of the stations": _s_alone(4.0, 5.5, 0.5),
    "outage of all, back in the coda": _outage,
    "teleseism, impulsive": _from_afar(0.3),
    "teleseism, emergent": _from_afar(4.0),
    "teleseism, very emergent": _from_afar(10.0),
    "teleseism, P to surface waves": _from_afar(2.0),
}
SECONDS = {"teleseism, P to surface waves": 2400.0} | {
    f"teleseism, {how}": 150.0 for how in ("impulsive", "emergent", "very emergent")
}
SEEDS = {
    "three stations alone, a blast": 4,
    "three stations alone, flooded": 4,
    "M 2-3, only S and coda seen": 8,
    "M 4-5.5, P hidden at half of the stations": 8,
    "outage of all, back in the coda": 4,
    "teleseism, P to surface waves": 3,
    "lightning": 3,
} | {f"teleseism, {how}": 12 for how in ("impulsive", "emergent", "very emergent")}


def play_negative(task: tuple[str, float, int]) -> tuple[str, float, int]:
    kind, seconds, seed = task
    play = _quiet(seconds, seed)
    packets, origins = NEGATIVES[kind](play, seed)
    events = by_event(play_through(play, TravelTimes.load(), packets)).values()
    true = sum(any(is_same(event[-1], origin) for event in events) for origin in origins)
    return kind, seconds, len(events) - true


def tasks(*, quick: bool) -> list[tuple[str, float, int]]:
    """What to play: the case, for how many seconds, and its seed."""
    noise_runs, seconds = (1, 60.0) if quick else (20, 600.0)
    return [("noise", seconds, seed) for seed in range(noise_runs)] + [
        (kind, 50.0 if quick else SECONDS.get(kind, 90.0), seed)
        for kind in NEGATIVES
        if kind != "noise"
        for seed in range(1 if quick else SEEDS.get(kind, 1))
    ]
