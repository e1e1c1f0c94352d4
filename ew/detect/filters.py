"""PURE: the band-pass as biquads, designed once for each class of sampling rates."""

import numpy as np
from numpy.typing import NDArray

ORDER = 4
NYQUIST_SHARE = 0.9
"""The upper corner is held to this share of the Nyquist frequency: nearer to it the filter rings."""


def band_pass(low_hz: float, high_hz: float, sampling_rate: float) -> NDArray[np.float64]:
    """A causal Butterworth band-pass of 4th order as four biquads.

    Returns:
        (4, 5) float64: b0, b1, b2, a1, a2 of each biquad (a0 is 1), the same filter as obspy's
        ``bandpass(..., corners=4, zerophase=False)``.

    Raises:
        ValueError: the rate leaves no room for the band.
    """
    from scipy.signal import iirfilter  # noqa: PLC0415 - scipy is slow to load, and only needed once a rate

    high_hz = min(high_hz, NYQUIST_SHARE * sampling_rate / 2)
    if not 0 < low_hz < high_hz:
        raise ValueError(f"no room for a band above {low_hz} Hz at {sampling_rate} Hz")
    sections = iirfilter(
        ORDER, [low_hz, high_hz], btype="band", ftype="butter", output="sos", fs=sampling_rate
    )
    return np.ascontiguousarray(sections[:, [0, 1, 2, 4, 5]], dtype=np.float64)
