"""Rounds of alerts to a crowd of devices, timed: what the benchmarks of delivery share.

A round is one new event, told to all devices; ``Measured`` gathers the times between the moment the
plan was handed to the publisher and the moments the clients had it.
"""

import contextlib
import math
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import h3
import numpy as np

from benchmarks.harness import median, percentile
from ew.alerts.message import TOPIC_CELL, TOPIC_DEVICE
from ew.alerts.planner import AlertPlan, AlertPlanner
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.config import Config, DeliveryConfig, PolicyConfig
from ew.delivery.publisher import Publisher
from ew.errors import BrokerError
from ew.records import EventVersion, Origin
from ew.shaking.targets import Targets, cell_of, cell_targets, device_targets
from ew.traveltimes import TravelTimes
from simulators.swarm import MARK, Swarm

LATITUDE, LONGITUDE = 30.6, 104.0
"""The epicentre, degrees."""
CELLS_WITHIN = 6
"""Rings of H3 cells about the epicentre: 127 cells."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Crowd:
    """Devices for the benchmark: their topics and the planner's view of them."""

    topics: list[tuple[str, str]]
    cells: Targets
    devices: Targets


@dataclass
class Measured:
    """All rounds of one case."""

    size: int
    latencies_ms: list[float] = field(default_factory=list)
    lasts_ms: list[float] = field(default_factory=list)
    p99s_ms: list[float] = field(default_factory=list)
    reached: list[int] = field(default_factory=list)

    def add(self, start_ns: int, times_ns: Sequence[int], reached: int) -> None:
        found = (np.array(times_ns, np.int64) - start_ns) / 1e6
        self.latencies_ms += found.tolist()
        self.lasts_ms.append(float(found.max()) if len(found) else math.inf)
        self.p99s_ms.append(percentile(found.tolist(), 99) if len(found) else math.inf)
        self.reached.append(reached)

    def row(self, case: str, qos: int, by: str) -> dict[str, object]:
        return {
            "case": case,
            "devices": self.size,
            "qos": qos,
            "by": by,
            "reached": min(self.reached),
            "p50_ms": percentile(self.latencies_ms, 50),
            "p99_ms": percentile(self.latencies_ms, 99),
            "last_ms": median(self.lasts_ms),
        }


def crowd(size: int) -> Crowd:
    """Devices spread evenly over the cells about the epicentre."""
    cells = sorted(h3.grid_disk(cell_of(LATITUDE, LONGITUDE), CELLS_WITHIN))
    ids = [f"tv-{number:06d}" for number in range(size)]
    places = np.array([h3.cell_to_latlng(cells[number % len(cells)]) for number in range(size)])
    topics = [
        (TOPIC_CELL.format(cells[number % len(cells)]), TOPIC_DEVICE.format(ids[number]))
        for number in range(size)
    ]
    kinds = np.full(size, list(Config().policy.kinds).index("tv"), np.uint8)
    used = cells[:size]
    return Crowd(topics, cell_targets(used), device_targets(ids, kinds, places[:, 0], places[:, 1]))


def plan_for(targets: Targets, number: int) -> AlertPlan:
    """A plan that tells all of them of a new event."""
    config = Config(policy=PolicyConfig(mode="test"))
    planner = AlertPlanner(config, TravelTimes.load(), [targets], key_id="bench")
    now_s = time.time()
    origin = Origin(now_s - 4.0, LATITUDE, LONGITUDE, 15.0, 7.8)
    name = f"{MARK.decode()}{number:03d}"
    (plan,) = planner.plan(EventVersion(name, 1, "alert", now_s, origin, 6), now_s)
    if len(plan) != len(targets):
        raise BrokerError(f"only {len(plan)} of {len(targets)} targets are in the plan")
    return plan


@contextlib.asynccontextmanager
async def publisher_to(
    broker: BrokerAddress, qos: int, *, retain: bool = False
) -> AsyncIterator[Publisher]:
    signer = Signer.ephemeral("bench", ("test",))
    async with Publisher(broker, signer, DeliveryConfig(qos=qos, retain=retain)) as publisher:
        yield publisher


async def rounds(
    publisher: Publisher, swarm: Swarm, targets: Targets, size: int, count: int, first: int
) -> Measured:
    """Several events; the one before the first is for warming up."""
    measured = Measured(size)
    await one_round(publisher, swarm, targets, first, Measured(size))
    for number in range(first + 1, first + count + 1):
        await one_round(publisher, swarm, targets, number, measured)
    return measured


async def one_round(
    publisher: Publisher, swarm: Swarm, targets: Targets, number: int, measured: Measured
) -> None:
    """One event, told to all."""
    plan = plan_for(targets, number)
    start_ns = time.time_ns()
    publisher.submit(plan)
    report = await swarm.report(number, within_s=10.0)
    await publisher.drain()
    measured.add(start_ns, report.times_ns, report.reached)


class Usage:
    """CPU seconds and memory of processes between two moments, from /proc."""

    def __init__(self, **pids: Sequence[int]) -> None:
        self._pids = pids
        self._before = {name: self._cpu_s(name) for name in pids}

    def columns(self, devices: int) -> dict[str, object]:
        row: dict[str, object] = {}
        for name, pids in self._pids.items():
            row[f"{name}_cpu_s"] = round(self._cpu_s(name) - self._before[name], 2)
            row[f"{name}_mb"] = round(sum(map(_memory_mb, pids)))
        row["kb_a_client"] = round(1024 * sum(map(_memory_mb, self._pids["clients"])) / devices, 1)
        return row

    def _cpu_s(self, name: str) -> float:
        return sum(map(_cpu_s, self._pids[name]))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def _memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * PAGE_BYTES / 1e6
