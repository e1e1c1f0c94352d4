"""The page, the phone and the TV in a browser: built files, and what they need beside the API.

The files are built from ``ew/web`` by ``scripts/build-web`` and lie in ``ew/web/dist``. Nothing is
fetched from elsewhere, which the content security policy enforces in the browser.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Query, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse

from ew.broker_address import BrokerAddress
from ew.config import Config
from ew.errors import EwError
from ew.records import Origin
from ew.shaking.profile import profile, s_table
from ew.storage.keyring import read_file
from ew.traveltimes import TravelTimes

DIST = Path(__file__).parents[1] / "web" / "dist"
PAGES = {"/": "index.html", "/phone": "device.html", "/tv": "device.html"}
FILES = ("worker.js", "icon.svg", "device.webmanifest")
POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "worker-src 'self' blob:; img-src 'self' data:; connect-src 'self' ws: wss:; object-src "
    "'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
DEFAULT_MAGNITUDE_DEPTH_KM = 10.0
CHUNK_BYTES = 1 << 14


@dataclass(slots=True)
class PageSource:
    """What the pages need: the configuration, the devices' roots (PEM), the broker."""

    config: Config
    roots: Callable[[], list[str]]
    broker: Callable[[], BrokerAddress | None]


def root_of(config: Config) -> list[str]:
    """The public root key (PEM) of this service's devices; empty where it can't be read."""
    service = config.service
    if service.keys_document is not None:
        file = service.root or service.keys_document.with_name("root.pub.pem")
    else:
        file = service.files.with_suffix(".root.pub.pem")
    try:
        return [read_file(file).decode("ascii")]
    except (EwError, UnicodeDecodeError):
        return []


def page_router(source: PageSource) -> APIRouter:
    """The routes of the pages."""
    router = APIRouter(include_in_schema=False)
    policy, shaking = source.config.policy, source.config.shaking

    @lru_cache(maxsize=1)
    def travel_times() -> TravelTimes:
        return TravelTimes.of(source.config.locate)

    @lru_cache(maxsize=512)
    def made(magnitude: float, depth_km: float) -> dict[str, Any]:
        origin = Origin(0.0, 0.0, 0.0, depth_km, magnitude)
        return profile(origin, travel_times(), shaking.relation, policy.least_intensity)

    headers = headers_of(source.config.service.tiles)
    for path, name in PAGES.items():
        router.add_api_route(path, _page(name, headers), methods=["GET", "HEAD"])
    for name in FILES:
        router.add_api_route(f"/{name}", _page(name, headers), methods=["GET", "HEAD"])

    @router.get("/assets/{name}")
    async def asset(name: str) -> FileResponse:
        return _file(f"assets/{name}", {"Cache-Control": "public, max-age=31536000, immutable"})

    @router.get("/api/v1/profile")
    async def profile_of(
        magnitude: Annotated[float, Query(ge=-1, le=10)],
        depth_km: Annotated[float, Query(ge=-5, le=800)] = DEFAULT_MAGNITUDE_DEPTH_KM,
    ) -> dict[str, Any]:
        """Return arrivals and intensity against distance, for countdowns and wavefronts."""
        return made(round(magnitude, 2), round(max(0.0, depth_km), 1))

    @router.get("/api/v1/page-settings")
    async def page_settings() -> dict[str, Any]:
        """The map tiles that the operator has named, if any."""
        service = source.config.service
        return {"tiles": service.tiles, "attribution": service.tiles_attribution}

    @router.get("/api/v1/device-settings")
    async def device_settings() -> dict[str, Any]:
        """Return the settings of a device in a browser: roots, path to the broker, a table of S."""
        return {
            "roots": source.roots(),
            "mqtt_url": "mqtt",
            "travel_times": s_table(travel_times()),
        }

    @router.websocket("/mqtt")
    async def mqtt(socket: WebSocket) -> None:
        """Pass MQTT over WebSocket (OASIS MQTT 5.0, section 6) on to the broker, byte for byte."""
        await _pass_on(socket, source.broker())

    return router


def headers_of(tiles: str | None) -> dict[str, str]:
    """The pages' headers; where tiles are configured, pictures from their server are let in."""
    if tiles is None:
        return HEADERS
    found = urlsplit(tiles)
    policy = POLICY.replace("img-src", f"img-src {found.scheme}://{found.netloc}")
    return {**HEADERS, "Content-Security-Policy": policy}


def _page(name: str, headers: dict[str, str]) -> Callable[[], Any]:
    async def page() -> Response:
        # The pages name their assets by content, so they themselves are always asked for
        return _file(name, {"Cache-Control": "no-cache", **headers})

    return page


def _file(name: str, headers: dict[str, str]) -> FileResponse:
    path = (DIST / name).resolve()
    if not path.is_relative_to(DIST.resolve()) or not path.is_file():
        raise HTTPException(404, f"no page {name!r}; build the pages with scripts/build-web")
    return FileResponse(path, headers=headers)


async def _pass_on(socket: WebSocket, broker: BrokerAddress | None) -> None:
    if broker is None:
        await socket.close(1013, "the broker is not known yet")
        return
    try:
        reader, writer = await asyncio.open_connection(
            broker.host, broker.port, ssl=broker.tls_context()
        )
    except OSError:
        await socket.close(1013, "the broker can't be reached")
        return
    await socket.accept(subprotocol="mqtt")

    async def outward() -> None:
        while data := await reader.read(CHUNK_BYTES):
            await socket.send_bytes(data)

    async def inward() -> None:
        while True:
            writer.write(await socket.receive_bytes())
            await writer.drain()

    tasks = [asyncio.create_task(outward()), asyncio.create_task(inward())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        # Either side may have gone first; the other is closed whatever it was doing
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.close()
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):
            await socket.close()
