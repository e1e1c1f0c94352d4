"""A service that is killed at any moment of an earthquake and comes back: one event, nobody told
twice.

Played by data time, with the pipeline alone: what would be in the resume file, and what a SeedLink
server would send once more, are handed over as the service hands them over.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from ew import Packet
from ew.alerts.message import parse_alert
from ew.alerts.planner import AlertPlan, AlertPlanner
from ew.alerts.signing import Signer
from ew.config import Config, PolicyConfig
from ew.pipeline import TICK_NS, Pipeline
from ew.records import EventVersion, Inventory
from ew.service.resume_file import BEFORE_ORIGIN_S, QUIET_S
from ew.shaking.targets import cell_targets, cells_around
from ew.storage.versions import version_body, version_of
from ew.times import NS_PER_S, ns_from_seconds
from ew.traveltimes import TravelTimes
from tests.serving import play

CONFIG = Config(policy=PolicyConfig(mode="test"))
CELLS = cell_targets(cells_around(29.5, 103.5, 150.0))
DOWN_S = 4.0
SEED = 20_200_401


@dataclass
class Life:
    """What one run of the service has told, to which topics."""

    versions: list[EventVersion] = field(default_factory=list)
    told: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    signer: Signer = field(default_factory=lambda: Signer.ephemeral("test", ("test",)))

    def take(self, versions: Iterable[EventVersion], plans: Iterable[AlertPlan]) -> None:
        self.versions += versions
        for plan in plans:
            for place in range(len(plan)):
                alert, _ = parse_alert(plan.message(place, self.signer))
                told = self.told.setdefault(plan.topic(place), [])
                told.append((alert.version, alert.kind))


def pipeline_of(inventory: Inventory, travel_times: TravelTimes) -> Pipeline:
    planner = AlertPlanner(CONFIG, travel_times, [CELLS], "test")
    return Pipeline(CONFIG, inventory, travel_times, planner)


def live(
    pipeline: Pipeline, arrivals: Sequence[tuple[int, Packet]], until_ns: int, life: Life
) -> None:
    """The service from its first to its last packet, tick by tick."""
    for now_ns, packets in pipeline.moments(arrivals):
        if now_ns >= until_ns:
            return
        output = pipeline.feed(packets, now_ns)
        life.take(output.versions, output.plans)


def come_back(
    pipeline: Pipeline, arrivals: Sequence[tuple[int, Packet]], killed_ns: int, life: Life
) -> int:
    """What ``Service._go_on`` does; the time from which it is live again."""
    back_ns = killed_ns + round(DOWN_S * NS_PER_S)
    kept = [version_of(version_body(version)) for version in life.versions]
    for version in kept:
        pipeline.engine.hear(version)
        pipeline.planner.plan(version, version.issued_s)
    under_way = [v.origin.time_s - BEFORE_ORIGIN_S for v in kept]
    since_ns = ns_from_seconds(min([killed_ns / NS_PER_S - QUIET_S, *under_way]))
    pipeline.feed_again((p for at, p in arrivals if since_ns < at <= back_ns), back_ns)
    pipeline.engine.settle()
    now_ns = -(-back_ns // TICK_NS) * TICK_NS
    output = pipeline.feed([], now_ns)
    life.take(output.versions, output.plans)
    return now_ns


@pytest.fixture(scope="module")
def arrivals() -> list[tuple[int, Packet]]:
    return list(play().packets(0.5))


@pytest.fixture(scope="module")
def undisturbed(arrivals: list[tuple[int, Packet]], travel_times: TravelTimes) -> Life:
    life = Life()
    live(pipeline_of(play().inventory, travel_times), arrivals, 1 << 62, life)
    assert {v.event_id for v in life.versions} == {life.versions[0].event_id}
    return life


def lived(
    kills_s: Sequence[float], arrivals: list[tuple[int, Packet]], travel_times: TravelTimes
) -> Life:
    life, begin_ns = Life(), 0
    pipeline = pipeline_of(play().inventory, travel_times)
    first_ns = arrivals[0][0]
    for kill_s in kills_s:
        killed_ns = first_ns + round(kill_s * NS_PER_S)
        live(pipeline, [one for one in arrivals if one[0] > begin_ns], killed_ns, life)
        pipeline = pipeline_of(play().inventory, travel_times)
        begin_ns = come_back(pipeline, arrivals, killed_ns, life)
    live(pipeline, [one for one in arrivals if one[0] > begin_ns], 1 << 62, life)
    return life


def check(life: Life, undisturbed: Life) -> None:
    event_id = undisturbed.versions[0].event_id
    numbers = [version.version for version in life.versions]
    assert {version.event_id for version in life.versions} == {event_id}
    assert numbers == list(range(1, len(numbers) + 1))
    # Everybody who would have heard has heard, and of each version once, of the first as an alert
    assert set(undisturbed.told) <= set(life.told)
    for heard in life.told.values():
        assert [version for version, _ in heard] == sorted({version for version, _ in heard})
        assert [kind for _, kind in heard].count("alert") == 1
    last, meant = life.versions[-1].origin, undisturbed.versions[-1].origin
    assert last.magnitude == pytest.approx(meant.magnitude, abs=0.3)
    assert last.latitude == pytest.approx(meant.latitude, abs=0.1)


def kill_moments(count: int) -> list[list[float]]:
    """Random moments from before the origin (at 14 s) to the end of the recording; every third run
    dies twice.
    """
    chance = random.Random(SEED)
    runs = []
    for number in range(count):
        first = chance.uniform(1.0, 29.0)
        second = [first + DOWN_S + chance.uniform(0.1, 6.0)] if number % 3 == 0 else []
        runs.append([first, *second])
    return runs


@pytest.mark.parametrize(
    "kills_s", kill_moments(6), ids=lambda kills: " ".join(f"{s:.1f}s" for s in kills)
)
def test_one_event_goes_on_over_a_kill(
    kills_s: list[float], arrivals: list[tuple[int, Packet]], travel_times: TravelTimes,
    undisturbed: Life,
) -> None:  # fmt: skip
    check(lived(kills_s, arrivals, travel_times), undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_one_event_goes_on_over_a_hundred_kills(
    arrivals: list[tuple[int, Packet]], travel_times: TravelTimes, undisturbed: Life
) -> None:
    for kills_s in kill_moments(100)[6:]:
        check(lived(kills_s, arrivals, travel_times), undisturbed)


def test_killed_before_the_first_alert_it_is_told_as_soon_as_the_service_is_back(
    arrivals: list[tuple[int, Packet]], travel_times: TravelTimes, undisturbed: Life
) -> None:
    first_s = undisturbed.versions[0].issued_s
    kill_s = first_s - 0.5 - arrivals[0][0] / NS_PER_S
    life = lived([kill_s], arrivals, travel_times)
    assert life.versions[0].issued_s - first_s <= DOWN_S + 0.1
    assert life.versions[0].kind == "alert"


def test_a_told_event_without_its_data_makes_no_second_one(
    arrivals: list[tuple[int, Packet]], travel_times: TravelTimes, undisturbed: Life
) -> None:
    """Sources without a memory: the stations that are still to be reached declare it under its
    id."""
    life, pipeline = Life(), pipeline_of(play().inventory, travel_times)
    first_ns = arrivals[0][0]
    killed_ns = first_ns + 21 * NS_PER_S
    live(pipeline, arrivals, killed_ns, life)
    assert life.versions
    pipeline = pipeline_of(play().inventory, travel_times)
    for version in life.versions:
        pipeline.engine.hear(version)
    pipeline.engine.settle()
    live(pipeline, [one for one in arrivals if one[0] > killed_ns], 1 << 62, life)
    assert {v.event_id for v in life.versions} == {undisturbed.versions[0].event_id}


def test_nothing_is_told_while_data_are_fed_again(
    arrivals: list[tuple[int, Packet]], travel_times: TravelTimes
) -> None:
    pipeline = pipeline_of(play().inventory, travel_times)
    planner = pipeline.planner
    pipeline.feed_again((packet for _, packet in arrivals), arrivals[-1][0])
    assert pipeline.planner is planner
    assert not any(group.last_alerts for group in planner._groups)
    assert np.all([e.startswith("ew") for e in pipeline.engine.active_events])
