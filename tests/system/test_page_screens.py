"""The page on screens from a phone to a wall of 4K, and for people who want no motion."""

from pathlib import Path

import pytest

from tests.browser import Page, browser, needs_browser, text
from tests.operating import LUSHAN, Service, opened, place_near

pytestmark = [pytest.mark.slow, needs_browser]

LEAST_COUNTDOWN_PX = {(360, 740): 60, (1280, 800): 80, (3840, 2160): 160}
"""Screens (width, height), CSS pixels, and the least size of the countdown's figures there."""
BEYOND = """
(() => {
  const width = document.documentElement.clientWidth;
  const isCut = (element) => {
    for (let up = element.parentElement; up; up = up.parentElement) {
      if (getComputedStyle(up).overflowX !== 'visible') return true;
    }
    return false;
  };
  const wide = [...document.body.querySelectorAll('*:not(.skip)')].filter((element) => {
    const box = element.getBoundingClientRect();
    return box.width > 0 && (box.right > width + 1 || box.left < -1) && !isCut(element);
  });
  const scrolled = [...document.querySelectorAll('html, body, aside, .panel')].filter(
    (one) => one.scrollWidth > one.clientWidth + 1);
  return [...wide, ...scrolled].map(
    (one) => `${one.tagName} ${one.id || one.className} ${one.scrollWidth}`);
})()
"""
"""What reaches beyond the page's sides, or has to be scrolled sideways."""
IN_VIEW = """
(() => {
  const shown = (name) => {
    const box = document.querySelector(`[data-testid=${name}]`).getBoundingClientRect();
    const over = (least, most, size) => Math.max(0, Math.min(most, size) - Math.max(least, 0));
    return over(box.top, box.bottom, innerHeight) * over(box.left, box.right, innerWidth) /
      (box.width * box.height);
  };
  return [shown('countdown'), shown('map')];
})()
"""
"""Parts of the countdown and of the map that are in view without scrolling, 0 to 1."""
RECORD_MOTION = """
window.moved = []; window.views = new Set(); window.drawn = 0;
for (const kind of ['animationstart', 'transitionrun']) {
  addEventListener(kind, (event) => moved.push(`${kind} ${event.target.className}`), true);
}
const clear = CanvasRenderingContext2D.prototype.clearRect;
CanvasRenderingContext2D.prototype.clearRect = function (...box) {
  if (this.canvas === document.querySelectorAll('canvas.map-layer')[3]) window.drawn += 1;
  return clear.apply(this, box);
};
addEventListener('DOMContentLoaded', () => {
  const see = () => {
    const base = document.querySelector('canvas.map-layer');
    if (base) views.add(base.style.transform);
    requestAnimationFrame(see);
  };
  see();
});
"""
"""Counts what moves: animations of CSS, the map's views, frames of the layer with the fronts."""


async def resized(page: Page, width: int, height: int) -> None:
    await page.ask(
        "Emulation.setDeviceMetricsOverride",
        width=width, height=height, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip


async def assert_in_view(page: Page, screen: tuple[str, int]) -> None:
    """Nothing reaches beyond the sides; countdown and map are seen without scrolling."""
    assert await page.value(BEYOND) == [], screen
    countdown_seen, map_seen = await page.value(IN_VIEW)
    assert countdown_seen == 1, screen
    assert map_seen > 0.4, screen


async def test_nothing_overflows_and_countdown_and_map_are_seen_from_a_phone_to_a_wall(
    service: Service, tmp_path: Path
) -> None:
    event_id = await service.drill("lushan")
    await service.cancel(event_id)  # a past event, with its charts
    async with browser(tmp_path / "page") as page:
        for language in ("en", "zh"):
            for (width, height), least_px in LEAST_COUNTDOWN_PX.items():
                screen = (language, width)
                await resized(page, width, height)
                url = f"{service.served.http}/?place={place_near(LUSHAN, 150.0)}&lang={language}"
                await page.ask("Page.navigate", url=url)
                await page.until("document.body?.dataset.mode === 'exercise'", 30)
                await page.until(
                    "document.querySelector('[data-testid=events] button') !== null", 10
                )
                await assert_in_view(page, screen)
                drill = await service.drill("lushan")
                await page.until(f"/^[0-9]+$/.test({text('countdown')})", 20)
                await assert_in_view(page, screen)
                size = "parseFloat(getComputedStyle(document.querySelector('.countdown')).fontSize)"
                assert await page.value(size) >= least_px, screen
                await service.cancel(drill)
                await page.until(f"!/^[0-9]+$/.test({text('countdown')})", 20)
                # A past event's charts and playback
                await page.value("document.querySelector('[data-testid=events] button').click()")
                await page.until("document.querySelector('#charts').children.length", 10)
                assert await page.value(BEYOND) == [], screen
                for path in ("phone", "tv"):
                    await page.ask(
                        "Page.navigate", url=f"{service.served.http}/{path}?lang={language}"
                    )
                    await page.until(f"Boolean({text('countdown')})", 30)
                    assert await page.value(BEYOND) == [], (path, *screen)


async def test_nothing_glides_for_people_who_want_no_motion(
    service: Service, tmp_path: Path
) -> None:
    async with browser(tmp_path / "page") as page:
        await page.ask("Page.enable")
        await page.ask("Page.addScriptToEvaluateOnNewDocument", source=RECORD_MOTION)
        still = [{"name": "prefers-reduced-motion", "value": "reduce"}]
        await page.ask("Emulation.setEmulatedMedia", features=still)
        await opened(page, f"{service.served.http}/?place={place_near(LUSHAN, 150.0)}")
        map_ = "document.querySelector('[data-testid=map]').dataset.drawn"
        await page.until(f"{map_} === 'whole'", 60)
        await page.value("views.clear()")
        await service.drill("lushan")
        await page.until(f"/^[0-9]+$/.test({text('countdown')})", 20)
        await page.until(f"{map_} === 'whole'", 60)
        # The map turned to the earthquake in one step: the old picture moved, then a new one
        assert await page.value("views.size") <= 3
        per_second = (
            "(async () => { const [n, t] = [drawn, performance.now()];"
            " await new Promise((done) => setTimeout(done, 4000));"
            " return (drawn - n) / ((performance.now() - t) / 1000); })()"
        )
        assert await page.value(per_second) <= 2  # the fronts step from second to second
        assert await page.value("document.getAnimations().length") == 0
        assert await page.value("moved") == []
        # Who changes the preference while the page is open is followed
        await page.ask("Emulation.setEmulatedMedia", features=[{**still[0], "value": ""}])
        assert await page.value(per_second) > 2
        await page.ask("Emulation.setEmulatedMedia", features=still)
        assert await page.value(per_second) <= 2
