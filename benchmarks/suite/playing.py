"""A play through the pipeline, and when an event is a true earthquake."""

from collections.abc import Iterable

from ew import Config, EventVersion, Origin, Packet
from ew.geo import distance_km
from ew.pipeline import Pipeline
from ew.traveltimes import TravelTimes
from simulators.scenario import Play

START_S = 1_600_000_000.0
SAME_KM, SAME_S = 100.0, 15.0


def play_through(
    play: Play, table: TravelTimes, packets: Iterable[tuple[int, Packet]] | None = None
) -> list[EventVersion]:
    """All versions the pipeline gives for a play."""
    pipeline = Pipeline(Config(), play.inventory, table)
    moments = pipeline.moments(
        packets if packets is not None else play.packets(1.0, travel_times=table)
    )
    return [v for now_ns, tick in moments for v in pipeline.feed(tick, now_ns).versions]


def apart_km(version: EventVersion, truth: Origin) -> float:
    """How far an epicentre is off."""
    o = version.origin
    return float(distance_km(truth.latitude, truth.longitude, o.latitude, o.longitude))


def is_same(version: EventVersion, truth: Origin) -> bool:
    """Whether an event is the earthquake: farther away it is false."""
    is_near = apart_km(version, truth) < SAME_KM
    return is_near and abs(version.origin.time_s - truth.time_s) < SAME_S
