"""A large earthquake among few stations is told by what two or three of them record; what is not
one is not."""

from collections.abc import Iterator

import pytest

from ew import EventVersion, Packet
from ew.geo import destination
from ew.traveltimes import TravelTimes
from simulators.scenario import Play, Station, arrivals
from tests.locate.test_events import CENTRE, START_S, error_km, origin, run

Rows = list[tuple[float, float]]
SPREAD: Rows = [(40.0, 20.0), (75.0, 130.0), (95.0, 260.0)]
"""Distances (km) and azimuths of three stations."""


def sparse(rows: Rows) -> list[Station]:
    places = [destination(*CENTRE, azimuth, away_km) for away_km, azimuth in rows]
    return [
        Station(f"S{i}", float(lat), float(lon), 0.0, "HN", 0.4)
        for i, (lat, lon) in enumerate(places)
    ]


def told(play: Play, table: TravelTimes, packet_s: float = 1.0) -> list[list[EventVersion]]:
    return list(run(play, table, play.packets(packet_s)).values())


@pytest.mark.parametrize("packet_s", [0.1, 0.5, 1.0])
def test_large_earthquake_is_told_soon_after_p_at_the_third_station_however_packets_are_cut(
    packet_s: float, travel_times: TravelTimes
) -> None:
    truth = origin(30.0, 7.0)
    play = Play(sparse(SPREAD), [truth], START_S, 70.0, seed=5)
    third_s = truth.time_s + sorted(arrivals(truth, s, travel_times)[0] for s in play.stations)[2]
    (history,) = told(play, travel_times, packet_s)
    assert history[0].issued_s - third_s < 1.5 + packet_s
    assert error_km(history[0], truth) < 50
    assert history[-1].origin.magnitude > 6.3


def test_small_earthquake_waits_for_the_fourth_station(travel_times: TravelTimes) -> None:
    truth = origin(30.0, 4.8)
    rows = SPREAD
    assert told(Play(sparse(rows), [truth], START_S, 70.0, seed=5), travel_times) == []
    rows = [*rows, (110.0, 330.0)]
    assert len(told(Play(sparse(rows), [truth], START_S, 70.0, seed=5), travel_times)) == 1


def test_two_near_stations_are_enough_where_the_ground_shakes_hard(
    travel_times: TravelTimes,
) -> None:
    truth = origin(30.0, 7.2)
    play = Play(sparse([(25.0, 20.0), (35.0, 150.0)]), [truth], START_S, 60.0, seed=5)
    (history,) = told(play, travel_times)
    assert history[0].issued_s - truth.time_s < 20.0
    assert history[-1].origin.magnitude > 6.3


def test_live_stations_near_by_that_stay_silent_stand_against_it(
    travel_times: TravelTimes,
) -> None:
    truth = origin(30.0, 7.0)
    play = Play(sparse(SPREAD), [truth], START_S, 70.0, seed=5)
    quiet = Play(
        [
            Station(f"Q{i}", s.latitude, s.longitude, 0.0, "HN", 0.4)
            for i, s in enumerate(sparse([(20.0 + 8 * k, 45.0 * k) for k in range(8)]))
        ],
        [],
        START_S,
        70.0,
        seed=6,
    )
    both = Play([*play.stations, *quiet.stations], [], START_S, 70.0)

    def packets() -> Iterator[tuple[int, Packet]]:
        yield from sorted(
            [*play.packets(1.0), *quiet.packets(1.0)], key=lambda item: (item[0], item[1].seed_id)
        )

    assert run(both, travel_times, packets()) == {}
