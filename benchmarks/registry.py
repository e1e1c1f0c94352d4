"""A million registered devices: from a CSV file into the database, and from it into the columns of
a service.

The reference of a registration is what it cost before: all devices read again.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.harness import BenchmarkResult, budget, median
from ew import Config
from ew.alerts.planner import AlertPlanner
from ew.storage.database import Database
from ew.storage.device_files import COLUMNS, batches, check
from ew.storage.registry import read_targets
from ew.storage.store import RegisteredDevice, Store
from ew.traveltimes import TravelTimes

NAME = "registry"
KINDS = ("phone", "tv", "speaker", "gas-valve", "lift")
REGION = {"name": "all", "polygon": [(10, 85), (48, 85), (48, 122), (10, 122)]}


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def write_csv(path: Path, count: int) -> None:
    rng = np.random.default_rng(1)
    latitudes = 29.0 + rng.normal(size=count) * 2.5
    longitudes = 103.5 + rng.normal(size=count) * 2.5
    with path.open("w", encoding="ascii") as file:
        file.write(",".join(COLUMNS) + "\n")
        for number in range(count):
            kind = KINDS[1 + number % 4]
            file.write(f"d-{number:08d},{kind},{latitudes[number]:.5f},{longitudes[number]:.5f}\n")


async def register(where: Path, csv: Path) -> None:
    async with Store(where) as store:
        with csv.open("rb") as file:
            check(file, "csv", KINDS)
            for batch in batches(file, "csv", KINDS):
                await store.register(*batch)


def planner() -> AlertPlanner:
    config = Config.model_validate({"policy": {"regions": [REGION]}})
    assert tuple(config.policy.kinds) == KINDS
    return AlertPlanner(config, TravelTimes.load(), [])


def run(quick: bool) -> BenchmarkResult:
    count, rounds = (20_000, 1) if quick else (1_000_000, 5)
    with tempfile.TemporaryDirectory() as folder:
        where, csv = Path(folder) / "ew.sqlite", Path(folder) / "devices.csv"
        write_csv(csv, count)
        import_s = seconds(lambda: asyncio.run(register(where, csv)))
        database, made = Database(where), planner()

        def load() -> None:
            made.set_groups(made.prepare([read_targets(database, KINDS)]), 0.0)

        loads = [seconds(load) for _ in range(rounds)]
        made.prepare_change(read_targets(database, KINDS, ["d-00000000"]), [])  # its index is made
        changes = []
        for number in range(rounds):
            one = RegisteredDevice(f"new-{number}", "tv", 29.0, 103.0)
            asyncio.run(_register_one(where, one))

            def change(name: str = one.device_id) -> None:
                found = read_targets(database, KINDS, [name])
                assert len(found) == 1
                made.set_groups(made.prepare_change(found, []), 0.0)

            changes.append(seconds(change))
    rows: list[dict[str, object]] = [
        {"what": f"{count:,} devices, CSV to SQLite", "s": round(import_s, 2)},
        {"what": f"{count:,} devices, SQLite to columns", "s": round(median(loads), 2)},
        {"what": "one device more, read and in use", "s": round(median(changes), 4)},
    ]
    if quick:
        return BenchmarkResult(NAME, rows, [])
    budgets = [
        budget(NAME, "1,000,000 devices into columns", median(loads)),
        budget(NAME, "one device more", median(changes) * 1e3),
    ]
    return BenchmarkResult(NAME, rows, budgets)


async def _register_one(where: Path, device: RegisteredDevice) -> None:
    async with Store(where) as store:
        await store.register(device)
