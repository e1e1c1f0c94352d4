"""Old data of a live channel are left out; a channel that stopped takes what comes."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ew.config import Config
from ew.detect.bank import PickerBank
from ew.records import Packet, Pick
from ew.service.acquisition import Acquisition
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


CHANNELS = ("XX.A..HHZ", "XX.B..HHZ")
SECONDS, ONSET_S = 40, 25.3


def live() -> list[Packet]:
    """Both channels second by second, with a wave at ``ONSET_S``."""
    rng = np.random.default_rng(5)
    t = np.arange(SECONDS * 100) / 100
    packets = []
    for seed_id in CHANNELS:
        wave = np.where(t > ONSET_S, 60 * np.exp(-(t - ONSET_S) / 4) * np.sin(2 * np.pi * 4 * t), 0)
        counts = np.rint(100 * (rng.normal(0, 1, len(t)) + wave)).astype(np.int32)
        packets += [
            Packet(seed_id, round((1e9 + second) * 1e9), 100.0, counts[100 * second :][:100])
            for second in range(SECONDS)
        ]
    return sorted(packets, key=lambda one: one.start_ns)


def picks_of(arrivals: list[Packet]) -> list[Pick]:
    """The picks of a service that takes these packets one after the other, a tick each."""
    acquisition, bank = Acquisition(Config(), None), PickerBank()  # type: ignore[arg-type] - no broker is asked
    found: list[Pick] = []
    for one in arrivals:
        acquisition.take(one)
        found += bank.process(acquisition.hand_over())
    return found


LIVE = live()
PICKS = picks_of(LIVE)


def test_the_live_stream_has_picks_to_lose() -> None:
    assert {pick.seed_id for pick in PICKS} == set(CHANNELS)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, len(LIVE)),  # after so many live packets
            st.sampled_from(CHANNELS),
            st.integers(1, 7200),  # s before the live packet
            st.integers(1, 30),  # packets on end
            st.integers(0, 99),  # hundredths of a second
        ),
        max_size=8,
    )
)
def test_a_second_feed_with_a_backlog_changes_no_pick(feeds: list[Any]) -> None:
    arrivals: list[Packet] = []
    for count, (at, one) in enumerate(enumerate(LIVE, start=1)):
        arrivals.append(one)
        for after, seed_id, back_s, length, shift in feeds:
            if after != at or (seed_id not in {p.seed_id for p in LIVE[: count + 1]}):
                continue
            length = min(length, back_s)  # noqa: PLW2901 - as far as the present
            for part in range(length):
                start_ns = one.start_ns + (part - back_s) * 10**9 - shift * 10_000_000
                samples = np.random.default_rng(part).integers(-9999, 9999, 100).astype(np.int32)
                arrivals.append(Packet(seed_id, start_ns, 100.0, samples))
    assert picks_of(arrivals) == PICKS
