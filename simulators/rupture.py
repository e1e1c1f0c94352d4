"""PURE: a long rupture as a row of point sources that break one after another.

It runs both ways from the hypocentre at ``RUPTURE_KM_S``; its length is that of Wells & Coppersmith
(1994), its moment is shared among pieces of about ``PIECE_KM`` with a scatter. Waves of the pieces
add up at a station (stochastic finite faults: Beresnev & Atkinson 1997).
"""

import numpy as np

from ew.geo import destination
from ew.records import Origin
from simulators.waveforms import moment_n_m

FINITE_FROM = 7.0
"""Magnitude from which the rupture's length counts; a smaller one is a point at the stations'
distances."""
RUPTURE_KM_S = 2.8
PIECE_KM = 12.0
LEAST_PIECES, MOST_PIECES = 4, 16
SCATTER = 0.5
"""Standard deviation of the natural logarithm of the pieces' moments: asperities."""


def pieces(origin: Origin, rng: np.random.Generator) -> list[Origin]:
    """The point sources of an earthquake, the hypocentre's first; one below ``FINITE_FROM``."""
    if origin.magnitude <= FINITE_FROM:
        return [origin]
    length_km = float(10 ** (0.69 * origin.magnitude - 3.22))
    count = int(np.clip(round(length_km / PIECE_KM), LEAST_PIECES, MOST_PIECES))
    strike_deg, ahead = float(rng.uniform(0, 360)), float(rng.uniform(0, 1))
    along_km = (np.arange(count) + 0.5) / count * length_km - ahead * length_km
    along_km[np.argmin(np.abs(along_km))] = 0.0
    share = np.exp(rng.normal(0, SCATTER, count))
    moments = moment_n_m(origin.magnitude) * share / share.sum()
    found = []
    for km, moment in sorted(zip(along_km, moments, strict=True), key=lambda p: abs(p[0])):
        azimuth_deg = strike_deg if km >= 0 else strike_deg + 180
        latitude, longitude = destination(
            origin.latitude, origin.longitude, azimuth_deg, abs(float(km))
        )
        found.append(
            Origin(
                origin.time_s + abs(float(km)) / RUPTURE_KM_S,
                float(latitude),
                float(longitude),
                origin.depth_km,
                float((np.log10(moment) - 9.05) / 1.5),
            )
        )
    return found
