"""A service killed (SIGKILL) at random moments about an earthquake, and started again at once.

Real processes: ``ew serve`` with its embedded broker, which dies with it, and with a Mosquitto that
lives on, in turns. Half of the kills fall between 30 s before and 60 s after the origin, half into
the seconds in which picks become the first alerts. Three runs at a time.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context

from benchmarks.faulty.stage import ORIGIN_AFTER_S, OVER_S, Outcome, Setting, Stage, earthquake
from benchmarks.harness import BenchmarkResult, budget, median

NAME = "kills"
COUNT, QUICK_COUNT = 100, 3
AT_ONCE = 3
PHONES = 60
EARLIEST_S, LATEST_S = -30.0, 60.0
CRITICAL_S = (-2.0, 6.0)
"""From shortly before the origin until all phones were told (undisturbed: after 3 to 4 s)."""
LOG_MOST = 20_000
"""Characters of a failed run's log that are kept, from its end."""
LEAD_S, FOLLOWED_S = 2.0, 10.0
SEED = 20_080_512


@dataclass(frozen=True, slots=True)
class Kill:
    """``moment_s`` after the origin; ``None``: an undisturbed run."""

    setting: Setting
    moment_s: float | None


def kills(count: int) -> list[Kill]:
    """An undisturbed run with each broker, and ``count`` kills at moments spread as the module
    says."""
    chance = random.Random(SEED)
    settings = [Setting("embedded", phones=PHONES), Setting("proxied", phones=PHONES)]
    moments = spread(chance, EARLIEST_S, LATEST_S, count - count // 2)
    moments += spread(chance, *CRITICAL_S, count // 2)
    return [Kill(setting, None) for setting in settings] + [
        Kill(settings[number % 2], moment_s) for number, moment_s in enumerate(moments)
    ]


def spread(chance: random.Random, from_s: float, to_s: float, count: int) -> list[float]:
    """``count`` moments, each drawn at random from its own equal part of the time."""
    return [from_s + (to_s - from_s) / count * (n + chance.random()) for n in range(count)]


def one(kill: Kill) -> Outcome:
    """One run."""
    return asyncio.run(_one(kill))


async def _one(kill: Kill) -> Outcome:
    moment_s = 0.0 if kill.moment_s is None else kill.moment_s
    over_s = max(OVER_S, moment_s + FOLLOWED_S)
    play = earthquake(max(ORIGIN_AFTER_S, LEAD_S - moment_s), over_s + LEAD_S)
    async with Stage(kill.setting, play) as stage:
        await stage.begin()
        if kill.moment_s is not None:
            await stage.until(kill.moment_s)
            await stage.kill()
            # A slow machine takes its time to start: late is not lost
            over_s = max(over_s, time.time() - stage.origin_s + FOLLOWED_S)
        return await stage.finish(over_s)


def run(quick: bool) -> BenchmarkResult:
    tried = kills(QUICK_COUNT if quick else COUNT)
    with get_context("spawn").Pool(AT_ONCE) as pool:
        outcomes = pool.map(one, tried, chunksize=1)
    undisturbed = {k.setting.broker: o for k, o in zip(tried, outcomes, strict=True) if _is_calm(k)}
    killed = [(k, o) for k, o in zip(tried, outcomes, strict=True) if not _is_calm(k)]
    first_s = min(min(o.first_s.values()) for o in undisturbed.values())
    groups = {
        "before the origin": [p for p in killed if _moment(p[0]) < 0],
        "until the first alert": [p for p in killed if 0 <= _moment(p[0]) < first_s],
        "after it": [p for p in killed if _moment(p[0]) >= first_s],
    }
    rows = [_row(when, group, undisturbed) for when, group in groups.items() if group]
    figures = {
        "phones not alerted": _sum(rows, "lost"),
        "phones that sounded twice": _sum(rows, "doubled"),
        "events too many": _sum(rows, "ghosts"),
        "first alert late": max(float(str(row["first late_s max"])) for row in rows),
    }
    budgets = [budget(NAME, name, value) for name, value in figures.items()]
    notes = [f"first alert undisturbed {first_s:.1f} s after the origin"]
    details = [
        {"moment_s": k.moment_s, "broker": k.setting.broker, "late_s": _late(o, undisturbed, k)}
        | {"lost": o.lost(undisturbed[k.setting.broker])}
        | {"doubled": o.doubled, "ghosts": o.ghosts}
        | ({"log": o.log[-LOG_MOST:]} if _has_failed(o, undisturbed[k.setting.broker]) else {})
        for k, o in killed
    ]
    return BenchmarkResult(NAME, rows, budgets, notes, details=details)


def _has_failed(outcome: Outcome, undisturbed: Outcome) -> bool:
    return bool(outcome.lost(undisturbed) or outcome.doubled or outcome.ghosts)


def _is_calm(kill: Kill) -> bool:
    return kill.moment_s is None


def _moment(kill: Kill) -> float:
    return 0.0 if kill.moment_s is None else kill.moment_s


def _late(outcome: Outcome, undisturbed: dict[str, Outcome], kill: Kill) -> float:
    """How much later than undisturbed the first phone heard, s."""
    if not outcome.first_s:
        return float("inf")
    return min(outcome.first_s.values()) - min(undisturbed[kill.setting.broker].first_s.values())


def _row(
    when: str, group: Sequence[tuple[Kill, Outcome]], undisturbed: dict[str, Outcome]
) -> dict[str, object]:
    late_s = [_late(outcome, undisturbed, kill) for kill, outcome in group]
    return {
        "killed": when,
        "runs": len(group),
        "first late_s p50": median(late_s),
        "first late_s max": max(late_s),
        "lost": sum(o.lost(undisturbed[k.setting.broker]) for k, o in group),
        "doubled": sum(o.doubled for _, o in group),
        "ghosts": sum(o.ghosts for _, o in group),
    }


def _sum(rows: Sequence[dict[str, object]], key: str) -> float:
    return float(sum(int(str(row[key])) for row in rows))
