"""The compiled loops of location say what their twins in NumPy say."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ew.detect.filters import band_pass
from ew.locate import kernels, twin

pytestmark = pytest.mark.skipif(kernels.core is twin, reason="the compiled loops are not built")
RADIUS_KM = 6371.0
KM = np.arange(1001.0)
TABLES = np.array([[np.hypot(KM, depth) / v for depth in range(101)] for v in (6.0, 3.5)])


def places(rng: np.random.Generator, count: int, spread_km: float) -> np.ndarray:
    aside = rng.uniform(-spread_km, spread_km, (count, 2))
    return np.column_stack([np.full(count, RADIUS_KM), aside])


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 15),
    st.integers(0, 8),
    st.integers(0, 30),
    st.sampled_from([0.0, 3.0, np.inf]),
)
def test_misfit_and_origin_time_of_trials_are_the_twins(
    seed: int, picks: int, seconds: int, silent: int, beyond: float
) -> None:
    rng = np.random.default_rng(seed)
    size = np.where(rng.random(picks) < 0.2, np.nan, rng.normal(size=picks))
    first = np.column_stack(
        [
            places(rng, picks, 120),
            rng.uniform(0, 40, picks),
            rng.uniform(0.1, 1, picks),
            size,
            rng.random(picks) < 0.2,
        ]
    )
    width = rng.choice([1.0, 2.0, twin.NO_S_YET], seconds)
    second = np.column_stack(
        [
            places(rng, seconds, 120),
            rng.uniform(0, 90, seconds),
            rng.uniform(0.1, 1, seconds),
            width,
        ]
    )
    quiet = np.column_stack(
        [
            places(rng, silent, 1500),
            rng.uniform(0, 90, silent),
            rng.normal(size=silent),
            rng.uniform(0, 1, silent),
        ]
    )
    nodes, depths = places(rng, 40, 200), np.array([0.0, 9.5, 60.0, 100.0, 140.0])
    prior = rng.uniform(0, 2, len(depths))
    found = []
    for form in (kernels.misfit_grid, twin.misfit_grid):
        misfit, origin = np.empty((2, 40, 5))
        form(nodes, depths, prior, TABLES, RADIUS_KM, first, second, quiet, beyond, misfit, origin)
        found.append((misfit, origin))
    # Beyond that a lower bound is enough, but no other trial may come to be the best
    (bounded, _), (whole, _) = found
    is_near = whole <= whole.min() + beyond
    np.testing.assert_allclose(bounded[is_near], whole[is_near], rtol=1e-9, atol=1e-9)
    assert (bounded <= whole + 1e-9).all()
    assert (bounded[~is_near] > whole.min() + beyond - 1e-9).all()
    np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-12)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, 2),
    st.floats(-60, 60),
    st.sampled_from([0.0, 0.05, 0.9]),
    st.sampled_from([0, 4, 50]),
)
def test_peaks_of_displacement_are_the_twins(
    seed: int, integrations: int, first_bin: float, bin_per_sample: float, asked: int
) -> None:
    samples = np.cumsum(np.random.default_rng(seed).normal(size=500))
    biquads = np.array([[0.99, -1.98, 0.99, -1.98, 0.9801], [0.9, -1.8, 0.9, -1.8, 0.81]])
    found = []
    for form in (kernels.displacement_peaks, twin.displacement_peaks):
        state, bins, squares = np.zeros((2, 3, 4)), np.zeros((2, 50)), np.zeros((2, asked))
        for begin in range(0, 500, 125):
            at = first_bin + begin * bin_per_sample
            form(samples[begin : begin + 125], 0.5, integrations, 0.01, biquads, state, bins, at,
                 bin_per_sample, squares)  # fmt: skip
        found.append((state, bins, squares))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_energy_and_the_onset_of_s_are_the_twins(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=2000)
    s_at = int(rng.integers(400, 1800))
    samples[s_at:] *= rng.uniform(1, 8)
    band, found = band_pass(1.0, 8.0, 100.0), []
    for form in (kernels, twin):
        energy = np.ones(len(samples))
        form.add_energy(samples, band.gain, band.a1, band.a2, energy)
        found.append((energy, form.s_onset(energy, 50, 250, 60, 120, 300, 1.5)))
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-9)
    assert found[0][1][0] == found[1][1][0]
    assert found[0][1][1] == pytest.approx(found[1][1][1], rel=1e-9)


def test_arrays_that_do_not_fit_are_refused_and_nothing_is_written() -> None:
    nodes, out = np.zeros((4, 3)), np.full((4, 2), 7.0)
    picks, none = np.ones((2, 7)), np.zeros((0, 6))
    good: list[Any] = [
        nodes,
        np.ones(2),
        np.ones(2),
        TABLES,
        RADIUS_KM,
        picks,
        none,
        none,
        0.0,
        out,
        out.copy(),
    ]
    kernels.misfit_grid(*good)
    out[:] = 7.0
    for at, bad in (
        (0, np.zeros((4, 2))),
        (1, np.array([-1.0, 5.0])),
        (1, np.array([np.nan, np.inf])),
        (3, TABLES[:, :, :1]),
        (5, np.ones((2, 6))),
        (5, np.ones((0, 7))),
        (9, np.ones((4, 3))),
        (9, np.ones((2, 4)).T),
        (9, np.ones((4, 2), np.float32)),
        (7, "text"),
    ):
        with pytest.raises((TypeError, ValueError)):
            kernels.misfit_grid(*good[:at], bad, *good[at + 1 :])
    assert (out == 7.0).all()
    with pytest.raises((TypeError, ValueError)):
        kernels.add_energy(np.ones(3), 1.0, np.ones(4), np.ones(4), np.ones(4))
    with pytest.raises((TypeError, ValueError)):
        kernels.displacement_peaks(
            np.ones(3),
            1.0,
            3,
            0.1,
            np.ones((1, 5)),
            np.zeros((1, 3, 4)),
            np.zeros((1, 2)),
            0.0,
            0.0,
            np.zeros((2, 0)),
        )
    with pytest.raises((TypeError, ValueError)):
        kernels.s_onset(np.ones(30), -5, 0, 1, 2, 3, 1.0)
    assert kernels.s_onset(np.ones(3), 0, 10**6, 5, 10, 5, 1.5)[0] == -1
