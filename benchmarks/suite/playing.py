"""A play through the pipeline, and when an event is a true earthquake."""

from collections.abc import Iterable

import numpy as np

from ew import Config, EventVersion, Origin, Packet
from ew.geo import distance_km
from ew.pipeline import Pipeline
from ew.records import Inventory
from ew.traveltimes import TravelTimes
from simulators.scenario import Play

START_S = 1_600_000_000.0
SAME_KM, SAME_S = 100.0, 15.0


def play_through(
    play: Play, table: TravelTimes, packets: Iterable[tuple[int, Packet]] | None = None
) -> list[EventVersion]:
    """All versions the pipeline gives for a play."""
    given = packets if packets is not None else play.packets(1.0, travel_times=table)
    return versions_of(play.inventory, given, table)


def versions_of(
    inventory: Inventory, packets: Iterable[tuple[int, Packet]], table: TravelTimes
) -> list[EventVersion]:
    """All versions the pipeline gives for packets and when they arrive."""
    pipeline = Pipeline(Config(), inventory, table)
    moments = pipeline.moments(packets)
    return [v for now_ns, tick in moments for v in pipeline.feed(tick, now_ns).versions]


def other_earth(
    rng: np.random.Generator, table: TravelTimes, p_error: float, vp_vs_error: float
) -> TravelTimes:
    """An Earth that is not quite the table's: P slower or faster, and S by another share; standard
    deviations.
    """
    p_slower = 1 + rng.normal(0, p_error)
    s_slower = p_slower * (1 + rng.normal(0, vp_vs_error))
    return TravelTimes("truth", table.p_table * p_slower, table.s_table * s_slower)


def apart_km(version: EventVersion, truth: Origin) -> float:
    """How far an epicentre is off."""
    o = version.origin
    return float(distance_km(truth.latitude, truth.longitude, o.latitude, o.longitude))


def is_same(version: EventVersion, truth: Origin) -> bool:
    """Whether an event is the earthquake: farther away it is false."""
    is_near = apart_km(version, truth) < SAME_KM
    return is_near and abs(version.origin.time_s - truth.time_s) < SAME_S
