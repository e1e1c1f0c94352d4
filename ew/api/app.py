"""The FastAPI application for a service that runs in another process.

Health, events, devices, partners' origins, metrics, the page and live updates.
"""

from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from ew import __version__
from ew.alerts.message import EVENT_ID_MOST
from ew.api import devices, events, live, operators, problems, stations
from ew.api.access import SCOPE, Credentials, backend_of, is_open, may_speak_for, needing
from ew.api.backend import Backend
from ew.api.examples import explain
from ew.api.limits import Limits
from ew.api.models import (
    ORIGIN_AHEAD_MOST_S,
    ORIGIN_OLD_MOST_S,
    OriginIn,
    OriginOut,
    is_of_now,
)
from ew.api.page import PageSource, page_router, root_of
from ew.records import EventVersion, Origin
from ew.service.metrics import exposition

router = APIRouter()


HEALTH = needing("viewer")
HEALTH["responses"][503]["content"]["application/json"] = {"schema": {"type": "object"}}


@router.get("/health", **HEALTH)
async def health(request: Request, response: Response) -> dict[str, Any]:
    """Return the service's health; 503 when something is wrong."""
    status = backend_of(request).status()
    if status["health"] != "ok":
        response.status_code = 503
    return status


@router.post("/origins", status_code=202, **needing("partner", 409))
async def partner_origin(request: Request, origin: OriginIn, credentials: Credentials) -> OriginOut:
    """Take another agency's origin; it is merged with ours when they are the same earthquake.

    The answer names the published version. Its kind is ``unchanged`` where none was: the version is
    known or older than a known one, it cancels an event that our own picks support too, or, in mode
    actual, it is held back since no station of ours supports it yet.
    """
    event_id = f"{origin.source}-{origin.event_id}"
    secret = credentials.credentials if credentials else ""
    if not may_speak_for(backend_of(request).config.service, secret, origin.source, event_id):
        raise HTTPException(403, f"an event {event_id!r} takes the key of the partner of that name")
    if origin.source == "ew":
        raise HTTPException(409, "source 'ew' is our own")
    if len(event_id) > EVENT_ID_MOST:
        raise HTTPException(
            409, f"event {event_id!r} is longer than the {EVENT_ID_MOST} letters devices take"
        )
    if not is_of_now(origin.time):
        raise HTTPException(
            409,
            f"time: an origin lies at most {ORIGIN_OLD_MOST_S:.0f} s back "
            f"and {ORIGIN_AHEAD_MOST_S:.0f} s ahead",
        )
    version = EventVersion(
        event_id=event_id,
        version=origin.version,
        kind="cancel" if origin.cancel else "alert" if origin.version == 1 else "update",
        issued_s=0.0,
        origin=Origin(
            origin.time.timestamp(),
            origin.latitude,
            origin.longitude,
            origin.depth_km,
            origin.magnitude,
        ),
        stations=0,
        source=origin.source,
    )
    merged = await backend_of(request).partner_origin(version)
    if merged is None:
        return OriginOut(event_id=version.event_id, version=version.version, kind="unchanged")
    return OriginOut(event_id=merged.event_id, version=merged.version, kind=merged.kind)


@router.get("/metrics", **needing("viewer", answers={"text/plain": "string"}))
async def metrics(request: Request) -> Response:
    """Return counters and gauges in the text format of Prometheus."""
    return Response(
        exposition(backend_of(request).status()), media_type="text/plain; version=0.0.4"
    )


def create_app(service: Backend) -> FastAPI:
    """The application for one service."""
    app = FastAPI(title="ew", version=__version__, description="Earthquake early warning")
    app.state.service = service
    app.state.hub = service.hub
    app.include_router(live.router)
    source = PageSource(service.config, lambda: root_of(service.config), lambda: service.broker)
    app.include_router(page_router(source))
    app.state.requests = operators.Requests()
    for routes in (router, stations.router, devices.router, operators.router, events.router):
        app.include_router(routes, prefix="/api/v1")
        app.include_router(routes, include_in_schema=False)
    app.include_router(events.fdsn)
    app.include_router(live.streams, prefix="/api/v1")
    problems.install(app)
    app.add_middleware(Limits, requests_per_s=service.config.service.requests_per_s)
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]
    return app


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the form of problems that all routes share."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        config = app.state.service.config.service
        for operation in (one for path in made["paths"].values() for one in path.values()):
            if is_open(config, operation[SCOPE]):
                del operation["security"]
        schemas = made.setdefault("components", {}).setdefault("schemas", {})
        problem = problems.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {"Problem": problem, **problem.pop("$defs", {})}
        # The kinds of devices are configuration
        kinds = list(app.state.service.config.policy.kinds)
        schemas["DeviceIn"]["properties"]["kind"]["enum"] = kinds
        explain(made)
        app.openapi_schema = made
    return app.openapi_schema
