"""PURE: published relations of intensity with magnitude and distance, by name.

Each takes magnitude, epicentral distance and depth (km) and returns intensity; R is the hypocentral
distance.

| name | scale | source |
|---|---|---|
| csis-sichuan | CSIS | I = 3.6113 + 1.4347 M - 3.8477 log10(Repi + 13), Sichuan and Tibet |
|  | | (mean of the long and short axes) |
| csis-west | CSIS | I = 1.92 + 1.63 M - 3.49 log10 R, of the Chinese network's clients |
| mmi-allen-2012 | MMI | Allen, Wald & Worden 2012, J. Seismol. 16, eqs. 2-6 |
"""

from collections.abc import Callable
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Scale: TypeAlias = Literal["CSIS", "MMI"]
Relation: TypeAlias = Callable[[float, Floats, float], Floats]

HIGHEST = 12.0


def csis_sichuan(magnitude: float, distance_km: Floats, depth_km: float) -> Floats:
    """Instrumental intensity in Sichuan and Tibet; the 13 km represent the usual depth.

    Above a deeper source the hypocentral distance counts where it is larger.
    """
    distance = np.maximum(distance_km + 13.0, np.hypot(distance_km, depth_km))
    return 3.6113 + 1.4347 * magnitude - 3.8477 * np.log10(distance)


def csis_west(magnitude: float, distance_km: Floats, depth_km: float) -> Floats:
    """Intensity by hypocentral distance; constant within 5 km, where it was not observed."""
    distance = np.hypot(distance_km, depth_km)
    return 1.92 + 1.63 * magnitude - 3.49 * np.log10(np.maximum(distance, 5.0))


def mmi_allen_2012(magnitude: float, distance_km: Floats, depth_km: float) -> Floats:
    """MMI by hypocentral distance R.

    MMI = 2.085 + 1.428 M - 1.402 ln sqrt(R² + Rm²) (+ 0.078 ln(R/50) beyond 50 km), Rm = -0.209 +
    2.042 exp(M - 5).
    """
    distance = np.hypot(distance_km, depth_km)
    rm = -0.209 + 2.042 * np.exp(magnitude - 5.0)
    near = 2.085 + 1.428 * magnitude - 1.402 * np.log(np.sqrt(distance**2 + rm**2))
    far: Floats = near + np.where(
        distance > 50.0, 0.078 * np.log(np.maximum(distance, 50.0) / 50.0), 0.0
    )
    return far


RELATIONS: dict[str, tuple[Scale, Relation]] = {
    "csis-sichuan": ("CSIS", csis_sichuan),
    "csis-west": ("CSIS", csis_west),
    "mmi-allen-2012": ("MMI", mmi_allen_2012),
}


def csis_from_motion(pga_m_s2: float, pgv_m_s: float) -> float:
    """Instrumental intensity from recorded motion (GB/T 17742-2020, eqs. 1-3).

    IA = 3.17 log10 PGA + 6.59, IV = 3.00 log10 PGV + 9.77; the mean of both, or IV where both are 6
    or more.
    """
    by_acceleration = 3.17 * np.log10(max(pga_m_s2, 1e-9)) + 6.59
    by_velocity = 3.00 * np.log10(max(pgv_m_s, 1e-9)) + 9.77
    if min(by_acceleration, by_velocity) >= 6.0:
        return float(np.clip(by_velocity, 1.0, HIGHEST))
    return float(np.clip((by_acceleration + by_velocity) / 2, 1.0, HIGHEST))


def mmi_from_motion(pga_m_s2: float, pgv_m_s: float) -> float:
    """MMI from recorded motion, the mean of both (Worden et al. 2012, eq. 3, table 2; cm, s).

    Bull. Seismol. Soc. Am. 102. PGA: 1.78 + 1.55 log10, from 1.57 on -1.60 + 3.70 log10; PGV: 3.78
    + 1.47 log10, from 0.53 on 2.89 + 3.16 log10.
    """
    log_a, log_v = np.log10(max(100 * pga_m_s2, 1e-9)), np.log10(max(100 * pgv_m_s, 1e-9))
    by_acceleration = 1.78 + 1.55 * log_a if log_a <= 1.57 else -1.60 + 3.70 * log_a
    by_velocity = 3.78 + 1.47 * log_v if log_v <= 0.53 else 2.89 + 3.16 * log_v
    return float(np.clip((by_acceleration + by_velocity) / 2, 1.0, HIGHEST))


def from_motion(scale: str, pga_m_s2: float, pgv_m_s: float) -> float:
    """Intensity on a scale (CSIS or MMI) from recorded motion."""
    return (csis_from_motion if scale == "CSIS" else mmi_from_motion)(pga_m_s2, pgv_m_s)


def intensity(relation: str, magnitude: float, distance_km: Floats, depth_km: float) -> Floats:
    """Intensity by the named relation, clipped to 1-12; a magnitude of NaN gives 1."""
    value = RELATIONS[relation][1](magnitude, distance_km, depth_km)
    return np.clip(np.nan_to_num(value, nan=1.0), 1.0, HIGHEST)
