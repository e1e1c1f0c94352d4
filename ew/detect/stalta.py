"""PURE: band-pass and STA/LTA with SciPy, as the twin runs them and as a figure shows them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ew.detect.rates import Rate

Reals = NDArray[np.float64]

TINY = 1e-150
"""What has decayed to this becomes zero: denormals are slow."""


def sections(rate: Rate) -> Reals:
    """Return the band-pass without its gain as SciPy's second-order sections, (4, 6)."""
    rows = zip(rate.a1, rate.a2, strict=True)
    return np.array([[1.0, 0.0, -1.0, 1.0, a1, a2] for a1, a2 in rows])


def filtered(sos: Reals, samples: NDArray[Any], delays: Reals) -> tuple[Reals, Reals]:
    """Return the band-passed samples and the filter's delays (4, 2) after them."""
    from scipy.signal import sosfilt  # noqa: PLC0415 - slow to load

    band, after = sosfilt(sos, samples, zi=delays)
    return band, after


def averaged(energy: Reals, keep: float, before: float) -> Reals:
    """Return the recursive sum ``keep`` * sum + energy (Withers et al. 1998, eq. 3, times nsta)."""
    from scipy.signal import lfilter  # noqa: PLC0415 - slow to load

    total: Reals = lfilter([1.0], [1.0, -keep], energy, zi=[keep * before])[0]
    return total


def characteristic(samples: Reals, rate: Rate) -> tuple[Reals, Reals]:
    """Return the band-passed samples and STA / LTA of a channel fed ``samples`` from its start.

    All (N,) float64; the ratio is 0 in the warm-up of one LTA.
    """
    if not len(samples):
        return np.zeros(0), np.zeros(0)
    keep_sta, keep_lta, *_ = rate.averages
    delays = np.zeros((4, 2))
    delays[0] = -samples[0]
    band, _ = filtered(sections(rate), samples, delays)
    sta = averaged(band * band, keep_sta, 0.0) / rate.lengths.nsta
    lta = averaged(band * band, keep_lta, 0.0) / rate.lengths.nlta
    ratio = sta / np.maximum(lta, TINY)
    ratio[: rate.lengths.nlta] = 0.0
    return rate.gain * band, ratio
