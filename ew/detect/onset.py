"""PURE: onset, quality and noise of a trigger in NumPy, as the twin judges it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ew.detect.rates import Windows

Reals = NDArray[np.float64]

MAX_SNR = 1e6
"""Signal-to-noise ratio where the noise is nothing but zeros."""
LEAST = 1e-60
"""Stands in for a power of zero."""


class Look(NamedTuple):
    """What one look at a trigger found; lengths in samples.

    ``onset`` is an index into the band-passed samples; ``error`` the onset's.
    """

    verdict: str
    onset: int
    snr: float = np.nan
    period: float = np.nan
    peak: float = np.nan
    error: float = np.nan


def aic_onset(w: Reals) -> int:
    """Return the first sample of the new state, by the least AIC (Maeda 1985, eq. 1).

    AIC(k) = k log var(w[:k]) + (n - k - 1) log var(w[k:]).
    """
    n = len(w)
    k = np.arange(4, n - 2)
    if not len(k):
        return n // 2
    total, square = np.cumsum(w), np.cumsum(w**2)
    floor = 1e-12 * square[-1] / n + LEAST
    head, head_square = total[k - 1], square[k - 1]
    before = np.maximum(head_square / k - (head / k) ** 2, floor)
    mean = (total[-1] - head) / (n - k)
    after = np.maximum((square[-1] - head_square) / (n - k) - mean**2, floor)
    return int(k[np.argmin(k * np.log(before) + (n - k - 1) * np.log(after))])


def sparsity(raw: Reals) -> float:
    """Return the share of the steepest quarter of the samples in the energy of the slope."""
    slope = np.sort(np.diff(raw) ** 2)
    return float(slope[-max(4, len(slope) // 4) :].sum() / max(slope.sum(), LEAST))


def look(
    raw: Reals, band: Reals, start: int, w: Windows, min_snr: float, max_sparsity: float
) -> Look:
    """Look for the onset from sample ``start`` of ``band`` on; ``raw`` begins 4 samples earlier."""
    onset = start + aic_onset(band[start:])
    noise = band[max(0, onset - w.noise) : max(0, onset - w.guard)]
    if len(noise) < w.guard:
        return Look("rejected_snr", onset)
    signal, slope = band[onset:], np.diff(band[onset - 1 :])
    energy = float(np.sum(signal**2))
    snr = min(MAX_SNR, np.sqrt(energy / len(signal) / max(float(np.mean(noise**2)), LEAST)))
    period = 2 * np.pi * np.sqrt(energy / max(float(np.sum(slope**2)), LEAST))  # Nakamura 1988
    error = max(1.0, period / (2 * max(snr, 1.0)))
    if snr < min_snr:
        verdict = "rejected_snr"
    else:
        verdict = "rejected_glitch" if sparsity(raw[onset:]) > max_sparsity else "picks"
    peak = float(np.max(np.abs(signal)))
    return Look(verdict, onset, float(snr), float(period), peak, float(error))


def noise_ratio(band: Reals, w: Windows) -> float:
    """Return the RMS of the end of ``band`` over that of its quietest second."""
    second = 10 * w.guard
    whole = band[: len(band) // second * second].reshape(-1, second)
    quietest = np.min(np.mean(whole**2, axis=1))
    noise = np.mean(band[max(0, len(band) - w.noise + w.guard) :] ** 2)
    return float(min(MAX_SNR, np.sqrt(noise / max(quietest, LEAST))))
