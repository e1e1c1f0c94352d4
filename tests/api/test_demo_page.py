"""The page of a demo: who opens it late sees what happened before."""

import asyncio
import json

import websockets

from ew.api.live import demo_app
from ew.api.page import PageSource
from ew.cli.listening import page_server
from ew.config import Config
from ew.service.hub import Hub


async def test_who_opens_a_demos_page_late_sees_picks_traces_and_who_has_been_alerted() -> None:
    hub = Hub()
    hub.publish("pick", seed_id="XX.A..HHZ", time="2026-01-01T00:00:00Z", snr=9.0)
    hub.publish("waveform", seed_id="XX.A..HHZ", start_us=1, rate=20.0, samples=[0.0])
    for alerted in (3, 7):
        hub.publish("devices", kinds={"phone": {"alerted": alerted, "expected": 9}})
    server, listener = page_server(demo_app(hub, [], PageSource(Config(), list, lambda: None)))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        url = f"ws://127.0.0.1:{listener.getsockname()[1]}/api/v1/live"
        async with asyncio.timeout(20), websockets.connect(url) as live:
            seen = [json.loads(await live.recv()) for _ in range(3)]
        assert [one["type"] for one in seen] == ["pick", "waveform", "devices"]
        assert seen[2]["kinds"]["phone"] == {"alerted": 7, "expected": 9}
    finally:
        server.should_exit = True
        await serving
