"""Events in other programs' formats: GeoJSON, QuakeML, and the text of FDSN event services."""

import io
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from fastapi import Response

from ew.alerts.message import event_version
from ew.quakeml import catalogue
from ew.records import EventVersion
from ew.times import iso_from_us

Body = Mapping[str, Any]
"""An event version as published and as stored in the journal."""

TEXT_HEADER = (
    "#EventID|Time|Latitude|Longitude|Depth/km|Author|Catalog|Contributor|ContributorID|"
    "MagType|Magnitude|MagAuthor|EventLocationName"
)


def json_response(found: dict[str, Any], media_type: str) -> Response:
    """Plain values as JSON of another media type."""
    return Response(orjson.dumps(found), media_type=media_type)


def versions_of(bodies: Iterable[Body]) -> list[EventVersion]:
    """Published bodies as event versions, without their arrivals."""
    return [event_version(dict(body)) for body in bodies]


def geojson(bodies: Iterable[Body]) -> dict[str, Any]:
    """A GeoJSON (RFC 7946) collection of points; depth as an altitude in m, below zero."""
    features = []
    for body in bodies:
        origin = body["origin"]
        place = [origin["longitude"], origin["latitude"]]
        if origin["depth_km"] is not None:
            place.append(-1000.0 * origin["depth_km"])
        members = {name: value for name, value in body.items() if name not in ("v", "origin")}
        features.append(
            {
                "type": "Feature",
                "id": body["event_id"],
                "geometry": {"type": "Point", "coordinates": place},
                "properties": {
                    "time": iso_from_us(origin["time_us"]),
                    "magnitude": origin["magnitude"],
                    "depth_km": origin["depth_km"],
                    **members,
                },
            }
        )
    return {"type": "FeatureCollection", "features": features}


def quakeml(bodies: Iterable[Body]) -> bytes:
    """QuakeML 1.2 of all versions of these events."""
    buffer = io.BytesIO()
    catalogue(versions_of(bodies)).write(buffer, format="QUAKEML")
    return buffer.getvalue()


def fdsn_text(bodies: Iterable[Body]) -> str:
    """The text form of FDSN event services: a line for each event."""
    lines = [TEXT_HEADER]
    for body in bodies:
        origin, source = body["origin"], body["source"]
        magnitude, depth = origin["magnitude"], origin["depth_km"]
        lines.append(
            "|".join(
                [
                    body["event_id"],
                    iso_from_us(origin["time_us"]).rstrip("Z"),
                    str(origin["latitude"]),
                    str(origin["longitude"]),
                    "" if depth is None else str(depth),
                    source,
                    "ew",
                    "ew",
                    body["event_id"],
                    "Mpd",
                    "" if magnitude is None else str(magnitude),
                    source,
                    "",
                ]
            )
        )
    return "\n".join(lines) + "\n"
