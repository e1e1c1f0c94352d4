"""PURE but for the seed files: places phones and TVs by the population of cities."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ew.errors import ConfigError
from ew.geo import destination
from simulators.scenario import City, cities

KM_PER_H = 90.0
TURN_KM = 60.0
"""A phone that moves turns around this far from where it began, km."""
SPREAD_KM = 12.0
"""Standard deviation of devices about a city's centre, km: half of a prefecture's people live in
its core."""


@dataclass(frozen=True, slots=True)
class Device:
    """A phone or a TV and its true place; of a phone, others know the cell alone."""

    device_id: str
    kind: str
    latitude: float
    longitude: float
    city: str


@dataclass(frozen=True, slots=True)
class Journey:
    """A journey to and fro along a line from a device's first place."""

    latitude: float
    longitude: float
    azimuth: float
    km_per_s: float

    @classmethod
    def of(cls, device: Device, km_per_h: float) -> "Journey":
        """A device's journey, in a direction drawn by its id."""
        azimuth = zlib.crc32(device.device_id.encode()) % 360
        return cls(device.latitude, device.longitude, float(azimuth), km_per_h / 3600)

    def at(self, since_s: float) -> tuple[float, float]:
        """Latitude and longitude ``since_s`` seconds after its begin."""
        gone_km = (since_s * self.km_per_s) % (2 * TURN_KM)
        away_km = min(gone_km, 2 * TURN_KM - gone_km)
        latitude, longitude = destination(self.latitude, self.longitude, self.azimuth, away_km)
        return float(latitude), float(longitude)


def draw(
    phones: int, tvs: int, seed: int = 0, among: Sequence[City] | None = None, kind: str = "tv"
) -> list[Device]:
    """Devices about the cities, by their populations; ``kind`` of those that are not phones.

    Raises:
        ConfigError: a count is negative.
    """
    for name, count in (("phones", phones), ("TVs", tvs)):
        if count < 0:
            raise ConfigError(f"{name}: {count} devices can't be simulated; give 0 or more")
    places = among or cities()
    weights = np.array([city.population for city in places], dtype=np.float64)
    rng = np.random.default_rng(seed)
    found = []
    for name, count in (("phone", phones), (kind, tvs)):
        chosen = rng.choice(len(places), size=count, p=weights / weights.sum())
        azimuths, away = rng.uniform(0, 360, count), np.abs(rng.normal(0, SPREAD_KM, count))
        for number, (index, azimuth, km) in enumerate(zip(chosen, azimuths, away, strict=True)):
            city = places[int(index)]
            latitude, longitude = destination(city.latitude, city.longitude, azimuth, km)
            found.append(
                Device(f"{name}-{number:06d}", name, float(latitude), float(longitude), city.name)
            )
    return found
