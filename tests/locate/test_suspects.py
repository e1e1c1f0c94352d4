"""Stations that are off are named, and no others."""

import pytest

from ew import Channel, EventVersion, Origin, Pick
from ew.geo import destination, distance_km
from ew.locate.suspects import StationTiming, Suspect
from ew.records import Arrival, Inventory
from ew.traveltimes import TravelTimes

START_S = 1_600_000_000.0
CENTRE = (29.5, 103.5)


def inventory() -> dict[str, Channel]:
    """Sixteen stations on two rings."""
    places = [destination(*CENTRE, 22.5 * i, 30.0 + 40.0 * (i % 2)) for i in range(16)]
    return {
        f"XX.A{i:02d}..HNZ": Channel(f"XX.A{i:02d}..HNZ", float(a), float(b), 0, 1e5, "M/S**2")
        for i, (a, b) in enumerate(places)
    }


def earthquake(
    number: int, true: Inventory, table: TravelTimes, off_s: dict[str, float], wave: dict[str, str]
) -> tuple[list[Pick], EventVersion]:
    """Picks of an earthquake and its last version: stations that are off are no arrivals of it."""
    latitude, longitude = (float(x) for x in destination(*CENTRE, 70.0 * number, 5.0 * number))
    origin = Origin(
        START_S + 600.0 * number, latitude, longitude, 10.0, 5.0, horizontal_error_km=2.0
    )
    picks, arrivals = [], []
    for channel in true.values():
        away = float(distance_km(latitude, longitude, channel.latitude, channel.longitude))
        station = channel.seed_id.split(".")[1]
        travel = table.s_s if wave.get(station) == "S" else table.p_s
        time_s = origin.time_s + float(travel(away, 10.0)) + off_s.get(station, 0.0)
        picks.append(Pick(channel.seed_id, round(time_s * 1e9), round(time_s * 1e9), 12.0))
        if station not in off_s and station not in wave:
            arrivals.append(Arrival(picks[-1], "P", away, 0.0, 1.0))
    version = EventVersion(
        f"e{number}", 3, "update", origin.time_s + 20, origin, 15, tuple(arrivals)
    )
    return sorted(picks, key=lambda p: p.time_ns), version


def suspects(
    count: int,
    table: TravelTimes,
    *,
    true: Inventory | None = None,
    off_s: dict[str, float] | None = None,
    wave: dict[str, str] | None = None,
) -> tuple[Suspect, ...]:
    timing = StationTiming(inventory(), table)
    for number in range(count):
        picks, version = earthquake(number, true or inventory(), table, off_s or {}, wave or {})
        now_s = version.issued_s
        timing.feed(picks, [version], now_s)
        timing.feed((), (), now_s + 100.0)
    return timing.suspects


def test_healthy_network_has_no_suspect(travel_times: TravelTimes) -> None:
    assert suspects(4, travel_times) == ()


@pytest.mark.parametrize("off_s", [-3.0, 3.0, 12.0])
def test_station_with_a_clock_off_is_named_with_its_error(
    off_s: float, travel_times: TravelTimes
) -> None:
    (found,) = suspects(4, travel_times, off_s={"A03": off_s})
    assert found.station == "XX.A03"
    assert found.residual_s == pytest.approx(off_s, abs=0.1)


def test_station_with_wrong_coordinates_is_named(travel_times: TravelTimes) -> None:
    true = dict(inventory())
    a, b = true["XX.A02..HNZ"], true["XX.A10..HNZ"]
    true["XX.A02..HNZ"] = Channel(a.seed_id, b.latitude - 1.0, b.longitude, 0, 1e5, "M/S**2")
    (found,) = suspects(2, travel_times, true=true, off_s={"A02": 0.0})
    assert found.station == "XX.A02"
    assert found.events == 2


def test_station_that_picks_s_instead_of_p_is_no_suspect(travel_times: TravelTimes) -> None:
    assert suspects(4, travel_times, wave={"A03": "S"}) == ()


def test_station_off_in_one_event_of_four_is_no_suspect(travel_times: TravelTimes) -> None:
    timing = StationTiming(inventory(), travel_times)
    for number in range(4):
        off = {"A05": -6.0} if number == 1 else {}
        picks, version = earthquake(number, inventory(), travel_times, off, {})
        timing.feed(picks, [version], version.issued_s)
    timing.finish()
    assert timing.suspects == ()


def test_vague_event_accuses_nobody(travel_times: TravelTimes) -> None:
    timing = StationTiming(inventory(), travel_times)
    picks, version = earthquake(1, inventory(), travel_times, {"A05": -6.0}, {})
    few = EventVersion("e", 1, "alert", version.issued_s, version.origin, 5, version.arrivals[:5])
    timing.feed(picks, [few], version.issued_s)
    timing.finish()
    assert timing.suspects == ()
