"""On paper, with queues: what a country takes, from what one broker was measured to do.

Simulated, not run: an M 7.5 concerns 60 of 300 million phones and 24 million TVs. Publishers send a
message a cell, in some order, to every broker that has subscribers of it; a broker sends a cell's
copies one after the other, first come first served, at its measured rate; a mobile network adds its
own delay. Connections are either spread over all brokers whatever the cell, or each region has its
own. Everything is drawn from one seed.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import BenchmarkResult, budget
from ew.traveltimes import TravelTimes

NAME = "scale"
Floats = NDArray[np.float64]
Order = Literal["ew", "random", "nearest"]

CELL_KM2 = 252.9
"""Mean area of an H3 cell of resolution 5."""


@dataclass(frozen=True)
class World:
    """What is taken for given; rates as measured by ``benchmarks delivery`` and ``stages`` on four
    shared cores.
    """

    connections: int = 324_000_000
    concerned: int = 60_000_000
    reach_km: float = 600.0
    """Intensity 2 of an M 7.5."""
    deliveries_s: float = 65_000.0
    """Of one broker: 10,000 devices at QoS 1 in 155 ms (p99)."""
    publishes_s: float = 4 * 18_000.0
    """Of four publishers on as many cores: signing is half of it."""
    told_s: float = 4.5
    """From the origin to the first version."""
    depth_km: float = 12.0
    town_spread: float = 1.8
    """Logarithmic spread of people a cell: half of them live in 4 % of the cells."""
    network_p50_s: float = 0.05
    network_spread: float = 0.6
    """A mobile network's downlink: log-normal, 50 ms in the middle, 200 ms at p99."""
    message_bytes: int = 800


@dataclass(frozen=True)
class Cells:
    """The cells concerned: people in each (K,) i8, S travel time in s and hypocentral distance in
    km (K,) f8."""

    people: NDArray[np.int64]
    s_s: Floats


def cells_of(world: World, table: TravelTimes, rng: np.random.Generator) -> Cells:
    """Cells about the epicentre, with people gathered in towns."""
    count = round(np.pi * world.reach_km**2 / CELL_KM2)
    away = world.reach_km * np.sqrt(rng.random(count))
    share = rng.lognormal(0.0, world.town_spread, count)
    people = rng.multinomial(world.concerned, share / share.sum())
    return Cells(people.astype(np.int64), table.s_s(away, world.depth_km))


def sending_order(
    cells: Cells, told_s: float, order: Order, rng: np.random.Generator
) -> NDArray[np.int64]:
    """In which order cells are sent: ew's is earliest S first of those still to come, the others
    after.
    """
    if order == "random":
        return rng.permutation(len(cells.people))
    nearest = np.argsort(cells.s_s, kind="stable")
    if order == "nearest":
        return nearest
    is_late = cells.s_s[nearest] <= told_s
    return np.concatenate([nearest[~is_late], nearest[is_late]])


def queue_ends(arrivals: Floats, work_s: Floats) -> tuple[Floats, Floats]:
    """Begin and end of each job of one server, first come first served (Lindley 1952): ``arrivals``
    in order, (K,) s."""
    done = np.cumsum(work_s)
    # end_k = max over j <= k of arrival_j + work_j + ... + work_k
    ends = done + np.maximum.accumulate(arrivals - (done - work_s))
    return ends - work_s, ends


@dataclass(frozen=True)
class Delivered:
    """Of a sample of devices: when they had it, s after the version, and whether S was still to
    come."""

    after_s: Floats
    lead_s: Floats

    def share_in_time(self) -> float:
        return float((self.lead_s > 0).mean())


