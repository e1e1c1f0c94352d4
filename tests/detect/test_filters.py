import numpy as np
import pytest
from obspy.signal.filter import bandpass
from scipy.signal import lfilter

from ew.detect.filters import band_pass


@pytest.mark.parametrize("rate", [30.06, 31.25, 50.0, 100.0, 250.0])
@pytest.mark.parametrize(("low", "high"), [(1.0, 12.0), (0.5, 8.0), (2.0, 10.0)])
def test_design_equals_obspys_band_pass(rate: float, low: float, high: float) -> None:
    samples = np.random.default_rng(0).normal(size=3000)
    design = band_pass(low, high, rate)
    y = design.gain * samples
    for a1, a2 in zip(design.a1, design.a2, strict=True):
        y = lfilter([1, 0, -1], [1, a1, a2], y)
    expected = bandpass(samples, low, high, rate, corners=4)
    np.testing.assert_allclose(y, expected, atol=1e-10)


def test_upper_corner_stays_below_nyquist() -> None:
    design = band_pass(1.0, 12.0, 20.0)
    assert np.all(design.a2 < 1)  # poles inside the unit circle
    narrower = band_pass(1.0, 9.0, 20.0)
    np.testing.assert_allclose(design.a1, narrower.a1)


def test_rate_too_low_for_the_band_is_refused() -> None:
    with pytest.raises(ValueError, match="no room for a band above 1"):
        band_pass(1.0, 12.0, 2.0)
