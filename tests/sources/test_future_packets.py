"""Packets from the future: held back where one station is ahead, taken where it is the host that is
behind.
"""

import numpy as np

from ew import Packet
from ew.sources.future_packets import HELD_S, FuturePackets

NOW_S = 1_750_000_000.0


def _packet(station: int, end_s: float) -> Packet:
    return Packet(
        f"XX.S{station:02d}..HHZ", round((end_s - 1) * 1e9), 100.0, np.zeros(100, np.int32)
    )


def _play(
    leads_s: list[float], seconds: int, ahead: FuturePackets, host_s: float = NOW_S
) -> list[Packet]:
    """Stations with these leads over the host's clock (s) send a packet each second."""
    passed: list[Packet] = []
    for second in range(seconds):
        for station, lead_s in enumerate(leads_s):
            came_s = second + 0.01 * station
            now_s = host_s + came_s
            passed += ahead.filter(_packet(station, now_s + lead_s), now_s, came_s)
    return passed


def test_a_station_ahead_of_all_others_is_left_out_and_named() -> None:
    ahead = FuturePackets()
    passed = _play([-1.0, -1.0, -1.0, -1.0, 3600.0], 10, ahead)
    assert {packet.seed_id for packet in passed} == {f"XX.S{n:02d}..HHZ" for n in range(4)}
    assert len(passed) == 40
    assert list(ahead.named(10.0)) == ["XX.S04"]
    assert 10 - HELD_S - 1 <= ahead.left_out <= 10
    assert ahead.named(100.0) == {}


def test_a_host_that_is_behind_takes_all_in_order() -> None:
    ahead = FuturePackets()
    passed = _play([5.0, 4.5, 5.5, 5.0], 10, ahead)
    assert len(passed) == 40
    assert ahead.left_out == 0
    for station in range(4):
        times = [p.start_ns for p in passed if p.seed_id == f"XX.S{station:02d}..HHZ"]
        assert times == sorted(times)


def test_a_step_of_the_hosts_clock_costs_no_packet() -> None:
    ahead = FuturePackets()
    assert len(_play([-1.0] * 4, 5, ahead)) == 20
    passed: list[Packet] = []
    for second in range(5, 15):  # the host has been set back 5 s
        for station in range(4):
            steady_s = second + 0.01 * station
            packet = _packet(station, NOW_S + steady_s - 1.0)
            passed += ahead.filter(packet, NOW_S + steady_s - 5.0 - 1.0, steady_s)
    assert len(passed) == 40
    assert ahead.left_out == 0


def test_two_stations_cannot_say_that_the_host_is_behind() -> None:
    ahead = FuturePackets()
    assert _play([60.0, 60.0], 5, ahead) == []
    assert ahead.left_out
