"""What stations have felt is told next door, whatever was computed; one bad sensor alarms
nobody."""

from dataclasses import replace

import numpy as np
import pytest

from ew import Channel, Config, EventVersion, Origin
from ew.alerts.planner import AlertPlanner
from ew.geo import destination, distance_km
from ew.locate.motion import MotionTracker
from ew.pipeline import Pipeline
from ew.records import Packet, StationMotion
from ew.shaking import event_rows
from ew.shaking.observed import raise_by_observed
from ew.shaking.relations import csis_from_motion, mmi_from_motion
from ew.shaking.targets import Targets, cell_targets, cells_around, device_targets
from ew.traveltimes import TravelTimes
from simulators import scenario
from simulators.scenario import Play

ORIGIN = Origin(0.0, 30.0, 100.0, 12.0, 6.0)
STRONG = (2.0, 0.2)  # m/s², m/s: CSIS 7.7


def at(kilometres: float) -> tuple[float, float]:
    latitude, longitude = destination(30.0, 100.0, 90.0, kilometres)
    return float(latitude), float(longitude)


def shaken(kilometres: float, motion: tuple[float, float] = STRONG) -> StationMotion:
    return StationMotion("XX.A..HNZ", *at(kilometres), *motion)


def devices(*kilometres: float) -> Targets:
    places = np.array([at(km) for km in kilometres])
    ids = [f"tv-{i}" for i in range(len(places))]
    return device_targets(ids, np.ones(len(places), np.uint8), places[:, 0], places[:, 1])


def raised(motions: list[StationMotion], targets: Targets, table: TravelTimes) -> np.ndarray:
    rows = event_rows(ORIGIN, table, "csis-sichuan")
    strength = np.full(len(targets), 2.0, np.float32)
    which = raise_by_observed(motions, ORIGIN, rows, "CSIS", targets, strength)
    assert set(which.tolist()) == set(np.flatnonzero(strength > 2.0).tolist())
    return strength


def test_two_stations_raise_what_lies_within_thirty_kilometres(travel_times: TravelTimes) -> None:
    targets = devices(95.0, 100.0, 129.0, 135.0, 60.0)
    strength = raised([shaken(100.0), shaken(103.0, (1.0, 0.1))], targets, travel_times)
    second = csis_from_motion(1.0, 0.1)
    assert strength[:3] == pytest.approx(second, abs=1e-3)
    assert (strength[3:] == 2.0).all()


def test_one_station_raises_nothing(travel_times: TravelTimes) -> None:
    weak = shaken(101.0, (0.001, 0.0001))
    assert (raised([shaken(100.0)], devices(100.0), travel_times) == 2.0).all()
    assert (raised([shaken(100.0), weak], devices(100.0), travel_times) == 2.0).all()


def test_what_was_computed_stays_where_stations_saw_no_more(travel_times: TravelTimes) -> None:
    mild = [shaken(20.0, (0.1, 0.01)), shaken(22.0, (0.1, 0.01))]
    assert (raised(mild, devices(21.0), travel_times) == 2.0).all()


def test_mmi_from_motion_follows_the_published_table() -> None:
    # 10 cm/s² and 1 cm/s: 1.78 + 1.55 and 3.78; 100 cm/s² and 10 cm/s: -1.60 + 7.40 and 2.89 + 3.16
    assert mmi_from_motion(0.1, 0.01) == pytest.approx((3.33 + 3.78) / 2, abs=0.01)
    assert mmi_from_motion(1.0, 0.1) == pytest.approx((5.80 + 6.05) / 2, abs=0.01)


