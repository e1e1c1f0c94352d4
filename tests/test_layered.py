"""Travel times of layered models against obspy's TauP, built from the same layers."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from obspy.taup import TauPyModel
from obspy.taup.taup_create import build_taup_model

from ew.config import Layer, LocateConfig
from ew.layered import EARTH_RADIUS_KM, first_arrivals
from ew.traveltimes import TravelTimes

# Tops (km) and P velocities (km/s): a subduction zone, southern California (Hadley & Kanamori
# 1977), a low-velocity layer
MODELS = {
    "guerrero": ([0.0, 10.0, 18.4, 23.4], [5.8, 6.5, 7.1, 7.4]),
    "california": ([0.0, 5.5, 16.0, 32.0], [5.5, 6.3, 6.7, 7.8]),
    "low-velocity": ([0.0, 10.0, 20.0, 40.0], [6.0, 5.6, 6.6, 8.0]),
}
VP_VS = 1.73
DEEPER = """410 9.03 4.87 3.5
2889 13.69 7.3 5.5
outer-core
2889 8.0 0 9.9
5153.9 10.29 0 12.1
inner-core
5153.9 11.04 3.5 12.7
6371 11.24 3.56 13.0
"""


def taup_model(folder: Path, name: str, tops: list[float], speeds: list[float]) -> TauPyModel:
    """The layers down to 410 km over a made-up mantle and core, which no ray here reaches."""
    lines = []
    for number, (top, bottom, vp) in enumerate(zip(tops, [*tops[1:], 410.0], speeds, strict=True)):
        if number == len(speeds) - 1:
            lines.append("mantle")
        lines += [f"{depth} {vp} {vp / VP_VS} 3.0" for depth in (top, bottom)]
    (folder / f"{name}.nd").write_text("\n".join(lines) + "\n" + DEEPER)
    build_taup_model(str(folder / f"{name}.nd"), output_folder=str(folder), verbose=False)
    return TauPyModel(str(folder / f"{name}.npz"))


def times_of(tops: list[float], speeds: list[float]) -> TravelTimes:
    layers = tuple(
        Layer(top_km=top, vp_km_s=vp, vs_km_s=vp / VP_VS)
        for top, vp in zip(tops, speeds, strict=True)
    )
    return TravelTimes.of(LocateConfig(travel_time_model="layers", layers=layers))


@pytest.mark.parametrize("name", MODELS)
def test_layered_model_agrees_with_taup_within_50_ms(name: str, tmp_path: Path) -> None:
    table, taup = times_of(*MODELS[name]), taup_model(tmp_path, name, *MODELS[name])
    rng = np.random.default_rng(4)
    compared = 0
    for number in range(60):
        depth_km = float(rng.uniform(0, 100))
        distance_km = float(rng.uniform(1, 1000 if number % 2 else 120))
        degrees = np.degrees(distance_km / EARTH_RADIUS_KM)
        for phases, ours in ((["p", "P"], table.p_s), (["s", "S"], table.s_s)):
            arrivals = taup.get_travel_times(depth_km, degrees, phase_list=phases)
            if arrivals:
                compared += 1
                assert float(ours(distance_km, depth_km)) == pytest.approx(
                    arrivals[0].time, abs=0.05
                ), (depth_km, distance_km, phases)
    assert compared > 110


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(1.0, 40.0), max_size=6),
    st.lists(st.floats(1.5, 8.5), min_size=7, max_size=7),
)
@example([], [2.75] * 7)  # rounding once left the source itself without a ray
def test_any_layers_give_finite_times_no_faster_than_the_fastest_layer(
    thicknesses: list[float], speeds: list[float]
) -> None:
    tops = np.cumsum([0.0, *thicknesses])
    used = np.array(speeds[: len(tops)])
    table = first_arrivals(tops, used)
    assert np.isfinite(table).all()
    # The straight line through the Earth, all of it at the fastest speed
    angle = np.arange(1001) / EARTH_RADIUS_KM
    source = EARTH_RADIUS_KM - np.arange(101)[:, None]
    line = np.sqrt(
        EARTH_RADIUS_KM**2 + source**2 - 2 * EARTH_RADIUS_KM * source * np.cos(angle)[None, :]
    )
    assert (table >= line / used.max() - 1e-3).all()
    # Farther is later: no gap in a shadow is filled with nonsense
    assert (np.diff(table, axis=1) > 0).all()


@pytest.mark.parametrize("name", ["ak135", "iasp91"])
def test_named_models_agree_with_taup_within_50_ms(name: str) -> None:
    table = TravelTimes.of(LocateConfig.model_validate({"travel_time_model": name}))
    taup = TauPyModel(name)
    rng = np.random.default_rng(5)
    for _ in range(25):
        depth_km, distance_km = float(rng.uniform(0, 100)), float(rng.uniform(1, 1000))
        degrees = np.degrees(distance_km / EARTH_RADIUS_KM)
        for phases, ours in ((["p", "P", "Pn"], table.p_s), (["s", "S", "Sn"], table.s_s)):
            first = taup.get_travel_times(depth_km, degrees, phase_list=phases)[0]
            assert float(ours(distance_km, depth_km)) == pytest.approx(first.time, abs=0.05)
