"""PURE: disturbances that must not pass for a local earthquake: glitches, blasts, lone S.

A ``Change`` adds to the samples of packets, as instruments and telemetry do; a ``Source``
(``simulators.scenario``) moves the ground; ``without`` drops packets.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from ew.geo import distance_km
from ew.records import Origin, Packet
from ew.traveltimes import TravelTimes
from simulators import waveforms
from simulators.scenario import SAMPLING_RATE, Station, arrivals

Floats: TypeAlias = NDArray[np.float64]
Packets: TypeAlias = Iterable[tuple[int, Packet]]
Change: TypeAlias = Callable[[str, Floats, Floats], Floats]
"""A function of (station code, seconds since the start, samples in counts) that returns samples."""

SOUND_KM_S = 0.34
GROUND_KM_S = 6.0


def changed(packets: Packets, start_s: float, change: Change) -> Iterator[tuple[int, Packet]]:
    """The packets with changed samples."""
    for arrival_ns, packet in packets:
        t = packet.start_ns / 1e9 - start_s + np.arange(len(packet.samples)) / packet.sampling_rate
        samples = change(packet.seed_id.split(".")[1], t, packet.samples.astype(np.float64))
        yield arrival_ns, replace(packet, samples=np.round(samples).astype(np.int32))


def without(
    packets: Packets, start_s: float, since_s: float, until_s: float, codes: set[str] | None = None
) -> Iterator[tuple[int, Packet]]:
    """The packets except those of an outage of some or all stations (seconds since the start)."""
    for arrival_ns, packet in packets:
        is_off = since_s <= packet.start_ns / 1e9 - start_s < until_s
        if not (is_off and (codes is None or packet.seed_id.split(".")[1] in codes)):
            yield arrival_ns, packet


def spikes(at_s: float) -> Change:
    """One sample far off, at the same instant everywhere: a telemetry glitch."""
    return lambda _, t, x: x + 300_000 * (np.abs(t - at_s) < 0.006)


def steps(at_s: float) -> Change:
    """An offset from one instant on, everywhere."""
    return lambda _, t, x: x + 200_000 * (t > at_s)


def calibration(since_s: float) -> Change:
    """A train of calibration pulses of 4 s every 10 s."""
    return lambda _, t, x: x + 100_000 * ((t > since_s) & (t % 10.0 < 4.0))


def flood(codes: set[str], seed: int) -> Change:
    """Lorries beside some stations, one every 4 s, which flood them with triggers."""
    rng = np.random.default_rng(seed)

    def change(code: str, t: Floats, x: Floats) -> Floats:
        if code not in codes:
            return x
        return x + 50_000 * rng.normal(size=len(t)) * (t > 20.0) * (t % 4.0 < 1.0)

    return change


def lightning(
    stations: Sequence[Station], latitude: float, longitude: float, at_s: float
) -> Change:
    """A lightning strike.

    A surge that rings for 0.1 s on every station within 80 km at one instant, then thunder within
    15 km.
    """
    away = _away_km(stations, latitude, longitude)

    def change(code: str, t: Floats, x: Floats) -> Floats:
        near = away[code]
        if near > 80.0:
            return x
        since = t - at_s
        surge = np.where(since >= 0, np.exp(-np.maximum(since, 0) / 0.03), 0.0)
        x = x + 400_000 / (1 + near / 10) * surge * np.cos(2 * np.pi * 30 * since)
        if near < 15.0:
            rumble = np.maximum(t - at_s - near / SOUND_KM_S, 0)
            wave = np.sin(2 * np.pi * 9 * rumble) * np.sin(2 * np.pi * 1.3 * rumble)
            x = x + 8_000 * rumble * np.exp(-rumble / 1.5) * wave
        return x

    return change


def blast(
    stations: Sequence[Station], latitude: float, longitude: float, at_s: float, seed: int
) -> Change:
    """A quarry blast that the nearest three stations record."""
    rng = np.random.default_rng(seed)
    away = _away_km(stations, latitude, longitude)
    nearest = sorted(away, key=lambda code: away[code])[:3]

    def change(code: str, t: Floats, x: Floats) -> Floats:
        if code not in nearest:
            return x
        since = t - at_s - away[code] / GROUND_KM_S
        wave = np.exp(-np.maximum(since, 0) / 2) * rng.normal(size=len(t))
        shaken: Floats = x + 30_000 * np.where(since > 0, wave, 0.0)
        return shaken

    return change


def _away_km(stations: Sequence[Station], latitude: float, longitude: float) -> dict[str, float]:
    away = distance_km(
        latitude, longitude, [s.latitude for s in stations], [s.longitude for s in stations]
    )
    return {s.code: float(d) for s, d in zip(stations, away, strict=True)}


@dataclass(frozen=True, slots=True)
class HiddenP:
    """An earthquake whose P is below the noise, at all stations or at those in ``codes``."""

    origin: Origin
    table: TravelTimes
    codes: frozenset[str] | None = None

    def ground(
        self, rng: np.random.Generator, station: Station, start_s: float, count: int
    ) -> Floats:
        """Acceleration at a station, (3, count) m/s²."""
        p_s, s_s, away = arrivals(self.origin, station, self.table)
        onset_s = self.origin.time_s - start_s
        hides = self.codes is None or station.code in self.codes
        return waveforms.ground_acceleration(
            rng,
            count,
            SAMPLING_RATE,
            magnitude=self.origin.magnitude,
            distance_km=away,
            p_onset_s=count / SAMPLING_RATE + 1.0 if hides else onset_s + p_s,
            s_onset_s=onset_s + s_s,
        )


def aftershocks(
    main: Origin, count: int, seconds: float, seed: int, least: float = 2.5
) -> list[Origin]:
    """A mainshock and ``count - 1`` aftershocks within ``seconds``, oldest first.

    Rates fall as 1 / (t + 30 s) (Omori 1894), magnitudes follow Gutenberg & Richter with b = 1 from
    ``least`` up to 1.2 below the mainshock's (Båth 1965), places scatter over the rupture's length
    (Wells & Coppersmith 1994: log10 km = 0.69 M - 3.22).
    """
    rng = np.random.default_rng(seed)
    after_s = 30.0 * ((1 + seconds / 30.0) ** rng.uniform(0.05, 1, count - 1) - 1)
    length_km = 10 ** (0.69 * main.magnitude - 3.22)
    found = [main]
    for since_s in np.sort(after_s):
        magnitude = min(least - float(np.log10(rng.uniform())), main.magnitude - 1.2)
        north, east = rng.normal(0, length_km / 3, 2) / 111.0
        depth_km = float(np.clip(main.depth_km + rng.normal(0, 3), 2, 30))
        found.append(
            Origin(
                main.time_s + float(since_s),
                main.latitude + north,
                main.longitude + east,
                depth_km,
                magnitude,
            )
        )
    return found