@pytest.mark.parametrize("units", ["M/S", "M/S**2"])
def test_peak_motion_is_that_of_the_wave_since_the_onset(units: str) -> None:
    """A 2 Hz wave of 1 m/s² after a louder one before the onset, which does not count."""
    t = np.arange(0, 40, 0.01)
    wave = np.sin(2 * np.pi * 2 * t) * np.where(t < 15, 5.0, 1.0)
    samples = wave if units == "M/S**2" else wave / (2 * np.pi * 2)
    channel = Channel("XX.A..HNE", 30.0, 100.0, 0.0, 1000.0, units)  # type: ignore[arg-type]
    tracker = MotionTracker({"XX.A..HNE": channel}, round(25e9))
    for second in range(40):
        part = samples[100 * second : 100 * (second + 1)] * 1000.0 + 77.0
        tracker.add([Packet("XX.A..HNE", second * 10**9, 100.0, part.astype(np.float32))])
    pga, pgv = tracker.peaks
    assert pga == pytest.approx(1.0, rel=0.1)
    assert pgv == pytest.approx(1 / (2 * np.pi * 2), rel=0.15)


def test_packets_whose_starts_are_rounded_follow_each_other() -> None:
    """At 31.3 Hz a packet may begin a nanosecond before the one before it has ended."""
    rate, channel = 31.3, Channel("XX.A..HNE", 30.0, 100.0, 0.0, 1000.0, "M/S**2")
    samples = 1000.0 * np.sin(2 * np.pi * 2 * np.arange(1500) / rate)
    whole, cut = (MotionTracker({"XX.A..HNE": channel}, 0) for _ in range(2))
    whole.add([Packet("XX.A..HNE", 0, rate, samples)])
    for first in range(0, 1500, 31):
        start_ns = round(first * 1e9 / rate) - first // 31 % 2
        cut.add([Packet("XX.A..HNE", start_ns, rate, samples[first : first + 31])])
    assert cut.peaks == pytest.approx(whole.peaks)


def test_a_gap_is_not_taken_for_shaking() -> None:
    channel = Channel("XX.A..HNE", 30.0, 100.0, 0.0, 1000.0, "M/S**2")
    tracker = MotionTracker({"XX.A..HNE": channel}, 0)
    offsets = {0: 0.0, 1: 0.0, 8: 50_000.0, 9: 50_000.0}  # back with another offset after 6 s
    for second, offset in offsets.items():
        samples = np.full(100, offset, np.float32)
        tracker.add([Packet("XX.A..HNE", second * 10**9, 100.0, samples)])
    assert tracker.peaks[0] < 0.01


def strongest_told(
    versions: list[EventVersion], table: TravelTimes, place: Origin
) -> tuple[float, float]:
    """The strongest intensity told to cells within 15 km of a place, and when (s after its
    origin)."""
    targets = cell_targets(cells_around(place.latitude, place.longitude, 15.0))
    planner = AlertPlanner(Config(), table, [targets])
    best, when_s = 0.0, np.inf
    for version in versions:
        for plan in planner.plan(version, version.issued_s):
            told = max((float(plan.intensity[i]) for i in plan.chosen), default=0.0)
            if told > best + 0.3:
                best, when_s = told, version.issued_s - place.time_s
    return best, when_s


def test_along_a_long_rupture_what_stations_feel_is_told_and_not_only_what_a_point_would_do(
    travel_times: TravelTimes,
) -> None:
    """Five parts of M 6.6, one after the other along 120 km: the far end lies in the coda of the
    first.
    """
    parts = [Origin(1e9 + 25.0 + 9.0 * k, 29.5, 102.6 + 0.31 * k, 10.0, 6.6) for k in range(5)]
    everyone = scenario.stations()
    away = distance_km(29.5, 103.2, [s.latitude for s in everyone], [s.longitude for s in everyone])
    stations = [everyone[i] for i in np.argsort(away)[:40]]
    play = Play(stations, parts, 1e9, 100.0, 3)
    pipeline = Pipeline(Config(), play.inventory, travel_times)
    versions = [
        v
        for now_ns, tick in pipeline.moments(play.packets(1.0))
        for v in pipeline.feed(tick, now_ns).versions
    ]
    blind = [replace(v, motions=()) for v in versions]
    gains = [
        strongest_told(versions, travel_times, part)[0]
        - strongest_told(blind, travel_times, part)[0]
        for part in parts
    ]
    assert min(gains) >= 0
    assert max(gains[2:]) > 0.5
