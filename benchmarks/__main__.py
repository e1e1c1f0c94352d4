"""``python -m benchmarks [NAME…] [--quick] [--json FILE]``: run, print tables, judge the budgets.

Exit code 0 when all budgets hold, 1 when one is missed or a benchmark broke, 2 for wrong usage.
"""

import argparse
import sys
from pathlib import Path

from benchmarks import harness


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(harness.names()))
    parser.add_argument("--quick", action="store_true", help="small sizes, for a smoke run")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    given = parser.parse_args(argv)
    unknown = sorted(set(given.names) - set(harness.names()))
    if unknown:
        parser.error(f"no benchmark {unknown[0]!r}; there are: {', '.join(harness.names())}")
    return given


def _print(result: harness.BenchmarkResult) -> None:
    print(f"\n{result.name}")
    if result.error:
        print(f"  ERROR {result.error}")
        return
    print(harness.table(result.rows))
    for budget in result.budgets:
        word = "ok    " if budget.ok else "MISSED"
        print(f"  {word} {budget.name}: {budget.value:.4g} (limit {budget.limit:g}) {budget.unit}")
    for note in result.notes:
        print(f"  {note}")


def main(argv: list[str] | None = None) -> int:
    given = _arguments(argv)
    facts = harness.machine_facts()
    print(", ".join(f"{key} {value}" for key, value in facts.items()))
    results = []
    for name in given.names or harness.names():
        result = harness.run(name, quick=given.quick)
        _print(result)
        results.append(result)
    if given.json:
        harness.write_json(given.json, results)
    return 0 if all(result.ok for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
