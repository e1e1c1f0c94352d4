"""PURE: seismograms of a point source by the stochastic method (Boore 2003, PAGEOPH 160).

White noise is given the envelope of the wave's duration, and its spectrum the shape of source, path
and site:

    A(f) = C M0 (2 pi f)² / (1 + (f / fc)²) / R' exp(-pi f R / (Q(f) c)) exp(-pi kappa f)
    C = F V Rp / (4 pi rho c³)

P and S are made separately, each with its own velocity, corner, duration and share of radiation,
and put in at their travel times. Constants are for western China (Hua et al. 2009: Q = 180 f^0.5;
stress drop 50 bar).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DENSITY = 2800.0  # kg/m³
FREE_SURFACE = 2.0
STRESS_DROP_PA = 5.0e6
Q0, Q_POWER = 180.0, 0.5
KAPPA_S = 0.03  # s; Boore & Joyner 1997 for rock 0.035
NEAREST_M = 2000.0
GUIDED_M = 150e3


@dataclass(frozen=True, slots=True)
class _Wave:
    """What P and S differ in: velocity (m/s), rms radiation, shares of components, corner, path."""

    velocity: float
    radiation: float
    vertical: float
    horizontal: float
    corner: float
    duration_per_km: float
    q_factor: float
    kappa: float


# Amplification of S by generic rock (Boore & Joyner 1997, table 4): frequency, Hz; factor
ROCK_HZ = np.array([0.01, 0.09, 0.16, 0.51, 0.84, 1.25, 2.26, 3.17, 6.05, 16.6, 61.2])
ROCK = np.array([1.00, 1.10, 1.18, 1.42, 1.58, 1.74, 2.06, 2.25, 2.58, 3.13, 4.00])

# P arrives flat (60-70 degrees from the vertical) and loses what it converts: its vertical share is
# set so that Pd has no offset from Kuyuk & Allen 2013 (tests/simulators). Radiation: Boore &
# Boatwright 1984; corner: Madariaga 1976; P loses less on the way (Q_P = 1.5 Q_S is usual)
P_WAVE = _Wave(6000.0, 0.52, 0.35, 0.45, 1.5, 0.03, 1.5, 0.6 * KAPPA_S)
S_WAVE = _Wave(3500.0, 0.63, 0.4, 0.71, 1.0, 0.06, 1.0, KAPPA_S)


def moment_n_m(magnitude: float) -> float:
    """Seismic moment (Hanks & Kanamori 1979), N m."""
    return float(10 ** (1.5 * magnitude + 9.05))


def corner_hz(magnitude: float) -> float:
    """S corner frequency of a Brune source: 0.49 beta (stress drop / M0)^(1/3) in SI units."""
    return float(0.49 * 3500.0 * (STRESS_DROP_PA / moment_n_m(magnitude)) ** (1 / 3))


def _spectrum(f: Floats, wave: _Wave, magnitude: float, distance_km: float) -> Floats:
    """Fourier amplitude of acceleration, m/s."""
    distance = max(distance_km * 1000.0, NEAREST_M)
    # Spherical in the crust, cylindrical once waves guided by it lead (Herrmann & Kijko 1983, at
    # 150 km)
    spreading = 1 / distance if distance < GUIDED_M else 1 / np.sqrt(distance * GUIDED_M)
    scale = FREE_SURFACE * wave.radiation / (4 * np.pi * DENSITY * wave.velocity**3)
    corner = corner_hz(magnitude) * wave.corner
    source = scale * moment_n_m(magnitude) * (2 * np.pi * f) ** 2 / (1 + (f / corner) ** 2)
    q = wave.q_factor * Q0 * np.maximum(f, 0.5) ** Q_POWER
    path = np.exp(-np.pi * f * distance / (q * wave.velocity)) * np.exp(-np.pi * wave.kappa * f)
    site = np.interp(np.log(np.maximum(f, 1e-3)), np.log(ROCK_HZ), ROCK) if wave is S_WAVE else 1.0
    result: Floats = source * spreading * path * site
    return result


def _envelope(t: Floats, duration_s: float) -> Floats:
    """Envelope with its peak at 0.2 and 5 % at 2 durations (Saragoni & Hart 1974)."""
    epsilon, eta, reach = 0.2, 0.05, 2.0
    b = -epsilon * np.log(eta) / (1 + epsilon * (np.log(epsilon) - 1))
    c = b / epsilon
    a = (np.e / epsilon) ** b
    x = np.maximum(t, 0.0) / (duration_s * reach)
    result: Floats = np.where(t > 0, a * x**b * np.exp(-c * x), 0.0)
    return result


def duration_s(wave: _Wave, magnitude: float, distance_km: float) -> float:
    """Source duration 1/fc and the path's, s."""
    return 1 / (corner_hz(magnitude) * wave.corner) + 0.3 + wave.duration_per_km * distance_km


