"""PURE: compile location and sizing before the first earthquake needs them."""

import numpy as np

from ew.config import Config
from ew.locate.events import EventEngine
from ew.records import Channel, Packet, Pick
from ew.times import NS_PER_S
from ew.traveltimes import TravelTimes


def warm_up_locate(config: Config, travel_times: TravelTimes) -> None:
    """Compile (or load) the kernels by locating and sizing an event of four stations."""
    inventory = {
        f"XX.W{i}..HN{c}": Channel(
            f"XX.W{i}..HN{c}", 30.0 + i % 2 * 0.2, 100.0 + i // 2 * 0.2, 0.0, 1.0, "M/S**2"
        )
        for i in range(4)
        for c in "ZNE"
    }
    engine = EventEngine(config, inventory, travel_times)
    rng = np.random.default_rng(0)
    packets = [Packet(seed_id, 0, 100.0, rng.normal(size=5000)) for seed_id in inventory]
    picks = [
        Pick(seed_id, (40 + i) * NS_PER_S, (40 + i) * NS_PER_S, 10.0, period_s=0.2, amplitude=1.0)
        for i, seed_id in enumerate(s for s in inventory if s.endswith("Z"))
    ]
    engine.feed((), packets, 49.0)
    engine.feed(picks, (), 50.0)
    engine.feed((), (), 51.0)
