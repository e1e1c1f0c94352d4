"""Stations whose gain is wrong are named after three events, and no others."""

import numpy as np
import pytest

from ew import Channel, EventVersion, Origin, Pick
from ew.geo import destination, distance_km
from ew.locate.gains import GainSuspect, StationGains
from ew.traveltimes import TravelTimes

START_S = 1_600_000_000.0
CENTRE = (29.5, 179.9)
SCATTER = (0.2, -0.3, 0.1, 0.3, -0.2, 0.0, -0.1, 0.25, -0.25, 0.15)


def named(count: int, table: TravelTimes, wrong: dict[int, float]) -> tuple[GainSuspect, ...]:
    """Ten stations around an earthquake at each of ``count`` places; ``wrong``: amplitude over the
    true one.
    """
    inventory = {}
    for i in range(10):
        latitude, longitude = destination(*CENTRE, 36.0 * i, 20.0 + 8.0 * i)
        seed_id = f"XX.A{i}..HNZ"
        inventory[seed_id] = Channel(seed_id, float(latitude), float(longitude), 0.0, 1e5, "M/S**2")
    gains = StationGains(inventory, table)
    for number in range(count):
        place = [float(x) for x in destination(*CENTRE, 90.0 * number, 15.0)]
        origin = Origin(START_S + 900.0 * number, *place, 10.0, 5.0, horizontal_error_km=3.0)
        picks = []
        for i, channel in enumerate(inventory.values()):
            away = float(distance_km(*place, channel.latitude, channel.longitude))
            at_ns = round((origin.time_s + float(table.p_s(away, 10.0))) * 1e9)
            size = 3.0 + SCATTER[(i + number) % 10] - 1.6 * np.log10(np.hypot(away, 10.0))
            amplitude = float(10**size) * channel.gain * wrong.get(i, 1.0)
            picks.append(
                Pick(channel.seed_id, at_ns, at_ns, 12.0, period_s=0.3, amplitude=amplitude)
            )
        version = EventVersion(f"e{number}", 3, "update", origin.time_s + 20, origin, 10, ())
        gains.feed(picks, [version], version.issued_s)
        gains.feed((), (), version.issued_s + 100.0)
    return gains.suspects


def test_healthy_network_has_no_suspect(travel_times: TravelTimes) -> None:
    assert named(6, travel_times, {}) == ()


@pytest.mark.parametrize("factor", [0.001, 0.1, 10.0, 1000.0])
def test_wrong_gain_is_named_after_three_events(factor: float, travel_times: TravelTimes) -> None:
    assert named(2, travel_times, {4: factor}) == ()
    (suspect,) = named(3, travel_times, {4: factor})
    assert (suspect.station, suspect.events) == ("XX.A4", 3)
    assert np.log10(suspect.factor) == pytest.approx(np.log10(factor), abs=0.4)
