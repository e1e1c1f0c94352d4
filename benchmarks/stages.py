"""Stage by stage: from the packets that complete an earthquake's declaration to the last phone.

The scenario's synthetic stations feed the product's pipeline at full speed; the tick that declares
the event is timed, then its plan, the first publish and every phone's receipt over the embedded
broker. Each round is an event of its own.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.harness import BenchmarkResult, budget, median, percentile
from benchmarks.rounds import publisher_to
from ew.alerts.planner import AlertPlanner
from ew.config import Config, PolicyConfig
from ew.config.policy import KindPolicy
from ew.delivery.broker import open_broker
from ew.delivery.publisher import Publisher
from ew.errors import BrokerError
from ew.pipeline import Output, Pipeline
from ew.shaking.targets import Targets, cell_of, cell_targets
from ew.traveltimes import TravelTimes
from simulators import population, scenario
from simulators.fleet import topic_of
from simulators.swarm import MARK, Swarm

NAME = "stages"
SCENARIO = "changning"
PHONES = 10_000
PACKET_S = 1.0
POLICY = PolicyConfig(mode="test", kinds={"phone": KindPolicy(min_intensity=1.0, address="cell")})


def declare(config: Config, travel_times: TravelTimes) -> tuple[Output, float]:
    """What the tick that declares the scenario's earthquake brings, and how many ms it took."""
    play = scenario.load(SCENARIO).play()
    pipeline = Pipeline(config, play.inventory, travel_times)
    for now_ns, packets in pipeline.moments(list(play.packets(PACKET_S))):
        begun = time.perf_counter()
        output = pipeline.feed(packets, now_ns)
        if output.versions:
            return output, 1e3 * (time.perf_counter() - begun)
    raise BrokerError(f"the scenario {SCENARIO} declares no earthquake")


async def _round(
    number: int, planner: AlertPlanner, found: Output, swarm: Swarm, out: Publisher
) -> dict[str, float]:
    now_s = time.time()
    first = found.versions[0]
    origin = replace(first.origin, time_s=now_s - (first.issued_s - first.origin.time_s))
    version = replace(first, event_id=f"{MARK.decode()}{number:03d}", origin=origin, issued_s=now_s)
    start_ns = time.time_ns()
    (plan,) = planner.plan(version, now_s)
    planned_ns = time.time_ns()
    out.submit(plan)
    report = await swarm.report(number, within_s=10.0)
    await out.drain()
    sent_ns = [record.sent_ns for record in out.take_acknowledged()]
    return {
        "version -> plan": (planned_ns - start_ns) / 1e6,
        "version -> first publish": (min(sent_ns) - start_ns) / 1e6,
        "version -> last publish": (max(sent_ns) - start_ns) / 1e6,
        "version -> half of the phones": (percentile(report.times_ns, 50) - start_ns) / 1e6,
        "version -> 99 % of the phones": (percentile(report.times_ns, 99) - start_ns) / 1e6,
        "version -> last phone": (max(report.times_ns) - start_ns) / 1e6,
        "phones reached": report.reached,
    }


async def _run(quick: bool) -> BenchmarkResult:
    config, travel_times = Config(policy=POLICY), TravelTimes.load()
    found, declared_ms = declare(config, travel_times)
    phones = population.draw(500 if quick else PHONES, 0, seed=1)
    cells: Targets = cell_targets({cell_of(phone.latitude, phone.longitude) for phone in phones})
    planner = AlertPlanner(config, travel_times, [cells], key_id="bench")
    (plan,) = planner.plan(found.versions[0], found.versions[0].issued_s)
    told = set(map(plan.topic, range(len(plan))))
    topics = [[topic_of(phone)] for phone in phones if topic_of(phone) in told]
    async with (
        open_broker("embedded") as broker,
        Swarm(broker, topics, qos=1) as swarm,
        publisher_to(broker, 1) as out,
    ):
        rounds = [
            await _round(number, planner, found, swarm, out) for number in range(3 if quick else 8)
        ]
    return _result(declared_ms, rounds[1:], len(topics), len(plan))


def _result(
    declared_ms: float, rounds: Sequence[dict[str, float]], phones: int, cells: int
) -> BenchmarkResult:
    rows: list[dict[str, object]] = [
        {"stage": "packets -> picks -> version", "median_ms": declared_ms, "most_ms": declared_ms}
    ]
    for stage in rounds[0]:
        if stage != "phones reached":
            values = [one[stage] for one in rounds]
            rows.append({"stage": stage, "median_ms": median(values), "most_ms": max(values)})
    missed = sum(phones - one["phones reached"] for one in rounds)
    first_ms = median([one["version -> first publish"] for one in rounds])
    notes = [f"{SCENARIO}, {PACKET_S:g} s packets: {phones} phones in {cells} alerted cells"]
    budgets = [
        budget(NAME, "version to first publish", first_ms),
        budget(NAME, "phones not reached", missed),
    ]
    return BenchmarkResult(NAME, rows, budgets, notes)


def run(quick: bool) -> BenchmarkResult:
    """Measure the stages."""
    return asyncio.run(_run(quick))
