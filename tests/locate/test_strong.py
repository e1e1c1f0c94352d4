"""A large earthquake among few stations is told by what two or three of them record; what is not one is not."""

from collections.abc import Iterator

import numpy as np
import pytest

from ew import EventVersion, Packet
from ew.geo import destination
from ew.locate.amplitudes import BIN_S, ONSET_BIN, PeakBins
from ew.locate.strong import LASTING_BAND, LASTING_S, lasts_s
from ew.records import Channel
from ew.times import ns_from_seconds
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


def bins_of(motion: list[float]) -> PeakBins:
    peaks = PeakBins(Channel("XS.S..HNZ", 0.0, 0.0, 0.0, 1.0, "M/S**2"), START_S)
    peaks.bins[LASTING_BAND, ONSET_BIN : ONSET_BIN + len(motion)] = motion
    peaks.end_ns = ns_from_seconds(START_S + len(motion) * BIN_S)
    return peaks


def test_what_falls_or_slams_does_not_last_and_an_earthquake_does() -> None:
    t = np.arange(24) * BIN_S
    assert lasts_s(bins_of(list(np.exp(-t / 0.75)))) < LASTING_S
    assert lasts_s(bins_of(list(np.exp(-t / 3.0)))) >= LASTING_S
    # S, five times as loud, takes nothing from the P before it
    assert lasts_s(bins_of([1.0] * 12 + [5.0])) >= LASTING_S
    assert lasts_s(bins_of([])) == 0.0
    # A lorry every second: in all it lasts, at a stretch it does not
    lorries = bins_of([1.0, 1.0, 0.0, 0.0] * 8)
    assert lasts_s(lorries) == 16 * BIN_S
    assert lasts_s(lorries, at_a_stretch=True) == 2 * BIN_S
