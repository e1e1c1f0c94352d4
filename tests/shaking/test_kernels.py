"""The compiled pass over targets says what its twin in NumPy says."""

import numpy as np
import pytest

from ew.shaking import kernels, twin

pytestmark = pytest.mark.skipif(kernels.core is twin, reason="the compiled pass is not built")
RADIUS_KM = 6371.0
PLACE = np.array([RADIUS_KM, 0.0, 0.0])
KM = np.arange(301.0)
ROWS = np.array([KM / 6, KM / 3.5, 8 - KM / 100])


def targets(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    aside = rng.uniform(-500, 500, (2, count))
    ecef = np.concatenate([np.full((1, count), RADIUS_KM), aside])
    ecef[1:, :3] = 0.0  # at the epicentre
    return ecef, rng.choice([0.0, 5.0], count)


def test_estimates_are_the_twins() -> None:
    ecef, radius = targets(1003)
    ours, theirs = np.empty((2, 4, 1003))
    kernels.estimate_targets(ecef, radius, PLACE, RADIUS_KM, ROWS, *ours)
    twin.estimate_targets(ecef, radius, PLACE, RADIUS_KM, ROWS, *theirs)
    np.testing.assert_allclose(ours, theirs, rtol=1e-13)


@pytest.mark.parametrize("count", [0, 1, 7, 1003])
def test_sending_keys_are_the_twins_to_the_last_bit(count: int) -> None:
    ecef, radius = (a.astype(np.float32) for a in targets(count))
    least = np.random.default_rng(2).uniform(2, 8, count).astype(np.float32)
    least[:1], least[1:2] = np.inf, np.nan
    lanes_km, rows = np.array([40, 90, 200, 300], np.float32), ROWS.astype(np.float32)
    found = []
    for form in (kernels, twin):
        keys, out = np.zeros(count, np.uint16), np.zeros((2, count), np.float32)
        form.rank_targets(
            ecef, radius, PLACE, RADIUS_KM, rows, least, 12.5, lanes_km, 20.0, keys, *out
        )
        found.append([keys, *out])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("most", [1, 3, 65_536])
def test_order_by_key_is_a_stable_sort(most: int) -> None:
    keys = np.random.default_rng(2).integers(0, most, 10_000).astype(np.uint16)
    ours, theirs = np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    kernels.order_by_key(keys, ours)
    twin.order_by_key(keys, theirs)
    assert (ours == theirs).all()
    with pytest.raises(ValueError, match="do not fit"):
        kernels.order_by_key(keys, np.empty(9, np.int64))


def test_second_strongest_is_the_twins() -> None:
    ecef, radius = (a.astype(np.float32) for a in targets(500))
    places = targets(40, seed=5)[0].astype(np.float32)
    seen = np.random.default_rng(3).uniform(2, 9, 40).astype(np.float32)
    ours, theirs = np.zeros((2, 500), np.float32)
    kernels.second_strongest(ecef, radius, places, seen, 80.0, ours)
    twin.second_strongest(ecef, radius, places, seen, 80.0, theirs)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.any()


def test_arrays_that_do_not_fit_are_refused() -> None:
    ecef, radius = targets(10)
    good = [ecef, radius, PLACE, RADIUS_KM, ROWS, *np.empty((4, 10))]
    for at, bad in (
        (0, ecef[:2]),
        (1, radius[1:]),
        (2, PLACE[:2]),
        (4, ROWS[:, :1]),
        (5, radius[1:]),
        (6, "text"),
    ):
        with pytest.raises((TypeError, ValueError)):
            kernels.estimate_targets(*good[:at], bad, *good[at + 1 :])
