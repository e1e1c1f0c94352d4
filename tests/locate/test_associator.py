"""Which onsets make an earthquake: one of them must not carry it, and a wave from afar is not one
near by."""

import numpy as np
import pytest

import ew.locate.associator
from ew import Channel, Config, Packet, Pick
from ew.geo import distance_km
from ew.locate.afar import is_from_afar
from ew.locate.events import EventEngine
from ew.locate.onsets import Onset
from ew.locate.stations import Network
from ew.records import Inventory
from ew.traveltimes import TravelTimes

START_S = 1_600_000_000.0
COAST = [(16.71, -99.49), (16.55, -98.78), (16.44, -98.08), (16.25, -97.67)]
INLAND = [(18.51, -96.16), (18.34, -95.13)]


def channels(places: list[tuple[float, float]], *, east: float = 0.0) -> dict[str, Channel]:
    """Accelerometers at places, moved along their parallels by ``east`` degrees."""
    return {
        f"XX.L{i:02d}..HNZ": Channel(
            f"XX.L{i:02d}..HNZ", lat, (lon + east + 180) % 360 - 180, 0, 1e5, "M/S**2"
        )
        for i, (lat, lon) in enumerate(places)
    }


def pick(number: int, time_s: float, snr: float, log_m_s2: float) -> Pick:
    time_ns = round((START_S + time_s) * 1e9)
    amplitude = 1e5 * 10**log_m_s2
    return Pick(f"XX.L{number:02d}..HNZ", time_ns, time_ns, snr, time_ns, 0.15, amplitude)


def alive(inventory: Inventory, until_s: float) -> list[Packet]:
    zeros = np.zeros(round(until_s * 10), np.float32)
    return [Packet(seed_id, round(START_S * 1e9), 10.0, zeros) for seed_id in inventory]


NOISE = pick(4, 41.98, 9.4, -1.76)
ON_TIME = [
    pick(2, 68.73, 5.8, -1.88),
    pick(3, 70.08, 9.1, -2.24),
    pick(1, 74.88, 8.7, -2.74),
]


@pytest.mark.parametrize("east", [0.0, -82.0])
def test_old_noise_of_a_far_station_does_not_carry_three_onsets_of_the_coast_away(
    east: float, travel_times: TravelTimes
) -> None:
    inventory = channels(COAST + INLAND, east=east)
    engine = EventEngine(Config(), inventory, travel_times)
    until_s = START_S + 75.4
    engine.feed((), alive(inventory, 75.4), until_s)
    engine.feed([NOISE, *ON_TIME], (), until_s)
    assert engine.active_events == ()


def test_without_leaving_one_out_the_old_noise_carries_them_away(
    travel_times: TravelTimes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The case above is one that needs the rule."""
    monkeypatch.setattr(ew.locate.associator, "MOVES", np.inf)
    inventory = channels(COAST + INLAND)
    engine = EventEngine(Config(), inventory, travel_times)
    engine.feed((), alive(inventory, 75.4), START_S + 75.4)
    engine.feed([NOISE, *ON_TIME], (), START_S + 75.4)
    assert len(engine.active_events) == 1


RING = [
    (29.5 + (0.2 + 0.3 * (i % 3)) * np.cos(i), 103.5 + (0.2 + 0.3 * (i % 3)) * np.sin(i))
    for i in range(12)
]


def onsets(
    times_s: list[float], *, snr: float = 40.0, period_s: float = 0.45, log_m_s2: float = -4.0
) -> list[Onset]:
    return [
        Onset(
            Pick(f"XX.L{i:02d}..HNZ", 0, 0, snr, period_s=period_s),
            i,
            START_S + time_s,
            log_amplitude=log_m_s2,
        )
        for i, time_s in enumerate(times_s)
    ]


def deep_times(table: TravelTimes) -> list[float]:
    """P of an earthquake 116 km below the ring."""
    away = distance_km(29.5, 103.7, [p[0] for p in RING], [p[1] for p in RING])
    return [float(t) for t in table.p_s(away, min(116.0, table.max_depth_km))]


def plane_times(km_s: float) -> list[float]:
    """A plane wave from the south."""
    return [(p[0] - 29.0) * 111.2 / km_s for p in RING]


def unfit(onsets: list[Onset]) -> np.ndarray:
    """How late onsets are at a hypocentre that does not explain them."""
    return np.full(len(onsets), 9.0)


@pytest.fixture
def ring() -> Network:
    return Network(channels([(float(a), float(b)) for a, b in RING]))


def test_clear_onsets_of_a_deep_earthquake_are_not_from_afar_for_their_long_period(
    ring: Network, travel_times: TravelTimes
) -> None:
    deep = onsets(deep_times(travel_times))
    assert not is_from_afar(deep, deep, 116.0, ring, 4, 0, unfit(deep))


def test_long_period_waves_across_the_network_at_fifteen_km_s_are_from_afar(
    ring: Network,
) -> None:
    far = onsets(plane_times(15.0))
    assert is_from_afar(far, far, 30.0, ring, 4, 0, unfit(far))


def test_emergent_waves_of_long_period_are_from_afar_though_their_onsets_fit_no_plane(
    ring: Network, travel_times: TravelTimes
) -> None:
    faint = onsets(deep_times(travel_times), snr=3.0)
    assert is_from_afar(faint, faint, 116.0, ring, 4, 0, unfit(faint))


@pytest.mark.parametrize(("fitting_s", "log_m_s2"), [(2, -4.0), (0, -1.5)])
def test_s_waves_in_place_or_strong_motion_say_near(
    fitting_s: int, log_m_s2: float, ring: Network
) -> None:
    near = onsets(plane_times(15.0), log_m_s2=log_m_s2)
    assert not is_from_afar(near, near, 30.0, ring, 4, fitting_s, unfit(near))


def test_front_that_is_clearly_curved_and_fits_comes_from_below_however_faint(
    ring: Network, travel_times: TravelTimes
) -> None:
    faint = onsets(deep_times(travel_times), snr=3.0)
    assert not is_from_afar(faint, faint, 116.0, ring, 4, 0, np.zeros(len(faint)))
    assert is_from_afar(faint, faint, 116.0, ring, 4, 0, np.full(len(faint), 0.5))
    far = onsets(plane_times(15.0), snr=3.0)
    assert is_from_afar(far, far, 116.0, ring, 4, 0, np.zeros(len(far)))
