"""The stream of live updates, and the application of a demo's page."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import orjson
from fastapi import APIRouter, FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

from ew.api.access import may_look_on, needing
from ew.api.page import PageSource, page_router
from ew.api.stations import Station, station_rows
from ew.components import station_of
from ew.records import Channel
from ew.service.hub import Hub

router = APIRouter()


@router.websocket("/api/v1/live")
@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Send picks, event versions and heartbeats as they come: JSON objects with a ``type``."""
    service = getattr(socket.app.state, "service", None)  # a demo's page has none
    if service is not None and not may_look_on(service.config.service, socket):
        await socket.close(1008, "a key with scope 'viewer' is needed: ?key=…")
        return
    await socket.accept()
    hub: Hub = socket.app.state.hub
    with hub.subscribe() as queue:
        try:
            for happening in _before(hub):
                await socket.send_json(happening)
            while True:
                await socket.send_json(await queue.get())
        except WebSocketDisconnect:
            return


def _before(hub: Hub) -> list[dict[str, Any]]:
    """What who comes in mid-event has missed and can't ask for: picks, traces, who was alerted."""
    return [*hub.recent("pick"), *hub.recent("waveform"), *hub.recent("devices")[-1:]]


streams = APIRouter()


LIVE = needing("viewer")
LIVE["responses"][200] = {
    "description": "A stream without an end",
    "content": {"text/event-stream": {"schema": {"type": "string"}}},
}


@streams.get("/live", **LIVE, response_class=StreamingResponse)
async def live_events(request: Request) -> StreamingResponse:
    """Send live updates as server-sent events: ``event`` is the type, ``data`` the JSON object."""
    hub: Hub = request.app.state.hub

    async def messages() -> AsyncIterator[bytes]:
        with hub.subscribe() as queue:
            yield b": ew\n\n"
            while True:
                update = await queue.get()
                data = orjson.dumps(update)
                yield b"event: " + update["type"].encode() + b"\ndata: " + data + b"\n\n"

    return StreamingResponse(
        messages(), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
    )


def demo_app(hub: Hub, channels: Iterable[Channel], source: PageSource) -> FastAPI:
    """The application of a demo's page: stations, versions so far, and live updates."""
    app = FastAPI(title="ew demo", docs_url=None, redoc_url=None)
    app.state.hub = hub
    channels = list(channels)
    states = dict.fromkeys((station_of(channel.seed_id) for channel in channels), "live")
    shown = station_rows(channels, {"stations": {"states": states}})
    app.include_router(router)
    app.include_router(page_router(source))

    @app.get("/api/v1/stations")
    async def stations() -> list[Station]:
        return shown

    @app.get("/api/v1/events")
    async def events() -> list[dict[str, Any]]:
        newest = {body["event_id"]: body for body in hub.recent("event")}
        return list(newest.values())[::-1]

    @app.get("/api/v1/events/{event_id}")
    async def versions(event_id: str) -> list[dict[str, Any]]:
        return [body for body in hub.recent("event") if body["event_id"] == event_id]

    @app.get("/api/v1/health")
    async def health() -> dict[str, Any]:
        beats = hub.recent("heartbeat")
        return {"health": "ok", "mode": beats[-1]["mode"] if beats else "exercise"}

    return app
