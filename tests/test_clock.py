"""The clock passes data time at its rate."""

import math

import pytest

from ew.clock import Clock


async def test_clock_at_infinite_rate_jumps_to_what_is_waited_for() -> None:
    clock = Clock(start_ns=1_000, rate=math.inf)
    assert clock.now_ns() == 1_000
    await clock.wait_until(3_600_000_000_000)
    assert clock.now_ns() == 3_600_000_000_000


async def test_clock_at_infinite_rate_never_runs_backwards() -> None:
    clock = Clock(start_ns=5_000, rate=math.inf)
    await clock.wait_until(1_000)
    assert clock.now_ns() == 5_000


async def test_waiting_returns_at_or_after_the_moment() -> None:
    clock = Clock(start_ns=0, rate=1000.0)
    await clock.wait_until(5_000_000_000)
    assert clock.now_ns() >= 5_000_000_000 * 0.99  # the timer may wake a hair early


def test_clock_can_be_set() -> None:
    clock = Clock(start_ns=0, rate=1.0)
    clock.jump_to(10**18)
    assert clock.now_ns() >= 10**18


def test_clock_that_stands_still_is_refused() -> None:
    with pytest.raises(ValueError, match="above 0"):
        Clock(rate=0.0)
