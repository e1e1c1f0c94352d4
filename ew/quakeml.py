"""PURE but for ``write_quakeml``: event versions as QuakeML 1.2, through obspy.

Each event has an origin and a magnitude for each version; picks, arrivals with residuals and
station magnitudes are those of the last version, which is the preferred one.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from obspy import UTCDateTime
from obspy.core import event as qml

from ew.errors import InputError
from ew.records import Arrival, EventVersion, Origin
from ew.report import by_event

AUTHORITY = "ew.local"  # QuakeML wants at least three characters


def catalogue(versions: Sequence[EventVersion]) -> Any:
    """An ``obspy.core.event.Catalog`` of all events."""
    return qml.Catalog(
        events=[_event(history) for history in by_event(versions).values()],
        resource_id=_id("catalogue"),
    )


def write_quakeml(path: Path, versions: Sequence[EventVersion]) -> None:
    """Write all events to a QuakeML file.

    Raises:
        InputError: it can't be written.
    """
    try:
        catalogue(versions).write(str(path), format="QUAKEML", validate=False)
    except OSError as error:
        raise InputError(f"{path}: can't write it: {error.strerror}") from error


def _id(*parts: object) -> Any:
    return qml.ResourceIdentifier(f"smi:{AUTHORITY}/{'/'.join(str(part) for part in parts)}")


def _event(history: Sequence[EventVersion]) -> Any:
    last = next((v for v in reversed(history) if v.kind != "cancel"), history[-1])
    event_id = last.event_id
    event = qml.Event(resource_id=_id("event", event_id), event_type="earthquake")
    if history[-1].kind == "cancel":
        event.event_type = "not existing"
    for version in history:
        origin = _origin(version.origin, _id("origin", event_id, version.version), version)
        if version is last:
            origin.arrivals = [_arrival(a, event_id) for a in version.arrivals]
        event.origins.append(origin)
        if np.isfinite(version.origin.magnitude):
            event.magnitudes.append(_magnitude(version, origin.resource_id))
    event.picks = [_pick(a, event_id) for a in last.arrivals]
    event.station_magnitudes = [
        qml.StationMagnitude(
            resource_id=_id("stamag", event_id, s.seed_id),
            origin_id=_id("origin", event_id, last.version),
            mag=s.magnitude,
            station_magnitude_type="Mpd",
            waveform_id=_waveform(s.seed_id),
        )
        for s in last.station_magnitudes
    ]
    event.preferred_origin_id = _id("origin", event_id, last.version)
    if event.magnitudes:
        event.preferred_magnitude_id = event.magnitudes[-1].resource_id
    return event


def _waveform(seed_id: str) -> Any:
    return qml.WaveformStreamID(seed_string=seed_id)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _origin(origin: Origin, resource_id: Any, version: EventVersion) -> Any:
    depth_m, error_km = origin.depth_km * 1000, _known(origin.horizontal_error_km)
    made = qml.Origin(
        resource_id=resource_id,
        time=UTCDateTime(origin.time_s),
        latitude=origin.latitude,
        longitude=origin.longitude,
        depth=depth_m,
        depth_type="from location",
        evaluation_mode="automatic",
        creation_info=qml.CreationInfo(
            agency_id=version.source,
            creation_time=UTCDateTime(version.issued_s),
            version=str(version.version),
        ),
    )
    made.time_errors.uncertainty = _known(origin.time_error_s)
    depth_error = _known(origin.depth_error_km)
    made.depth_errors.uncertainty = None if depth_error is None else depth_error * 1000
    if error_km is not None:
        made.origin_uncertainty = qml.OriginUncertainty(
            horizontal_uncertainty=error_km * 1000, preferred_description="horizontal uncertainty"
        )
    made.quality = qml.OriginQuality(
        used_station_count=version.stations, used_phase_count=len(version.arrivals)
    )
    return made


def _magnitude(version: EventVersion, origin_id: Any) -> Any:
    made = qml.Magnitude(
        resource_id=_id("magnitude", version.event_id, version.version),
        mag=version.origin.magnitude,
        magnitude_type="Mpd",
        origin_id=origin_id,
        station_count=len(version.station_magnitudes),
        evaluation_mode="automatic",
    )
    made.mag_errors.uncertainty = _known(version.origin.magnitude_error)
    return made


def _pick(arrival: Arrival, event_id: str) -> Any:
    pick = arrival.pick
    made = qml.Pick(
        resource_id=_id("pick", event_id, pick.seed_id),
        time=UTCDateTime(ns=pick.time_ns),
        waveform_id=_waveform(pick.seed_id),
        phase_hint=arrival.phase,
        evaluation_mode="automatic",
    )
    made.time_errors.uncertainty = pick.onset_error_s
    return made


def _arrival(arrival: Arrival, event_id: str) -> Any:
    return qml.Arrival(
        resource_id=_id("arrival", event_id, arrival.pick.seed_id),
        pick_id=_id("pick", event_id, arrival.pick.seed_id),
        phase=arrival.phase,
        distance=arrival.distance_km / 111.195,
        time_residual=arrival.residual_s,
        time_weight=arrival.weight,
    )
