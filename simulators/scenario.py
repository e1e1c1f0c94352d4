"""Scenarios from ``seeds/``: an earthquake, the stations around it and their packets.

A scenario computes its own truth (origin, arrivals), so that no simulator repeats an error of the
product.
"""

import csv
import heapq
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ew.errors import ConfigError, InputError
from ew.geo import distance_km
from ew.records import Channel, Origin, Packet
from ew.seeds import seed_path
from ew.times import NS_PER_S, ns_from_seconds, seconds_from_iso
from ew.traveltimes import TravelTimes
from simulators import noise, waveforms

NETWORK = "XS"
ACCELEROMETER_GAIN = 400_000.0  # counts per m/s²: a 24-bit digitiser with a range of 2 g
SEISMOMETER_GAIN = 400_000_000.0  # counts per m/s; clips at 21 mm/s
FULL_SCALE = 2**23 - 1
SAMPLING_RATE = 100.0
INSTRUMENT_NOISE = 2e-6  # m/s² per root Hz: a force-balance accelerometer

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class City:
    """A city with its place, for countdowns."""

    name: str
    name_zh: str
    latitude: float
    longitude: float
    population: int


@dataclass(frozen=True, slots=True)
class Station:
    """A synthetic station; ``noise`` 0-1 from low- to high-noise model; ``sensor`` HN or HH."""

    code: str
    latitude: float
    longitude: float
    elevation_m: float
    sensor: str
    noise: float

    def channels(self) -> list[Channel]:
        """Its three channels."""
        is_acceleration = self.sensor == "HN"
        return [
            Channel(
                f"{NETWORK}.{self.code}..{self.sensor}{component}",
                self.latitude,
                self.longitude,
                self.elevation_m,
                ACCELEROMETER_GAIN if is_acceleration else SEISMOMETER_GAIN,
                "M/S**2" if is_acceleration else "M/S",
            )
            for component in "ZNE"
        ]


class Source(Protocol):
    """Another source of ground motion than a local earthquake: a teleseism, a lone S-wave."""

    def ground(
        self, rng: np.random.Generator, station: Station, start_s: float, count: int
    ) -> Floats:
        """Acceleration at a station, (3, count) m/s² at ``SAMPLING_RATE``, rows Z, N, E.

        ``start_s`` (epoch s): time of the first sample.
        """
        ...


@dataclass(frozen=True, slots=True)
class Play:
    """Earthquakes (none: noise) on a network of stations, from ``start_s`` for ``seconds``."""

    stations: Sequence[Station]
    origins: Sequence[Origin]
    start_s: float
    seconds: float
    seed: int = 0
    delays_s: dict[str, float] = field(default_factory=dict)
    others: Sequence[Source] = ()

    @property
    def inventory(self) -> dict[str, Channel]:
        """All channels."""
        return {c.seed_id: c for station in self.stations for c in station.channels()}

    def packets(
        self, packet_s: float = 1.0, *, travel_times: TravelTimes | None = None
    ) -> Iterator[tuple[int, Packet]]:
        """Yield (arrival time in ns, packet) in order of arrival.

        A packet arrives when its last sample has been taken, and later by its station's delay
        (``delays_s`` by station code). Each station's packets start at a phase of their own. Equal
        seeds give equal samples.
        """
        table = travel_times or TravelTimes.load()
        streams = [
            self._station_packets(number, station, packet_s, table)
            for number, station in enumerate(self.stations)
        ]
        return heapq.merge(*streams, key=lambda item: (item[0], item[1].seed_id))

    def _station_packets(
        self, number: int, station: Station, packet_s: float, table: TravelTimes
    ) -> Iterator[tuple[int, Packet]]:
        rng = np.random.default_rng([self.seed, number])
        counts = self._counts(rng, station, table)
        start_ns, step = ns_from_seconds(self.start_s), round(packet_s * SAMPLING_RATE)
        delay_ns = ns_from_seconds(self.delays_s.get(station.code, 0.0))
        first = int(rng.integers(1, step + 1))
        edges = [0, *range(first, counts.shape[1], step), counts.shape[1]]
        seed_ids = [channel.seed_id for channel in station.channels()]
        for begin, end in pairwise(edges):
            begin_ns = start_ns + round(begin * NS_PER_S / SAMPLING_RATE)
            last_ns = start_ns + round((end - 1) * NS_PER_S / SAMPLING_RATE)
            for seed_id, row in zip(seed_ids, counts, strict=True):
                yield last_ns + delay_ns, Packet(seed_id, begin_ns, SAMPLING_RATE, row[begin:end])

    def _counts(
        self, rng: np.random.Generator, station: Station, table: TravelTimes
    ) -> NDArray[np.int32]:
        count = round(self.seconds * SAMPLING_RATE)
        ground = np.array(
            [
                noise.acceleration(rng, count, SAMPLING_RATE, station.noise, INSTRUMENT_NOISE)
                for _ in range(3)
            ]
        )
        for origin in self.origins:
            p_s, s_s, away = arrivals(origin, station, table)
            ground += waveforms.ground_acceleration(
                rng,
                count,
                SAMPLING_RATE,
                magnitude=origin.magnitude,
                distance_km=away,
                p_onset_s=origin.time_s + p_s - self.start_s,
                s_onset_s=origin.time_s + s_s - self.start_s,
            )
        for source in self.others:
            ground += source.ground(rng, station, self.start_s, count)
        if station.sensor == "HN":
            counts = ground * ACCELEROMETER_GAIN
        else:
            counts = waveforms.velocity(ground, SAMPLING_RATE) * SEISMOMETER_GAIN
        return np.clip(np.round(counts), -FULL_SCALE, FULL_SCALE).astype(np.int32)