def deliver(
    world: World, cells: Cells, brokers: int, order: Order, *, regional: bool, seed: int
) -> Delivered:
    """Send one version through a sample of brokers and see when their devices have it."""
    rng = np.random.default_rng(seed)
    sent = sending_order(cells, world.told_s, order, rng)
    arrivals = np.arange(1, len(sent) + 1) / world.publishes_s
    after, lead = [], []
    for _ in range(min(brokers, 12)):
        if regional:
            here = _neighbours(cells, world.connections / brokers, rng)[sent]
        else:
            here = rng.poisson(cells.people[sent] / brokers)
        begin, end = queue_ends(arrivals, here / world.deliveries_s)
        which = rng.choice(len(sent), 20_000, p=here / here.sum())
        queue_s = begin[which] + rng.random(len(which)) * (end - begin)[which]
        network = rng.lognormal(np.log(world.network_p50_s), world.network_spread, len(which))
        after.append(queue_s + network)
        lead.append(cells.s_s[sent][which] - world.told_s - after[-1])
    return Delivered(np.concatenate(after), np.concatenate(lead))


def _neighbours(cells: Cells, connections: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """People of each cell on one broker of a region: cells beside each other, up to as many as it
    has connections."""
    nearest = np.argsort(cells.s_s, kind="stable")
    ends = np.cumsum(cells.people[nearest])
    first = rng.random() * max(float(ends[-1]) - connections, 0.0)
    upto = np.clip(ends, first, first + connections)
    here = np.zeros(len(nearest), dtype=np.int64)
    here[nearest] = np.diff(upto, prepend=first).astype(np.int64)
    return here


def brokers_needed(
    world: World, cells: Cells, within_s: float, *, regional: bool, seed: int
) -> int:
    """The least number of brokers that has 99 % told within a time."""
    low, high = 1, 1
    while _p99(world, cells, high, regional, seed) > within_s:
        low, high = high, high * 2
        if high > 1_000_000:
            raise ValueError(f"no number of brokers tells 99 % within {within_s} s")
    while high - low > max(1, low // 50):
        middle = (low + high) // 2
        if _p99(world, cells, middle, regional, seed) > within_s:
            low = middle
        else:
            high = middle
    return high


def _p99(world: World, cells: Cells, brokers: int, regional: bool, seed: int) -> float:
    found = deliver(world, cells, brokers, "ew", regional=regional, seed=seed)
    return float(np.percentile(found.after_s, 99))


def run(quick: bool) -> BenchmarkResult:
    """Brokers and network for a country, and what the order is worth."""
    seed = 20261124
    world = World() if not quick else replace(World(), reach_km=200.0, concerned=6_000_000)
    cells = cells_of(world, TravelTimes.load(), np.random.default_rng(seed))
    rows = [
        _needed(world, cells, within_s, regional=regional, seed=seed)
        for within_s in (1.0, 3.0)
        for regional in (False, True)
    ]
    spread = next(row for row in rows if row["99 % within s"] == 3.0)
    brokers = int(str(spread["brokers"]))
    shares = {
        order: deliver(world, cells, brokers, order, regional=False, seed=seed).share_in_time()
        for order in ("ew", "random", "nearest")
    }
    notes = [
        f"{brokers} brokers, {order}: {share * 100:.2f} % of those concerned told before S"
        for order, share in shares.items()
    ]
    gain = (shares["ew"] - shares["random"]) * world.concerned
    notes.append(f"the order is worth {gain:,.0f} people against a random one")
    judged = [budget(NAME, "in time over random order", shares["ew"] / shares["random"])]
    return BenchmarkResult(NAME, rows, judged, notes)


def _needed(
    world: World, cells: Cells, within_s: float, *, regional: bool, seed: int
) -> dict[str, object]:
    brokers = brokers_needed(world, cells, within_s, regional=regional, seed=seed)
    found = deliver(world, cells, brokers, "ew", regional=regional, seed=seed)
    p50, p99 = np.percentile(found.after_s, [50, 99])
    return {
        "99 % within s": within_s,
        "connections": "by region" if regional else "spread",
        "brokers": brokers,
        "connections a broker": world.connections // brokers,
        "p50 s": round(float(p50), 2),
        "p99 s": round(float(p99), 2),
        "told before S %": round(found.share_in_time() * 100, 2),
        "Gbit/s a broker": round(world.deliveries_s * world.message_bytes * 8 / 1e9, 2),
    }
