"""``ew region new``: a region's configuration, and what its network can do, against known cases."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ew.config import Config, load_config
from ew.locate.coverage import PROCESSING_S, coverage_of
from tests.command import ew

HEAD = "seed_id,latitude,longitude,elevation_m,gain,input_units\n"


def write_stations(path: Path, places: list[tuple[float, float]]) -> Path:
    lines = [f"XS.S{n:02d}..HHZ,{lat},{lon},0,1e9,M/S" for n, (lat, lon) in enumerate(places)]
    path.write_text(HEAD + "\n".join(lines) + "\n")
    return path


def grid(lat: float, lon: float) -> list[tuple[float, float]]:
    """Stations every 0.2 degrees."""
    return [(lat + i / 5, (lon + j / 5 + 180) % 360 - 180) for i in range(6) for j in range(6)]


def square(lat: float, lon: float, kind: str = "Polygon") -> dict[str, Any]:
    ring = [[lon, lat], [lon + 1, lat], [lon + 1, lat + 1], [lon, lat + 1], [lon, lat]]
    return {"type": kind, "coordinates": [ring] if kind == "Polygon" else [[ring], [ring]]}


def region_new(folder: Path, geojson: object, *words: str) -> subprocess.CompletedProcess[str]:
    (folder / "region.json").write_text(json.dumps(geojson))
    made_of = ["--polygon", "region.json", "--inventory", "stations.csv"]
    return ew("region", "new", "Home", *made_of, "--output", "home.toml", *words, cwd=folder)


@pytest.mark.parametrize("longitude", [103.0, 179.5], ids=["China", "across 180 degrees"])
def test_a_configuration_is_made_that_holds_and_says_what_to_expect(
    tmp_path: Path, longitude: float
) -> None:
    write_stations(tmp_path / "stations.csv", grid(-17.0, longitude))
    done = region_new(tmp_path, square(-17.0, longitude))
    assert done.returncode == 0, done.stderr
    config = load_config(tmp_path / "home.toml")
    assert config.policy.regions[0].polygon[0] == (-17.0, longitude)
    assert config.policy.mode == "test"
    assert "36 stations, 21 km to the nearest" in done.stdout
    assert "measure first" in done.stdout


def test_several_polygons_are_several_regions(tmp_path: Path) -> None:
    write_stations(tmp_path / "stations.csv", grid(30.0, 103.0))
    done = region_new(tmp_path, square(30.0, 103.0, "MultiPolygon"))
    assert done.returncode == 0, done.stderr
    names = [one.name for one in load_config(tmp_path / "home.toml").policy.regions]
    assert names == ["Home 1", "Home 2"]


@pytest.mark.parametrize(
    ("geojson", "said"),
    [
        ({"type": "Point", "coordinates": [1, 2]}, "a Point is no polygon"),
        ({"type": "Polygon"}, "region.json: no GeoJSON"),
        ({"type": "Polygon", "coordinates": 2 * square(30.0, 103.0)["coordinates"]}, "a hole"),
        ({"type": "Polygon", "coordinates": [[[103, 30], [104, 30], [103, 30]]]}, "at least 3"),
        ([], "region.json: no GeoJSON"),
        ({"type": "FeatureCollection", "features": []}, "no polygon in it"),
        (square(103.0, 30.0), "latitude 103"),
        (square(-40.0, 20.0), "no station within 500 km"),
    ],
)
def test_what_is_no_region_is_refused_by_name_and_nothing_is_left(
    tmp_path: Path, geojson: object, said: str
) -> None:
    write_stations(tmp_path / "stations.csv", grid(30.0, 103.0))
    done = region_new(tmp_path, geojson)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home.toml").exists()


def test_too_few_stations_are_named(tmp_path: Path) -> None:
    write_stations(tmp_path / "stations.csv", grid(30.0, 103.0)[:3])
    done = region_new(tmp_path, square(30.0, 103.0))
    assert done.returncode == 2
    assert "3 stations, 4 are needed" in done.stderr
    assert not (tmp_path / "home.toml").exists()


def test_the_alert_follows_p_at_the_fourth_station_and_s_bounds_who_is_warned(
    travel_times: Any,
) -> None:
    ring = np.arange(8) * np.pi / 4
    latitudes, longitudes = 0.3 * np.sin(ring), 0.3 * np.cos(ring)  # 33 km about the middle
    tiny = [(-0.001, -0.001), (0.001, -0.001), (0.001, 0.001), (-0.001, 0.001)]
    found = coverage_of(latitudes, longitudes, tiny, travel_times, 10.0, 4)
    expected_s = float(travel_times.p_s(33.3, 10.0)) + PROCESSING_S
    assert np.allclose(found.alert_s, expected_s, atol=0.1)
    assert np.allclose(travel_times.s_s(found.blind_km, 10.0), found.alert_s, atol=0.2)
    sparse = coverage_of(3 * latitudes, 3 * longitudes, tiny, travel_times, 10.0, 4)
    assert (sparse.alert_s > found.alert_s).all()
    assert (sparse.blind_km > found.blind_km).all()
    assert sparse.share_later_than(10.0) == 1.0
    assert Config().locate.min_stations == 4
