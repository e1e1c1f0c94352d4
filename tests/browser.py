"""A headless browser of its own for a test, driven by its DevTools protocol."""

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-component-update "
    "--disable-background-networking --disable-sync --remote-debugging-port=0"
)


KEY_CODES = {"Tab": 9, "Enter": 13, " ": 32, "ArrowLeft": 37, "ArrowRight": 39}
"""Windows' codes of keys, by which Chromium knows those that type nothing."""


class Page:
    """One page of a browser, asked by its DevTools protocol."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._asked = 0
        self.happened: list[dict[str, Any]] = []
        """Events of the protocol's domains that were enabled, in their order."""

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._asked += 1
        await self._socket.send(
            json.dumps({"id": self._asked, "method": method, "params": parameters})
        )
        while True:
            answer = json.loads(await self._socket.recv())
            if answer.get("id") == self._asked:
                return dict(answer["result"])
            self.happened.append(answer)

    async def value(self, expression: str) -> Any:
        answer = await self.ask(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    async def press(self, *keys: str) -> None:
        """Press keys one after another; a character, or a name as ``Tab``, ``Enter``,
        ``ArrowRight``."""
        for key in keys:
            typed = (
                {"text": "\r" if key == "Enter" else key} if key == "Enter" or len(key) == 1 else {}
            )
            code = KEY_CODES.get(key, 0)
            for kind in ("keyDown", "keyUp"):
                await self.ask(
                    "Input.dispatchKeyEvent",
                    type=kind,
                    key=key,
                    code=key,
                    windowsVirtualKeyCode=code,
                    **(typed if kind == "keyDown" else {}),
                )

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


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


def text(name: str) -> str:
    return f"document.querySelector('[data-testid={name}]')?.innerText"


SHOWN = "document.querySelector('[data-testid=event]')?.dataset"
