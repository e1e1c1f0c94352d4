"""The live stream of happenings, and the page of a demo."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, WebSocket, WebSocketDisconnect

from ew.api.page import PageSource, page_router
from ew.records import Channel
from ew.service.hub import Hub

router = APIRouter()


@router.websocket("/api/v1/live")
@router.websocket("/live")
async def live(socket: WebSocket) -> None:
    """Picks, event versions and heartbeats as they happen, as JSON objects with a ``type``."""
    await socket.accept()
    hub: Hub = socket.app.state.hub
    with hub.listen() as queue:
        try:
            while True:
                await socket.send_json(await queue.get())
        except WebSocketDisconnect:
            return


def station_list(channels: Iterable[Channel]) -> list[dict[str, Any]]:
    """Channels as the page and the API show them."""
    return [
        {
            "seed_id": c.seed_id,
            "latitude": c.latitude,
            "longitude": c.longitude,
            "elevation_m": c.elevation_m,
            "input_units": c.input_units,
        }
        for c in channels
    ]


def demo_app(hub: Hub, channels: Iterable[Channel], source: PageSource) -> FastAPI:
    """The page of a demo: its stations, its versions so far, and what happens from now on."""
    app = FastAPI(title="ew demo", docs_url=None, redoc_url=None)
    app.state.hub = hub
    shown = station_list(channels)
    app.include_router(router)
    app.include_router(page_router(source))

    @app.get("/api/v1/stations")
    async def stations() -> list[dict[str, Any]]:
        return shown

    @app.get("/api/v1/events")
    async def events() -> list[dict[str, Any]]:
        newest = {body["event_id"]: body for body in hub.kept("event")}
        return list(newest.values())[::-1]

    @app.get("/api/v1/events/{event_id}")
    async def versions(event_id: str) -> list[dict[str, Any]]:
        return [body for body in hub.kept("event") if body["event_id"] == event_id]

    @app.get("/api/v1/health")
    async def health() -> dict[str, Any]:
        beats = hub.kept("heartbeat")
        return {"health": "ok", "mode": beats[-1]["mode"] if beats else "exercise"}

    return app
