"""Short-period sensors: what their response takes from a large earthquake is given back."""

import cmath
import math
from collections.abc import Iterator

import numpy as np
import pytest
from scipy import signal

from ew import Channel, Packet
from ew.locate.amplitudes import PeakTracker, log_acceleration
from ew.locate.magnitude import station_magnitude
from ew.locate.motion import MotionTracker
from ew.locate.response import share_at
from ew.records import Pick
from ew.sources.inventory import parse_csv
from simulators import noise, waveforms

RATE, ONSET_S, S_S, COUNT = 100.0, 30.0, 45.0, 7000
GAIN = 4e8
FLAT = Channel("XX.A..EHZ", 30.0, 100.0, 0.0, GAIN, "M/S")


def geophone(corner_hz: float, damping: float = 0.7) -> tuple[complex, ...]:
    root = cmath.sqrt(damping**2 - 1)
    return tuple(2 * math.pi * corner_hz * (-damping + sign * root) for sign in (1, -1))


def velocity(magnitude: float) -> np.ndarray:
    """Three components of an earthquake 90 km away, m/s."""
    rng = np.random.default_rng(3)
    ground = np.array([noise.acceleration(rng, COUNT, RATE, 0.3, 2e-6) for _ in range(3)])
    ground += waveforms.ground_acceleration(
        rng,
        COUNT,
        RATE,
        magnitude=magnitude,
        distance_km=90.0,
        p_onset_s=ONSET_S,
        s_onset_s=S_S,
    )
    return waveforms.velocity(ground, RATE)


def through(poles: tuple[complex, ...], wave: np.ndarray) -> np.ndarray:
    """What a sensor with these poles gives."""
    zpk = signal.bilinear_zpk(np.zeros(len(poles)), np.array(poles), 1.0, RATE)
    return np.asarray(signal.sosfilt(signal.zpk2sos(*zpk), wave))


def packets(seed_id: str, wave: np.ndarray) -> Iterator[Packet]:
    counts = np.round(wave * GAIN).astype(np.int32)
    for first in range(0, COUNT, 100):
        yield Packet(seed_id, round(first * 1e9 / RATE), RATE, counts[first : first + 100])


def with_poles(poles: tuple[complex, ...], code: str = "Z") -> Channel:
    return Channel(f"XX.A..EH{code}", 30.0, 100.0, 0.0, GAIN, "M/S", poles=poles)


def magnitude_of(channel: Channel, wave: np.ndarray) -> float:
    tracker = PeakTracker(channel, ONSET_S, list(packets(channel.seed_id, wave)))
    peaks = tracker.peaks(S_S - ONSET_S, 90.0)
    assert peaks is not None
    return station_magnitude(peaks, "kuyuk-allen-2013").magnitude


SENSORS = {
    "4.5 Hz": geophone(4.5),
    "1 Hz": geophone(1.0),
    "three real poles": (-1.0 + 0j, -3.03 + 0j, -3.03 + 0j),
}


@pytest.mark.parametrize("poles", SENSORS.values(), ids=SENSORS)
@pytest.mark.parametrize("magnitude", [5.0, 7.0])
def test_short_period_sensor_sizes_as_a_flat_one_does(
    magnitude: float, poles: tuple[complex, ...]
) -> None:
    ground = velocity(magnitude)[0]
    counts = through(poles, ground)
    flat = magnitude_of(FLAT, ground)
    assert magnitude_of(with_poles(poles), counts) == pytest.approx(flat, abs=0.25)
    if magnitude > 6 and poles == geophone(4.5):
        assert magnitude_of(FLAT, counts) < flat - 1.0  # what happens without the poles


@pytest.mark.parametrize("corner_hz", [4.5, 1.0])
def test_shaking_at_a_geophone_is_that_of_the_ground(corner_hz: float) -> None:
    ground, poles = velocity(7.0), geophone(corner_hz)

    def tracked(poles: tuple[complex, ...], waves: np.ndarray) -> MotionTracker:
        channels = [with_poles(poles, code) for code in "ZNE"]
        tracker = MotionTracker({c.seed_id: c for c in channels}, round(ONSET_S * 1e9))
        for channel, wave in zip(channels, waves, strict=True):
            tracker.add(packets(channel.seed_id, wave))
        return tracker

    flat, geo = tracked((), ground), tracked(poles, through(poles, ground))
    assert geo.peaks == pytest.approx(flat.peaks, rel=0.15)
    assert geo.displacement_m == pytest.approx(flat.displacement_m, rel=0.3)


def test_first_motion_below_the_corner_is_given_back() -> None:
    poles = geophone(4.5)
    assert share_at(with_poles(poles), 0.5) == pytest.approx((0.5 / 4.5) ** 2, rel=0.05)
    assert share_at(with_poles(poles), 40.0) == pytest.approx(1.0, abs=0.02)
    pick = Pick("XX.A..EHZ", 0, 0, 9.0, period_s=0.5, amplitude=100.0)
    more = log_acceleration(pick, with_poles(poles)) - log_acceleration(pick, FLAT)
    assert more == pytest.approx(-math.log10(share_at(with_poles(poles), 2.0)))


HEADER = "seed_id,latitude,longitude,elevation_m,gain,input_units"


def test_csv_gives_the_corner_and_names_what_lacks_one() -> None:
    rows = (
        f"{HEADER},corner_hz,damping\n"
        "XX.A..EHZ,1,2,0,1e8,M/S,4.5,0.56\n"
        "XX.B..EHZ,1,3,0,1e8,M/S,,\n"
        "XX.C..HHZ,1,4,0,1e8,M/S,,\n"
        "XX.D..EHZ,1,5,0,1e8,M/S,x,\n"
    )
    found = parse_csv(rows.encode(), "s.csv")
    assert found.channels["XX.A..EHZ"].poles == pytest.approx(geophone(4.5, 0.56))
    assert found.channels["XX.C..HHZ"].poles == ()
    assert set(found.channels) == {"XX.A..EHZ", "XX.B..EHZ", "XX.C..HHZ"}
    named = [note for note in found.notes if "XX.B..EHZ is a short-period sensor" in note]
    assert len(named) == 1
    assert any("XX.D..EHZ has a corner_hz" in note for note in found.notes)
    assert len(found.notes) == 2
