"""The page stays smooth with many stations and cells, also across the date line: a trace of its
frames.
"""

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ew import Channel
from ew.geo import destination
from tests.browser import Page, browser, needs_browser, text
from tests.operating import configured, opened
from tests.serving import serving, write_inventory
from tests.system.test_serve import TOKEN

pytestmark = [pytest.mark.slow, needs_browser]

STATIONS = 2000
CELLS = 5000
EPICENTRE = (-17.5, 179.8)
"""Fiji: half of the network and of the cells lie beyond the date line."""
MOST_FRAME_MS = 50.0


def channels() -> list[Channel]:
    """Stations all around the epicentre, as dense as a national network."""
    random = np.random.default_rng(4)
    away, azimuth = 700 * np.sqrt(random.random(STATIONS)), 360 * random.random(STATIONS)
    lats, lons = destination(*EPICENTRE, azimuth, away)
    places = zip(np.asarray(lats), (np.asarray(lons) + 180) % 360 - 180, strict=True)
    return [
        Channel(f"XS.S{number:04d}..HHZ", float(lat), float(lon), 0.0, 1e9, "M/S")
        for number, (lat, lon) in enumerate(places)
    ]


async def tell(http: httpx.AsyncClient, version: int, began_s: float) -> None:
    origin = {
        "source": "icl", "event_id": "large", "version": version, "magnitude": 7.5 + version / 10,
        "time": datetime.fromtimestamp(began_s, UTC).isoformat(),
        "latitude": EPICENTRE[0], "longitude": EPICENTRE[1] + version / 50, "depth_km": 20.0,
    }  # fmt: skip
    key = {"Authorization": f"Bearer {TOKEN}"}
    answer = await http.post("/api/v1/origins", json=origin, headers=key)
    assert answer.status_code == 202, answer.text


async def traced(page: Page) -> list[dict[str, Any]]:
    """The end of a trace that was begun: its events."""
    await page.ask("Tracing.end")
    async with asyncio.timeout(60):
        while not any(one["method"] == "Tracing.tracingComplete" for one in page.happened):
            await page.value("1")
    parts = [one["params"] for one in page.happened if one["method"] == "Tracing.dataCollected"]
    return [event for part in parts for event in part["value"]]


def longest_tasks_ms(trace: list[dict[str, Any]]) -> list[float]:
    """Work of the page's main thread without a pause, longest first, ms.

    It is counted in the thread's own time: what other programs of the machine take is not the
    page's.
    """
    main = {
        (event["pid"], event["tid"])
        for event in trace
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    tasks = [
        event.get("tdur", event.get("dur", 0)) / 1000
        for event in trace
        if event["name"] == "RunTask" and (event["pid"], event["tid"]) in main
    ]
    return sorted(tasks, reverse=True)


async def test_no_frame_is_long_with_2000_stations_and_5000_cells_across_the_date_line(
    tmp_path: Path,
) -> None:
    config = configured(tmp_path)
    write_inventory(tmp_path / "stations.csv", channels())
    async with (
        serving(config) as served,
        httpx.AsyncClient(base_url=served.http) as http,
        browser(tmp_path / "page") as page,
    ):
        await page.ask(
            "Tracing.start", transferMode="ReportEvents",
            categories="devtools.timeline,disabled-by-default-devtools.timeline,toplevel",
        )  # fmt: skip
        await opened(page, f"{served.http}/?place=-17.7,-178.0")
        map_ = "document.querySelector('[data-testid=map]')"
        await page.until(f"Number({map_}.dataset.stations) === {STATIONS}", 30)
        began_s = time.time() - 20
        await tell(http, 1, began_s)
        await page.until(f"Number({map_}.dataset.cells) >= {CELLS}", 60)
        # Another version, while someone moves and zooms the map
        await tell(http, 2, began_s)
        box = await page.value(f"(b => [b.x + b.width / 2, b.y + b.height / 2])"
                               f"({map_}.getBoundingClientRect())")  # fmt: skip
        for step in range(20):
            await page.ask(
                "Input.dispatchMouseEvent", type="mouseWheel", x=box[0], y=box[1],
                deltaX=0, deltaY=120 if step % 4 else -240,
            )  # fmt: skip
            await page.value("new Promise(requestAnimationFrame).then(() => 1)")
        await page.until("document.querySelector('[data-version=\"2\"]') !== null", 20)
        assert (await page.until(text("countdown"), 5)).isdecimal()
        await page.until(f"{map_}.dataset.drawn === 'whole'", 60)
        tasks = longest_tasks_ms(await traced(page))
        assert len(tasks) > 100
        assert tasks[0] <= MOST_FRAME_MS
