"""A device that two earthquakes concern at a time."""

import pytest

from ew import EventVersion, Origin
from ew.alerts.message import AlertTemplate
from ew.alerts.signing import Signer
from ew.traveltimes import TravelTimes
from simulators.device import DeviceMachine, check_with
from simulators.population import Device
from tests.trust import trusting

T_S = 1_700_000_000.0
SIGNER = Signer.ephemeral()
TV = Device("tv-1", "tv", 37.3, 137.1, "Noto")


def tv() -> DeviceMachine:
    made = DeviceMachine(TV, check_with(trusting((SIGNER,), us(0.0))), TravelTimes.load())
    made.on_heartbeat(us(0.0), us(0.0))
    return made


def us(after_s: float) -> int:
    return round((T_S + after_s) * 1e6)


def told(
    event_id: str,
    version: int,
    kind: str = "alert",
    *,
    magnitude: float,
    intensity: float = 6.0,
    s_after: float = 40.0,
    origin_after: float = 0.0,
) -> bytes:
    origin = Origin(T_S + origin_after, 37.48, 137.25, 10.0, magnitude)
    made = EventVersion(event_id, version, kind, T_S + origin_after + 4.0, origin, 5)  # type: ignore[arg-type]
    return AlertTemplate(made, "exercise", "CSIS", SIGNER.key_id).build(
        SIGNER,
        kind=kind,  # type: ignore[arg-type]
        address="device",
        target_id="tv-1",
        p_arrival_s=T_S,
        s_arrival_s=T_S + s_after,
        intensity=intensity,
        priority=0,
        expires_s=T_S + 300.0,
    )


def test_cancel_of_one_leaves_the_others_countdown() -> None:
    device = tv()
    device.on_alert(told("A", 1, magnitude=7.0, s_after=40.0), us(6))
    device.on_alert(told("B", 1, magnitude=4.6, intensity=3.0, s_after=20.0), us(8))
    assert device.countdown_s(us(8)) == pytest.approx(32.0, abs=0.1), "the stronger is shown"
    device.on_alert(told("B", 2, "cancel", magnitude=4.6, intensity=3.0), us(9))
    assert (device.state, round(device.countdown_s(us(10)))) == ("countdown", 30)
    device.on_alert(told("A", 2, "cancel", magnitude=7.0), us(11))
    assert device.state == "idle"


def test_weaker_one_is_shown_again_when_the_stronger_is_cancelled() -> None:
    device = tv()
    device.on_alert(told("B", 1, magnitude=5.6, intensity=5.0, s_after=50.0), us(6))
    device.on_alert(told("A", 1, magnitude=7.0, intensity=8.0, s_after=40.0), us(7))
    device.on_alert(told("A", 2, "cancel", magnitude=7.0), us(9))
    assert round(device.countdown_s(us(10))) == 40


@pytest.mark.parametrize(
    ("first", "second", "later_s", "sounds"),
    [
        (4.3, 7.6, 13.0, True),
        (5.5, 7.6, 13.0, True),
        (5.5, 5.7, 2.0, False),  # two services name it before they hear each other
        (5.5, 5.7, 60.0, True),
    ],
)
def test_second_id_sounds_if_it_is_another_earthquake(
    first: float, second: float, later_s: float, *, sounds: bool
) -> None:
    device = tv()
    one = device.on_alert(told("A", 1, magnitude=first), us(5))
    other = device.on_alert(
        told("B", 1, magnitude=second, origin_after=later_s, s_after=later_s + 20), us(later_s + 5)
    )
    assert one is not None
    assert other is not None
    assert (one.sounds, other.sounds) == (True, sounds)


def test_one_earthquake_that_grew_under_one_id_does_not_sound_under_another() -> None:
    device = tv()
    device.on_alert(told("A", 1, magnitude=5.5), us(5))
    device.on_alert(told("A", 2, "update", magnitude=7.4), us(9))
    other = device.on_alert(told("B", 1, magnitude=7.5, origin_after=1.0), us(10))
    assert other is not None
    assert not other.sounds
