"""Places on the round Earth: no meridian is a seam."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ew.config import load_config
from ew.errors import ConfigError
from ew.geo import in_polygon, local_km, middle_of, places_around, wrap_longitude

LONGITUDES = st.floats(-180, 180)
SQUARE = [(-15.0, 177.0), (-15.0, -176.0), (-20.0, -176.0), (-20.0, 177.0)]


@pytest.mark.parametrize(
    "polygon",
    [
        SQUARE,
        [(lat, lon % 360) for lat, lon in SQUARE],
        [(lat, lon % 360 - 360) for lat, lon in SQUARE],
        [*SQUARE, SQUARE[0]],
        SQUARE[::-1],
    ],
)
def test_region_across_the_date_line_holds_what_lies_in_it(
    polygon: list[tuple[float, float]],
) -> None:
    inside = np.array([177.5, 179.9, -180.0, 180.0, -176.5, 183.0])
    assert in_polygon(np.full(6, -17.0), inside, polygon).all()
    outside = np.array([(-17.0, 176.5), (-17.0, -175.5), (-17.0, 20.0), (-14.0, 179.0)])
    assert not in_polygon(outside[:, 0], outside[:, 1], polygon).any()


@given(st.floats(-2, 2), st.floats(-3, 3), LONGITUDES)
def test_turning_the_earth_changes_no_polygon(north: float, east: float, turn: float) -> None:
    corners = [(1.0, -2.0), (1.5, 1.0), (-1.0, 2.0), (-0.5, 0.0), (-1.5, -1.0)]
    turned = [(lat, float(wrap_longitude(lon + turn))) for lat, lon in corners]
    place = float(wrap_longitude(east + turn))
    # A place on an edge may fall to either side when degrees are rounded
    sides = {bool(in_polygon(north + d, east, corners)[0]) for d in (-1e-6, 0.0, 1e-6)}
    assert bool(in_polygon(north, place, turned)[0]) in sides


@given(LONGITUDES, st.floats(-70, 70))
def test_middle_and_local_offsets_do_not_hang_on_the_meridian(
    longitude: float, latitude: float
) -> None:
    north, east = np.array([0.0, 50.0, -50.0, 0.0]), np.array([60.0, 0.0, 0.0, -60.0])
    latitudes, longitudes = places_around(latitude, longitude, north, east)
    assert np.all((longitudes >= -180) & (longitudes < 180))
    middle = middle_of(latitudes, longitudes)
    assert middle[0] == pytest.approx(latitude, abs=0.02)
    assert float(wrap_longitude(middle[1] - longitude)) == pytest.approx(0, abs=1e-6)
    found_north, found_east = local_km(latitude, longitude, latitudes, longitudes)
    np.testing.assert_allclose(found_north, north, atol=1.2)
    np.testing.assert_allclose(found_east, east, atol=1.2)


@pytest.mark.parametrize(
    ("polygon", "reason"),
    [
        ("[[174,-42],[176,-42],[176,-40]]", r"corner 1 of region 'r': latitude 174.*GeoJSON"),
        ("[[999,1],[2,3],[4,5]]", "latitude 999"),
        ("[[-71.5,-32],[-69.5,-32],[-69.5,-35]]", "where nobody lives"),
        ("[[80,26],[88,26],[88,30]]", "where nobody lives"),
        ("[[30,103],[30,103],[30,463]]", "no area|no place"),
    ],
)
def test_region_that_can_not_be_meant_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, polygon: str, reason: str
) -> None:
    file = tmp_path_factory.mktemp("config") / "ew.toml"
    file.write_text(f'[[policy.regions]]\nname = "r"\npolygon = {polygon}\n')
    with pytest.raises(ConfigError, match=reason):
        load_config(file)
