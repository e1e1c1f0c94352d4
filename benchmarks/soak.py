"""Data at 20 times their speed with earthquakes, noise and faults: memory, open files, each
earthquake told once, none false.

All processes have clocks that run 20 times as fast (libfaketime). An hour of data takes three
minutes.
"""

import json
import shutil
import subprocess
import sys
from statistics import median

from benchmarks.harness import BenchmarkResult, budget

NAME = "soak"
SPEED = 20
SECONDS, QUICK_SECONDS = 3600, 480
WITHIN_S = 900


def run(quick: bool) -> BenchmarkResult:
    seconds = QUICK_SECONDS if quick else SECONDS
    if shutil.which("faketime") is None:
        raise RuntimeError("needs faketime: apt-get install faketime")
    call = ["faketime", "-f", f"+0 x{SPEED}", sys.executable, "-m", "benchmarks.faulty.soaking"]
    done = subprocess.run(
        [*call, str(seconds), str(SPEED)],
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found = json.loads(done.stdout.splitlines()[-1])
    missed = found["earthquakes"] - found["told once"] - found["told twice"]
    row: dict[str, object] = {
        "data_s": seconds,
        "earthquakes": found["earthquakes"],
        "told once": found["told once"],
        "faults": sum(found["faults"].values()),
        "false": found["false"],
        "mib first": _third(found["service_kib"], 1) / 1024,
        "mib last": _third(found["service_kib"], 2) / 1024,
        "files first": _third(found["service_files"], 1),
        "files last": _third(found["service_files"], 2),
    }
    figures = {
        "earthquakes missed": float(missed),
        "earthquakes told twice": float(found["told twice"]),
        "false events": float(found["false"]),
        "services that ended": float(not found["is_alive"]),
        "memory gained": (_third(found["service_kib"], 2) - _third(found["service_kib"], 1)) / 1024,
        "files left open": _third(found["service_files"], 2) - _third(found["service_files"], 1),
    }
    notes = [f"{kind}: {count} times" for kind, count in found["faults"].items()]
    budgets = [budget(NAME, name, value) for name, value in figures.items()]
    return BenchmarkResult(NAME, [row], budgets, notes, details=[found])


def _third(values: list[int], number: int) -> float:
    """The median of the second (1) or the last (2) third of the samples; the first warms up."""
    size = max(1, len(values) // 3)
    return float(median(values[number * size : (number + 1) * size] or values[-1:]))
