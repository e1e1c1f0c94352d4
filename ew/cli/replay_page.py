"""Serves the page of a replayed recording, with playback, until Ctrl-C."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Iterable, Sequence

import uvicorn
from rich.console import Console

from ew import __version__
from ew.alerts.message import EVENT_LIFE_S, event_body, heartbeat
from ew.api.live import demo_app
from ew.api.page import PageSource
from ew.cli.listening import page_server
from ew.config import Config
from ew.records import Channel, EventVersion
from ew.service.hub import Hub
from ew.times import us_from_seconds


def serve_replay(
    versions: Sequence[EventVersion],
    channels: Iterable[Channel],
    config: Config,
    console: Console,
    port: int = 0,
) -> None:
    """Serve the page on this machine until interrupted, marked as an exercise."""
    hub = Hub()
    for version in versions:
        expires_us = us_from_seconds(version.issued_s + EVENT_LIFE_S)
        hub.publish("event", **event_body(version, "exercise", expires_us))
    app = demo_app(hub, channels, PageSource(config, list, lambda: None))
    server, listener = page_server(app, port)
    console.print(f"page: http://127.0.0.1:{listener.getsockname()[1]}/  (Ctrl-C ends it)")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(server, listener, hub))


async def _serve(server: uvicorn.Server, listener: socket.socket, hub: Hub) -> None:
    pulse = asyncio.create_task(_pulse(hub), name="heartbeat")
    await server.serve(sockets=[listener])
    pulse.cancel()


async def _pulse(hub: Hub) -> None:
    """Send the page heartbeats, by which it sets its clock and knows it is connected."""
    while True:
        body = heartbeat(
            now_us=time.time_ns() // 1000,
            version=__version__,
            mode="exercise",
            last_event_id=None,
            health="ok",
        )
        hub.publish("heartbeat", **body)
        await asyncio.sleep(1.0)
