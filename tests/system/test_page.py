"""The live page in a real browser: it connects, and an earthquake that the service finds comes up on it."""

import asyncio
import contextlib
import json
import re
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from simulators.network import shifted
from simulators.seedlink import SeedLinkServer
from tests.serving import play, serving
from tests.system.test_serve import write_config

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-component-update "
    "--disable-background-networking --disable-sync --remote-debugging-port=0"
)


class Page:
    """One page of a browser, asked by its DevTools protocol."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._asked = 0

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._asked += 1
        await self._socket.send(
            json.dumps({"id": self._asked, "method": method, "params": parameters})
        )
        while True:
            answer = json.loads(await self._socket.recv())
            if answer.get("id") == self._asked:
                return dict(answer["result"])

    async def value(self, expression: str) -> Any:
        answer = await self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def until(self, expression: str, seconds: float) -> Any:
        """The value of a JavaScript expression once it is true."""
        async with asyncio.timeout(seconds):
            while not (value := await self.value(expression)):
                await asyncio.sleep(0.1)
        return value


@contextlib.asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Page]:
    """A browser of its own, with one empty page."""
    process = await asyncio.create_subprocess_exec(
        str(CHROMIUM), *QUIET.split(), f"--user-data-dir={profile}", "about:blank",
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        async with asyncio.timeout(60):
            while not (found := re.search(rb"ws://([^/]+)/", await process.stderr.readline())):
                pass
        async with httpx.AsyncClient() as web:
            pages = (await web.get(f"http://{found[1].decode()}/json")).json()
        url = next(page for page in pages if page["type"] == "page")["webSocketDebuggerUrl"]
        async with websockets.connect(url, max_size=None) as socket:
            yield Page(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        # What it still says must be read, or it never ends
        await process.communicate()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
async def test_an_earthquake_comes_up_on_the_live_page(tmp_path: Path) -> None:
    chosen = play()
    async with (
        SeedLinkServer() as seedlink,
        serving(write_config(tmp_path, chosen, seedlink.port)) as served,
        browser(tmp_path / "profile") as page,
    ):
        await page.ask("Page.navigate", url=served.http)
        await page.until('document.getElementById("health")?.textContent === "ok"', 30)
        assert await page.value('document.getElementById("mode").textContent') == "EXERCISE"
        stations = {seed_id.split(".")[1] for seed_id in chosen.inventory}
        assert await page.until("Object.keys(places).length", 10) == len(stations)
        packets = shifted(chosen.packets(0.5), time.time_ns())
        playing = asyncio.create_task(seedlink.play(packets, speed=1.0))
        row = await page.until('document.querySelector("#events tbody tr")?.innerText', 60)
        event_id, _, magnitude, latitude, longitude = row.split()[:5]
        truth = chosen.origins[0]
        assert event_id.startswith("ew")
        assert float(latitude) == pytest.approx(truth.latitude, abs=0.3)
        assert float(longitude) == pytest.approx(truth.longitude, abs=0.3)
        assert 3.5 < float(magnitude) < 7
        await page.until('document.querySelectorAll("#picks div").length >= 4', 20)
        assert await page.until(
            "pen.getImageData(0, 0, 900, 640).data.some(value => value > 200)", 10
        )
        playing.cancel()
