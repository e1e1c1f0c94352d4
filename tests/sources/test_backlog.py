"""Old data of a live channel are left out; a channel that stopped takes what comes."""

import numpy as np

from ew.records import Packet
from ew.sources.backlog import LIVE_S, Backlog


def packet(start_s: float, seed_id: str = "XX.A..HHZ") -> Packet:
    return Packet(seed_id, round(start_s * 1e9), 100.0, np.zeros(100, np.float32))


def test_backlog_of_a_second_feed_is_left_out_and_live_data_are_not() -> None:
    backlog = Backlog()
    for second in range(100):
        assert not backlog.is_backlog(packet(1000.0 + second), float(second))
        assert not backlog.is_backlog(packet(1000.0 + second), float(second))  # a duplicate
        assert backlog.is_backlog(packet(400.0 + second), float(second))
    assert backlog.left_out == 100


def test_packet_a_little_late_is_taken() -> None:
    backlog = Backlog()
    assert not backlog.is_backlog(packet(1000.0), 0.0)
    assert not backlog.is_backlog(packet(997.0), 0.1)


def test_channel_whose_data_stopped_takes_old_data_again() -> None:
    backlog = Backlog()
    assert not backlog.is_backlog(packet(1000.0), 0.0)
    assert backlog.is_backlog(packet(500.0), LIVE_S - 1)
    assert not backlog.is_backlog(packet(501.0), LIVE_S + 1)
    assert not backlog.is_backlog(packet(502.0), LIVE_S + 2)


def test_one_channel_says_nothing_of_another() -> None:
    backlog = Backlog()
    assert not backlog.is_backlog(packet(1000.0), 0.0)
    assert not backlog.is_backlog(packet(500.0, "XX.B..HHZ"), 0.0)