def _arrival(
    rng: np.random.Generator,
    count: int,
    sampling_rate: float,
    wave: _Wave,
    magnitude: float,
    distance_km: float,
    onset_s: float,
) -> Floats:
    """Acceleration of one wave on one component, (count,) m/s², 0 before ``onset_s``."""
    lasts = duration_s(wave, magnitude, distance_km)
    first = max(int(np.ceil(onset_s * sampling_rate)), 0)
    n = min(count - first, int((4 * lasts + 10) * sampling_rate))
    trace = np.zeros(count)
    if n < 16:
        return trace
    size = 1 << (2 * n - 1).bit_length()
    t = np.arange(n) / sampling_rate + (first / sampling_rate - onset_s)
    noise = np.zeros(size)
    noise[:n] = rng.normal(size=n) * _envelope(t, lasts)
    shape = np.fft.rfft(noise)
    shape /= np.sqrt(np.mean(np.abs(shape) ** 2))
    f: Floats = np.fft.rfftfreq(size, 1 / sampling_rate).astype(np.float64)
    wave_form = np.fft.irfft(
        shape * _spectrum(f, wave, magnitude, distance_km) * sampling_rate, size
    )
    # The shaping is zero-phase and would send waves out before their onset
    trace[first : first + n] = wave_form[:n] * np.minimum(
        1.0, np.arange(n) / (0.03 * sampling_rate)
    )
    return trace


def ground_acceleration(
    rng: np.random.Generator,
    count: int,
    sampling_rate: float,
    *,
    magnitude: float,
    distance_km: float,
    p_onset_s: float,
    s_onset_s: float,
) -> Floats:
    """Acceleration at one station: (3, count) float64 m/s², rows Z, N, E.

    ``distance_km`` is hypocentral; onsets are seconds from the first sample and may lie outside the
    window.
    """
    site = 10 ** rng.normal(0, 0.12)  # the station's own amplification, the same for all its waves
    rows = np.zeros((3, count))
    for wave, onset_s in ((P_WAVE, p_onset_s), (S_WAVE, s_onset_s)):
        shares = (wave.vertical, wave.horizontal, wave.horizontal)
        strength = site * 10 ** rng.normal(0, 0.1)  # where on the radiation pattern it stands
        for row, share in zip(rows, shares, strict=True):
            row[:] += (
                share
                * strength
                * _arrival(rng, count, sampling_rate, wave, magnitude, distance_km, onset_s)
            )
    return rows


def velocity(acceleration: Floats, sampling_rate: float) -> Floats:
    """Ground velocity (m/s) of an acceleration, by division in the frequency domain."""
    count = acceleration.shape[-1]
    f = np.fft.rfftfreq(count, 1 / sampling_rate)
    spectrum = np.fft.rfft(acceleration, axis=-1)
    spectrum[..., 0] = 0
    spectrum[..., 1:] /= 2j * np.pi * f[1:]
    result: Floats = np.fft.irfft(spectrum, count, axis=-1)
    return result
