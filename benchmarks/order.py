"""What the order of sending is worth on a saturated broker: devices that have the alert before
their S-wave.

The embedded broker is slowed to a set rate of deliveries and carries a growing earthquake in three
versions to devices of their own topics, over TCP. Side by side, each over a broker of its own: ew's
order (lanes by harm, earliest S first, newer versions in the place of older ones), the order of
registration, random, and nearest to the epicentre first, these three without lanes and with every
version sent to its end. A device counts if the first message it has of the event is there before S
is, by the last version's origin.
"""

import asyncio
import contextlib
import dataclasses
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import BenchmarkResult, budget, median
from ew.alerts.lanes import AlertQueue, Due
from ew.alerts.message import TOPIC_CELL, TOPIC_DEVICE
from ew.alerts.planner import AlertPlan, AlertPlanner, SendingOrder
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.config import Config, DeliveryConfig, PolicyConfig
from ew.delivery.publisher import Publisher
from ew.records import EventVersion, Origin
from ew.shaking.targets import Targets, device_targets
from ew.traveltimes import TravelTimes
from simulators.swarm import MARK, Swarm

NAME = "order"
LATITUDE, LONGITUDE = 30.6, 104.0
TOWNS, TOWN_KM, WITHIN_KM = 25, 3.0, 90.0
KM_PER_DEGREE = 111.2
S_LEAVES_S = 36.0
"""S has passed the last of them by then: 127 km at some 3.5 km/s."""
USEFUL_S = 3.0
VERSIONS = ((4.0, 6.2, 0.08), (5.0, 6.6, 0.03), (6.5, 7.0, 0.0))
"""Seconds after the origin, magnitude, and by how many degrees the epicentre is off."""
Order = Callable[[AlertPlan], NDArray[np.int64]]


def people(count: int) -> Targets:
    """TVs in towns of very different sizes about the epicentre."""
    rng = np.random.default_rng(20261124)
    centres = rng.uniform(-WITHIN_KM, WITHIN_KM, (TOWNS, 2))
    sizes = 1.0 / np.arange(1, TOWNS + 1)  # Zipf's law of town sizes
    town = rng.choice(TOWNS, count, p=sizes / sizes.sum())
    places = centres[town] + rng.normal(0.0, TOWN_KM, (count, 2))
    kinds = np.full(count, list(Config().policy.kinds).index("tv"), np.uint8)
    latitudes = LATITUDE + places[:, 1] / KM_PER_DEGREE
    longitudes = LONGITUDE + places[:, 0] / KM_PER_DEGREE / np.cos(np.radians(LATITUDE))
    return device_targets([f"tv-{i:06d}" for i in range(count)], kinds, latitudes, longitudes)


class _InTurn(AlertQueue):
    """What the rivals have: every message of every version, one plan after the other, in a fixed
    order.
    """

    def __init__(self, order: Order) -> None:
        super().__init__()
        self._order = order
        self._rows: deque[Due] = deque()

    def put(self, plan: AlertPlan) -> None:
        fixed = cast("SendingOrder", self._order(plan))  # all a plan asks of its order is an index
        again = dataclasses.replace(plan, order=fixed)
        self._rows.extend(Due(again, place) for place in range(len(again)))

    def pop(self, now_s: float = 0.0) -> Due | None:
        del now_s
        return self._rows.popleft() if self._rows else None

    def __bool__(self) -> bool:
        return bool(self._rows)

    @property
    def pending(self) -> int:
        return len(self._rows)


def _nearest(plan: AlertPlan) -> NDArray[np.int64]:
    """By S travel time, which grows with distance."""
    return plan.chosen[np.argsort(plan.s_s[plan.chosen], kind="stable")]


def _random(plan: AlertPlan) -> NDArray[np.int64]:
    return np.random.default_rng(plan.version.version).permutation(plan.chosen)


ORDERS: dict[str, Callable[[], AlertQueue]] = {
    "ew": AlertQueue,
    "arrival": lambda: _InTurn(lambda plan: plan.chosen),
    "random": lambda: _InTurn(_random),
    "nearest": lambda: _InTurn(_nearest),
}


