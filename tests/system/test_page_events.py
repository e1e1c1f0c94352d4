"""The page and a phone in a browser while events begin, change, end and are forged."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import h3
import httpx
import orjson
import pytest

from ew.alerts.message import TOPIC_KEYS, signed
from ew.alerts.signing import Signer
from ew.config import Config
from ew.delivery.broker import open_broker
from ew.geo import distance_km
from ew.traveltimes import TravelTimes
from tests import trust
from tests.browser import browser, needs_browser, text
from tests.operating import LUSHAN, Service, configured, opened, place_near
from tests.serving import serving

pytestmark = [pytest.mark.slow, needs_browser]

EVENTS = "document.querySelectorAll('article[data-testid=event]').length"
RECORD_COUNTDOWN = """
(() => {
  const element = document.querySelector('[data-testid=countdown]');
  window.shown = [];
  new MutationObserver(() => window.shown.push([element.innerText, Date.now() / 1000]))
    .observe(element, {childList: true, characterData: true, subtree: true});
})()
"""
RECORD_SOUNDS = """
(() => {
  window.rung = 0;
  navigator.vibrate = () => { window.rung += 1; return true; };
})()
"""


async def test_a_drill_counts_down_to_s_is_marked_and_a_cancel_ends_it(
    service: Service, tmp_path: Path
) -> None:
    place = place_near(LUSHAN)
    async with browser(tmp_path / "page") as page, browser(tmp_path / "phone") as phone:
        await opened(page, f"{service.served.http}/?place={place}")
        await opened(phone, f"{service.served.http}/phone?place={place}")
        await page.value(RECORD_COUNTDOWN)
        event_id = await service.drill("lushan")
        shown = f"document.querySelector('[data-event-id={json.dumps(event_id)}]')"
        await page.until(f"{shown}?.dataset.version === '1'", 10)
        assert await page.value(f"{shown}.dataset.magnitude") == f"{LUSHAN['magnitude']:.1f}"
        assert await phone.until(f"/^[0-9]+$/.test({text('countdown')})", 10)
        for one in (page, phone):
            assert await one.value(f"{text('mode')}") == "EXERCISE"
        await page.until(f"{text('countdown')} === 'shaking now'", 40)
        counted = dict(reversed(await page.value("window.shown")))  # when each was shown first
        told = (await service.http.get(f"/api/v1/events/{event_id}")).json()
        first = (told["versions"] if isinstance(told, dict) else told)[0]
        s_s = _s_arrival_s(first["origin"], place)
        assert counted["0"] == pytest.approx(s_s, abs=0.3)
        seconds = [int(words) for words in counted if words.isdecimal()]
        assert sorted(seconds) == list(range(len(seconds)))  # none was left out
        await service.cancel(event_id)
        await page.until(f"{EVENTS} === 0", 10)
        assert await page.value(text("countdown")) == "cancelled"
        assert "cancelled" in await page.value(text("events"))
        await phone.until(f"!/shaking/.test({text('countdown')})", 10)


def _s_arrival_s(origin: dict[str, float], place: str) -> float:
    lat, lon = map(float, place.split(","))
    away_km = float(distance_km(origin["latitude"], origin["longitude"], lat, lon))
    table = TravelTimes.of(Config().locate)
    return origin["time_us"] / 1e6 + float(table.s_s(away_km, origin["depth_km"]))


async def test_two_events_at_once_are_both_shown_and_each_sounds_once(
    service: Service, tmp_path: Path
) -> None:
    place = place_near(LUSHAN, 40.0)
    async with browser(tmp_path / "page") as page:
        await opened(page, f"{service.served.http}/?place={place}")
        await page.value(RECORD_SOUNDS)
        first = await service.drill("lushan")
        await page.until(f"{EVENTS} === 1", 10)
        await page.until("window.rung === 1", 10)
        nearest = await page.value(text("countdown"))
        second = await service.drill("luding")
        await page.until(f"{EVENTS} === 2", 10)
        found = await page.value(
            "[...document.querySelectorAll('article[data-testid=event]')].map(e => "
            "e.dataset.eventId)"
        )
        assert set(found) == {first, second}
        # The countdown stays that of the earthquake that is strong here
        assert await page.value(text("countdown")) <= nearest or nearest == "0"
        await service.cancel(first)
        await page.until(f"{EVENTS} === 1", 10)


async def test_a_past_event_is_played_back_until_a_new_one_comes(
    service: Service, tmp_path: Path
) -> None:
    place = place_near(LUSHAN)
    async with browser(tmp_path / "page") as page:
        await opened(page, f"{service.served.http}/?place={place}")
        event_id = await service.drill("lushan")
        await page.until(f"{EVENTS} === 1", 10)
        await service.cancel(event_id)
        await page.until(f"{EVENTS} === 0", 10)
        await page.value("document.querySelector('[data-testid=events] button').click()")
        slider = "document.querySelector('[data-testid=playback]')"
        await page.until(f"{slider}.offsetParent !== null", 10)
        # Before its first version nobody knew of it
        for at_s, count in ((-4, 0), (5, 1)):
            await page.value(
                f"{slider}.value = '{at_s}'; {slider}.dispatchEvent(new Event('input'))"
            )
            await page.until(f"{EVENTS} === {count}", 10)
        assert (await page.value(text("countdown"))).isdecimal()
        marked = "document.querySelector('#past-mark').offsetParent !== null"
        assert await page.value(marked)  # nobody takes it for what happens now
        await service.drill("luding")
        await page.until(f"{slider}.offsetParent === null", 10)
        assert not await page.value(marked)
        await page.until(f"{EVENTS} === 1", 10)


async def test_who_opens_the_page_amid_an_event_sees_it_in_either_language(
    service: Service, tmp_path: Path
) -> None:
    place = place_near(LUSHAN, 150.0)
    event_id = await service.drill("lushan")
    async with browser(tmp_path / "page") as page:
        for language, mode in (("en", "EXERCISE"), ("zh", "演练")):
            await page.ask(
                "Page.navigate", url=f"{service.served.http}/?place={place}&lang={language}"
            )
            await page.until(
                f"document.querySelector('[data-testid=event]')?.dataset.eventId === '{event_id}'",
                20,
            )
            await page.until(f"/^[0-9]+$/.test({text('countdown')})", 10)
            assert mode in await page.value(text("mode"))
            assert await page.until("document.querySelectorAll('[data-testid=city]').length", 10)
        assert "演练" in await page.value(text("mode"))


async def test_a_forged_alert_moves_no_phone_in_a_browser(tmp_path: Path) -> None:
    place = place_near(LUSHAN)
    cell = h3.latlng_to_cell(*map(float, place.split(",")), 5)
    topic = f"ew/v1/alert/cell/{cell}"
    async with open_broker("mosquitto") as broker:  # one that lets everybody speak
        config = configured(tmp_path)
        spoken_to = f'broker = "mqtt://{broker.host}:{broker.port}"'
        config.write_text(config.read_text().replace("broker_port = 0", spoken_to))
        async with (
            serving(config) as served,
            httpx.AsyncClient(base_url=served.http) as http,
            browser(tmp_path / "phone") as phone,
            aiomqtt.Client(broker.host, broker.port) as mqtt,
        ):
            await opened(phone, f"{served.http}/phone?place={place}")
            await phone.value(RECORD_SOUNDS)
            await mqtt.subscribe(topic, qos=1)
            event_id = await Service(served, http).drill("lushan")
            async with asyncio.timeout(20):
                real = json.loads(bytes((await anext(mqtt.messages)).payload))
            await phone.until("window.rung === 1", 20)
            await mqtt.publish(TOPIC_KEYS, trust.document([STRANGER], serial=99), qos=1)
            forged = [*forgeries(real)]
            for payload in forged:
                await mqtt.publish(topic, payload, qos=1)
            await phone.until(f"Number(document.body.dataset.refused) > {len(forged)}", 20)
            assert await phone.value("window.rung") == 1
            shown = "document.querySelector('[data-testid=event]').dataset.eventId"
            assert await phone.value(shown) == event_id


STRANGER = Signer.ephemeral("exercise", ("exercise",))


def forgeries(real: dict[str, Any]) -> Iterator[bytes]:
    """What a stranger can make of a real alert to have an M 8.1 of their own sound."""
    origin = {**real["origin"], "magnitude": 8.1}
    stronger = {**real, "event_id": "forged", "version": 9, "intensity": 9.9, "origin": origin}
    yield orjson.dumps(stronger)
    yield orjson.dumps({**real, "event_id": "forged"})
    yield orjson.dumps({**real, "version": 9})
    yield orjson.dumps({name: value for name, value in stronger.items() if name != "signature"})
    body = {name: value for name, value in stronger.items() if name != "signature"}
    yield signed({**body, "key_id": STRANGER.key_id}, STRANGER, "exercise")
    yield signed({**body, "key_id": STRANGER.key_id, "status": "actual"}, STRANGER, "exercise")
