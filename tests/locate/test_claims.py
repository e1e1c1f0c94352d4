"""What an onset is to an event: its S lasts as long as its rupture."""

import math

import pytest

from ew import Channel, Config, Pick
from ew.geo import destination
from ew.locate.claims import Claims
from ew.locate.event import Event
from ew.locate.fit import Fit
from ew.locate.locator import Hypocentre
from ew.locate.onsets import Onset
from ew.locate.stations import Network
from ew.traveltimes import TravelTimes

PLACE = (29.5, 103.5)
ORIGIN_S = 1_600_000_000.0


def claim(table: TravelTimes, magnitude: float, phase: str, late_s: float) -> str:
    """What an onset 150 km away is that comes so long after a phase of an event."""
    latitude, longitude = destination(*PLACE, 40.0, 150.0)
    channel = Channel("XX.A..HNZ", float(latitude), float(longitude), 0.0, 4e5, "M/S**2")
    network = Network({channel.seed_id: channel})
    fit = Fit(Config().locate, network, table, lambda _: None)
    where = Hypocentre(ORIGIN_S, *PLACE, 12.0, 0.0, 0.2, 2.0, 2.0)
    event = Event("ew1", where, {}, ORIGIN_S + 5, 4, magnitude=magnitude)
    travel_s = (table.p_s if phase == "P" else table.s_s)(150.0, 12.0)
    time_s = ORIGIN_S + float(travel_s) + late_s
    pick = Pick(channel.seed_id, round(time_s * 1e9), round(time_s * 1e9), 4.0)
    (found,) = Claims(table, fit).of(event, [Onset(pick, 0, time_s)])
    return found


@pytest.mark.parametrize(
    ("magnitude", "phase", "late_s", "is_what"),
    [
        (7.4, "P", 0.3, "P"),
        (7.4, "S", 0.3, "S"),
        (7.4, "S", 12.0, "S"),  # the rupture lasts 18 s
        (7.4, "S", 25.0, "coda"),
        (5.5, "S", 12.0, "coda"),
        (math.nan, "S", 12.0, "coda"),
        (7.4, "S", -6.0, "coda"),
        (7.4, "P", -9.0, ""),
    ],
)
def test_s_lasts_as_long_as_the_rupture(
    magnitude: float, phase: str, late_s: float, is_what: str, travel_times: TravelTimes
) -> None:
    assert claim(travel_times, magnitude, phase, late_s) == is_what
