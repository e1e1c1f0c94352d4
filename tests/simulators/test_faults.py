"""What a bad line does to records, each fault by itself."""

import random

import pytest

from simulators.faults import Action, Cut, Faults, Send, Wait, disturbed

RECORDS = ["a", "b", "c"]


def done(**rates: float) -> list[Action[str]]:
    return list(disturbed(RECORDS, Faults(**rates), random.Random(0), lambda r: f"not {r}"))


def test_good_line_sends_what_it_is_given() -> None:
    assert done() == [Send("a"), Send("b"), Send("c")]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("cut", [Cut(), Send("a"), Cut(), Send("b"), Cut(), Send("c")]),
        ("delay", [Wait(2.0), Send("a"), Wait(2.0), Send("b"), Wait(2.0), Send("c")]),
        ("duplicate", [Send(r) for r in "aabbcc"]),
        ("reorder", [Send("b"), Send("a"), Send("c")]),
        ("garbage", [Send(r) for r in ("a", "not a", "b", "not b", "c", "not c")]),
    ],
)
def test_each_fault_does_its_own_harm(fault: str, expected: list[Action[str]]) -> None:
    assert done(**{fault: 1.0}) == expected


def test_rates_are_shares_of_the_records() -> None:
    many = list(range(20_000))
    actions = list(disturbed(many, Faults(delay=0.1, duplicate=0.2), random.Random(1), int))
    assert 1800 < sum(isinstance(a, Wait) for a in actions) < 2200
    assert 23_700 < sum(isinstance(a, Send) for a in actions) < 24_300
