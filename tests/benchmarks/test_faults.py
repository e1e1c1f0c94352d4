"""The short form of ``benchmarks faults``: a fault of each kind amid one earthquake, with real
processes."""

import pytest

from benchmarks.faults import is_unsaid, row, try_case
from benchmarks.faulty import cases
from benchmarks.faulty.cases import Case
from benchmarks.faulty.stage import PHONES, Outcome

SHORT = (
    ("broker killed during", "embedded"),
    ("service killed before", "embedded"),
    ("link frozen during", "proxied"),
    ("1,000 garbage picks/s", "proxied"),
    ("clock 5 s back", "embedded"),
    ("disk full", "embedded"),
    ("1,000 WebSockets, 334 deaf", "embedded"),
)


@pytest.mark.parametrize(("name", "broker"), SHORT)
async def test_a_fault_costs_nobody_an_alert_and_is_named(name: str, broker: str) -> None:
    [case] = [c for c in cases.cases() if (c.name, c.setting.broker) == (name, broker)]
    if case.lacks:
        pytest.skip(case.lacks)
    outcome = await try_case(case)
    assert len(outcome.first_s) == PHONES, outcome.log[-4000:]
    assert (outcome.doubled, outcome.ghosts) == (0, 0)
    assert outcome.is_alive
    assert not is_unsaid(case, outcome), outcome.health


def test_a_row_counts_what_was_lost_late_doubled_and_too_many() -> None:
    undisturbed = Outcome({"a": 3.0, "b": 3.0, "c": 4.0}, {"a": 1}, {"ew1"})
    outcome = Outcome({"a": 3.5, "b": 5.0}, {"a": 2, "b": 1}, {"ew1", "ew2"}, ["ok", "broker lost"])
    case = Case("x", cases.nothing, says="lost")
    found = row(case, outcome, undisturbed)
    assert (found["lost"], found["doubled"], found["ghosts"]) == (1, 1, 1)
    assert (found["late_s p50"], found["late_s max"]) == (1.25, 2.0)
    assert found["health"] == "broker lost"
    assert not is_unsaid(case, outcome)
    assert is_unsaid(Case("x", cases.nothing, says="journal"), outcome)