def arrivals(origin: Origin, station: Station, table: TravelTimes) -> tuple[float, float, float]:
    """True P and S travel times (s) and hypocentral distance (km) of a station."""
    away = float(
        distance_km(origin.latitude, origin.longitude, station.latitude, station.longitude)
    )
    hypocentral = float(np.hypot(away, origin.depth_km))
    return (
        float(table.p_s(away, origin.depth_km)),
        float(table.s_s(away, origin.depth_km)),
        hypocentral,
    )


@dataclass(frozen=True, slots=True)
class Scenario:
    """An earthquake of ``seeds/scenarios``; ``origin`` is ``None`` for noise only."""

    name: str
    title: str
    origin: Origin | None
    source: str
    cities: tuple[City, ...]
    stations: tuple[Station, ...]
    start_s: float
    seconds: float

    def play(self, seed: int = 0) -> Play:
        """The scenario's earthquake on its stations."""
        origins = [self.origin] if self.origin is not None else []
        return Play(self.stations, origins, self.start_s, self.seconds, seed)


def names() -> list[str]:
    """Names of the scenarios in seeds/."""
    return sorted(path.stem for path in seed_path("scenarios").glob("*.json"))


def load(name: str) -> Scenario:
    """A scenario by name.

    Raises:
        ConfigError: there is none of that name; the message lists them.
        InputError: its file can't be used.
    """
    if name not in names():
        raise ConfigError(f"no scenario {name!r}; there are {', '.join(names())}")
    path = seed_path("scenarios", f"{name}.json")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        origin = _origin(data["origin"])
        latitude, longitude = (origin.latitude, origin.longitude) if origin else data["centre"]
        by_name = {city.name: city for city in cities()}
        start_s = (origin.time_s if origin else 1_577_836_800.0) - data["lead_in_s"]
        return Scenario(
            name=data["name"],
            title=data["title"],
            origin=origin,
            source=data["source"],
            cities=tuple(by_name[city] for city in data["cities"]),
            stations=tuple(
                _within(stations(data["stations"]), latitude, longitude, data["stations_within_km"])
            ),
            start_s=start_s,
            seconds=data["lead_in_s"] + data["seconds"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: can't be used as a scenario: {error!r}") from error


def stations(file: str = "sichuan-yunnan.csv") -> list[Station]:
    """The synthetic stations of a file in seeds/stations."""
    with seed_path("stations", file).open(encoding="utf-8", newline="") as lines:
        return [
            Station(
                row["station"],
                float(row["latitude"]),
                float(row["longitude"]),
                float(row["elevation_m"]),
                row["sensor"],
                float(row["noise"]),
            )
            for row in csv.DictReader(lines)
        ]


def cities() -> list[City]:
    """The cities of seeds/populations."""
    with seed_path("populations", "cities.csv").open(encoding="utf-8", newline="") as lines:
        return [
            City(
                row["name_en"],
                row["name_zh"],
                float(row["latitude"]),
                float(row["longitude"]),
                int(row["population"]),
            )
            for row in csv.DictReader(lines)
        ]


def _origin(data: dict[str, float | str] | None) -> Origin | None:
    if data is None:
        return None
    return Origin(
        seconds_from_iso(str(data["time"])),
        float(data["latitude"]),
        float(data["longitude"]),
        float(data["depth_km"]),
        float(data["magnitude"]),
    )


def _within(
    all_stations: list[Station], latitude: float, longitude: float, radius_km: float
) -> list[Station]:
    away = distance_km(
        latitude, longitude, [s.latitude for s in all_stations], [s.longitude for s in all_stations]
    )
    return [s for s, d in zip(all_stations, away, strict=True) if d <= radius_km]
