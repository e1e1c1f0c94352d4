"""``ew region new``: a configuration for a region, and what its network can do there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ew.cli.check import check_regions
from ew.components import verticals_of
from ew.config import Config, load_config
from ew.errors import ConfigError, InputError
from ew.locate.coverage import Coverage, coverage_of
from ew.sources.inventory import read_inventory
from ew.traveltimes import TravelTimes

LATE_S = 10.0
"""An alert later than this after the origin, s, leaves a blind zone of some 35 km."""


@dataclass(frozen=True, slots=True)
class RegionOptions:
    """The values given on the command line."""

    name: str
    inventory: Path
    polygon: Path
    relation: str
    output: Path


def run_region_new(options: RegionOptions) -> None:
    """Write the configuration and print what the network can do.

    Raises:
        ConfigError: the polygon is none, or lies far from all stations, or the output exists.
        InputError: a file can't be read or written.
    """
    if options.output.exists():
        raise ConfigError(f"{options.output}: is there already")
    polygons = read_polygons(options.polygon)
    text = _configuration(options, polygons)
    try:
        options.output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{options.output}: can't be written: {error.strerror}") from error
    try:
        config = load_config(options.output)
        check_regions(config, options.output)
        lines = _reports(options, config)
    except (ConfigError, InputError):
        options.output.unlink()
        raise
    print(f"{options.output}  the configuration; `ew config check` finds no mistake in it")
    print("\n".join(lines))


def _reports(options: RegionOptions, config: Config) -> list[str]:
    inventory = read_inventory(options.inventory).channels
    verticals = [inventory[seed_id] for seed_id in verticals_of(inventory).values()]
    travel_times = TravelTimes.of(config.locate)
    lines = []
    for region in config.policy.regions:
        try:
            found = coverage_of(
                [one.latitude for one in verticals],
                [one.longitude for one in verticals],
                region.polygon,
                travel_times,
                config.locate.depth_km,
                config.locate.min_stations,
            )
        except ValueError as error:
            raise ConfigError(f"{options.inventory}: {error}") from error
        lines += _report(region.name, found, config)
    return [
        *lines,
        "measure first: noise and gains of each station (replay a quiet day), telemetry delay",
        "(`ew doctor`), the velocity model, the intensity relation, and replays of earthquakes",
    ]


def read_polygons(path: Path) -> list[list[tuple[float, float]]]:
    """The outer rings of a GeoJSON file's polygons, as (latitude, longitude) corners.

    Raises:
        InputError: the file can't be read, or is no GeoJSON with a polygon.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        rings = _rings(found)
        polygons = [[(float(lat), float(lon)) for lon, lat, *_ in ring] for ring in rings]
    except OSError as error:
        raise InputError(f"{path}: can't be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InputError(f"{path}: no GeoJSON of polygons (RFC 7946): {error}") from error
    if not polygons:
        raise InputError(f"{path}: no polygon in it")
    # The last corner of a ring repeats the first
    return [ring[:-1] if ring[0] == ring[-1] else ring for ring in polygons]


def _rings(geojson: dict[str, Any]) -> list[list[list[float]]]:
    kind = geojson["type"]
    if kind == "FeatureCollection":
        return [ring for feature in geojson["features"] for ring in _rings(feature)]
    if kind == "Feature":
        return _rings(geojson["geometry"])
    if kind in ("MultiPolygon", "Polygon"):
        coordinates = geojson["coordinates"]
        polygons = coordinates if kind == "MultiPolygon" else [coordinates]
        if any(len(polygon) > 1 for polygon in polygons):
            raise ValueError("a polygon with a hole: a region has none")
        return [polygon[0] for polygon in polygons]
    raise ValueError(f"a {kind} is no polygon")


def _configuration(options: RegionOptions, polygons: list[list[tuple[float, float]]]) -> str:
    lines = [
        f"# {options.name}: made by `ew region new`. `ew config default` explains every key.",
        "[service]",
        f"inventory = {json.dumps(str(options.inventory.absolute()))}",
        "",
        "[locate]",
        "# Measure first: a velocity model of the region, and how deep its earthquakes are.",
        "# A wrong model puts epicentres some km off, too shallow a range of depths tens of km.",
        '# travel_time_model = "layers"',
        "",
        "[shaking]",
        "# Measure first: compare with intensities that were felt there (docs/intensity.md).",
        f"relation = {json.dumps(options.relation)}",
        "",
        "[policy]",
        'mode = "test"    # then exercise, with drills; actual when replays of the past are right',
    ]
    for number, polygon in enumerate(polygons, 1):
        name = options.name if len(polygons) == 1 else f"{options.name} {number}"
        corners = ", ".join(f"[{lat:g}, {lon:g}]" for lat, lon in polygon)
        lines += ["", "[[policy.regions]]", f"name = {json.dumps(name)}", f"polygon = [{corners}]"]
    return "\n".join(lines) + "\n"


def _report(name: str, found: Coverage, config: Config) -> list[str]:
    worst = int(np.argmax(found.alert_s))
    median_s, worst_s = float(np.median(found.alert_s)), float(found.alert_s[worst])
    depth = f"{config.locate.depth_km:g} km deep"
    where = f"{found.latitudes[worst]:.2f}, {found.longitudes[worst]:.2f}"
    blind = f"{np.median(found.blind_km):.0f} km of it (at worst {found.blind_km.max():.0f} km)"
    spacing = f"{found.spacing_km:.0f} km to the nearest neighbour in the median"
    lines = [
        "",
        f"{name}: {found.stations} stations, {spacing}",
        f"  an earthquake {depth} is alerted after {median_s:.1f} s in the median,",
        f"  {worst_s:.1f} s at worst ({where})",
        f"  nobody within {blind} is warned before the S-wave",
    ]
    if share := found.share_later_than(LATE_S):
        lines.append(
            f"  in {100 * share:.0f} % of the region it takes longer than {LATE_S:.0f} s: "
            "stations there would help most"
        )
    return lines
