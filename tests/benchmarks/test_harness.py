import json
import sys
from types import ModuleType

import pytest

from benchmarks import __main__ as command
from benchmarks import harness
from benchmarks.harness import BenchmarkResult, Budget


def _listed(monkeypatch, name, run):
    module = ModuleType(f"benchmarks.{name}")
    module.run = run
    monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)
    monkeypatch.setattr(harness, "names", lambda: [name])


def _with(budget):
    return lambda quick: BenchmarkResult("trial", [{"n": 1, "quick": quick}], [budget])


def test_a_kept_budget_exits_0_and_writes_the_fixed_json(monkeypatch, tmp_path):
    _listed(monkeypatch, "trial", _with(Budget("fast", 1.0, 2.0, "ms", ok=True)))
    target = tmp_path / "out.json"
    assert command.main(["trial", "--quick", "--json", str(target)]) == 0
    body = json.loads(target.read_text())
    assert body["machine"]["cores"] >= 1
    assert body["benchmarks"][0]["name"] == "trial"
    assert body["benchmarks"][0]["rows"] == [{"n": 1, "quick": True}]
    assert body["benchmarks"][0]["budgets"] == [
        {"name": "fast", "value": 1.0, "limit": 2.0, "unit": "ms", "ok": True}
    ]


def test_a_missed_budget_exits_1(monkeypatch, capsys):
    _listed(monkeypatch, "trial", _with(Budget("fast", 3.0, 2.0, "ms", ok=False)))
    assert command.main([]) == 1
    assert "MISSED fast" in capsys.readouterr().out


def test_a_broken_benchmark_is_reported_and_exits_1(monkeypatch, capsys):
    def broken(quick):
        raise RuntimeError("no broker")

    _listed(monkeypatch, "trial", broken)
    assert command.main([]) == 1
    assert "ERROR RuntimeError: no broker" in capsys.readouterr().out


def test_an_unknown_name_exits_2(capsys):
    with pytest.raises(SystemExit) as stop:
        command.main(["nonsense"])
    assert stop.value.code == 2
    assert "no benchmark 'nonsense'" in capsys.readouterr().err


def test_percentiles_are_samples_not_averages():
    assert harness.percentile([1.0, 2.0, 3.0, 100.0], 99) == 100.0
    assert harness.percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.0


def test_candidates_take_turns():
    calls = []
    harness.alternate(2, {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")})
    assert calls == ["a", "b", "a", "b", "a", "b"]


def test_every_limit_names_its_unit():
    for entries in harness._limits().values():
        for entry in entries.values():
            assert isinstance(entry["limit"], int | float)
            assert entry["unit"]
