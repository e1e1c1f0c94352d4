"""What every benchmark shares: the form of results, the budgets, timing in fair rounds, and machine
facts.

A benchmark is a module ``benchmarks/NAME.py`` with ``run(quick: bool) -> BenchmarkResult``. It
times its reference and its candidate in the same run, in turns, and judges its figures by
``budget(NAME, key, value)`` against ``budgets.toml``. ``rows`` are flat dicts: the first row's keys
are the table's columns.
"""

import json
import os
import pkgutil
import platform
import statistics
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import import_module
from itertools import groupby
from pathlib import Path

HERE = Path(__file__).parent
NOT_BENCHMARKS = {"rounds", "__main__", "harness"}

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Budget:
    """One figure against its limit; ``ok`` tells whether it holds."""

    name: str
    value: float
    limit: float
    unit: str
    ok: bool


@dataclass(frozen=True, slots=True)
class BenchmarkResult:
    """What one benchmark found; ``error`` is set by the harness when the benchmark itself broke;
    ``details`` go into the JSON alone.
    """

    name: str
    rows: Sequence[Row]
    budgets: Sequence[Budget] = ()
    notes: Sequence[str] = field(default_factory=tuple)
    error: str | None = None
    details: Sequence[Row] = ()

    @property
    def ok(self) -> bool:
        return self.error is None and all(budget.ok for budget in self.budgets)


@cache
def _limits() -> dict[str, dict[str, dict[str, object]]]:
    return tomllib.loads((HERE / "budgets.toml").read_text(encoding="utf-8"))


def budget(benchmark: str, name: str, value: float) -> Budget:
    """Judge ``value`` by the entry ``[benchmark.name]`` of ``budgets.toml``.

    An entry is ``{limit, unit}`` for "at most", with ``least = true`` for "at least".

    Raises:
        KeyError: ``budgets.toml`` has no such entry.
    """
    try:
        entry = _limits()[benchmark][name]
    except KeyError:
        raise KeyError(f"benchmarks/budgets.toml has no [{benchmark}.{name}]: add it") from None
    limit = float(str(entry["limit"]))
    ok = value >= limit if entry.get("least") else value <= limit
    return Budget(name, float(value), limit, str(entry["unit"]), bool(ok))


def alternate(
    rounds: int, candidates: Mapping[str, Callable[[], object]], warm_up: int = 1
) -> dict[str, list[float]]:
    """Seconds of each round of each candidate, taken in turns so that a slow moment hits all
    alike."""
    for call in candidates.values():
        for _ in range(warm_up):
            call()
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, call in candidates.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return times


def median(values: Sequence[float]) -> float:
    """The median, the figure every table gives."""
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The sample at or just above ``percent`` of all samples (nearest rank, never an average)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def machine_facts() -> dict[str, object]:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
        model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), model)
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load_1min": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": platform.platform(),
    }


def names() -> list[str]:
    """The benchmarks there are: every module here but the harness's own."""
    found = (m.name for m in pkgutil.iter_modules([str(HERE)]) if not m.ispkg)
    return sorted(name for name in found if name not in NOT_BENCHMARKS)


def run(name: str, *, quick: bool) -> BenchmarkResult:
    """Run one benchmark; a broken one is an errored result, so that the others still run."""
    try:
        result = import_module(f"benchmarks.{name}").run(quick)
    except Exception as error:  # noqa: BLE001 - reported by name, counted as a failure
        return BenchmarkResult(name, [], error=f"{type(error).__name__}: {error}")
    if not isinstance(result, BenchmarkResult):
        return BenchmarkResult(name, [], error=f"run() gave {type(result).__name__}")
    return result


def table(rows: Sequence[Row]) -> str:
    """The rows as text, one column for each key; rows that begin with another key make another
    table."""
    if not rows:
        return "  (no rows)"
    groups = [list(group) for _, group in groupby(rows, key=lambda row: next(iter(row)))]
    return "\n\n".join(_table(group) for group in groups)


def _table(rows: Sequence[Row]) -> str:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    cells = [keys, *([_text(row.get(key, "")) for key in keys] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(keys))]
    return "\n".join(
        "  " + "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _text(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_json(path: Path, results: Sequence[BenchmarkResult]) -> None:
    """Write the fixed form ``{"machine", "benchmarks": [{"name", "rows", "budgets"}]}``."""
    body = {"machine": machine_facts(), "benchmarks": [asdict(result) for result in results]}
    path.write_text(json.dumps(body, indent=1, default=float) + "\n", encoding="utf-8")
