"""Past and present events over HTTP, as JSON, GeoJSON, QuakeML and CAP, and by fdsnws-event."""

import asyncio
from contextlib import aclosing
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ew.api import formats
from ew.api.access import backend_of, needing
from ew.api.backend import Backend
from ew.api.wadl import VERSION, wadl
from ew.cap import cap_of_event
from ew.traveltimes import TravelTimes

router = APIRouter()

EventId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,96}$")]
Limit = Annotated[int, Query(ge=1, le=500)]
GEOJSON, QUAKEML, CAP = "application/geo+json", "application/xml", "application/cap+xml"
READ = needing("viewer", 404)
Degrees = Annotated[float | None, Query(allow_inf_nan=False)]


@lru_cache(maxsize=1)
def _travel_times(backend: Backend) -> TravelTimes:
    return TravelTimes.of(backend.config.locate)


async def _history(request: Request, event_id: str) -> list[dict[str, Any]]:
    history = await backend_of(request).store.history(event_id)
    if not history:
        raise HTTPException(404, f"no event {event_id!r}")
    return history


@router.get("/events", **READ)
async def events(request: Request, limit: Limit = 50) -> list[dict[str, Any]]:
    """List the newest version of the newest events, newest first."""
    return await backend_of(request).store.events(limit)


@router.get("/events.geojson", **needing("viewer", 404, answers={GEOJSON: "object"}))
async def events_geojson(request: Request, limit: Limit = 50) -> Response:
    """List the newest version of the newest events as GeoJSON."""
    found = formats.geojson(await backend_of(request).store.events(limit))
    return formats.json_response(found, GEOJSON)


@router.get("/events/{event_id}.quakeml", **needing("viewer", 404, answers={QUAKEML: "string"}))
async def event_quakeml(request: Request, event_id: EventId) -> Response:
    """Return all versions of one event as QuakeML 1.2."""
    history = await _history(request, event_id)
    return Response(await asyncio.to_thread(formats.quakeml, history), media_type=QUAKEML)


@router.get("/events/{event_id}.cap", **needing("viewer", 404, answers={CAP: "string"}))
async def event_cap(request: Request, event_id: EventId) -> Response:
    """Return the newest version of one event as a CAP 1.2 message."""
    history, backend = await _history(request, event_id), backend_of(request)
    made = await asyncio.to_thread(
        lambda: cap_of_event(
            formats.versions_of(history),
            history[-1]["status"],
            backend.config,
            _travel_times(backend),
            backend.config.service.name,
        )
    )
    return Response(made, media_type=CAP)


class Alerted(BaseModel):
    """An alert that the broker has taken for a cell or a device."""

    cell: str | None = Field(default=None, description="H3 cell, whose phones were alerted")
    device: str | None = Field(default=None, description="registered device")
    version: int
    sent_us: int = Field(description="when it was first sent, µs since the epoch")
    acknowledged_us: int = Field(description="when the broker had passed it on (QoS 1)")
    intensity: float


class AlertsPage(BaseModel):
    """A page of an event's acknowledged alerts, in the order of acknowledgement."""

    alerts: list[Alerted]
    next: str | None = Field(description="``after`` of the next page; null on the last")


After = Annotated[str, Query(pattern=r"^[0-9]{1,18}-[0-9]{1,4}$")]
TargetId = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


@router.get("/events/{event_id}/alerts", **READ)
async def event_alerts(
    request: Request,
    event_id: EventId,
    after: After = "0-0",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    target: TargetId = None,
) -> AlertsPage:
    """List an event's acknowledged alerts; ``target``: those of one cell or device.

    An alert is listed within seconds of the broker's acknowledgement.
    """
    part, _, number = after.partition("-")
    await _history(request, event_id)
    page, last = AlertsPage(alerts=[], next=None), after
    found = backend_of(request).store.alerts(event_id, (int(part), int(number)), target)
    async with aclosing(found):
        async for place, alert in found:
            if len(page.alerts) == limit:
                page.next = last
                break
            last = f"{place[0]}-{place[1]}"
            page.alerts.append(
                Alerted(
                    **{alert.address: alert.target},
                    version=alert.version,
                    sent_us=alert.sent_us,
                    acknowledged_us=alert.acknowledged_us,
                    intensity=alert.intensity,
                )
            )
    return page


@router.get("/events/{event_id}", **READ)
async def event(request: Request, event_id: EventId) -> list[dict[str, Any]]:
    """Return all versions of one event."""
    return await _history(request, event_id)


fdsn = APIRouter()


QUERY = needing(
    "viewer", 404, answers={QUAKEML: "string", "text/plain": "string", GEOJSON: "object"}
)
QUERY["responses"][204] = {"description": "No event fits"}


@fdsn.get("/fdsnws/event/1/query", **QUERY)
async def query(
    request: Request,
    starttime: datetime | None = None,
    endtime: datetime | None = None,
    minlatitude: Degrees = None,
    maxlatitude: Degrees = None,
    minlongitude: Degrees = None,
    maxlongitude: Degrees = None,
    minmagnitude: Degrees = None,
    maxmagnitude: Degrees = None,
    eventid: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,96}$")] = None,
    limit: Limit = 100,
    format: Literal["xml", "text", "geojson"] = "xml",  # noqa: A002 - the standard's name
    nodata: Literal["204", "404"] = "204",
) -> Response:
    """Query events as in FDSN event services (fdsnws-event 1.2); times without a zone are UTC."""
    store = backend_of(request).store
    found = await store.events(500) if eventid is None else (await store.history(eventid))[-1:]
    start, end = _us(starttime), _us(endtime)
    fitting = [
        body
        for body in found
        if _is_in(body["origin"]["time_us"], start, end)
        and _is_in(body["origin"]["latitude"], minlatitude, maxlatitude)
        and _is_between(body["origin"]["longitude"], minlongitude, maxlongitude)
        and _is_in(body["origin"]["magnitude"], minmagnitude, maxmagnitude)
    ][:limit]
    if not fitting:
        if nodata == "404":
            raise HTTPException(404, "no event fits")
        return Response(status_code=204)
    if format == "text":
        return Response(formats.fdsn_text(fitting), media_type="text/plain")
    if format == "geojson":
        return formats.json_response(formats.geojson(fitting), GEOJSON)
    return Response(await asyncio.to_thread(formats.quakeml, fitting), media_type=QUAKEML)


@fdsn.get("/fdsnws/event/1/application.wadl", **needing("viewer", 404, answers={QUAKEML: "string"}))
async def application(request: Request) -> Response:
    """Describe the parameters of ``query`` for clients of FDSN services (WADL)."""
    return Response(wadl(str(request.base_url)), media_type=QUAKEML)


@fdsn.get("/fdsnws/event/1/version", **needing("viewer", 404, answers={"text/plain": "string"}))
async def version() -> Response:
    """Return the version of the specification."""
    return Response(VERSION, media_type="text/plain")


def _us(moment: datetime | None) -> float | None:
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1e6


def _is_in(value: float | None, least: float | None, most: float | None) -> bool:
    if value is None:
        return least is None and most is None
    return (least is None or value >= least) and (most is None or value <= most)


def _is_between(longitude: float, west: float | None, east: float | None) -> bool:
    """Whether a longitude lies between west and east, also over the date line."""
    if west is None or east is None or west <= east:
        return _is_in(longitude, west, east)
    return longitude >= west or longitude <= east
