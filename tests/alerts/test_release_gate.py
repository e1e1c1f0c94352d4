"""What our stations do not bear out is not told as real."""

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from ew import Channel, Config, EventVersion, Origin, Pick
from ew.alerts.release_gate import PICKS_KEPT, ReleaseGate
from ew.config import PolicyConfig, ServiceConfig
from ew.config.service import Partner
from ew.pipeline import Pipeline
from ew.records import Arrival, StationMotion
from ew.report import by_event
from ew.traveltimes import TravelTimes
from simulators.scenario import Play
from tests.serving import play

NOW_S = 1_700_000_000.0
TRUTH = Origin(NOW_S - 8.0, 30.0, 103.0, 10.0, 6.0)
PLACES = [(30.0 + 0.1 * math.cos(turn), 103.0 + 0.1 * math.sin(turn)) for turn in range(6)]
PLACES += [(PLACES[0][0] + 0.002, PLACES[0][1])]  # 0.2 km from the first: the same roof
PLACES += [(30.9, 103.0), (31.0, 103.3), (29.0, 103.0), (29.0, 103.5)]  # 100 km away
CHANNELS = {
    f"XX.S{n:02d}..HHZ": Channel(f"XX.S{n:02d}..HHZ", *place, 0.0, 1e9, "M/S")
    for n, place in enumerate(PLACES)
}


@pytest.fixture
def gate(travel_times: TravelTimes) -> ReleaseGate:
    return ReleaseGate(Config(), CHANNELS, travel_times)


def picks(stations: Iterable[int], table: TravelTimes, origin: Origin = TRUTH) -> list[Pick]:
    found = []
    for n in stations:
        seed_id = f"XX.S{n:02d}..HHZ"
        away = math.hypot(
            (PLACES[n][0] - origin.latitude) * 111.2,
            (PLACES[n][1] - origin.longitude) * 111.2 * math.cos(math.radians(30)),
        )
        at_ns = round((origin.time_s + float(table.p_s(away, origin.depth_km))) * 1e9)
        found.append(Pick(seed_id, at_ns, at_ns, 20.0, at_ns + 500_000_000))
    return found


def ours(version: int = 1, **change: object) -> EventVersion:
    made = EventVersion("ew-1", version, "alert" if version == 1 else "update", NOW_S, TRUTH, 4)
    return replace(made, **change)  # type: ignore[arg-type]


def theirs(source: str = "icl", version: int = 1, **change: object) -> EventVersion:
    return ours(version, event_id=f"{source}-1", source=source, stations=0, **change)


def test_ours_passes_with_the_stations_of_a_declaration(
    gate: ReleaseGate, travel_times: TravelTimes
) -> None:
    gate.note(picks(range(4), travel_times), NOW_S)
    assert gate.release([ours()], NOW_S) == [ours()]
    assert gate.held == ()


def test_stations_under_one_roof_are_one(gate: ReleaseGate, travel_times: TravelTimes) -> None:
    gate.note(picks([0, 6, 1, 2], travel_times), NOW_S)
    assert gate.release([ours()], NOW_S) == []
    assert gate.held[0].reason == "3 of 4 sites bear it out"


def test_what_a_version_says_of_its_stations_does_not_count(
    gate: ReleaseGate, travel_times: TravelTimes
) -> None:
    said = tuple(Arrival(pick, "P", 10.0, 0.0, 1.0) for pick in picks(range(4), travel_times))
    assert gate.release([ours(arrivals=said)], NOW_S) == []


def test_onsets_that_one_p_wave_cannot_have_made_do_not_count(
    gate: ReleaseGate, travel_times: TravelTimes
) -> None:
    fitting = picks(range(3), travel_times)
    off = replace(picks([3], travel_times)[0], time_ns=fitting[0].time_ns + 4_000_000_000)
    gate.note([*fitting, off], NOW_S)
    assert gate.release([ours()], NOW_S) == []


@pytest.mark.parametrize("age_s", [40.0, 86_400.0, -30.0])
def test_data_that_are_old_or_ahead_of_the_clock_bear_nothing_out(
    gate: ReleaseGate, travel_times: TravelTimes, age_s: float
) -> None:
    came_s = picks([0], travel_times)[0].decided_ns / 1e9 + age_s
    gate.note(picks(range(6), travel_times), came_s)
    assert gate.release([ours()], came_s) == []
    assert gate.stale == 6


