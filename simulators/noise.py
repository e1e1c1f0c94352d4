"""PURE: seismic noise between Peterson's low- and high-noise models, and white sensor noise."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@lru_cache(maxsize=1)
def _models() -> tuple[Floats, Floats, Floats]:
    """Frequencies (Hz), low and high noise models (dB re (m/s²)²/Hz): Peterson 1993, by obspy."""
    from obspy.signal.spectral_estimation import get_nhnm, get_nlnm  # noqa: PLC0415 - slow to load

    periods, low = get_nlnm()
    high_periods, high = get_nhnm()
    order, high_order = np.argsort(1 / periods), np.argsort(1 / high_periods)
    frequencies = 1 / periods[order]
    high_at = np.interp(np.log(frequencies), np.log(1 / high_periods[high_order]), high[high_order])
    return frequencies, low[order], high_at


def acceleration(
    rng: np.random.Generator,
    count: int,
    sampling_rate: float,
    level: float,
    flat_m_s2_rthz: float = 0.0,
) -> Floats:
    """Ground acceleration noise, (count,) float64 in m/s².

    ``level``: 0 the low-noise model, 1 the high-noise model, between them in dB;
    ``flat_m_s2_rthz``: density of the sensor's own white noise, m/s² per root Hz (3e-4 for a MEMS
    sensor).
    """
    frequencies, low, high = _models()
    f = np.fft.rfftfreq(count, 1 / sampling_rate)
    db = np.interp(np.log(np.maximum(f, f[1])), np.log(frequencies), low + level * (high - low))
    density = 10 ** (db / 10) + flat_m_s2_rthz**2
    # One-sided density to the amplitude of each bin of a random spectrum
    amplitude = np.sqrt(density * sampling_rate * count / 2)
    amplitude[0] = 0.0
    spectrum = amplitude * (rng.normal(size=len(f)) + 1j * rng.normal(size=len(f))) / np.sqrt(2)
    result: Floats = np.fft.irfft(spectrum, count)
    return result
