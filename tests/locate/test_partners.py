"""Another agency's solutions beside our own picks: whichever comes first, whatever is withdrawn."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from ew import Config, EventVersion, Origin, Pick
from ew.locate.events import EventEngine
from ew.traveltimes import TravelTimes
from tests.locate.test_events import alive, line_of_channels, origin, p_picks

TRUTH = origin(30.0, 5.0, 0.3, 0.2)
CHANNELS = line_of_channels()


@pytest.fixture
def picks(travel_times: TravelTimes) -> list[Pick]:
    return p_picks(CHANNELS, TRUTH, travel_times, 5)


@pytest.fixture
def engine(travel_times: TravelTimes) -> EventEngine:
    return EventEngine(Config(), CHANNELS, travel_times)


def theirs(
    version: int,
    kind: str = "alert",
    *,
    name: str = "icl-1",
    at: Origin = TRUTH,
    magnitude: float = 5.4,
) -> EventVersion:
    told = replace(at, magnitude=magnitude)
    return EventVersion(name, version, kind, 0.0, told, 0, source=name.split("-", maxsplit=1)[0])  # type: ignore[arg-type]


def hear(engine: EventEngine, picks: Sequence[Pick], late_s: float = 0.5) -> list[EventVersion]:
    until_s = picks[-1].time_ns / 1e9 + late_s
    engine.feed((), alive(CHANNELS, until_s), until_s)
    return engine.feed(picks, (), until_s)


def test_partner_that_is_first_gives_the_event_its_id(
    engine: EventEngine, picks: list[Pick]
) -> None:
    first = engine.add_origin(theirs(1), TRUTH.time_s + 3.0)
    assert first is not None
    (ours,) = hear(engine, picks)
    assert (ours.event_id, ours.version, ours.kind, ours.source) == ("icl-1", 2, "update", "ew")
    again = engine.add_origin(theirs(2, "update", magnitude=5.9), ours.issued_s + 1.0)
    assert again is not None
    assert (again.event_id, again.version, again.source) == ("icl-1", 3, "icl")


@pytest.mark.parametrize("is_partner_first", [True, False])
def test_partners_cancel_withdraws_its_part_and_ours_is_told_again(
    engine: EventEngine, picks: list[Pick], *, is_partner_first: bool
) -> None:
    if is_partner_first:
        engine.add_origin(theirs(1), TRUTH.time_s + 3.0)
        (ours,) = hear(engine, picks)
    else:
        (ours,) = hear(engine, picks)
        engine.add_origin(theirs(1, magnitude=6.9), ours.issued_s + 0.1)
    now_s = ours.issued_s + 1.0
    assert engine.add_origin(theirs(2, "cancel"), now_s) is None
    (again,) = engine.feed((), (), now_s)
    assert (again.event_id, again.kind, again.source) == (ours.event_id, "update", "ew")
    assert again.version > ours.version


def test_event_of_a_partner_alone_is_cancelled_by_it(engine: EventEngine) -> None:
    engine.add_origin(theirs(1), TRUTH.time_s + 3.0)
    ended = engine.add_origin(theirs(2, "cancel"), TRUTH.time_s + 6.0)
    assert ended is not None
    assert (ended.event_id, ended.version, ended.kind) == ("icl-1", 2, "cancel")
    assert engine.add_origin(theirs(3, "cancel"), TRUTH.time_s + 7.0) is None, "once"


def test_cancel_of_what_was_never_told_tells_nobody(engine: EventEngine) -> None:
    assert engine.add_origin(theirs(2, "cancel"), TRUTH.time_s + 3.0) is None


def test_late_and_repeated_versions_change_nothing(engine: EventEngine) -> None:
    told = [
        engine.add_origin(theirs(version, magnitude=magnitude), TRUTH.time_s + 3.0)
        for version, magnitude in ((1, 5.0), (1, 5.5), (3, 6.5), (2, 6.0))
    ]
    assert [v and (v.version, v.kind, v.origin.magnitude) for v in told] == [
        (1, "alert", 5.0),
        None,
        (2, "update", 6.5),
        None,
    ]


def test_two_partners_of_one_earthquake_are_one_event_until_both_withdraw(
    engine: EventEngine,
) -> None:
    now_s = TRUTH.time_s + 3.0
    engine.add_origin(theirs(1, magnitude=5.0), now_s)
    second = engine.add_origin(theirs(1, name="jma-7", magnitude=5.6), now_s + 1.0)
    assert second is not None
    assert (second.event_id, second.version) == ("icl-1", 2)
    left = engine.add_origin(theirs(2, "cancel", name="jma-7"), now_s + 2.0)
    assert left is not None
    assert (left.kind, left.origin.magnitude, left.version) == ("update", 5.0, 3)
    ended = engine.add_origin(theirs(2, "cancel"), now_s + 3.0)
    assert ended is not None
    assert (ended.event_id, ended.kind, ended.version) == ("icl-1", "cancel", 4)


def test_two_ids_of_one_partner_are_two_earthquakes(engine: EventEngine, picks: list[Pick]) -> None:
    hear(engine, picks)
    first, second = (
        engine.add_origin(theirs(1, name=name), TRUTH.time_s + 9.0) for name in ("icl-1", "icl-2")
    )
    assert first is not None
    assert second is not None
    assert (second.event_id, second.version) == ("icl-2", 1)
    assert first.event_id != second.event_id


@pytest.mark.parametrize("has_partner", [True, False])
def test_our_cancel_leaves_what_a_partner_says(
    engine: EventEngine,
    picks: list[Pick],
    monkeypatch: pytest.MonkeyPatch,
    *,
    has_partner: bool,
) -> None:
    (ours,) = hear(engine, picks)
    if has_partner:
        engine.add_origin(theirs(1, magnitude=5.4), ours.issued_s + 0.1)
    monkeypatch.setattr(engine._group, "is_refuted", lambda *_: True)
    (last,) = engine.feed((), (), ours.issued_s + 2.0)
    assert last.event_id == ours.event_id
    if not has_partner:
        assert last.kind == "cancel"
        return
    assert (last.kind, last.source, last.version) == ("update", "icl", 3)
    ended = engine.add_origin(theirs(2, "cancel"), ours.issued_s + 3.0)
    assert ended is not None
    assert (ended.event_id, ended.kind, ended.version) == (ours.event_id, "cancel", 4)


def test_partners_event_goes_on_after_a_restart(
    engine: EventEngine, picks: list[Pick], travel_times: TravelTimes
) -> None:
    told = engine.add_origin(theirs(1), TRUTH.time_s + 3.0)
    assert told is not None
    again = EventEngine(Config(), CHANNELS, travel_times)
    again.hear(told)
    (ours,) = hear(again, picks)
    assert (ours.event_id, ours.version) == ("icl-1", 2)
    ended = again.add_origin(theirs(2, "cancel"), ours.issued_s)
    assert ended is None


@pytest.mark.parametrize("born", ["ours", "a partner's", "both"])
def test_event_cancelled_by_hand_is_not_told_again(
    engine: EventEngine, picks: list[Pick], born: str
) -> None:
    now_s = TRUTH.time_s + 9.0
    told = hear(engine, picks[:4]) if born != "a partner's" else []
    if born != "ours":
        version = engine.add_origin(theirs(1), now_s)
        assert version is not None
        told.append(version)
    event_id = told[0].event_id
    ended = engine.cancel(event_id, now_s)
    assert ended is not None
    assert (ended.kind, ended.version) == ("cancel", len(told) + 1)
    assert engine.cancel(event_id, now_s) is None
    assert engine.add_origin(theirs(2, "update", magnitude=6.0), now_s) is None
    if born != "a partner's":  # its waves reach further stations, and make no second event
        late = p_picks(CHANNELS, TRUTH, TravelTimes.load(), 12)[5:]
        until_s = late[-1].time_ns / 1e9 + 0.5
        engine.feed((), alive(CHANNELS, until_s), until_s)
        assert engine.feed(late, (), until_s) == []


def test_cancel_by_hand_of_what_is_not_under_way_tells_nobody(engine: EventEngine) -> None:
    assert engine.cancel("ew-none", TRUTH.time_s) is None
