"""PURE: what the OpenAPI document shows of each operation: a summary, a request and an answer."""

from collections.abc import Mapping
from typing import Any

JSON = "application/json"
EVENT_ID = "ew20190617T1455074f1a"
DEVICE = {"device_id": "tv-000001", "kind": "tv", "latitude": 29.5635, "longitude": 103.772}
CSV = "device_id,kind,latitude,longitude\ntv-000001,tv,29.56350,103.77200\n"
VERSION = {
    "v": 1,
    "event_id": EVENT_ID,
    "version": 3,
    "kind": "update",
    "status": "exercise",
    "source": "ew",
    "issued_us": 1560783320500000,
    "expires_us": 1560783620500000,
    "origin": {
        "time_us": 1560783307200000,
        "latitude": 28.34,
        "longitude": 104.9,
        "depth_km": 16.0,
        "magnitude": 6.0,
    },
    "uncertainty": {"time_s": 0.3, "horizontal_km": 4.0, "magnitude": 0.2},
    "stations": 9,
    "latency": {
        "issued_us": 1560783320500000,
        "packet_age_ms": 612.0,
        "stages_ms": {"pick": 1.2, "locate": 2.9, "estimate": 3.1, "sign": 0.1},
        "alerts": 412,
    },
}
FEATURE = {
    "type": "Feature",
    "id": EVENT_ID,
    "geometry": {"type": "Point", "coordinates": [104.9, 28.34, -16000.0]},
    "properties": {"time": "2019-06-17T14:55:07.200000Z", "magnitude": 6.0, "depth_km": 16.0},
}
COLLECTION = {"type": "FeatureCollection", "features": [FEATURE]}
QUAKEML = (
    '<q:quakeml xmlns:q="http://quakeml.org/xmlns/quakeml/1.2">'
    '<eventParameters publicID="smi:local/ew">…</eventParameters></q:quakeml>'
)
CAP = (
    '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">'
    f"<identifier>{EVENT_ID}-3</identifier><status>Exercise</status>…</alert>"
)
TEXT = (
    "#EventID|Time|Latitude|Longitude|Depth/km|Author|Catalog|Contributor|ContributorID|MagType|"
    "Magnitude|MagAuthor|EventLocationName\n"
    f"{EVENT_ID}|2019-06-17T14:55:07.200000|28.34|104.9|16.0|ew|ew|ew|{EVENT_ID}|Mpd|6.0|ew|\n"
)
REQUEST = {
    "request_id": "qX3vB0r6m1Zs",
    "what": "drill: Changning M 6.0",
    "asked_by": "ling",
    "state": "waits for a second operator",
    "event_id": None,
    "version": None,
}
DONE = {**REQUEST, "state": "done", "event_id": "drill-8f2a61c09b3d", "version": 1}
STATION = {
    "station": "XS.A0101",
    "seed_id": "XS.A0101..HHZ",
    "channels": ["XS.A0101..HHZ", "XS.A0101..HHN", "XS.A0101..HHE"],
    "latitude": 29.1,
    "longitude": 103.4,
    "elevation_m": 512.0,
    "input_units": "M/S",
    "state": "late",
    "silenced": False,
    "latency_s": 12.4,
    "last_data": "2019-06-17T14:55:01.000000Z",
    "why": "data are 12 s old when they come",
}
ACTION = {
    "number": 41,
    "time": "2019-06-17T15:10:00.000000Z",
    "who": "ling",
    "what": "station silenced",
    "subject": "XS.A0101",
    "why": "a mast beside it shakes it",
}
ALERTED = {
    "cell": "8540a96bfffffff",
    "device": None,
    "version": 1,
    "sent_us": 1560783312800000,
    "acknowledged_us": 1560783312830000,
    "intensity": 6.2,
}
ORIGIN = {
    "source": "icl",
    "event_id": "20190617-0042",
    "version": 1,
    "time": "2019-06-17T14:55:43Z",
    "latitude": 28.34,
    "longitude": 104.9,
    "depth_km": 16.0,
    "magnitude": 6.0,
}
WHY = {"why": "a mast beside it shakes it"}

REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "post /api/v1/devices": {JSON: DEVICE, "text/csv": CSV},
    "post /api/v1/origins": {JSON: ORIGIN},
    "post /api/v1/drills": {JSON: {"scenario": "changning", "why": "yearly exercise"}},
    "post /api/v1/events/{event_id}/cancel": {JSON: {"why": "a quarry blast"}},
    "post /api/v1/stations/{station}/silence": {JSON: WHY},
}
"""Bodies by operation and media type; what has no body is not here."""
ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "get /api/v1/health": {JSON: {"health": "ok", "mode": "exercise", "version": "0.1.0"}},
    "get /api/v1/metrics": {"text/plain": "# TYPE ew_healthy gauge\new_healthy 1.0\n"},
    "get /api/v1/stations": {JSON: [STATION]},
    "get /api/v1/devices": {JSON: [DEVICE]},
    "get /api/v1/devices/{device_id}": {JSON: DEVICE},
    "get /api/v1/scenarios": {
        JSON: [
            {
                "name": "changning",
                "title": "Changning M 6.0",
                "origin": {
                    "latitude": 28.34,
                    "longitude": 104.9,
                    "depth_km": 16.0,
                    "magnitude": 6.0,
                },
            }
        ]
    },
    "get /api/v1/drills": {JSON: [REQUEST]},
    "post /api/v1/drills": {JSON: REQUEST},
    "post /api/v1/events/{event_id}/cancel": {JSON: {**REQUEST, "what": f"cancel: {EVENT_ID}"}},
    "post /api/v1/drills/{request_id}/confirm": {JSON: DONE},
    "get /api/v1/actions": {JSON: [ACTION]},
    "get /api/v1/events": {JSON: [VERSION]},
    "get /api/v1/events.geojson": {"application/geo+json": COLLECTION},
    "get /api/v1/events/{event_id}": {JSON: [VERSION]},
    "get /api/v1/events/{event_id}/alerts": {JSON: {"alerts": [ALERTED], "next": None}},
    "get /api/v1/events/{event_id}.quakeml": {"application/xml": QUAKEML},
    "get /api/v1/events/{event_id}.cap": {"application/cap+xml": CAP},
    "post /api/v1/origins": {JSON: {"event_id": EVENT_ID, "version": 4, "kind": "update"}},
    "get /api/v1/live": {
        "text/event-stream": 'event: pick\ndata: {"type":"pick","seed_id":"XS.A0101..HHZ",'
        '"time":"2019-06-17T14:55:10.120000Z","snr":18.4}\n\n'
    },
    "get /fdsnws/event/1/query": {
        "application/xml": QUAKEML,
        "text/plain": TEXT,
        "application/geo+json": COLLECTION,
    },
    "get /fdsnws/event/1/application.wadl": {
        "application/xml": '<application xmlns="http://wadl.dev.java.net/2009/02">…</application>'
    },
    "get /fdsnws/event/1/version": {"text/plain": "1.2.0"},
}
"""Answers by operation and media type; those of ``POST /devices`` are below, 204 has none."""
PROBLEM = {
    "type": "about:blank",
    "title": "Not Found",
    "status": 404,
    "detail": f"no event {EVENT_ID!r}",
    "errors": [],
}


def explain(document: dict[str, Any]) -> None:
    """Give each operation of an OpenAPI document a summary and its examples."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            name = f"{method} {path}"
            operation["summary"] = operation["description"].partition("\n\n")[0].replace("\n", " ")
            content = operation.get("requestBody", {}).get("content", {})
            for media, example in REQUESTS.get(name, {}).items():
                content[media]["example"] = example
            answers = {code: one for code, one in operation["responses"].items() if code < "300"}
            for answer in answers.values():
                for media, example in ANSWERS.get(name, {}).items():
                    if media in answer.get("content", {}):
                        answer["content"][media]["example"] = example
    made = document["paths"]["/api/v1/devices"]["post"]["responses"]
    made["200"]["content"][JSON]["example"] = {"devices": 1_000_000}
    made["201"]["content"][JSON]["example"] = DEVICE
    document["components"]["schemas"]["Problem"]["examples"] = [PROBLEM]
