"""``ew config check``: finds mistakes in a configuration whose keys and values are all allowed."""

from pathlib import Path

from ew.config import Config
from ew.errors import ConfigError
from ew.geo import distance_km, in_polygon
from ew.records import Inventory
from ew.sources.inventory import read_inventory

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


def _is_near(polygon: list[tuple[float, float]], inventory: Inventory) -> bool:
    places = {(c.latitude, c.longitude) for c in inventory.values()}
    return any(
        in_polygon(*place, polygon).any()
        or any(float(distance_km(*place, *corner)) <= NEAR_KM for corner in polygon)
        for place in places
    )