def test_unknown_channels_bear_nothing_out(gate: ReleaseGate, travel_times: TravelTimes) -> None:
    gate.note(
        [replace(p, seed_id=f"YY{p.seed_id[2:]}") for p in picks(range(6), travel_times)], NOW_S
    )
    assert gate.release([ours()], NOW_S) == []


def test_flood_of_picks_at_some_stations_takes_nothing_from_the_others(
    gate: ReleaseGate, travel_times: TravelTimes
) -> None:
    (pick,) = picks([5], travel_times)
    flood = [replace(pick, time_ns=pick.time_ns - n * 100_000_000) for n in range(1, 5_000)]
    gate.note(picks(range(4), travel_times), NOW_S)
    gate.note(flood, NOW_S)
    assert gate.release([ours()], NOW_S)
    assert max(map(len, gate._picks)) == PICKS_KEPT


@pytest.mark.parametrize(
    ("stations", "pgas", "passes"),
    [
        (3, (0.15,), True),
        (3, (0.05, 0.05, 0.05), False),
        (2, (0.4, 0.35), True),
        (2, (0.4, 0.2), False),
        (1, (9.0,), False),
    ],
)
def test_shaking_of_a_damaging_earthquake_takes_the_place_of_missing_stations(
    gate: ReleaseGate,
    travel_times: TravelTimes,
    stations: int,
    pgas: tuple[float, ...],
    *,
    passes: bool,
) -> None:
    gate.note(picks(range(stations), travel_times), NOW_S)
    motions = tuple(
        StationMotion(f"XX.S{n:02d}..HHZ", *PLACES[n], pga, 0.01) for n, pga in enumerate(pgas)
    )
    assert bool(gate.release([ours(motions=motions)], NOW_S)) == passes


@pytest.mark.parametrize(
    ("late_s", "passes"), [(-3.5, True), (3.5, True), (-6.0, False), (8.0, False)]
)
def test_what_is_picked_where_the_ground_shakes_hard_may_be_any_of_its_waves(
    gate: ReleaseGate, travel_times: TravelTimes, late_s: float, *, passes: bool
) -> None:
    first, second = picks([0, 1], travel_times)
    late = replace(second, time_ns=second.time_ns + round(late_s * 1e9))
    gate.note([first, late], NOW_S)
    motions = tuple(StationMotion(f"XX.S{n:02d}..HHZ", *PLACES[n], 0.6, 0.08) for n in (0, 1))
    assert bool(gate.release([ours(motions=motions)], NOW_S)) == passes


def test_what_was_held_is_told_when_stations_bear_it_out(
    gate: ReleaseGate, travel_times: TravelTimes
) -> None:
    gate.note(picks(range(3), travel_times), NOW_S)
    assert gate.release([ours(2)], NOW_S) == []
    gate.note(picks([3], travel_times), NOW_S + 1)
    (told,) = gate.release([], NOW_S + 1)
    assert (told.version, told.kind, told.issued_s) == (2, "alert", NOW_S + 1)
    assert gate.held == ()


def test_what_was_held_too_long_is_dropped(gate: ReleaseGate, travel_times: TravelTimes) -> None:
    gate.release([ours()], NOW_S)
    gate.release([], NOW_S + 61)
    gate.note(picks(range(4), travel_times), NOW_S)
    assert gate.release([], NOW_S + 61.5) == []


def test_cancel_passes_for_what_has_passed(gate: ReleaseGate, travel_times: TravelTimes) -> None:
    assert gate.release([ours(), ours(2, kind="cancel")], NOW_S) == []
    assert gate.held == ()
    gate.note(picks(range(4), travel_times), NOW_S)
    end = ours(4, kind="cancel")
    assert [v.kind for v in gate.release([ours(3), end], NOW_S)] == ["alert", "cancel"]


def test_cancel_passes_for_what_was_told_before_a_restart(gate: ReleaseGate) -> None:
    gate.recall(ours())
    assert gate.release([ours(2, kind="cancel")], NOW_S)


def test_partner_alone_is_not_believed(gate: ReleaseGate) -> None:
    assert gate.release([theirs()], NOW_S) == []
    assert gate.held[0].reason.startswith("icl's origin is borne out by 0 of our 6")


