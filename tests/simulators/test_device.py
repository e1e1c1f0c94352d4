"""What a phone or a TV does with what it hears."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ew import EventVersion, Origin
from ew.alerts.message import AlertTemplate
from ew.alerts.signing import Signer, Verifier, keys_document
from ew.traveltimes import TravelTimes
from simulators.device import DeviceMachine, check_with
from simulators.population import Device

ORIGIN = Origin(1_560_783_343.0, 28.34, 104.90, 16.0, 6.0)
NOW_US = 1_560_783_349_000_000
SIGNER = Signer.ephemeral()
TABLE = TravelTimes.load()
TV = Device("tv-1", "tv", 28.75, 104.64, "Yibin")


def machine(device: Device = TV, signers: tuple[Signer, ...] = (SIGNER,)) -> DeviceMachine:
    made = DeviceMachine(device, check_with(Verifier(keys_document(signers, NOW_US))), TABLE)
    made.on_heartbeat(NOW_US, NOW_US)
    return made


def alert(
    version: int = 1, *, kind: str = "alert", intensity: float = 5.0, lead_s: float = 10.0, status: str = "exercise",
    device: str = "tv-1", signer: Signer = SIGNER, expires_s: float = 60.0,
) -> bytes:  # fmt: skip
    made = EventVersion("ew-1", version, kind, NOW_US / 1e6 - 0.1, ORIGIN, 4)  # type: ignore[arg-type]
    template = AlertTemplate(made, status, "CSIS", signer.key_id)  # type: ignore[arg-type]
    return template.build(
        signer, kind=kind, address="device", target_id=device, p_arrival_s=NOW_US / 1e6,  # type: ignore[arg-type]
        s_arrival_s=NOW_US / 1e6 + lead_s, intensity=intensity, priority=0, expires_s=NOW_US / 1e6 + expires_s,
    )  # fmt: skip


def test_device_counts_down_shakes_and_is_clear_again() -> None:
    tv = machine()
    reaction = tv.on_alert(alert(lead_s=20.0), NOW_US)
    assert reaction is not None
    assert (reaction.level, reaction.sounds, tv.state) == ("full", True, "countdown")
    assert reaction.lead_s == pytest.approx(20.0, abs=0.01)
    assert tv.countdown_s(NOW_US + 5_000_000) == pytest.approx(15.0, abs=0.01)
    assert tv.tick(NOW_US + 21_000_000) == "shaking"
    assert tv.tick(NOW_US + 52_000_000) == "all-clear"
    assert tv.tick(NOW_US + 90_000_000) == "idle"
    assert math.isnan(tv.countdown_s(NOW_US + 90_000_000))


def test_device_refines_its_arrival_by_its_own_place() -> None:
    """Its cell's nearest point is reached at once; the device itself lies 50 km from the epicentre."""
    reaction = machine().on_alert(alert(lead_s=-5.0), NOW_US)
    assert reaction is not None
    assert reaction.lead_s > 5.0
    assert not reaction.already_shaking


def test_one_sound_for_each_event_and_one_act_for_each_version() -> None:
    tv = machine()
    sounds = [r.sounds for v in (1, 1, 2, 3, 2) if (r := tv.on_alert(alert(v), NOW_US)) is not None]
    assert sounds == [True, False, False]
    assert tv.refused == {"old version": 2}


@pytest.mark.parametrize(("intensity", "level"), [(1.5, "silent"), (2.5, "notice"), (3.5, "full")])
def test_level_follows_intensity(intensity: float, level: str) -> None:
    reaction = machine().on_alert(alert(intensity=intensity), NOW_US)
    assert reaction is not None
    assert reaction.level == level
    assert reaction.sounds == (level == "full")


def test_valve_closes_without_a_sound_and_only_for_strong_shaking() -> None:
    valve = Device("tv-1", "gas-valve", 28.75, 104.64, "Yibin")
    weak, strong = (
        machine(valve).on_alert(alert(intensity=4.5), NOW_US),
        machine(valve).on_alert(alert(), NOW_US),
    )
    assert weak is not None
    assert strong is not None
    assert (weak.level, strong.level, strong.sounds) == ("silent", "full", False)


def test_cancel_ends_the_countdown() -> None:
    tv = machine()
    tv.on_alert(alert(1), NOW_US)
    reaction = tv.on_alert(alert(2, kind="cancel"), NOW_US)
    assert reaction is not None
    assert tv.state == "idle"


def test_exercise_is_a_drill() -> None:
    tv = machine()
    tv.on_alert(alert(), NOW_US)
    assert tv.is_drill


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (alert(expires_s=-1.0), "expired"),
        (alert(device="tv-2"), "for another device"),
        (alert(signer=Signer.ephemeral("stranger")), "key 'stranger' is unknown"),
        (alert().replace(b'"intensity":5', b'"intensity":9'), "the signature is wrong"),
        (b"{}", "alert: v: Field required"),
    ],
)
def test_what_is_not_to_be_trusted_is_refused(payload: bytes, reason: str) -> None:
    tv = machine()
    assert tv.on_alert(payload, NOW_US) is None
    assert tv.state == "idle"
    assert tv.refused == {reason: 1}


@given(
    st.lists(
        st.tuples(st.integers(1, 5), st.sampled_from(["alert", "update", "cancel"])), max_size=20
    )
)
def test_versions_only_ever_rise(heard: list[tuple[int, str]]) -> None:
    tv = machine()
    acted = [
        r.version
        for v, kind in heard
        if (r := tv.on_alert(alert(v, kind=kind), NOW_US)) is not None
    ]
    assert acted == sorted(set(acted))


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(0, 400_000), min_size=3, max_size=20))
def test_clock_is_learnt_to_within_the_jitter_of_heartbeats(
    offset_us: int, delays_us: list[int]
) -> None:
    tv = DeviceMachine(TV, check_with(Verifier()), TABLE)
    for number, delay_us in enumerate(delays_us):
        sent_us = NOW_US + number * 1_000_000
        tv.on_heartbeat(sent_us, sent_us + delay_us + offset_us)
    truth_us = NOW_US + 60_000_000
    assert abs(tv.now_us(truth_us + offset_us) - truth_us) <= max(delays_us)


def test_signed_alert_sets_a_clock_that_is_behind() -> None:
    tv = DeviceMachine(TV, check_with(Verifier(keys_document([SIGNER], NOW_US))), TABLE)
    behind_us = NOW_US - 30_000_000
    tv.on_heartbeat(behind_us, behind_us)
    reaction = tv.on_alert(alert(), behind_us)
    assert reaction is not None
    assert tv.now_us(behind_us) >= NOW_US - 100_000
