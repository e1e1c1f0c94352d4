"""Travel times down to 700 km are those of TauP."""

import pytest
from obspy.taup import TauPyModel

from ew.traveltimes import TravelTimes


@pytest.mark.parametrize("depth_km", [99.5, 102.4, 137.0, 408.0, 412.3, 597.0, 659.0, 699.0])
def test_deep_times_are_within_a_twentieth_of_a_second(
    travel_times: TravelTimes, depth_km: float
) -> None:
    taup = TauPyModel("ak135")
    for distance_km in (3.3, 61.0, 333.0, 818.0):
        degrees = distance_km / 6371.0 * 57.29577951308232
        for phases, ours in ((["p", "P"], travel_times.p_s), (["s", "S"], travel_times.s_s)):
            true = taup.get_travel_times(depth_km, degrees, phases)[0].time
            assert float(ours(distance_km, depth_km)) == pytest.approx(true, abs=0.05)
