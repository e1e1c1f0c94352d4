"""The configuration: its own documentation, and mistakes answered with their key and what is
allowed."""

from itertools import pairwise
from pathlib import Path

import pytest

from ew.config import Config, load_config
from ew.config.explain import as_toml
from ew.errors import ConfigError
from ew.seeds import seed_path


def complaint(folder: Path, text: str) -> str:
    file = folder / "ew.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    assert str(file) in str(caught.value)
    return str(caught.value)


def test_default_configuration_written_out_is_the_default_configuration(tmp_path: Path) -> None:
    file = tmp_path / "default.toml"
    file.write_text(as_toml(Config()), encoding="utf-8")
    assert load_config(file) == Config()


def test_every_key_of_the_default_configuration_is_explained() -> None:
    lines = as_toml(Config()).splitlines()
    bare = [
        line
        for above, line in pairwise(lines)
        if " = " in line and not line.startswith("#") and not above.startswith("#")
    ]
    assert bare == []


@pytest.mark.parametrize("file", sorted(seed_path("config").glob("*.toml")), ids=lambda f: f.stem)
def test_example_configuration_of_a_region_is_valid(file: Path) -> None:
    config = load_config(file)
    assert config.locate.travel_time_model == "layers"
    assert config.shaking.relation == "mmi-allen-2012"
    assert config.policy.regions


LAYER = "[[locate.layers]]\ntop_km = {}\nvp_km_s = {}\nvs_km_s = {}\n"
LAYERS = '[locate]\ntravel_time_model = "layers"\n'


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[picker]\nsta_s = -1\n", ["picker.sta_s", "greater than 0", "not -1", "average, s"]),
        ("[policy]\nsped = 3\n", ["policy.sped", "no such key", "there are mode, regions"]),
        ("[picker]\nsta = 3\n", ["picker.sta", "did you mean sta_s?"]),
        ("[locat]\n", ["locat", "did you mean locate?", "shaking"]),
        (
            '[locate]\ntravel_time_model = "prem"\n',
            ["locate.travel_time_model", "'ak135', 'iasp91' or 'layers'", "not 'prem'"],
        ),
        ('[locate]\npd_relation = "mine"\n', ["'kuyuk-allen-2013' or 'wu-zhao-2006'"]),
        (
            "[policy.kinds.phone]\nmin_intensity = 40\n",
            ["policy.kinds.phone.min_intensity", "12", "not 40"],
        ),
        (LAYERS, ["locate", "[[locate.layers]] go together"]),
        ("[locate]\n" + LAYER.format(0, 5.8, 3.4), ["locate", "go together"]),
        (LAYERS + LAYER.format(2, 5.8, 3.4), ["layers.0.top_km is 2", "begins at 0"]),
        (LAYERS + LAYER.format(0, 5.8, 3.4) * 2, ["layers.1.top_km is 0, not below"]),
        (
            LAYERS + LAYER.format(0, 5.8, 5.4),
            ["locate.layers.0", "vp_km_s / vs_km_s is 1.07", "1.4 to 3"],
        ),
        (
            LAYERS + "[[locate.layers]]\ntop_km = 0\nvp_km_s = 5.8\n",
            ["locate.layers.0.vs_km_s", "is missing", "km/s"],
        ),
        (
            "[locate]\ndepth_km = 50\nmax_depth_km = 40\n",
            ["depth_km (50) must be at most max_depth_km (40)"],
        ),
        (
            '[service]\npartners = [{ name = "a" }, { name = "a-b" }]\n',
            ["service", "'a' and 'a-b'"],
        ),
        ('[service]\npartners = [{ name = "ew" }]\n', ["service.partners.0", "our own source"]),
        ("[picker\n", ["not valid TOML"]),
    ],
)
def test_mistake_is_told_with_its_key_and_what_is_allowed(
    text: str, parts: list[str], tmp_path: Path
) -> None:
    told = complaint(tmp_path, text)
    for part in parts:
        assert part in told


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"[service]\n# \xff\n", "'utf-8' codec"), (b"x = " + b"[" * 2000, "nested too deeply")],
)
def test_file_that_is_no_toml_is_told(data: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "ew.toml"
    file.write_bytes(data)
    with pytest.raises(ConfigError, match=f"not valid TOML: {reason}"):
        load_config(file)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    told = complaint(tmp_path, '[picker]\nsta_s = -1\n[policy]\nmode = "loud"\n[shaking]\nx = 1\n')
    assert len(told.splitlines()) == 3
