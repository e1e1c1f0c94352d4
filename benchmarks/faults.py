"""What faults cost: how late alerts become, how many are lost or doubled, and what health says,
with real processes.

Each case plays the same earthquake to the same 120 phones, over SeedLink, a service and a broker in
processes of their own, and is compared with an undisturbed run on the same kind of broker.
``docs/reliability.md`` has a table.
"""

import asyncio
from dataclasses import replace

from benchmarks.faulty.cases import Case, cases, small_disk
from benchmarks.faulty.stage import Outcome, Stage
from benchmarks.harness import BenchmarkResult, budget, median

NAME = "faults"
QUICK = ("undisturbed", "broker killed during", "service killed before")
"""Of the quick form, on the embedded broker."""
TEXT_MOST = 110


async def try_case(case: Case) -> Outcome:
    """One earthquake with one fault."""
    if case.name == "disk full":
        async with small_disk() as folder:
            return await _try(
                replace(case, setting=replace(case.setting, database=folder / "ew.sqlite"))
            )
    return await _try(case)


async def _try(case: Case) -> Outcome:
    async with Stage(case.setting) as stage:
        await stage.begin()
        await case.act(stage)
        return await stage.finish()


def row(case: Case, outcome: Outcome, undisturbed: Outcome) -> dict[str, object]:
    """A line of the table; lateness against the undisturbed run, phone by phone."""
    late_s = outcome.late_s(undisturbed)
    return {
        "case": case.name,
        "broker": case.setting.broker,
        "first_s": min(outcome.first_s.values()) if outcome.first_s else None,
        "late_s p50": median(late_s) if late_s else None,
        "late_s max": max(late_s) if late_s else None,
        "alerted": len(outcome.first_s),
        "lost": outcome.lost(undisturbed),
        "doubled": outcome.doubled,
        "ghosts": outcome.ghosts,
        "health": _said(case, outcome),
    }


def _said(case: Case, outcome: Outcome) -> str:
    """What health said, as far as it fits; what it was to say first."""
    wanted = [one for one in outcome.health if case.says and case.says in one]
    said = [*wanted, *(one for one in outcome.health if one not in wanted and one != "ok")]
    return " | ".join(said)[:TEXT_MOST] or "ok"


def is_unsaid(case: Case, outcome: Outcome) -> bool:
    """Whether health did not say what it was to say."""
    return bool(case.says) and not any(case.says in one for one in outcome.health)


def run(quick: bool) -> BenchmarkResult:
    chosen = [case for case in cases() if not case.lacks]
    if quick:
        chosen = [c for c in chosen if c.name in QUICK and c.setting.broker == "embedded"]
    rows: list[dict[str, object]] = []
    notes = [
        f"not tried: {case.name}, {case.setting.broker}: {case.lacks}"
        for case in cases()
        if case.lacks and not quick
    ]
    undisturbed: dict[str, Outcome] = {}
    unsaid = dead = 0
    beside: list[float] = [0.0]
    path: list[float] = [0.0]
    for case in chosen:
        outcome = asyncio.run(try_case(case))
        reference = undisturbed.setdefault(case.setting.broker, outcome)
        rows.append(row(case, outcome, reference))
        notes += [f"{case.name}, {case.setting.broker}: {note}" for note in outcome.notes]
        unsaid += is_unsaid(case, outcome)
        dead += not outcome.is_alive
        (path if case.stops_path else beside).extend(outcome.late_s(reference))
    figures = {
        "phones not alerted": sum(int(str(one["lost"])) for one in rows),
        "phones that sounded twice": sum(int(str(one["doubled"])) for one in rows),
        "events too many": sum(int(str(one["ghosts"])) for one in rows),
        "services that ended": dead,
        "faults that health did not say": unsaid,
        "alerts late, fault beside the path": max(beside),
        "alerts late, fault on the path": max(path),
    }
    budgets = [budget(NAME, name, float(value)) for name, value in figures.items()]
    return BenchmarkResult(NAME, rows, budgets, notes)
