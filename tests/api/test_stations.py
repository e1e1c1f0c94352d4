"""How the stations are, as the API says it."""

from typing import Any

import pytest

from ew import Channel
from ew.api.stations import PICKED_FOR_S, Station, station_rows
from ew.service.health import StationHealth
from ew.times import iso_from_seconds

NOW_S = 1_700_000_000.0
CHANNELS = [
    Channel(f"XS.{station}..HH{component}", 29.0, 103.0 + n, 500.0, 1e9, "M/S")
    for n, station in enumerate(("AAA", "BBB"))
    for component in "ZNE"
]


def status_of(state: str, delay_s: float | None = 1.5, **more: Any) -> dict[str, Any]:
    """What the service tells where station AAA is in a state and BBB has said nothing."""
    stations: dict[str, Any] = {"states": {"XS.AAA": state}, "delays_s": {}, "last_data_us": {}}
    if delay_s is not None:
        stations["delays_s"]["XS.AAA"] = delay_s
        stations["last_data_us"]["XS.AAA"] = round((NOW_S - 40) * 1e6)
    return {"stations": stations, **more}


def first(status: dict[str, Any], picks: list[dict[str, Any]] | None = None) -> Station:
    return station_rows(CHANNELS, status, picks or [], NOW_S)[0]


def test_each_station_is_listed_once_with_its_channels_and_place() -> None:
    rows = station_rows(CHANNELS, status_of("live"))
    assert [row.station for row in rows] == ["XS.AAA", "XS.BBB"]
    assert rows[0].channels == [c.seed_id for c in CHANNELS[:3]]
    assert (rows[0].latitude, rows[0].longitude, rows[0].elevation_m) == (29.0, 103.0, 500.0)
    assert (rows[0].state, rows[0].latency_s, rows[0].why) == ("live", 1.5, None)
    assert rows[0].last_data == iso_from_seconds(NOW_S - 40)
    assert (rows[1].state, rows[1].last_data) == ("unknown", None)


@pytest.mark.parametrize(
    ("status", "state", "said"),
    [
        (status_of("late", 12.0), "late", "12 s old"),
        (status_of("backlog", 900.0), "backlog", "900 s old"),
        (status_of("future", -7.0), "future", "7 s ahead"),
        (status_of("silent"), "silent", "no data after 2023"),
        (status_of("silent", None), "silent", "since the service started"),
        (
            status_of("refused", None, seedlink={"s": {"refused": {"XS_AAA": "ERROR"}}}),
            "refused",
            "ERROR",
        ),
        (
            status_of("live", suspect_stations={"XS.AAA": {"residual_s": 0.52, "events": 4}}),
            "suspect",
            "+0.52 s off",
        ),
        (
            status_of("live", suspect_gains={"XS.AAA": {"factor": 3.0, "events": 4}}),
            "suspect",
            "3 times",
        ),
        (
            status_of("silent", suspect_gains={"XS.AAA": {"factor": 3.0, "events": 4}}),
            "silent",
            "3 times",
        ),
    ],
)
def test_a_state_says_why(status: dict[str, Any], state: str, said: str) -> None:
    found = first(status)
    assert found.state == state
    assert found.why is not None
    assert said in found.why


@pytest.mark.parametrize(
    ("before_s", "state"), [(PICKED_FOR_S - 1, "picked"), (PICKED_FOR_S + 1, "live")]
)
def test_a_station_is_picked_for_a_while_after_its_p(before_s: float, state: str) -> None:
    pick = {"seed_id": "XS.AAA..HHZ", "time": iso_from_seconds(NOW_S - before_s)}
    assert first(status_of("live"), [pick]).state == state
    assert first(status_of("silent"), [pick]).state == "silent"


def test_the_names_are_those_that_health_is_judged_by() -> None:
    inventory = {channel.seed_id: channel for channel in CHANNELS}
    judged = StationHealth(inventory, 4).judge(NOW_S, NOW_S)
    assert list(judged.states) == [row.station for row in station_rows(CHANNELS, {})]
