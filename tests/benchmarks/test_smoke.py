"""Every benchmark still runs: its quick form, in its own process. Budgets are for the real sizes
and not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import harness

ROOT = Path(__file__).parents[2]
IN_REAL_TIME = {"faults", "kills", "soak"}
"""Their quick forms take minutes; ``test_faults.py`` runs a part of them."""


@pytest.mark.parametrize("name", sorted(set(harness.names()) - IN_REAL_TIME))
def test_quick_form_runs_and_gives_rows_and_budgets(name: str, tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    call = [sys.executable, "-m", "benchmarks", name, "--quick", "--json", str(target)]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode in {0, 1}, done.stderr
    (result,) = json.loads(target.read_text(encoding="utf-8"))["benchmarks"]
    assert result["error"] is None
    assert result["rows"]
    assert all(budget["unit"] for budget in result["budgets"])
