"""Which channel of a sensor is the vertical one."""

import pytest

from ew.components import is_vertical, verticals_of, without_vertical
from ew.records import Channel


def inventory(**dips: float | None) -> dict[str, Channel]:
    ids = {code: f"XX.A..{code}" for code in dips}
    return {
        seed_id: Channel(seed_id, 0, 0, 0, 1, "M/S", dips[code]) for code, seed_id in ids.items()
    }


@pytest.mark.parametrize(
    ("channels", "vertical"),
    [
        ({"HNZ": None, "HNN": None, "HNE": None}, "HNZ"),
        ({"HN1": None, "HN2": None, "HN3": None}, "HN3"),
        ({"HN1": -90.0, "HN2": 0.0, "HN3": 0.0}, "HN1"),
        ({"BHZ": 90.0, "BHN": 0.0}, "BHZ"),
        ({"HHZ": 0.0, "HH1": -90.0}, "HH1"),
        ({"HN1": None, "HN2": None}, None),
        ({"HN3": None}, None),
    ],
)
def test_vertical_is_by_dip_then_by_name_then_by_number(
    channels: dict[str, float | None], vertical: str | None
) -> None:
    made = inventory(**channels)
    found = verticals_of(made)
    assert found == ({} if vertical is None else {f"XX.A..{vertical[:2]}": f"XX.A..{vertical}"})
    assert without_vertical(made) == ([] if vertical else ["XX.A..HN"])
    for seed_id in made if vertical else ():
        assert is_vertical(seed_id, found) == (seed_id == f"XX.A..{vertical}")


def test_channel_of_no_known_sensor_goes_by_its_name() -> None:
    assert is_vertical("XX.B..HHZ", {})
    assert not is_vertical("XX.B..HHN", {})
