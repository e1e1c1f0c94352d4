"""The FastAPI application over a service that runs in another process: health, events, devices, a partner's origin, and what happens now."""

import secrets
from typing import Annotated, Any

from fastapi import (
    APIRouter,
    Depends,
    FastAPI,
    Header,
    HTTPException,
    Request,
    Response,
)
from fastapi.responses import JSONResponse

from ew import __version__
from ew.api import live
from ew.api.backend import DATABASE_ERRORS, Backend, ServiceGoneError
from ew.api.live import station_list
from ew.api.models import DeviceIn, OriginIn
from ew.api.page import PageSource, page_router, root_of
from ew.errors import MessageError
from ew.records import EventVersion, Origin
from ew.service.metrics import exposition
from ew.storage.store import RegisteredDevice

router = APIRouter()


def _service(request: Request) -> Backend:
    service: Backend = request.app.state.service
    return service


def _partner(request: Request, authorization: Annotated[str, Header()] = "") -> None:
    """Let only holders of the token through; without a configured token nobody."""
    token = _service(request).config.service.api_token
    if token is None:
        raise HTTPException(
            403, "no service.api_token is configured: partners' origins are not taken"
        )
    if not secrets.compare_digest(authorization.encode(), f"Bearer {token}".encode()):
        raise HTTPException(401, "a bearer token is needed", {"WWW-Authenticate": "Bearer"})


def _registrar(request: Request, authorization: Annotated[str, Header()] = "") -> None:
    """Registration asks for the token where one is configured."""
    if _service(request).config.service.api_token is not None:
        _partner(request, authorization)


Registrar = Annotated[None, Depends(_registrar)]
Partner = Annotated[None, Depends(_partner)]


@router.get("/health")
async def health(request: Request, response: Response) -> dict[str, Any]:
    """How the service is; 503 when something is wrong."""
    status = _service(request).status()
    if status["health"] != "ok":
        response.status_code = 503
    return status


@router.get("/events")
async def events(request: Request, limit: int = 50) -> list[dict[str, Any]]:
    """The newest version of the newest events, newest first."""
    return await _service(request).store.events(min(max(limit, 1), 500))


@router.get("/events/{event_id}")
async def event(request: Request, event_id: str) -> list[dict[str, Any]]:
    """All versions of one event."""
    history = await _service(request).store.history(event_id)
    if not history:
        raise HTTPException(404, f"no event {event_id!r}")
    return history


@router.get("/stations")
async def stations(request: Request) -> list[dict[str, Any]]:
    """The channels of the inventory."""
    return station_list(_service(request).inventory.values())


@router.post("/devices", status_code=201)
async def register(request: Request, device: DeviceIn, _: Registrar) -> DeviceIn:
    """Register a device, or move it."""
    service = _service(request)
    kinds = service.config.policy.kinds
    if device.kind not in kinds:
        raise HTTPException(422, f"kind {device.kind!r} is none of {', '.join(kinds)}")
    await service.register(
        RegisteredDevice(device.device_id, device.kind, device.latitude, device.longitude)
    )
    return device


@router.get("/devices/{device_id}")
async def registered(request: Request, device_id: str, _: Registrar) -> DeviceIn:
    """One registered device."""
    device = await _service(request).store.device(device_id)
    if device is None:
        raise HTTPException(404, f"no device {device_id!r}")
    return DeviceIn(
        device_id=device.device_id,
        kind=device.kind,
        latitude=device.latitude,
        longitude=device.longitude,
    )


@router.delete("/devices/{device_id}", status_code=204)
async def unregister(request: Request, device_id: str, _: Registrar) -> None:
    """Remove a device."""
    if not await _service(request).unregister(device_id):
        raise HTTPException(404, f"no device {device_id!r}")


@router.post("/origins", status_code=202)
async def partner_origin(request: Request, origin: OriginIn, _: Partner) -> dict[str, Any]:
    """Take another agency's origin; it is merged with ours when they are the same earthquake.

    The answer names what has been told; its kind is ``unchanged`` where nothing was: the version is
    known or older than one that is, or it cancels what stands on our own picks as well.
    """
    if origin.source == "ew":
        raise HTTPException(422, "source 'ew' is our own")
    version = EventVersion(
        event_id=f"{origin.source}-{origin.event_id}",
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
    try:
        merged = await _service(request).partner_origin(version)
    except ServiceGoneError as error:
        raise HTTPException(503, str(error)) from error
    except MessageError as error:
        raise HTTPException(422, str(error)) from error
    if merged is None:
        return {"event_id": version.event_id, "version": version.version, "kind": "unchanged"}
    return {"event_id": merged.event_id, "version": merged.version, "kind": merged.kind}


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Counters and gauges in the form Prometheus reads."""
    return Response(exposition(_service(request).status()), media_type="text/plain; version=0.0.4")


def create_app(service: Backend) -> FastAPI:
    """The application over one service."""
    app = FastAPI(title="ew", version=__version__, description="Earthquake early warning")
    app.state.service = service
    app.state.hub = service.hub
    app.include_router(live.router)
    source = PageSource(service.config, lambda: root_of(service.config), lambda: service.broker)
    app.include_router(page_router(source))
    app.include_router(router)
    app.include_router(router, prefix="/api/v1", include_in_schema=False)
    for kind in DATABASE_ERRORS:
        app.add_exception_handler(kind, _no_database)
    return app


async def _no_database(_: Request, error: Exception) -> Response:
    """The database can't be used now: alerts do not need it, but this answer does."""
    reason = str(getattr(error, "orig", None) or error)
    return JSONResponse({"detail": f"the database can't be used: {reason}"}, 503)
