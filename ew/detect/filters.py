"""PURE: the band-pass as four biquads, designed once for each class of sampling rates.

A Butterworth band-pass of order 4 (eight poles) by the bilinear transform of the analogue prototype (Oppenheim &
Schafer 2010, section 7.3): the same filter as obspy's ``bandpass(..., corners=4, zerophase=False)``. It is designed
here because loading scipy.signal takes longer than the whole start-up may.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDER = 4
NYQUIST_SHARE = 0.9
"""The upper corner is held to this share of the Nyquist frequency: nearer to it the filter rings."""


@dataclass(frozen=True, slots=True)
class BandPass:
    """``gain`` times four sections (1 - z⁻²) / (1 + a1 z⁻¹ + a2 z⁻²); ``a1``, ``a2`` are (4,) float64.

    All eight zeros lie at z = 1 and z = -1; one of each to a section makes b0, b1, b2 = 1, 0, -1, which spares
    the loop seven operations of twenty a sample and takes out the offset in the very first section.
    """

    gain: float
    a1: NDArray[np.float64]
    a2: NDArray[np.float64]


def band_pass(low_hz: float, high_hz: float, sampling_rate: float) -> BandPass:
    """The band-pass from ``low_hz`` to ``high_hz`` (or to 0.9 Nyquist, if that is lower) at a rate in Hz.

    Raises:
        ValueError: the rate leaves no room for the band.
    """
    high_hz = min(high_hz, NYQUIST_SHARE * sampling_rate / 2)
    if not 0 < low_hz < high_hz:
        raise ValueError(f"no room for a band above {low_hz} Hz at {sampling_rate} Hz")
    # Corners warped so that the bilinear transform (with T = 2) puts them where they were asked for
    low, high = np.tan(np.pi * np.array([low_hz, high_hz]) / sampling_rate)
    width, centre_squared = high - low, low * high
    prototype = np.exp(1j * np.pi * (2 * np.arange(ORDER) + ORDER + 1) / (2 * ORDER))
    # Low-pass to band-pass: s -> (s² + centre²) / (width s); each pole becomes two
    half = prototype * width / 2
    root = np.sqrt(half**2 - centre_squared)
    analogue = np.concatenate([half + root, half - root])
    poles = (1 + analogue) / (1 - analogue)
    gain = (width**ORDER / np.prod(1 - analogue)).real
    upper = poles[poles.imag > 0]
    upper = upper[np.argsort(np.abs(upper))]  # the least resonant first, as in scipy's pairing
    return BandPass(float(gain), -2 * upper.real, np.abs(upper) ** 2)
