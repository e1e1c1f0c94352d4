"""What the event engine makes of picks and waves: one earthquake or two, withdrawn, updated,
disturbed.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from ew import Channel, Config, EventVersion, Origin, Packet, Pick
from ew.geo import distance_km
from ew.locate.events import EventEngine
from ew.pipeline import Pipeline
from ew.traveltimes import TravelTimes
from simulators import scenario
from simulators.scenario import Play, Station

START_S = 1_600_000_000.0
CENTRE = (29.5, 103.5)


def stations(count: int = 80, *, noise: float = 0.3) -> list[Station]:
    everyone = scenario.stations()
    away = distance_km(*CENTRE, [s.latitude for s in everyone], [s.longitude for s in everyone])
    return [replace(everyone[i], noise=noise) for i in np.argsort(away)[:count]]


def run(
    play: Play, table: TravelTimes, packets: Iterable[tuple[int, Packet]] | None = None
) -> dict[str, list[EventVersion]]:
    pipeline = Pipeline(Config(), play.inventory, table)
    events: dict[str, list[EventVersion]] = {}
    for now_ns, tick in pipeline.moments(packets if packets is not None else play.packets(1.0)):
        for version in pipeline.feed(tick, now_ns).versions:
            events.setdefault(version.event_id, []).append(version)
    return events


def error_km(version: EventVersion, origin: Origin) -> float:
    o = version.origin
    return float(distance_km(origin.latitude, origin.longitude, o.latitude, o.longitude))


def found(
    events: dict[str, list[EventVersion]], origins: Sequence[Origin]
) -> list[list[EventVersion]]:
    """The event of each origin; every one found once and nothing else declared."""
    assert len(events) == len(origins), {k: v[-1].origin for k, v in events.items()}
    ours = []
    for origin in origins:
        matching = [
            e
            for e in events.values()
            if error_km(e[-1], origin) < 25 and abs(e[-1].origin.time_s - origin.time_s) < 3
        ]
        assert len(matching) == 1
        ours.append(matching[0])
    return ours


def origin(
    after_s: float, magnitude: float, north: float = 0.0, east: float = 0.0, depth_km: float = 10.0
) -> Origin:
    return Origin(START_S + after_s, CENTRE[0] + north, CENTRE[1] + east, depth_km, magnitude)


@pytest.mark.parametrize(
    ("second", "what"),
    [
        (origin(45.0, 5.0, 0.7, 0.5), "20 s later, 90 km off"),
        (origin(50.0, 6.0, 0.05, 0.05), "a foreshock and its mainshock 25 s later"),
    ],
)
def test_two_earthquakes_close_in_time_are_two_events(
    second: Origin, what: str, travel_times: TravelTimes
) -> None:
    first = origin(25.0, 4.6, -0.3, -0.3)
    play = Play(stations(140), [first, second], START_S, 90.0, seed=3)
    ours = found(run(play, travel_times), [first, second])
    for history, truth in zip(ours, (first, second), strict=True):
        assert error_km(history[-1], truth) < 10
        assert history[-1].origin.magnitude == pytest.approx(truth.magnitude, abs=0.7)


def test_versions_count_up_at_most_every_half_second_and_keep_their_id(
    travel_times: TravelTimes,
) -> None:
    truth = origin(20.0, 5.5)
    (history,) = found(run(Play(stations(), [truth], START_S, 60.0), travel_times), [truth])
    assert [v.version for v in history] == list(range(1, len(history) + 1))
    assert history[0].kind == "alert"
    assert {v.kind for v in history[1:]} == {"update"}
    gaps = np.diff([v.issued_s for v in history])
    assert (gaps >= 0.499).all()
    assert history[0].stations >= 4
    assert all(a.residual_s == pytest.approx(0, abs=1.5) for a in history[-1].arrivals)


def test_outage_of_half_the_stations_in_mid_event_neither_loses_nor_splits_it(
    travel_times: TravelTimes,
) -> None:
    truth = origin(20.0, 5.8)
    play = Play(stations(), [truth], START_S, 60.0)

    def with_outage() -> Iterator[tuple[int, Packet]]:
        for arrival_ns, packet in play.packets(1.0):
            is_out = int(packet.seed_id.split(".")[1][1:]) % 2 == 0
            if not (is_out and packet.start_ns / 1e9 > truth.time_s + 4.0):
                yield arrival_ns, packet

    (history,) = found(run(play, travel_times, with_outage()), [truth])
    assert error_km(history[-1], truth) < 5


def test_station_with_a_clock_three_seconds_off_is_outvoted(travel_times: TravelTimes) -> None:
    truth = origin(20.0, 5.5)
    play = Play(stations(), [truth], START_S, 50.0)
    nearest = play.stations[0].code

    def with_bad_clock() -> Iterator[tuple[int, Packet]]:
        for arrival_ns, packet in play.packets(1.0):
            if packet.seed_id.split(".")[1] == nearest:
                packet = replace(packet, start_ns=packet.start_ns + 3_000_000_000)  # noqa: PLW2901
            yield arrival_ns, packet

    (history,) = found(run(play, travel_times, with_bad_clock()), [truth])
    assert error_km(history[0], truth) < 15
    assert error_km(history[-1], truth) < 5


def test_station_with_swapped_coordinates_is_outvoted(travel_times: TravelTimes) -> None:
    truth = origin(20.0, 5.5)
    play = Play(stations(), [truth], START_S, 50.0)
    wrong = play.stations[2].code
    inventory = {
        seed_id: replace(c, latitude=c.latitude + 1.5) if wrong in seed_id else c
        for seed_id, c in play.inventory.items()
    }
    pipeline = Pipeline(Config(), inventory, travel_times)
    versions = [
        v
        for now_ns, tick in pipeline.moments(play.packets(1.0))
        for v in pipeline.feed(tick, now_ns).versions
    ]
    (history,) = found({versions[0].event_id: versions}, [truth])
    assert error_km(history[-1], truth) < 5


def test_noise_declares_nothing(travel_times: TravelTimes) -> None:
    assert run(Play(stations(120, noise=0.5), [], START_S, 200.0, seed=9), travel_times) == {}


# Picks alone, without waves


def line_of_channels(count: int = 12) -> dict[str, Channel]:
    return {
        f"XX.L{i:02d}..HNZ": Channel(
            f"XX.L{i:02d}..HNZ",
            CENTRE[0] + 0.2 * (i % 4),
            CENTRE[1] + 0.2 * (i // 4),
            0,
            1e5,
            "M/S**2",
        )
        for i in range(count)
    }


def alive(channels: dict[str, Channel], until_s: float) -> list[Packet]:
    count = round((until_s - START_S) * 10)
    return [
        Packet(seed_id, round(START_S * 1e9), 10.0, np.zeros(count, np.float32))
        for seed_id in channels
    ]


def p_picks(
    channels: dict[str, Channel], truth: Origin, table: TravelTimes, only: int
) -> list[Pick]:
    picks = []
    for c in channels.values():
        away = float(distance_km(truth.latitude, truth.longitude, c.latitude, c.longitude))
        time_ns = round((truth.time_s + float(table.p_s(away, truth.depth_km))) * 1e9)
        picks.append(Pick(c.seed_id, time_ns, time_ns, 12.0, time_ns))
    return sorted(picks, key=lambda p: p.time_ns)[:only]


def test_three_stations_declare_nothing_and_the_fourth_does(travel_times: TravelTimes) -> None:
    channels, truth = line_of_channels(), origin(30.0, 5.0, 0.3, 0.2)
    engine = EventEngine(Config(), channels, travel_times)
    picks = p_picks(channels, truth, travel_times, 4)
    until_s = picks[-1].time_ns / 1e9 + 0.5
    engine.feed((), alive(channels, until_s), until_s)
    assert engine.feed(picks[:3], (), until_s) == []
    (version,) = engine.feed(picks[3:], (), until_s + 0.1)
    assert version.stations == 4
    assert error_km(version, truth) < 15


@pytest.mark.parametrize(("east", "seed"), [(0.7, 0), (0.7, 2), (-0.8, 2)])
def test_large_earthquake_beside_the_network_is_not_long_taken_for_a_small_one_within(
    east: float, seed: int, travel_times: TravelTimes
) -> None:
    """Five stations, M 6 some 70 km off: as long as no S comes, it can't have been near (52-58 km
    off for 4 s without that)."""
    truth = origin(30.0, 6.0, 0.1, east)
    (history,) = run(Play(stations(5), [truth], START_S, 75.0, seed=seed), travel_times).values()
    soon = [v for v in history if v.issued_s <= history[0].issued_s + 4.0]
    assert error_km(soon[-1], truth) < 30
    assert error_km(history[-1], truth) < 5


def test_onset_picked_anew_with_more_data_takes_its_own_place(travel_times: TravelTimes) -> None:
    """Four weak picks wait; picked again, clearer and 0.1 s earlier, they are the earthquake, once,
    and leave nothing over.
    """
    channels, truth = line_of_channels(), origin(30.0, 5.0, 0.3, 0.2)
    engine = EventEngine(Config(), channels, travel_times)
    clear = p_picks(channels, truth, travel_times, 6)
    weak = [replace(p, time_ns=p.time_ns + 100_000_000, snr=2.1) for p in clear[:4]]
    until_s = clear[-1].time_ns / 1e9 + 0.5
    engine.feed((), alive(channels, until_s), until_s)
    assert engine.feed(weak, (), until_s) == []
    told = [v for p in clear for v in engine.feed([p], (), until_s + 0.1)]
    told += engine.feed((), (), until_s + 1.0)
    assert {v.event_id for v in told} == {told[0].event_id}
    assert told[-1].stations == 6
    assert all(a.pick.snr == 12.0 for a in told[-1].arrivals)


def test_several_channels_of_one_station_count_once(travel_times: TravelTimes) -> None:
    channels = line_of_channels()
    for seed_id in list(channels):
        twin = seed_id.replace("..HN", ".10.HH")
        channels[twin] = replace(channels[seed_id], seed_id=twin)
    truth = origin(30.0, 5.0, 0.3, 0.2)
    engine = EventEngine(Config(), channels, travel_times)
    picks = p_picks(channels, truth, travel_times, 24)
    three = list(dict.fromkeys(pick.seed_id.split(".")[1] for pick in picks))[:3]
    picks = [pick for pick in picks if pick.seed_id.split(".")[1] in three]
    assert len(picks) == 6
    until_s = picks[-1].time_ns / 1e9 + 0.5
    engine.feed((), alive(channels, until_s), until_s)
    assert engine.feed(picks, (), until_s) == []


def test_event_most_stations_do_not_see_is_never_declared(travel_times: TravelTimes) -> None:
    channels = line_of_channels()
    engine = EventEngine(Config(), channels, travel_times)
    truth = origin(30.0, 5.0, 0.3, 0.2)
    far = p_picks(channels, truth, travel_times, 12)[8:]  # the farthest four of twelve
    until_s = far[-1].time_ns / 1e9 + 6.0
    engine.feed((), alive(channels, until_s), until_s)
    assert engine.feed(far, (), until_s) == []


def test_same_first_pick_gives_the_same_id_on_another_machine(travel_times: TravelTimes) -> None:
    channels, truth = line_of_channels(), origin(30.0, 5.0, 0.3, 0.2)
    picks = p_picks(channels, truth, travel_times, 6)
    until_s = picks[-1].time_ns / 1e9 + 0.5
    ids = set()
    for order in (picks[:4], [*picks[:3], picks[5]]):
        engine = EventEngine(Config(), channels, travel_times)
        engine.feed((), alive(channels, until_s), until_s)
        ids |= {v.event_id for v in engine.feed(order, (), until_s)}
    assert len(ids) == 1


def test_partners_origin_of_the_same_earthquake_joins_our_event(travel_times: TravelTimes) -> None:
    channels, truth = line_of_channels(), origin(30.0, 5.0, 0.3, 0.2)
    engine = EventEngine(Config(), channels, travel_times)
    picks = p_picks(channels, truth, travel_times, 5)
    until_s = picks[-1].time_ns / 1e9 + 0.5
    engine.feed((), alive(channels, until_s), until_s)
    (ours,) = engine.feed(picks, (), until_s)
    theirs = EventVersion("icl-1", 1, "alert", 0.0, replace(truth, magnitude=5.4), 0, source="icl")
    merged = engine.add_origin(theirs, until_s + 1.0)
    assert (merged.event_id, merged.version, merged.source) == (ours.event_id, 2, "icl")
    elsewhere = EventVersion(
        "icl-2", 1, "alert", 0.0, replace(truth, latitude=35.0), 0, source="icl"
    )
    assert engine.add_origin(elsewhere, until_s + 1.0).event_id == "icl-2"


@pytest.mark.parametrize("seed", range(8))
def test_an_event_begun_with_a_wrong_pick_is_put_right_by_those_that_follow(
    seed: int, travel_times: TravelTimes
) -> None:
    rng = np.random.default_rng(seed)
    network = [s.channels()[0] for s in stations(140)[::10]]
    inventory = {c.seed_id: c for c in network}
    truth = origin(60.0, 5.0, *rng.uniform(-0.6, 0.6, 2))
    away = distance_km(
        truth.latitude,
        truth.longitude,
        [c.latitude for c in network],
        [c.longitude for c in network],
    )
    arrivals = truth.time_s + travel_times.p_s(away, truth.depth_km) + rng.normal(0, 0.1, len(away))
    order = np.argsort(arrivals)
    wrong = order[6]  # a lorry beside a station farther out, as the wave reaches the third station
    arrivals[wrong] = arrivals[order[2]] + 0.2
    engine = EventEngine(Config(), inventory, travel_times)
    versions = []
    for now_s in np.arange(START_S, truth.time_s + 20, 0.5):
        heard = [i for i in range(len(away)) if now_s - 0.5 < arrivals[i] + 0.4 <= now_s]
        picks = [
            Pick(network[i].seed_id, round(arrivals[i] * 1e9), round(now_s * 1e9), 8.0)
            for i in heard
        ]
        start_ns = round((now_s - 0.5) * 1e9)
        packets = [Packet(s, start_ns, 100.0, np.zeros(50, np.float32)) for s in inventory]
        versions += engine.feed(picks, packets, float(now_s))
    assert {v.event_id for v in versions} == {versions[0].event_id}
    assert error_km(versions[-1], truth) < 5
    used = {a.pick.seed_id for a in versions[-1].arrivals}
    assert network[wrong].seed_id not in used
