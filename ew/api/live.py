"""The live page and the WebSocket behind it, for the service and for the demo alike."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

from ew.api.page import PAGE
from ew.records import Channel
from ew.service.hub import Hub

router = APIRouter()


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
async def page() -> str:
    """The live page."""
    return PAGE


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


def demo_app(hub: Hub, channels: Iterable[Channel]) -> FastAPI:
    """The page alone, for a demo: stations, and what happens from now on."""
    app = FastAPI(title="ew demo", docs_url=None, redoc_url=None)
    app.state.hub = hub
    shown = station_list(channels)
    app.include_router(router)

    @app.get("/stations")
    async def stations() -> list[dict[str, Any]]:
        return shown

    @app.get("/events")
    async def events() -> list[dict[str, Any]]:
        return []

    return app
