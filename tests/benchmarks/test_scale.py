"""The queues behind docs/scale.md: the arithmetic of queues, and what an order can and can't do."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scale import World, brokers_needed, cells_of, deliver, queue_ends, sending_order
from ew.traveltimes import TravelTimes

SMALL = replace(World(), concerned=2_000_000, reach_km=150.0)
jobs = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)), min_size=1, max_size=50)


@given(jobs)
def test_a_server_never_idles_with_work_and_never_does_two_jobs_at_once(
    work: list[tuple[float, float]],
) -> None:
    arrivals = np.sort([arrival for arrival, _ in work])
    takes = np.array([take for _, take in work])
    begin, end = queue_ends(arrivals, takes)
    assert begin == pytest.approx(np.maximum(arrivals, np.concatenate([[0.0], end[:-1]])), abs=1e-6)
    assert end - begin == pytest.approx(takes, abs=1e-6)


def test_random_arrivals_wait_as_the_closed_form_says() -> None:
    rng, load = np.random.default_rng(1), 0.7
    arrivals = np.cumsum(rng.exponential(1.0, 400_000))
    begin, _ = queue_ends(arrivals, np.full(len(arrivals), load))
    # M/D/1 (Pollaczek 1930, Khinchin 1932): mean wait = load * service / (2 (1 - load))
    assert (begin - arrivals).mean() == pytest.approx(load * load / (2 * (1 - load)), rel=0.05)


def test_each_cell_is_sent_once_whatever_the_order(travel_times: TravelTimes) -> None:
    rng = np.random.default_rng(2)
    cells = cells_of(SMALL, travel_times, rng)
    for order in ("ew", "random", "nearest"):
        assert sorted(sending_order(cells, 4.5, order, rng)) == list(range(len(cells.people)))
    assert cells.people.sum() == SMALL.concerned


def test_our_order_tells_no_fewer_in_time_than_random(travel_times: TravelTimes) -> None:
    cells = cells_of(SMALL, travel_times, np.random.default_rng(3))
    for brokers in (2, 5, 20):
        ours, theirs = (
            deliver(SMALL, cells, brokers, order, regional=False, seed=4).share_in_time()
            for order in ("ew", "random")
        )
        assert ours >= theirs


def test_more_time_takes_fewer_brokers_and_regions_take_more(travel_times: TravelTimes) -> None:
    cells = cells_of(SMALL, travel_times, np.random.default_rng(5))
    fast = brokers_needed(SMALL, cells, 1.0, regional=False, seed=6)
    slow = brokers_needed(SMALL, cells, 3.0, regional=False, seed=6)
    assert slow < fast < brokers_needed(SMALL, cells, 1.0, regional=True, seed=6)
