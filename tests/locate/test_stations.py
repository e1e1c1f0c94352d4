"""Sensors side by side are one place, whatever their names, and its picks one arrival."""

import numpy as np
import pytest

from ew import Channel, Origin
from ew.geo import destination
from ew.locate.stations import Network
from ew.traveltimes import TravelTimes
from simulators.scenario import Play, Station
from tests.locate.test_events import CENTRE, START_S, found, origin, run, stations


def channel(name: str, latitude: float, longitude: float) -> dict[str, Channel]:
    seed_id = f"XS.{name}..HNZ"
    return {seed_id: Channel(seed_id, latitude, longitude, 0.0, 1e5, "M/S**2")}


@pytest.mark.parametrize("longitude", [103.0, 179.999, -180.0])
def test_sensors_within_half_a_kilometre_are_one_place(longitude: float) -> None:
    inventory: dict[str, Channel] = {}
    for i, away_km in enumerate((0.0, 0.2, 0.4, 3.0)):
        latitude, east = destination(-17.0, longitude, 90.0, away_km)
        inventory |= channel(f"S{i}", float(latitude), float(east))
    network = Network(inventory)
    places = [network.station(seed_id) for seed_id in inventory]
    assert places == [0, 0, 0, 1]
    assert network.names == ("XS.S0", "XS.S3")


def test_a_dense_line_of_stations_does_not_become_one_place_link_by_link() -> None:
    inventory: dict[str, Channel] = {}
    for i in range(20):
        latitude, longitude = destination(*CENTRE, 45.0, 0.3 * i)
        inventory |= channel(f"S{i:02d}", float(latitude), float(longitude))
    places = np.array([Network(inventory).station(s) for s in inventory])
    assert np.bincount(places).max() <= 3


def test_order_of_the_inventory_does_not_matter() -> None:
    inventory: dict[str, Channel] = {}
    for i, away_km in enumerate((0.0, 0.3, 0.6, 0.9)):
        latitude, longitude = destination(*CENTRE, 0.0, away_km)
        inventory |= channel(f"S{i}", float(latitude), float(longitude))
    one, other = Network(inventory), Network(dict(reversed(inventory.items())))
    assert one.names == other.names
    assert [one.station(s) for s in inventory] == [other.station(s) for s in inventory]


def test_two_sensors_at_each_station_tell_an_earthquake_once(travel_times: TravelTimes) -> None:
    near = stations(16)
    pairs = [
        Station(f"{s.code}{sensor[1]}", s.latitude, s.longitude, 0.0, sensor, s.noise)
        for s in near
        for sensor in ("HH", "HN")
    ]
    truth = origin(25.0, 6.0)
    found(run(Play(pairs, [truth], START_S, 80.0, seed=4), travel_times), [truth])


def test_sensors_under_one_roof_declare_nothing_together(travel_times: TravelTimes) -> None:
    roof = [Station(f"R{i}", CENTRE[0] + 0.0004 * i, CENTRE[1], 0.0, "HN", 0.3) for i in range(5)]
    # What five sensors feel of an M 3 a kilometre below; the stations around are too far to see it
    truth = Origin(START_S + 25.0, CENTRE[0], CENTRE[1], 3.0, 3.0)
    assert run(Play(roof, [truth], START_S, 60.0, seed=2), travel_times) == {}
