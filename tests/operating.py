"""A service that operators can ask for drills and cancels, and pages that look at it."""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ew.api.operators import scenario_list
from ew.config.service import api_key_lines
from ew.geo import destination
from tests.browser import Page, text
from tests.serving import Served, play
from tests.system.test_serve import write_config

OPERATORS = {name: secrets.token_urlsafe(16) for name in ("first", "second")}
LUSHAN, LUDING = (
    next(one["origin"] for one in scenario_list() if one["name"] == name)
    for name in ("lushan", "luding")
)
AWAY_KM = 60.0


@dataclass
class Service:
    """A service that operators can ask for drills and cancels."""

    served: Served
    http: httpx.AsyncClient

    async def drill(self, scenario: str) -> str:
        """Begin a drill; its event's id."""
        asked = await self._ask("first", "/api/v1/drills", {"scenario": scenario})
        return str((await self._confirm(asked))["event_id"])

    async def cancel(self, event_id: str) -> None:
        asked = await self._ask("first", f"/api/v1/events/{event_id}/cancel", None)
        await self._confirm(asked)

    async def _confirm(self, asked: dict[str, Any]) -> dict[str, Any]:
        return await self._ask("second", f"/api/v1/drills/{asked['request_id']}/confirm", None)

    async def _ask(self, operator: str, path: str, body: object) -> dict[str, Any]:
        key = {"Authorization": f"Bearer {OPERATORS[operator]}"}
        answer = await self.http.post(path, json=body, headers=key)
        assert answer.status_code in (200, 202), answer.text
        return dict(answer.json())


def configured(folder: Path, *sections: str) -> Path:
    """A configuration without sources, with two operators."""
    config = write_config(folder, play(), 1)
    keys = [
        line for name, key in OPERATORS.items() for line in api_key_lines(name, key, ["operator"])
    ]
    sourceless = config.read_text().replace("seedlink = ", "# seedlink = ")
    config.write_text("\n".join([sourceless, *keys, *sections, ""]))
    return config


def place_near(origin: dict[str, float], away_km: float = AWAY_KM) -> str:
    lat, lon = destination(origin["latitude"], origin["longitude"], 150.0, away_km)
    return f"{float(lat):.4f},{float(lon):.4f}"


async def opened(page: Page, url: str) -> None:
    """A page that has connected."""
    await page.ask("Page.navigate", url=url)
    await page.until(f"{text('mode')} === 'EXERCISE'", 30)
