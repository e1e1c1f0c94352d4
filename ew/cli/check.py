"""``ew config check``: finds mistakes in a configuration whose keys and values are all allowed."""

import json
from pathlib import Path

import numpy as np

from ew.config import Config
from ew.errors import ConfigError
from ew.geo import distance_km, in_polygon
from ew.records import Inventory
from ew.seeds import seed_path
from ew.sources.inventory import read_inventory

MOST_LATITUDE = 90.0
NEAR_KM = 500.0
"""A region farther than this from every station, km, is a mistake: no wave can be foreseen
there."""


def check_regions(config: Config, file: Path) -> None:
    """Check that each region has a station in it or near it, where the inventory is a file.

    Raises:
        ConfigError: a region is far from all stations.
        InputError: the inventory can't be read.
    """
    where = config.service.inventory
    if where is None or "://" in where or not config.policy.regions:
        return
    inventory = read_inventory(Path(where)).channels
    for region in config.policy.regions:
        if not _is_near(region.polygon, inventory):
            turned = [(lon, lat) for lat, lon in region.polygon if abs(lon) <= 90]
            is_turned = len(turned) == len(region.polygon) and _is_near(turned, inventory)
            hint = "; its corners are [lon, lat], give [latitude, longitude]" if is_turned else ""
            raise ConfigError(
                f"{file}: policy.regions {region.name!r}: no station within {NEAR_KM:.0f} km{hint}"
            )


def region_doubts(config: Config) -> list[str]:
    """Name the regions that hold no city, and would hold one if their corners were [lon, lat].

    Only regions that ``check_regions`` can't hold against stations are looked at. Cities are those
    of 50,000 people and more (seeds/map). A region without one may be meant: this is a warning, no
    mistake.
    """
    where = config.service.inventory
    if where is not None and "://" not in where:
        return []
    rows = json.loads(seed_path("map", "cities.json").read_text(encoding="utf-8"))["rows"]
    latitudes, longitudes = np.array([row[2:4] for row in rows], dtype=np.float64).T
    found = []
    for region in config.policy.regions:
        turned = [(lon, lat) for lat, lon in region.polygon if abs(lon) <= MOST_LATITUDE]
        if len(turned) < len(region.polygon):
            continue
        if in_polygon(latitudes, longitudes, region.polygon).any():
            continue
        held = np.flatnonzero(in_polygon(latitudes, longitudes, turned))
        if len(held):
            found.append(
                f"policy.regions {region.name!r} holds no city; with its corners turned round it "
                "holds "
                f"{rows[held[0]][0]}: corners are [latitude, longitude]"
            )
    return found


def _is_near(polygon: list[tuple[float, float]], inventory: Inventory) -> bool:
    places = {(c.latitude, c.longitude) for c in inventory.values()}
    return any(
        in_polygon(*place, polygon).any()
        or any(float(distance_km(*place, *corner)) <= NEAR_KM for corner in polygon)
        for place in places
    )
