"""A recording moved and renamed in ways that must not matter gives the same answer."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from ew.config import Config
from ew.geo import wrap_longitude
from ew.pipeline import Pipeline
from ew.records import EventVersion, Packet
from ew.traveltimes import TravelTimes
from tests.serving import play

Rename = Callable[[str], str]


def versions(
    travel_times: TravelTimes, *, turn: float = 0.0, mirror: bool = False, rename: Rename = str
) -> list[EventVersion]:
    """What is found where the network was turned around the Earth and its channels renamed."""
    chosen = play()
    inventory = {
        rename(seed_id): replace(
            channel,
            seed_id=rename(seed_id),
            latitude=-channel.latitude if mirror else channel.latitude,
            longitude=float(wrap_longitude(channel.longitude + turn)),
        )
        for seed_id, channel in chosen.inventory.items()
    }
    pipeline = Pipeline(Config(), inventory, travel_times)
    found: list[EventVersion] = []
    arrivals = [
        (at, Packet(rename(p.seed_id), p.start_ns, p.sampling_rate, p.samples))
        for at, p in chosen.packets(1.0)
    ]
    for now_ns, packets in pipeline.moments(arrivals):
        found += pipeline.feed(packets, now_ns).versions
    return found


def numbered(seed_id: str) -> str:
    return seed_id[:-1] + {"Z": "3", "N": "1", "E": "2"}[seed_id[-1]]


def shape(found: list[EventVersion]) -> list[tuple[float, ...]]:
    return [
        (v.issued_s, round(abs(v.origin.latitude), 3), round(v.origin.magnitude, 2), v.stations)
        for v in found
    ]


@pytest.fixture(scope="module")
def reference(travel_times: TravelTimes) -> list[EventVersion]:
    found = versions(travel_times)
    assert len(found) > 1
    return found


@pytest.mark.parametrize("east", [180.0, 179.9, -179.5, 0.0])
def test_meridian_does_not_matter(
    travel_times: TravelTimes, reference: list[EventVersion], east: float
) -> None:
    turn = east - reference[-1].origin.longitude
    found = versions(travel_times, turn=turn)
    assert shape(found) == shape(reference)
    for one, other in zip(found, reference, strict=True):
        assert -180 <= one.origin.longitude <= 180
        moved = wrap_longitude(one.origin.longitude - other.origin.longitude - turn)
        assert float(moved) == pytest.approx(0, abs=2e-3)


def test_hemisphere_does_not_matter(
    travel_times: TravelTimes, reference: list[EventVersion]
) -> None:
    """To the metre, in every version: trial places lie as far to the north of the middle as to the
    south.
    """
    found = versions(travel_times, turn=180.0 - reference[-1].origin.longitude, mirror=True)
    assert shape(found) == shape(reference)
    for one, other in zip(found, reference, strict=True):
        assert -one.origin.latitude == pytest.approx(other.origin.latitude, abs=2e-3)
        assert one.origin.magnitude == pytest.approx(other.origin.magnitude, abs=0.01)


def test_vertical_named_3_beside_1_and_2_is_picked(
    travel_times: TravelTimes, reference: list[EventVersion]
) -> None:
    assert shape(versions(travel_times, rename=numbered)) == shape(reference)
