"""The shortest form of ``benchmarks faults``: one fault amid one earthquake, with real
processes."""

from benchmarks.faults import is_unsaid, row, try_case
from benchmarks.faulty import cases
from benchmarks.faulty.cases import Case, at, kill_broker
from benchmarks.faulty.stage import PHONES, Outcome


async def test_the_broker_killed_amid_the_alerts_costs_nobody_an_alert() -> None:
    case = Case("broker killed during", at("during", kill_broker), says="broker", stops_path=True)
    outcome = await try_case(case)
    assert len(outcome.first_s) == PHONES
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
