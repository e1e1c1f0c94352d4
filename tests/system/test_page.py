"""The live page in a real browser: it connects, and an earthquake that the service finds comes up
on it."""

import asyncio
import time
from pathlib import Path

import pytest

from simulators.network import shifted
from simulators.seedlink import SeedLinkServer
from tests.browser import SHOWN, browser, needs_browser, text
from tests.serving import play, serving
from tests.system.test_serve import write_config


@pytest.mark.slow
@needs_browser
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
