"""PURE: the station and the sensor of a channel, and each sensor's vertical.

A sensor is what one instrument records: the channels whose SEED ids differ in the orientation code
alone (``NET.STA.LOC.BI?``). Its vertical is the channel whose dip is +-90 degrees (StationXML),
else the one with orientation code Z, else 3 beside 1 and 2 (FDSN source identifiers, 2021).
"""

from collections.abc import Iterable, Mapping

from ew.records import Inventory

VERTICAL_DIP_DEG = 85.0
"""A dip beyond this, degrees, counts as vertical: catalogues state the tilt of boreholes to a
degree."""


def sensor_of(seed_id: str) -> str:
    """The sensor a channel belongs to: its SEED id without the orientation code."""
    return seed_id[:-1]


def station_of(seed_id: str) -> str:
    """``NET.STA``: several channels or sensors of one station count as one."""
    return seed_id[: seed_id.index(".", seed_id.index(".") + 1)]


def verticals_of(inventory: Inventory) -> dict[str, str]:
    """The SEED id of each sensor's vertical channel; a sensor without one is missing."""
    sensors: dict[str, list[str]] = {}
    for seed_id in inventory:
        sensors.setdefault(sensor_of(seed_id), []).append(seed_id)
    found = {sensor: _vertical(inventory, ids) for sensor, ids in sensors.items()}
    return {sensor: seed_id for sensor, seed_id in found.items() if seed_id is not None}


def is_vertical(seed_id: str, verticals: Mapping[str, str]) -> bool:
    """Whether a channel is its sensor's vertical; by its code where the sensor is not listed."""
    sensor = sensor_of(seed_id)
    return verticals.get(sensor, f"{sensor}Z") == seed_id


def without_vertical(inventory: Inventory) -> list[str]:
    """The sensors without a vertical channel, on which nothing is picked."""
    verticals = verticals_of(inventory)
    return sorted({sensor_of(seed_id) for seed_id in inventory} - set(verticals))


def _vertical(inventory: Inventory, seed_ids: Iterable[str]) -> str | None:
    ids = sorted(seed_ids)
    by_dip = [s for s in ids if _is_steep(inventory[s].dip_deg)]
    by_name = [s for s in ids if s.endswith("Z")]
    by_number = [s for s in ids if s.endswith("3")]
    is_numbered = {"1", "2"} <= {seed_id[-1] for seed_id in ids}
    for candidates in (by_dip, by_name, by_number if is_numbered else []):
        if candidates:
            return candidates[0]
    return None


def _is_steep(dip_deg: float | None) -> bool:
    return dip_deg is not None and abs(dip_deg) >= VERTICAL_DIP_DEG
