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


def text(name: str) -> str:
    return f"document.querySelector('[data-testid={name}]')?.innerText"


SHOWN = "document.querySelector('[data-testid=event]')?.dataset"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
async def test_earthquake_is_counted_down_on_the_page_and_on_a_phone_in_a_browser(
    tmp_path: Path,
) -> None:
    chosen = play()
    truth = chosen.origins[0]
    place = f"{truth.latitude + 0.6},{truth.longitude}"
    async with (
        SeedLinkServer() as seedlink,
        serving(write_config(tmp_path, chosen, seedlink.port)) as served,
        browser(tmp_path / "profile") as page,
        browser(tmp_path / "phone") as phone,
    ):
        await page.ask("Page.navigate", url=f"{served.http}/?place={place}")
        await phone.ask("Page.navigate", url=f"{served.http}/phone?place={place}")
        await page.until(f"{text('health')} === 'ok'", 30)
        await page.until(f"{text('mode')} === 'EXERCISE'", 10)
        assert await page.value(text("countdown")) == "quiet"
        await phone.until(f"{text('mode')} === 'EXERCISE'", 30)  # from a signed heartbeat
        packets = shifted(chosen.packets(0.5), time.time_ns())
        playing = asyncio.create_task(seedlink.play(packets, speed=1.0))
        event_id = await page.until(f"{SHOWN}?.eventId", 60)
        assert event_id.startswith("ew")
        assert 3.5 < float(await page.value(f"{SHOWN}.magnitude")) < 7
        assert int(
            await page.until(f"/^[0-9]+$/.test({text('countdown')}) && {text('countdown')}", 5)
        )
        assert await phone.until(f"{SHOWN}?.eventId", 10) == event_id
        assert int(
            await phone.until(f"/^[0-9]+$/.test({text('countdown')}) && {text('countdown')}", 5)
        )
        await page.until(f"{text('countdown')} === 'shaking now'", 40)
        await phone.until(f"{text('countdown')} === 'shaking now'", 5)
        # Who opens the page in mid-event sees the event as it is now
        await page.ask("Page.navigate", url=f"{served.http}/?place={place}&lang=zh")
        assert await page.until(f"{SHOWN}?.eventId", 20) == event_id
        playing.cancel()
