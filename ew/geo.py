"""PURE: distances on the WGS84 ellipsoid by chord, azimuths, polygons.

A place is represented by its earth-centred x, y, z (ECEF, km); the chord between two places gives
their distance along the surface by a short series, within 0.01 % of the geodesic out to 1,000 km,
for a few multiplications.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0
"""Mean radius of the Earth, km, as in TauP."""
KM_PER_DEGREE = 111.195
"""Length of a degree on a sphere of the mean radius, km."""
WGS84_A_KM = 6378.137
"""Semi-major axis, km (NIMA TR8350.2, 2000)."""
WGS84_F = 1 / 298.257223563
"""Flattening (NIMA TR8350.2, 2000)."""
_E2 = WGS84_F * (2 - WGS84_F)

Floats = NDArray[np.float64]


def ecef_km(latitudes: ArrayLike, longitudes: ArrayLike) -> Floats:
    """Earth-centred coordinates at sea level.

    Args:
        latitudes: degrees, shape (D,) or scalar.
        longitudes: degrees, of the same shape.

    Returns:
        (3, D) or (3,) float64, km: x, y, z rows, contiguous each, as the kernels read them.
    """
    phi, lam = np.radians(latitudes), np.radians(longitudes)
    normal = WGS84_A_KM / np.sqrt(1 - _E2 * np.sin(phi) ** 2)
    return np.array(
        [
            normal * np.cos(phi) * np.cos(lam),
            normal * np.cos(phi) * np.sin(lam),
            normal * (1 - _E2) * np.sin(phi),
        ]
    )


def local_radius_km(latitude: float) -> float:
    """Gaussian mean radius of curvature at a latitude, km: sqrt(M N) of the best sphere there."""
    s2 = np.sin(np.radians(latitude)) ** 2
    return float(WGS84_A_KM * np.sqrt(1 - _E2) / (1 - _E2 * s2))


def arc_km(chord_km: Floats, radius_km: float) -> Floats:
    """Distance along the surface for a chord: 2R asin(c/2R) as a series in t = (c/2R)²."""
    t = (chord_km / (2 * radius_km)) ** 2
    return chord_km * (1 + t * (1 / 6 + t * (3 / 40 + t * (15 / 336))))


def distance_km(
    latitude: ArrayLike, longitude: ArrayLike, latitudes: ArrayLike, longitudes: ArrayLike
) -> Floats:
    """Distances along the surface between two places, or from one to many; degrees in, km out.

    Within 0.1 % of the WGS84 geodesic out to 1,000 km; it grows less exact beyond (use within a
    region).
    """
    return distance_to_km(latitude, longitude, ecef_km(latitudes, longitudes))


def distance_to_km(latitude: ArrayLike, longitude: ArrayLike, ecef: Floats) -> Floats:
    """Distances (km) from one place to others in Earth-centred coordinates, (3,) or (3, D)."""
    one = ecef_km(latitude, longitude)
    if ecef.ndim == 2 and one.ndim == 1:
        one = one[:, None]
    chord = np.sqrt(((ecef - one) ** 2).sum(axis=0))
    s2 = np.sin(np.radians(latitude)) ** 2
    radius = WGS84_A_KM * np.sqrt(1 - _E2) / (1 - _E2 * s2)
    t = (chord / (2 * radius)) ** 2
    # The series is enough within a region; the arcsine keeps far places (teleseisms) right.
    near = chord * (1 + t * (1 / 6 + t * (3 / 40 + t * (15 / 336))))
    far = 2 * radius * np.arcsin(np.sqrt(np.minimum(t, 1.0)))
    result: Floats = np.where(t < 0.02, near, far)
    return result


def azimuth_deg(
    latitude: float, longitude: float, latitudes: ArrayLike, longitudes: ArrayLike
) -> Floats:
    """Azimuths from one place to others, degrees clockwise from north, 0-360."""
    phi1, phi2 = np.radians(latitude), np.radians(latitudes)
    dlam = np.radians(np.asarray(longitudes) - longitude)
    y = np.sin(dlam) * np.cos(phi2)
    x = np.cos(phi1) * np.sin(phi2) - np.sin(phi1) * np.cos(phi2) * np.cos(dlam)
    result: Floats = np.degrees(np.arctan2(y, x)) % 360
    return result


def destination(
    latitude: float, longitude: float, azimuth: ArrayLike, distance: ArrayLike
) -> tuple[Floats, Floats]:
    """Latitudes and longitudes ``distance`` km away at ``azimuth`` degrees, on the local sphere."""
    arc = np.asarray(distance) / local_radius_km(latitude)
    phi, theta = np.radians(latitude), np.radians(azimuth)
    phi2 = np.arcsin(np.sin(phi) * np.cos(arc) + np.cos(phi) * np.sin(arc) * np.cos(theta))
    dlam = np.arctan2(
        np.sin(theta) * np.sin(arc) * np.cos(phi), np.cos(arc) - np.sin(phi) * np.sin(phi2)
    )
    return np.degrees(phi2), wrap_longitude(longitude + np.degrees(dlam))


def wrap_longitude(longitude: ArrayLike) -> Floats:
    """Longitudes in [-180, 180), degrees, of any shape."""
    result: Floats = (np.asarray(longitude, dtype=np.float64) + 180.0) % 360.0 - 180.0
    return result


def middle_of(latitudes: ArrayLike, longitudes: ArrayLike) -> tuple[float, float]:
    """The middle of places: the direction of the mean of their normals, valid at any meridian.

    Args:
        latitudes: degrees, (D,), at least one.
        longitudes: degrees, of the same shape.

    Returns:
        Latitude and longitude, degrees.
    """
    phi, lam = np.radians(latitudes), np.radians(longitudes)
    x, y = float(np.mean(np.cos(phi) * np.cos(lam))), float(np.mean(np.cos(phi) * np.sin(lam)))
    z = float(np.mean(np.sin(phi)))
    latitude = float(np.degrees(np.arctan2(z, np.hypot(x, y))))
    return latitude, float(np.degrees(np.arctan2(y, x)))


def local_km(
    latitude: float, longitude: float, latitudes: ArrayLike, longitudes: ArrayLike
) -> tuple[Floats, Floats]:
    """Places as kilometres north and east of one place, on the plane that touches the Earth there.

    Returns:
        Two (D,) float64; good to 1 % within 500 km, at any meridian and latitude.
    """
    phi, lam = np.radians(latitude), np.radians(longitude)
    one, many = ecef_km(latitude, longitude), ecef_km(latitudes, longitudes)
    away = many - (one[:, None] if many.ndim == 2 else one)
    east = -np.sin(lam) * away[0] + np.cos(lam) * away[1]
    level = np.cos(lam) * away[0] + np.sin(lam) * away[1]
    north = -np.sin(phi) * level + np.cos(phi) * away[2]
    return north, east


def places_around(
    latitude: float, longitude: float, north_km: ArrayLike, east_km: ArrayLike
) -> tuple[Floats, Floats]:
    """Latitudes and longitudes of places some kilometres north and east of one.

    Distances run along its meridian and its parallel, so they are accurate within some hundred
    kilometres, up to 85 degrees of latitude; longitudes are in [-180, 180), across the date line as
    well.
    """
    latitudes = latitude + np.asarray(north_km, np.float64) / KM_PER_DEGREE
    per_degree = KM_PER_DEGREE * np.cos(np.radians(latitude))
    return latitudes, wrap_longitude(longitude + np.asarray(east_km, np.float64) / per_degree)


def in_polygon(
    latitudes: ArrayLike, longitudes: ArrayLike, polygon: Sequence[tuple[float, float]]
) -> NDArray[np.bool_]:
    """Whether places lie in a polygon of (latitude, longitude) corners, by the even-odd rule.

    An edge is the shorter way between its corners, so that one from 177 E to 176 W crosses the date
    line. The polygon must not contain a pole.

    Args:
        latitudes: degrees, (D,) or one.
        longitudes: degrees, of the same shape.
        polygon: its corners in order.

    Returns:
        (D,) bool.
    """
    lat, lon = np.atleast_1d(np.asarray(latitudes, np.float64), np.asarray(longitudes, np.float64))
    inside = np.zeros(lat.shape, np.bool_)
    for (lat1, lon1), (lat2, lon2) in zip(polygon, [*polygon[1:], *polygon[:1]], strict=True):
        among = np.flatnonzero((lat1 > lat) != (lat2 > lat))
        if not len(among):
            continue
        east1 = wrap_longitude(lon1 - lon[among])
        step = wrap_longitude(lon2 - lon[among] - east1)
        # East of the place by less than half the Earth: an edge on the far side counts as west of
        # it
        at = wrap_longitude(east1 + step * (lat[among] - lat1) / (lat2 - lat1))
        inside[among] ^= at > 0
    return inside
