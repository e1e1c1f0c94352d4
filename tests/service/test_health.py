"""Each rule of health, from data alone."""

import numpy as np
import pytest

from ew.records import Channel, Packet
from ew.service.health import (
    BACKLOG_S,
    GRACE_S,
    LATE_S,
    SILENT_S,
    Judgement,
    StationHealth,
    no_data,
    outdated,
)

NOW_S = 1_750_000_000.0
COUNT = 20
NEEDED = 4


def _id(number: int) -> str:
    return f"XX.S{number:02d}..HHZ"


def _network(count: int = COUNT) -> StationHealth:
    """Stations along a line, 0.1 degrees apart."""
    return StationHealth(
        {_id(n): Channel(_id(n), 30.0, 100.0 + 0.1 * n, 0.0, 1.0, "M/S") for n in range(count)},
        NEEDED,
    )


def _packet(number: int, end_s: float) -> Packet:
    return Packet(_id(number), round((end_s - 1) * 1e9), 100.0, np.zeros(100, np.int32))


def _judged(
    delays_s: dict[int, float], *, is_synchronized: bool | None = None, count: int = COUNT
) -> Judgement:
    """All judged at NOW_S, a minute after the start, when data came with these delays."""
    health = _network(count)
    for number, delay_s in delays_s.items():
        health.note(_packet(number, NOW_S - delay_s), NOW_S)
    return health.judge(NOW_S, NOW_S - 60, {}, is_synchronized)


def test_all_live_is_no_reason() -> None:
    found = _judged(dict.fromkeys(range(COUNT), 1.5))
    assert found.reasons == ()
    assert set(found.states.values()) == {"live"}
    assert found.delay_s == pytest.approx(1.5)


def test_no_data_is_said_only_after_the_grace() -> None:
    assert no_data(0.0, NOW_S, NOW_S + GRACE_S - 1) == []
    assert no_data(NOW_S, 0.0, NOW_S + GRACE_S - 1) == []
    assert no_data(NOW_S, 0.0, NOW_S + GRACE_S + 1) == ["no data"]


def test_nineteen_of_twenty_silent_is_degraded() -> None:
    found = _judged({7: 1.0})
    assert found.reasons == ("1 of 20 stations live, 4 needed",)
    assert found.states["XX.S00"] == "silent"


def test_before_the_grace_nobody_is_missed() -> None:
    assert _network().judge(NOW_S, NOW_S - GRACE_S + 1).reasons == ()


def test_a_station_falls_silent_with_time() -> None:
    health = _network()
    for number in range(COUNT):
        health.note(_packet(number, NOW_S), NOW_S)
    assert health.judge(NOW_S + SILENT_S - 1, 0.0).reasons == ()
    assert health.judge(NOW_S + SILENT_S + 1, 0.0).states["XX.S03"] == "silent"


def test_an_area_without_enough_live_stations_is_named() -> None:
    found = _judged(dict.fromkeys(range(8, COUNT), 1.0))
    assert len(found.reasons) == 1
    assert "12 of 20 stations live, fewer than 4 of the 8 around XX.S00" in found.reasons[0]


def test_some_dead_stations_here_and_there_are_no_reason() -> None:
    found = _judged({n: 1.0 for n in range(COUNT) if n % 4})
    assert found.reasons == ()


def test_data_a_day_old_are_a_backlog() -> None:
    found = _judged(dict.fromkeys(range(COUNT), 86_400.0))
    assert set(found.states.values()) == {"backlog"}
    assert "0 of 20 stations live, 4 needed" in found.reasons
    assert "data of 20 of 20 stations are 86400 s old alike" in found.reasons[0]


@pytest.mark.parametrize(
    ("delay_s", "is_synchronized", "said"),
    [
        (55.0, None, "55 s old alike: this host's clock is ahead"),
        (55.0, True, "this host's clock is synchronized, so the feed is late"),
        (-55.0, None, "55 s ahead alike: this host's clock is behind"),
        (-55.0, True, "55 s ahead alike: this host's clock is behind"),
    ],
)
def test_what_all_stations_agree_on_is_the_clocks(
    delay_s: float, is_synchronized: bool | None, said: str
) -> None:
    found = _judged({n: delay_s + n * 0.1 for n in range(COUNT)}, is_synchronized=is_synchronized)
    assert said.partition(" s ")[2] in found.reasons[0]


def test_stations_that_are_late_by_different_times_blame_no_clock() -> None:
    found = _judged({n: LATE_S + 1 + 13.0 * n for n in range(COUNT)})
    assert "in the median" in found.reasons[0]
    assert "clock" not in found.reasons[0]


def test_one_late_station_is_named_late_and_no_reason() -> None:
    found = _judged({**dict.fromkeys(range(COUNT), 1.0), 5: LATE_S + 1, 6: -60.0})
    assert (found.states["XX.S05"], found.states["XX.S06"]) == ("late", "future")
    assert found.reasons == ()


def test_a_clock_that_is_not_synchronized_is_said_once_it_is_off() -> None:
    found = _judged(dict.fromkeys(range(COUNT), 1.0), is_synchronized=False)
    assert found.reasons == ()
    found = _judged(dict.fromkeys(range(COUNT), LATE_S + 1), is_synchronized=False)
    assert found.reasons[0] == "this host's clock is not synchronized"


def test_a_clock_that_its_keeper_calls_off_is_said_whatever_the_data_are() -> None:
    health = _network()
    for number in range(COUNT):
        health.note(_packet(number, NOW_S), NOW_S)
    assert health.judge(NOW_S, NOW_S - 60, {}, True, 0.3).reasons == ()
    (reason,) = health.judge(NOW_S, NOW_S - 60, {}, True, -3.25).reasons
    assert "-3.2 s off" in reason


def test_old_data_beside_live_ones_change_nothing() -> None:
    health = _network()
    for number in range(COUNT):
        health.note(_packet(number, NOW_S), NOW_S)
        health.note(_packet(number, NOW_S - BACKLOG_S - 1), NOW_S)
    assert health.judge(NOW_S, 0.0).reasons == ()


def test_a_refused_station_is_told_from_a_silent_one() -> None:
    states = _network().judge(NOW_S, 0.0, {"XX.S02": "ERROR"}).states
    assert (states["XX.S02"], states["XX.S03"]) == ("refused", "silent")


def test_a_network_too_small_to_declare_is_never_ok() -> None:
    found = _judged(dict.fromkeys(range(3), 1.0), count=3)
    assert found.reasons == ("3 of 3 stations live, 4 needed",)


def test_an_empty_inventory_is_judged_too() -> None:
    assert StationHealth({}, NEEDED).judge(NOW_S, 0.0).reasons == (
        "0 of 0 stations live, 4 needed",
    )


def test_epochs_that_have_ended_since_the_start_are_named() -> None:
    inventory = {
        _id(n): Channel(_id(n), 30.0, 100.0, 0.0, 1.0, "M/S", until_s=NOW_S + n) for n in range(5)
    }
    assert outdated(inventory, NOW_S - 1) == []
    (reason,) = outdated(inventory, NOW_S + 1)
    assert "XX.S00..HHZ, XX.S01..HHZ have ended" in reason
    (reason,) = outdated(inventory, NOW_S + 9)
    assert "and 2 more have ended" in reason