def test_partner_is_believed_when_a_quarter_of_the_nearest_bear_it_out(
    gate: ReleaseGate, travel_times: TravelTimes
) -> None:
    gate.note(picks([0], travel_times), NOW_S)
    assert gate.release([theirs()], NOW_S) == []
    gate.note(picks([1], travel_times), NOW_S)
    (told,) = gate.release([], NOW_S)
    assert told.event_id == "icl-1"


def test_partner_that_is_quicker_than_p_waits_for_the_first_of_ours(
    gate: ReleaseGate, travel_times: TravelTimes
) -> None:
    just_now = replace(TRUTH, time_s=NOW_S - 0.5)
    assert gate.release([theirs(origin=just_now)], NOW_S) == []
    gate.note(picks([2], travel_times, just_now), NOW_S + 3)
    assert gate.release([], NOW_S + 3)


def test_far_onsets_of_noise_bear_no_partner_out(
    gate: ReleaseGate, travel_times: TravelTimes
) -> None:
    late = replace(TRUTH, time_s=NOW_S - 40.0)
    gate.note(picks([8, 10], travel_times, late), NOW_S - 20)
    assert gate.release([theirs(origin=late)], NOW_S) == []


def test_event_that_stands_on_a_partner_alone_since_ours_was_withdrawn_is_cancelled(
    gate: ReleaseGate, travel_times: TravelTimes
) -> None:
    gate.note(picks(range(4), travel_times), NOW_S)
    far = replace(TRUTH, latitude=35.0)
    left = ours(2, source="icl", origin=far)
    assert gate.release([ours()], NOW_S, ours={"ew-1"})
    assert gate.release([left], NOW_S, ours={"ew-1"}) == [], "ours still stands"
    (end,) = gate.release([replace(left, version=3)], NOW_S)
    assert (end.kind, end.version) == ("cancel", 3)
    assert gate.release([replace(left, version=4)], NOW_S) == []


def test_partner_trusted_alone_is_told(travel_times: TravelTimes) -> None:
    partners = (Partner(name="icl", trusted_alone=True), Partner(name="other"))
    config = Config(service=ServiceConfig(partners=partners))
    gate = ReleaseGate(config, CHANNELS, travel_times)
    told = gate.release([theirs(), theirs("other")], NOW_S)
    assert [version.source for version in told] == ["icl"]


def test_pipeline_tells_an_earthquake_as_soon_with_the_door_as_without(
    travel_times: TravelTimes,
) -> None:
    chosen = play()
    first_s = [
        [events[0].issued_s for events in by_event(versions(chosen, travel_times, gate)).values()]
        for gate in (None, ReleaseGate(Config(), chosen.inventory, travel_times))
    ]
    assert len(first_s[0]) == 1
    assert first_s[0] == first_s[1]


def test_earthquake_played_from_data_too_old_is_held_back(travel_times: TravelTimes) -> None:
    """A recording, or a feed 45 s late, is no earthquake of now: nobody is to be told that it
    is."""
    chosen = play()
    gate = ReleaseGate(Config(), chosen.inventory, travel_times)
    assert versions(chosen, travel_times, None, later_s=45.0) != []
    assert versions(chosen, travel_times, gate, later_s=45.0) == []
    assert gate.stale >= 4


def versions(
    chosen: Play, table: TravelTimes, gate: ReleaseGate | None, later_s: float = 0.0
) -> list[EventVersion]:
    config = Config(policy=PolicyConfig(mode="actual"))
    pipeline = Pipeline(config, chosen.inventory, table, gate=gate)
    later_ns = round(later_s * 1e9)
    return [
        version
        for now_ns, tick in pipeline.moments(chosen.packets(0.5, travel_times=table))
        for version in pipeline.feed(tick, now_ns + later_ns).versions
    ]


def test_sites_keep_apart_what_stands_apart(travel_times: TravelTimes) -> None:
    chain = {  # each 0.4 km from the next: no site swallows the whole chain
        f"XX.C{n}..HHZ": Channel(f"XX.C{n}..HHZ", 30.0 + n * 0.0036, 103.0, 0.0, 1e9, "M/S")
        for n in range(6)
    }
    sites = ReleaseGate(Config(), chain, travel_times)._sites
    assert np.unique(sites).size == 3
