"""PURE: raises computed intensities to those that stations near a target have recorded.

After PLUM (Kodera et al. 2018, Bull. Seismol. Soc. Am. 108): the intensity at a place is at least
what stations within 30 km of it have recorded. Here the second strongest of them counts, so that
one bad sensor alerts nobody (after Cochran et al. 2019, who ask for two stations). Before an
earthquake is declared, more is asked of the shaking (``ew.locate.felt``).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ew.geo import distance_km, ecef_km
from ew.records import Origin, StationMotion
from ew.shaking.kernels import second_strongest
from ew.shaking.relations import from_motion
from ew.shaking.targets import Targets

REACH_KM = 30.0
EXCEEDS = 0.5
"""Excess of recorded over computed intensity from which targets are raised: the relations' own
scatter."""

Floats = NDArray[np.float64]


def raise_by_observed(
    motions: Sequence[StationMotion],
    origin: Origin,
    rows: Floats,
    scale: str,
    targets: Targets,
    strength: NDArray[np.float32],
) -> NDArray[np.int64]:
    """Raise the intensity of targets near stations that shake harder than was computed.

    Args:
        motions: peak motion of stations since P.
        origin: the earthquake as computed.
        rows: P, S times (s) and intensity at each km of distance from it, (3, K).
        scale: of the intensities, CSIS or MMI.
        targets: D of them.
        strength: their intensities (D,), raised in place.

    Returns:
        Indices of the targets raised, (n,) int64, ascending.
    """
    nobody = np.empty(0, np.int64)
    if len(motions) < 2:
        return nobody
    latitudes, longitudes = (np.array([getattr(m, c) for m in motions]) for c in _PLACE)
    seen = np.array([from_motion(scale, m.pga_m_s2, m.pgv_m_s) for m in motions])
    away = distance_km(origin.latitude, origin.longitude, latitudes, longitudes)
    harder = seen > np.interp(away, np.arange(rows.shape[1]), rows[2]) + EXCEEDS
    if not harder.any():
        return nobody
    places = ecef_km(latitudes, longitudes)
    apart = np.linalg.norm(places[:, :, None] - places[:, None, harder], axis=0).min(axis=1)
    near = apart <= 2 * REACH_KM
    found = np.zeros(len(strength), np.float32)
    second_strongest(
        targets.ecef,
        targets.radius_km,
        np.ascontiguousarray(places[:, near], dtype=np.float32),
        seen[near].astype(np.float32),
        np.float32(REACH_KM),
        found,
    )
    raised = np.flatnonzero(found > strength)
    strength[raised] = found[raised]
    return raised


_PLACE = ("latitude", "longitude")
