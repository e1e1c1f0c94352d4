"""PURE: the report file of ``replay`` and ``demo``, and the score against a catalogue origin.

The keys are fixed; times are ISO 8601 UTC with microseconds. A run repeated gives identical bytes.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ew.components import station_of
from ew.geo import distance_km
from ew.locate.gains import GainSuspect
from ew.locate.magnitude import tau_c_magnitude
from ew.locate.suspects import Suspect
from ew.records import EventVersion, Inventory, Origin, Pick
from ew.times import iso_from_ns, iso_from_seconds
from ew.traveltimes import TravelTimes

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

# An event is the catalogue's earthquake when a P-wave could connect the two: a nearer limit would
# be unfair to early solutions with four stations, a wider one would take in a second earthquake.
MATCH_TIME_S = 30.0
MATCH_DISTANCE_KM = 250.0
DEPTH_WHEN_UNKNOWN_KM = 15.0
"""Depth for the physical limit where the catalogue gives none, km (a crustal earthquake)."""


@dataclass(frozen=True, slots=True)
class Score:
    """One run against one catalogue origin; ``None`` where there is nothing to compare.

    ``first_alert_s`` and ``limit_s`` count from the catalogue's origin time: the first version's
    issue and the P-wave's arrival at the fourth-nearest station with data. Errors are of the first
    version, ``final_*`` of the last.
    """

    first_alert_s: float | None
    limit_s: float | None
    epicentre_error_km: float | None
    depth_error_km: float | None
    magnitude_error: float | None
    final_epicentre_error_km: float | None
    final_magnitude_error: float | None
    false_events: int
    missed: bool


def by_event(versions: Iterable[EventVersion]) -> dict[str, list[EventVersion]]:
    """The versions of each event, in order of issue."""
    events: dict[str, list[EventVersion]] = {}
    for version in versions:
        events.setdefault(version.event_id, []).append(version)
    return events


def physical_limit_s(
    origin: Origin,
    spans: Mapping[str, Sequence[tuple[float, float]]],
    inventory: Inventory,
    travel_times: TravelTimes,
    stations: int = 4,
) -> float | None:
    """Seconds from the origin until P reached the ``stations``-th nearest station with data.

    ``spans`` maps each channel to the epoch seconds between which it has data. ``None`` if too few
    stations have data.
    """
    arrivals: dict[str, float] = {}
    depth_km = origin.depth_km if math.isfinite(origin.depth_km) else DEPTH_WHEN_UNKNOWN_KM
    for seed_id, parts in spans.items():
        channel = inventory[seed_id]
        distance = float(
            distance_km(origin.latitude, origin.longitude, channel.latitude, channel.longitude)
        )
        travel_s = float(travel_times.p_s(distance, depth_km))
        arrival_s = origin.time_s + travel_s
        if any(first_s <= arrival_s <= last_s for first_s, last_s in parts):
            station = station_of(seed_id)
            arrivals[station] = min(travel_s, arrivals.get(station, math.inf))
    ordered = sorted(arrivals.values())
    return ordered[stations - 1] if len(ordered) >= stations else None


def is_match(version: EventVersion, catalogue: Origin) -> bool:
    """Whether an event version and a catalogue origin are the same earthquake."""
    origin = version.origin
    apart = float(
        distance_km(origin.latitude, origin.longitude, catalogue.latitude, catalogue.longitude)
    )
    return abs(origin.time_s - catalogue.time_s) <= MATCH_TIME_S and apart <= MATCH_DISTANCE_KM


def _apart(version: EventVersion, catalogue: Origin) -> float:
    """The distance from a catalogue origin in time and place, each in units of its match limit."""
    o = version.origin
    apart_km = float(distance_km(o.latitude, o.longitude, catalogue.latitude, catalogue.longitude))
    return abs(o.time_s - catalogue.time_s) / MATCH_TIME_S + apart_km / MATCH_DISTANCE_KM


def score(
    versions: Sequence[EventVersion],
    catalogue: Origin | None,
    limit_s: float | None,
) -> Score:
    """Score a run; ``catalogue`` is ``None`` where no earthquake is expected.

    Of several events that match the catalogue's, the nearest in time and place counts; a second
    event for the same earthquake (a split) counts as false.
    """
    events = list(by_event(versions).values())
    matching = [e for e in events if catalogue is not None and is_match(e[0], catalogue)]
    if catalogue is None or not matching:
        missed = catalogue is not None
        return Score(None, limit_s, None, None, None, None, None, len(events), missed)
    best = min(matching, key=lambda event: _apart(_last_standing(event), catalogue))
    first, last = best[0], _last_standing(best)
    return Score(
        first_alert_s=first.issued_s - catalogue.time_s,
        limit_s=limit_s,
        epicentre_error_km=_epicentre_error_km(first.origin, catalogue),
        depth_error_km=_difference(first.origin.depth_km, catalogue.depth_km),
        magnitude_error=_difference(first.origin.magnitude, catalogue.magnitude),
        final_epicentre_error_km=_epicentre_error_km(last.origin, catalogue),
        final_magnitude_error=_difference(last.origin.magnitude, catalogue.magnitude),
        false_events=len(events) - 1,
        missed=False,
    )


def report(
    picks: Iterable[Pick],
    versions: Sequence[EventVersion],
    score: Score | None = None,
    suspects: Sequence[Suspect] = (),
    gains: Sequence[GainSuspect] = (),
) -> dict[str, Json]:
    """The report as plain data, ready to be written as JSON."""
    event_of = {
        (arrival.pick.seed_id, arrival.pick.time_ns): version.event_id
        for version in versions
        for arrival in version.arrivals
    }
    data: dict[str, Json] = {
        "picks": [
            {
                "seed_id": pick.seed_id,
                "time": iso_from_ns(pick.time_ns),
                "snr": _rounded(pick.snr, 2),
                "event_id": event_of.get((pick.seed_id, pick.time_ns)),
            }
            for pick in picks
        ],
        "events": [
            {
                "event_id": event_id,
                "versions": [_version(version) for version in history],
                "status": "cancelled" if history[-1].kind == "cancel" else "confirmed",
            }
            for event_id, history in by_event(versions).items()
        ],
    }
    data["suspect_stations"] = [
        {"station": s.station, "residual_s": _rounded(s.residual_s, 2), "events": s.events}
        for s in suspects
    ]
    data["suspect_gains"] = [
        {"station": s.station, "factor": float(f"{s.factor:.3g}"), "events": s.events}
        for s in gains
    ]
    if score is not None:
        data["score"] = {
            name: value if isinstance(value := getattr(score, name), int) else _rounded(value, 3)
            for name in Score.__slots__
        }
    return data


def _version(version: EventVersion) -> Json:
    origin = version.origin
    return {
        "version": version.version,
        "kind": version.kind,
        "issued_at": iso_from_seconds(version.issued_s),
        "origin_time": iso_from_seconds(origin.time_s),
        "latitude": _rounded(origin.latitude, 4),
        "longitude": _rounded(origin.longitude, 4),
        "depth_km": _rounded(origin.depth_km, 1),
        "magnitude": _rounded(origin.magnitude, 2),
        "stations": version.stations,
        "time_error_s": _rounded(origin.time_error_s, 2),
        "horizontal_error_km": _rounded(origin.horizontal_error_km, 1),
        "magnitude_error": _rounded(origin.magnitude_error, 2),
        "tau_c_magnitude": _rounded(tau_c_magnitude(version.station_magnitudes), 2),
    }


def _last_standing(history: Sequence[EventVersion]) -> EventVersion:
    standing = [version for version in history if version.kind != "cancel"]
    return standing[-1]


def _epicentre_error_km(origin: Origin, catalogue: Origin) -> float:
    return float(
        distance_km(origin.latitude, origin.longitude, catalogue.latitude, catalogue.longitude)
    )


def _difference(ours: float, theirs: float) -> float | None:
    difference = ours - theirs
    return None if math.isnan(difference) else difference


def _rounded(value: float | None, digits: int) -> float | None:
    """A number JSON can hold: rounded, or ``None`` where it is unknown."""
    return None if value is None or not math.isfinite(value) else round(float(value), digits)
