"""PURE: the waves of a large earthquake 30-90 degrees away in a regional network.

P, pP, PP, S, SS and surface waves. Onsets are TauP's (ak135) at each station, so that every phase
crosses the network with its own apparent velocity. Body waves are noise under an envelope as long
as the rupture, flat in acceleration above the corner and damped by exp(-pi f t*); most of it is
common to all stations, the rest is scattering of each. Sizes:

    P of 1 s period    velocity = 2 pi 10^(mb - Q) µm/s, Q = 6.8
                       (Gutenberg & Richter 1956, 30-90 degrees, shallow)
    Rayleigh of 20 s   velocity = 2 pi 10^(Ms - 1.66 log10 D - 3.3) µm/s
                       (Karnik et al. 1962, the Prague formula)

with mb = min(0.6 M + 2.2, 7.2), since mb saturates (Kanamori 1983), and Ms = M.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ew.geo import destination
from simulators.scenario import SAMPLING_RATE, Station

Floats = NDArray[np.float64]

Q_FACTOR = 6.8
KM_PER_DEGREE = 111.195
RAYLEIGH_KM_S = 3.4
COMMON = 0.85
"""Share of the wave that all stations have in common, in amplitude: 1 Hz P is coherent over tens of
km, not over hundreds."""
SITE_SPREAD = 0.15  # log10 of amplitude, station to station


@dataclass(frozen=True, slots=True)
class _Phase:
    """Size relative to P, t* (s), share on Z and on N and E.

    Der 1998 has a t* of about 0.5 s for P at 1 Hz, S four times that.
    """

    size: float
    t_star_s: float
    vertical: float
    horizontal: float


PHASES = {
    "P": _Phase(1.0, 0.6, 1.0, 0.35),
    "pP": _Phase(0.6, 0.7, 1.0, 0.35),
    "PP": _Phase(0.4, 0.9, 1.0, 0.4),
    "S": _Phase(3.0, 2.4, 0.4, 1.0),
    "SS": _Phase(2.0, 3.2, 0.4, 1.0),
}


@dataclass(frozen=True, slots=True)
class Teleseism:
    """An earthquake whose P reaches ``latitude``, ``longitude`` at ``p_s`` (epoch seconds).

    ``distance_degrees`` and ``azimuth`` (degrees, from there to the epicentre); ``rise_s``: the
    time P takes to its full size, below a second impulsive, several seconds emergent.
    """

    latitude: float
    longitude: float
    distance_degrees: float
    azimuth: float
    magnitude: float
    p_s: float
    rise_s: float
    depth_km: float = 25.0
    seed: int = 0

    @property
    def body_wave_magnitude(self) -> float:
        """The 1 s magnitude mb."""
        return min(0.6 * self.magnitude + 2.2, 7.2)

    @property
    def duration_s(self) -> float:
        """Duration of the rupture, s: 15 s at M 7, growing as the cube root of the moment."""
        return 15.0 * 10 ** (0.5 * (self.magnitude - 7.0))

    def onsets_s(self, station: Station) -> dict[str, float]:
        """Onset of each phase that exists at the station's distance, epoch seconds."""
        degrees = self.degrees(station)
        grid, times = _times(round(self.distance_degrees), self.depth_km)
        first_p_s = float(np.interp(self.distance_degrees, grid, times["P"]))
        onsets = {
            name: self.p_s + float(np.interp(degrees, grid, column)) - first_p_s
            for name, column in times.items()
        }
        onsets["Rayleigh"] = self.p_s - first_p_s + degrees * KM_PER_DEGREE / RAYLEIGH_KM_S
        return onsets

    def degrees(self, station: Station) -> float:
        """Distance of a station from the epicentre, degrees of a great circle."""
        far = self.distance_degrees * KM_PER_DEGREE
        lat, lon = destination(self.latitude, self.longitude, self.azimuth, far)
        a, b = math.radians(float(lat)), math.radians(station.latitude)
        turn = math.radians(station.longitude - float(lon))
        cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(turn)
        return math.degrees(math.acos(min(max(cosine, -1.0), 1.0)))

    def ground(
        self, rng: np.random.Generator, station: Station, start_s: float, count: int
    ) -> Floats:
        """Acceleration at a station, (3, count) m/s²."""
        ground = np.zeros((3, count))
        onsets = self.onsets_s(station)
        size = 2 * math.pi * 1e-6 * 10 ** (self.body_wave_magnitude - Q_FACTOR)
        size *= 10 ** rng.normal(0, SITE_SPREAD)
        for number, (name, phase) in enumerate(PHASES.items()):
            if name not in onsets:
                continue
            common = self._pulse(np.random.default_rng([self.seed, number]), phase.t_star_s)
            own = self._pulse(rng, phase.t_star_s)
            wave = size * phase.size * (COMMON * common + math.sqrt(1 - COMMON**2) * own)
            for row, share in zip(ground, (phase.vertical, *[phase.horizontal] * 2), strict=True):
                _add(row, share * wave, onsets[name] - start_s)
        _add(ground[0], self._rayleigh(), onsets["Rayleigh"] - start_s)
        return ground

    def _pulse(self, rng: np.random.Generator, t_star_s: float) -> Floats:
        """A body wave's acceleration, m/s²; with P's t* its 1 s velocity would peak at 1 m/s."""
        count = int((3 * self.duration_s + self.rise_s + 20) * SAMPLING_RATE)
        size = 1 << (count - 1).bit_length()
        t = np.arange(count) / SAMPLING_RATE
        envelope = np.minimum((t / self.rise_s) ** 2, 1.0) * np.exp(-t / self.duration_s)
        f = np.fft.rfftfreq(size, 1 / SAMPLING_RATE)
        noise = np.fft.rfft(rng.normal(size=count) * envelope, size)
        wave = np.fft.irfft(noise * np.exp(-np.pi * f * t_star_s) * (f > 0.05), size)[:count]
        # Normalised by what P's own t* leaves in the 1 s band, so that S comes out poor in 1 Hz and
        # rich in 10 s
        band = np.exp(-np.pi * f * PHASES["P"].t_star_s) * ((f > 0.6) & (f < 1.6))
        level = np.abs(np.fft.irfft(noise * band, size)).max() / (2 * np.pi)
        scaled: Floats = wave / level * np.minimum(t / min(self.rise_s, 0.3), 1.0)
        return scaled

    def _rayleigh(self) -> Floats:
        """Waves of 20 s that swell and fade over five minutes, m/s²."""
        t = np.arange(int(400 * SAMPLING_RATE)) / SAMPLING_RATE
        velocity = 2 * math.pi * 1e-6
        velocity *= 10 ** (self.magnitude - 1.66 * math.log10(self.distance_degrees) - 3.3)
        swell = np.sin(np.pi * t / 400.0) ** 2
        wave: Floats = velocity * (2 * np.pi / 20.0) * swell * np.sin(2 * np.pi * t / 20.0)
        return wave


def _add(row: Floats, wave: Floats, onset_s: float) -> None:
    first = round(onset_s * SAMPLING_RATE)
    begin, end = max(first, 0), min(first + len(wave), len(row))
    if begin < end:
        row[begin:end] += wave[begin - first : end - first]


@lru_cache(maxsize=64)
def _times(degrees: int, depth_km: float) -> tuple[Floats, dict[str, Floats]]:
    """Travel times (s) of the phases at a few distances about one: a network spans some degrees."""
    from obspy.taup import TauPyModel  # noqa: PLC0415 - slow to load

    model = TauPyModel("ak135")
    grid = np.arange(degrees - 8.0, degrees + 8.1, 2.0)
    found = [_first_of_each(model.get_travel_times(depth_km, float(d), list(PHASES))) for d in grid]
    names = [name for name in PHASES if all(name in row for row in found)]
    return grid, {name: np.array([row[name] for row in found]) for name in names}


def _first_of_each(arrivals: Sequence[object]) -> dict[str, float]:
    times: dict[str, float] = {}
    for arrival in arrivals:
        name, time_s = str(getattr(arrival, "name")), float(getattr(arrival, "time"))  # noqa: B009
        times.setdefault(name, time_s)
    return times