@contextlib.asynccontextmanager
async def limited_broker(rate: float) -> AsyncIterator[BrokerAddress]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.rivals.limited", str(rate)),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout
    try:
        yield BrokerAddress("127.0.0.1", int(await process.stdout.readline()))
    finally:
        process.terminate()
        await process.wait()


@dataclasses.dataclass(frozen=True)
class Told:
    """What came of one event sent in one order."""

    in_time: int
    useful: int  # by USEFUL_S or more
    lead_s: float  # median of those in time
    concerned: int


async def earthquake(
    broker: BrokerAddress, swarm: Swarm, targets: Targets, queue: AlertQueue, number: int
) -> Told:
    """Send the versions of one earthquake as they come; who had them in time."""
    config = Config(policy=PolicyConfig(mode="test"))
    planner = AlertPlanner(config, TravelTimes.load(), [targets], key_id="bench")
    signer = Signer.ephemeral("bench", ("test",))
    settings = DeliveryConfig(retain=False, window=4)
    async with Publisher(broker, signer, settings, queue=queue) as publisher:
        origin_s = time.time()
        for version, (after_s, magnitude, off) in enumerate(VERSIONS, 1):
            await asyncio.sleep(max(0.0, origin_s + after_s - time.time()))
            origin = Origin(origin_s, LATITUDE + off, LONGITUDE, 10.0, magnitude)
            name = f"{MARK.decode()}{number:03d}"
            (plan,) = planner.plan(
                EventVersion(name, version, "alert", time.time(), origin, 6), time.time()
            )
            publisher.submit(plan)
        report = await swarm.report(number, within_s=S_LEAVES_S - VERSIONS[-1][0])
    s_at = origin_s + plan.s_s.astype(np.float64)
    first = np.full(len(targets), np.inf)
    np.minimum.at(first, np.array(report.devices), np.array(report.times_ns) / 1e9)
    concerned = plan.chosen[s_at[plan.chosen] > origin_s + VERSIONS[0][0]]
    leads = (s_at - first)[concerned]
    in_time = leads[leads > 0]
    useful = int((leads >= USEFUL_S).sum())
    return Told(len(in_time), useful, float(np.median(in_time)), len(concerned))


async def _run(quick: bool) -> BenchmarkResult:
    count, rate, rounds = (200, 60.0, 1) if quick else (3_000, 60.0, 2)
    targets = people(count)
    topics = [(TOPIC_CELL.format("none"), TOPIC_DEVICE.format(one)) for one in targets.ids]
    found: dict[str, list[Told]] = {}

    async def rounds_of(name: str) -> None:
        async with limited_broker(rate) as broker, Swarm(broker, topics, qos=1) as swarm:
            found[name] = [
                await earthquake(broker, swarm, targets, ORDERS[name](), number)
                for number in range(rounds)
            ]

    # All at once, each with a broker of its own: those wait more than they work
    async with asyncio.TaskGroup() as group:
        for name in ORDERS:
            group.create_task(rounds_of(name), name=f"order-{name}")
    found = {name: found[name] for name in ORDERS}
    best = {name: median([told.in_time for told in each]) for name, each in found.items()}
    rows = [
        {
            "order": name,
            "devices": count,
            "deliveries/s": rate,
            "S still to come": each[0].concerned,
            "in time": best[name],
            "share_%": round(100.0 * best[name] / each[0].concerned, 1),
            f"{USEFUL_S:.0f} s ahead": median([told.useful for told in each]),
            "lead_p50_s": round(median([told.lead_s for told in each]), 1),
        }
        for name, each in found.items()
    ]
    rivals = max(value for name, value in best.items() if name != "ew")
    ratio = best["ew"] / max(1.0, rivals)
    # The quick form sends faster than S comes: there is nothing to judge
    judged = [] if quick else [budget(NAME, "in time, over the best other order", ratio)]
    return BenchmarkResult(NAME, rows, judged)


def run(quick: bool) -> BenchmarkResult:
    """Compare the orders."""
    return asyncio.run(_run(quick))
