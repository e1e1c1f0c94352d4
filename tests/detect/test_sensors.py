"""Three-component sensors: what a horizontal shows clearly counts on the vertical sooner, and alone
it is nothing."""

import numpy as np
import pytest

from ew import Packet, Pick, PickerBank
from ew.detect.sensors import SensorPicker
from ew.times import NS_PER_S

RATE = 100.0
P_S = 30.0


def ground(seed: int, z: np.ndarray, n: np.ndarray) -> dict[str, np.ndarray]:
    """45 s of three components of white noise of 1 and, from P on, a 4 Hz wave of the amplitudes
    given.
    """
    rng = np.random.default_rng(seed)
    t = np.arange(round(45 * RATE)) / RATE
    wave = np.where(t >= P_S, np.sin(2 * np.pi * 4 * (t - P_S)), 0.0)
    since = np.clip(t - P_S, 0.0, None)
    shape = {
        "Z": np.interp(since, np.arange(len(z)), z),
        "N": np.interp(since, np.arange(len(n)), n),
    }
    return {c: rng.normal(size=len(t)) + shape.get(c, np.zeros(1)) * wave for c in "ZNE"}


def picks(rows: dict[str, np.ndarray], components: str, packet_s: float = 0.1) -> list[Pick]:
    sensors, step = SensorPicker(PickerBank()), round(packet_s * RATE)
    found = []
    for first in range(0, len(rows["Z"]), step):
        found += sensors.process(
            [
                Packet(
                    f"XX.A..HN{c}",
                    round(first / RATE * NS_PER_S),
                    RATE,
                    rows[c][first : first + step],
                )
                for c in components
            ]
        )
    return found


def delay_s(found: list[Pick]) -> float:
    """When P was first decided, s after it began; it must be there."""
    ours = [pick for pick in found if abs(pick.time_ns / NS_PER_S - P_S) < 0.6]
    assert ours
    assert {pick.seed_id for pick in found} == {"XX.A..HNZ"}
    return min(pick.decided_ns for pick in ours) / NS_PER_S - P_S


EMERGENT = np.array([1.6, 2.5, 8.0])
CLEAR = np.array([6.0, 6.0, 6.0])


def test_emergent_p_is_picked_sooner_where_a_horizontal_shows_it() -> None:
    sooner = [
        delay_s(picks(ground(seed, EMERGENT, CLEAR), "Z"))
        - delay_s(picks(ground(seed, EMERGENT, CLEAR), "ZNE"))
        for seed in range(12)
    ]
    assert min(sooner) >= 0
    assert np.mean(sooner) > 0.2


@pytest.mark.parametrize("packet_s", [0.1, 1.0])
def test_what_a_horizontal_alone_shows_is_no_pick(packet_s: float) -> None:
    for seed in range(5):
        assert picks(ground(seed, np.zeros(3), CLEAR), "ZNE", packet_s) == []


def test_noise_makes_no_more_picks_with_three_components_than_with_one() -> None:
    rng = np.random.default_rng(5)
    rows = {c: rng.normal(size=round(3600 * RATE)) for c in "ZNE"}
    assert len(picks(rows, "ZNE", 1.0)) <= len(picks(rows, "Z", 1.0)) + 1


def test_sensors_without_horizontals_are_picked_as_by_the_bank() -> None:
    rows = ground(1, CLEAR, CLEAR)
    packet = Packet("XX.A..HNZ", 0, RATE, rows["Z"])
    assert SensorPicker(PickerBank()).process([packet]) == PickerBank().process([packet])
