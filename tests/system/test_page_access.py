"""Who can use the pages: by keyboard, with a screen reader, and where no other machine is
reached."""

import asyncio
import base64
import io
import json
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from tests.browser import Page, browser, needs_browser, text
from tests.operating import LUSHAN, Service, configured, opened, place_near
from tests.serving import serving

AXE = Path(__file__).parents[2] / "ew/web/node_modules/axe-core/axe.min.js"
"""Deque's rules of accessibility, which scripts/build-web installs."""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
FOCUSED = "document.activeElement"


TILE_COLOUR = (200, 30, 30)


def _tile() -> bytes:
    png = io.BytesIO()
    Image.new("RGB", (256, 256), TILE_COLOUR).save(png, "PNG")
    return png.getvalue()


TILE = _tile()
pytestmark = [pytest.mark.slow, needs_browser]


async def violations(page: Page) -> list[str]:
    """What axe finds on a page: the rule and the elements that break it."""
    await page.value(AXE.read_text(encoding="utf-8") + ";true")
    options = json.dumps({"runOnly": RULES})
    found = await page.value(
        f"axe.run(document, {options}).then(r => r.violations.map("
        "v => v.id + ': ' + v.nodes.map(n => n.target.join(' ')).join(', ')))"
    )
    return list(found)


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: scripts/build-web")
async def test_no_rule_of_accessibility_is_broken_at_rest_or_amid_an_event(
    service: Service, tmp_path: Path
) -> None:
    place = place_near(LUSHAN, 150.0)
    async with browser(tmp_path / "page") as page:
        for is_amid in (False, True):
            if is_amid:
                await service.drill("lushan")
            for path in ("/", "/phone", "/tv"):
                await opened(page, f"{service.served.http}{path}?place={place}")
                if is_amid:
                    await page.until("document.querySelector('[data-testid=event]') !== null", 20)
                for theme in ("dark", "light"):
                    await page.value(f"document.documentElement.dataset.theme = '{theme}'")
                    assert await violations(page) == [], (path, theme, is_amid)


async def test_the_page_is_used_by_keyboard_alone(service: Service, tmp_path: Path) -> None:
    event_id = await service.drill("lushan")
    await service.cancel(event_id)
    async with browser(tmp_path / "page") as page:
        await opened(page, f"{service.served.http}/")
        await page.until("document.querySelector('[data-testid=events] button') !== null", 10)
        await page.press("Tab", "Enter")  # the link that skips to the place
        await page.until(f"{FOCUSED}.id === 'place-title'", 5)
        await page.press("Tab")
        assert await page.value(f"{FOCUSED}.id") == "search"
        await page.press(*"Chengdu", "Enter")
        await page.until("/Chengdu/.test(document.querySelector('#place-name').innerText)", 5)
        await tab_to(page, f"{FOCUSED}.dataset.eventId === {json.dumps(event_id)}")
        await page.press("Enter")
        await page.until(f"{FOCUSED}.dataset.testid === 'playback'", 10)
        before = float(await page.value(f"{FOCUSED}.value"))
        await page.press("ArrowRight")
        assert float(await page.value(f"{FOCUSED}.value")) > before
        await tab_to(page, f"{FOCUSED}.id === 'back-to-live'")
        await page.press("Enter")
        await page.until(
            "document.querySelector('[data-testid=playback]').offsetParent === null", 5
        )
        await page.value("document.querySelector('[data-testid=map]').focus()")
        await page.press("Enter")  # the middle of the map is my place
        await page.until("!/Chengdu/.test(document.querySelector('#place-name').innerText)", 5)


async def tab_to(page: Page, condition: str, most: int = 30) -> None:
    """Press Tab until a condition holds."""
    for _ in range(most):
        if await page.value(condition):
            return
        await page.press("Tab")
    raise AssertionError(f"not reached by {most} tabs: {condition}")


async def test_tiles_are_asked_for_where_an_operator_has_named_a_server(tmp_path: Path) -> None:
    asked: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode().split(" ")[1])
        head = f"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {len(TILE)}"
        writer.write(f"{head}\r\nConnection: close\r\n\r\n".encode() + TILE)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = configured(tmp_path)
    tiles = f'tiles = "http://127.0.0.1:{port}/{{z}}/{{x}}/{{y}}.png"\ntiles_attribution = "Us"'
    config.write_text(config.read_text().replace("[service]", f"[service]\n{tiles}"))
    async with server, serving(config) as served, browser(tmp_path / "page") as page:
        await page.ask(
            "Emulation.setDeviceMetricsOverride",
            width=1400, height=900, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        await opened(page, f"{served.http}/?place=29.5,103.5")
        async with asyncio.timeout(60):
            while await most_frequent_colour(page) != TILE_COLOUR:
                await asyncio.sleep(0.2)
        assert asked
        assert all(re.fullmatch(r"/\d+/\d+/\d+\.png", path) for path in asked)
        assert await page.value("document.querySelector('#attribution').innerText") == "Us"


async def most_frequent_colour(page: Page) -> object:
    """Of what is seen: that of the map, which has the most room."""
    shot = await page.ask("Page.captureScreenshot", format="png")
    picture = Image.open(io.BytesIO(base64.b64decode(shot["data"]))).convert("RGB")
    colours = picture.getcolors(maxcolors=1 << 24)
    assert colours is not None
    return max(colours)[1]


async def test_no_request_leaves_the_machine(service: Service, tmp_path: Path) -> None:
    place = place_near(LUSHAN)
    for path in ("/", "/phone", "/tv"):
        async with browser(tmp_path / path.strip("/")) as page:
            await page.ask("Network.enable")
            await opened(page, f"{service.served.http}{path}?place={place}")
            event_id = await service.drill("lushan")
            await page.until(f"/^[0-9]+$/.test({text('countdown')})", 20)
            await service.cancel(event_id)
            asked = [
                one["params"].get("request", one["params"])["url"]
                for one in page.happened
                if one["method"] in ("Network.requestWillBeSent", "Network.webSocketCreated")
            ]
            assert len(asked) > 5
            hosts = {
                urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))
            }
            assert hosts == {urlsplit(service.served.http).netloc}
