"""What is made of picks before which the ground was loud: S of an earthquake whose P drowned, or P
in another's coda."""

import math
from collections.abc import Sequence

import pytest

from ew import Channel, Config, EventVersion, Origin, Pick
from ew.geo import distance_km
from ew.locate.events import EventEngine
from ew.report import by_event
from ew.traveltimes import TravelTimes
from simulators import scenario

START_S = 1_600_000_000.0
CENTRE = (29.5, 103.5)
LOUD = 30.0
"""``noise_ratio`` of an onset in coda."""


def stations(count: int) -> list[scenario.Station]:
    everyone = scenario.stations()
    return sorted(everyone, key=lambda s: float(distance_km(*CENTRE, s.latitude, s.longitude)))[
        :count
    ]


def picks(
    channels: dict[str, Channel], truth: Origin, table: TravelTimes, phase: str, noise_ratio: float
) -> list[Pick]:
    """A pick of one phase at each station, with what amplitude it has there."""
    found = []
    for c in channels.values():
        away = float(distance_km(truth.latitude, truth.longitude, c.latitude, c.longitude))
        travel_s = (table.p_s if phase == "P" else table.s_s)(away, truth.depth_km)
        time_ns = round((truth.time_s + float(travel_s)) * 1e9)
        amplitude = 1e4 * math.hypot(away, truth.depth_km) ** -1.6 * c.gain
        found.append(
            Pick(
                c.seed_id, time_ns, time_ns, 9.0, time_ns, 0.15, amplitude, noise_ratio=noise_ratio
            )
        )
    return sorted(found, key=lambda p: p.time_ns)


def told(
    channels: dict[str, Channel], table: TravelTimes, heard: Sequence[Pick], until_s: float
) -> list[EventVersion]:
    """The versions of an engine that hears picks 0.4 s after their onsets, by stations that are
    known to be alive."""
    engine = EventEngine(Config(), channels, table)
    found, at = [], 0
    for step in range(round(until_s * 10)):
        now_s = START_S + step / 10
        engine.note_ends(dict.fromkeys(channels, now_s - 0.3))
        due = at
        while due < len(heard) and heard[due].time_ns / 1e9 < now_s - 0.4:
            due += 1
        found += engine.feed(heard[at:due], (), now_s)
        at = due
    return found


@pytest.mark.parametrize("north", [-0.2, 0.0, 0.2])
@pytest.mark.parametrize("phase", ["S", "P"])
def test_earthquake_in_the_coda_of_another_is_told_when_it_was_by_what_was_picked(
    phase: str, north: float, travel_times: TravelTimes
) -> None:
    truth = Origin(START_S + 30.0, CENTRE[0] + north, CENTRE[1], 12.0, 4.0)
    channels = {s.channels()[0].seed_id: s.channels()[0] for s in stations(30)}
    heard = picks(channels, truth, travel_times, phase, LOUD)
    (history,) = by_event(told(channels, travel_times, heard, 70.0)).values()
    last = history[-1]
    assert last.origin.time_s == pytest.approx(truth.time_s, abs=1.0)
    assert error_km(last.origin, truth) < 8
    assert {arrival.phase for arrival in last.arrivals} == {phase}
    assert max(abs(arrival.residual_s) for arrival in last.arrivals) < 2


def test_what_is_heard_of_calm_ground_is_p(travel_times: TravelTimes) -> None:
    truth = Origin(START_S + 30.0, *CENTRE, 12.0, 4.0)
    channels = {s.channels()[0].seed_id: s.channels()[0] for s in stations(30)}
    heard = picks(channels, truth, travel_times, "P", 1.3)
    versions = told(channels, travel_times, heard, 70.0)
    assert {arrival.phase for v in versions for arrival in v.arrivals} == {"P"}


@pytest.mark.parametrize("north", [-0.2, 0.0, 0.2])
def test_earthquake_of_which_only_s_is_seen_is_one_event_at_its_own_place_and_time(
    north: float, travel_times: TravelTimes
) -> None:
    truth = Origin(START_S + 25.0, CENTRE[0] + north, CENTRE[1], 12.0, 2.5)
    channels = {s.channels()[0].seed_id: s.channels()[0] for s in stations(110)}
    heard = picks(channels, truth, travel_times, "S", 1.3)
    (history,) = by_event(told(channels, travel_times, heard, 80.0)).values()
    last = history[-1]
    assert last.origin.time_s == pytest.approx(truth.time_s, abs=0.5)
    assert error_km(last.origin, truth) < 3
    assert {arrival.phase for arrival in last.arrivals} == {"S"}


def error_km(found: Origin, truth: Origin) -> float:
    return float(distance_km(found.latitude, found.longitude, truth.latitude, truth.longitude))
