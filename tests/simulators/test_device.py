"""What a phone or a TV does with what it hears."""

import math
from dataclasses import replace
from pathlib import Path

import h3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ew import EventVersion, Origin
from ew.alerts.message import AlertTemplate, ReceiptRequest
from ew.alerts.signing import Signer
from ew.alerts.trust import Verifier
from ew.config import PolicyConfig, load_config
from ew.shaking.targets import cell_of
from ew.traveltimes import TravelTimes
from simulators.device import DeviceMachine, check_with
from simulators.population import Device
from tests.trust import trusting

ORIGIN = Origin(1_560_783_343.0, 28.34, 104.90, 16.0, 6.0)
NOW_US = 1_560_783_349_000_000
SIGNER = Signer.ephemeral()
TABLE = TravelTimes.load()
TV = Device("tv-1", "tv", 28.75, 104.64, "Yibin")


def machine(device: Device = TV, signers: tuple[Signer, ...] = (SIGNER,)) -> DeviceMachine:
    made = DeviceMachine(device, check_with(trusting(signers, NOW_US)), TABLE)
    made.on_heartbeat(NOW_US, NOW_US)
    return made


def alert(
    version: int = 1,
    *,
    kind: str = "alert",
    intensity: float = 5.0,
    lead_s: float = 10.0,
    status: str = "exercise",
    device: str = "tv-1",
    signer: Signer = SIGNER,
    expires_s: float = 60.0,
) -> bytes:
    made = EventVersion("ew-1", version, kind, NOW_US / 1e6 - 0.1, ORIGIN, 4)  # type: ignore[arg-type]
    template = AlertTemplate(made, status, "CSIS", signer.key_id)  # type: ignore[arg-type]
    return template.build(
        signer,
        kind=kind,
        address="device",
        target_id=device,
        p_arrival_s=NOW_US / 1e6,  # type: ignore[arg-type]
        s_arrival_s=NOW_US / 1e6 + lead_s,
        intensity=intensity,
        priority=0,
        expires_s=NOW_US / 1e6 + expires_s,
    )


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
    """Its cell's nearest point is reached at once; the device itself lies 50 km from the
    epicentre."""
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


def test_replayed_heartbeat_does_not_make_an_old_alert_new() -> None:
    tv = machine()
    day_us = 86_400_000_000
    for second in range(30):  # a stranger replays yesterday's beside the service's own
        now_us = NOW_US + day_us + second * 1_000_000
        tv.on_heartbeat(now_us, now_us)
        tv.on_heartbeat(NOW_US + second * 1_000_000, now_us + 500_000)
        assert tv.on_alert(alert(version=second + 1), now_us + 600_000) is None
    assert tv.refused["old heartbeat"] == 30


@given(st.lists(st.integers(0, 120), min_size=1, max_size=60))
def test_heartbeats_replayed_while_the_service_is_silent_stop_no_clock(played_s: list[int]) -> None:
    tv = machine()
    last_us = NOW_US + 120_000_000
    tv.on_heartbeat(last_us, last_us)
    for second, old_s in enumerate(played_s, 1):
        clock_us = last_us + second * 1_000_000
        tv.on_heartbeat(NOW_US + old_s * 1_000_000, clock_us)
        assert tv.now_us(clock_us) == clock_us


def test_service_whose_clock_was_ahead_is_followed_back_with_its_next_document() -> None:
    tv = DeviceMachine(TV, check_with(Verifier()), TABLE)
    tv.on_keys(7, NOW_US)
    for second in range(30):
        clock_us = NOW_US + second * 1_000_000
        tv.on_heartbeat(clock_us + (3_600_000_000 if second < 10 else 0), clock_us)
        tv.on_keys(7, clock_us)  # the same one again, at a reconnect
    assert tv.now_us(clock_us) == clock_us + 3_600_000_000
    tv.on_keys(8, clock_us)
    for second in range(30, 40):
        clock_us = NOW_US + second * 1_000_000
        tv.on_heartbeat(clock_us, clock_us)
    assert tv.now_us(clock_us) == clock_us


def test_device_whose_own_clock_is_set_ahead_follows_the_heartbeats() -> None:
    tv = machine()
    for second in range(1, 10):
        sent_us = NOW_US + second * 1_000_000
        tv.on_heartbeat(sent_us, sent_us + 3_600_000_000)
    assert tv.now_us(sent_us + 3_600_000_000) == sent_us


def test_signed_alert_sets_a_clock_that_is_behind() -> None:
    tv = DeviceMachine(TV, check_with(trusting([SIGNER], NOW_US)), TABLE)
    behind_us = NOW_US - 30_000_000
    tv.on_heartbeat(behind_us, behind_us)
    reaction = tv.on_alert(alert(), behind_us)
    assert reaction is not None
    assert tv.now_us(behind_us) >= NOW_US - 100_000


def cell_alert(
    cell: str,
    version: int = 1,
    *,
    intensity: float = 5.0,
    receipt: ReceiptRequest | None = None,
    kind: str = "alert",
) -> bytes:
    made = EventVersion("ew-1", version, kind, NOW_US / 1e6 - 0.1, ORIGIN, 4)  # type: ignore[arg-type]
    template = AlertTemplate(made, "exercise", "CSIS", SIGNER.key_id, receipt)
    return template.build(
        SIGNER,
        kind=kind,
        address="cell",
        target_id=cell,
        p_arrival_s=NOW_US / 1e6,
        s_arrival_s=NOW_US / 1e6 + 9,  # type: ignore[arg-type]
        intensity=intensity,
        priority=0,
        expires_s=NOW_US / 1e6 + 60,
    )


HOME = Device("phone-1", "phone", 28.75, 104.64, "Yibin")
HERE = cell_of(HOME.latitude, HOME.longitude)
(THERE,) = h3.grid_ring(HERE, 1)[:1]
FAR = h3.grid_ring(HERE, 3)[0]


def test_phone_listens_to_the_neighbours_cells_only_while_it_moves() -> None:
    phone = machine(HOME)
    assert phone.topics(NOW_US) == {f"ew/v1/alert/cell/{HERE}"}
    phone.move(HOME.latitude + 0.001, HOME.longitude, NOW_US)
    assert phone.topics(NOW_US) == {f"ew/v1/alert/cell/{cell}" for cell in h3.grid_disk(HERE, 1)}
    phone.move(*h3.cell_to_latlng(THERE), NOW_US)
    assert phone.topics(NOW_US) == {f"ew/v1/alert/cell/{cell}" for cell in h3.grid_disk(THERE, 1)}
    assert phone.topics(NOW_US + 121_000_000) == {f"ew/v1/alert/cell/{THERE}"}
    tv = machine()
    tv.move(0.0, 0.0, NOW_US)
    assert tv.topics(NOW_US) == {"ew/v1/alert/device/tv-1"}


def test_phone_acts_on_the_cell_it_is_in_and_on_the_next_when_it_comes_there() -> None:
    phone = machine(HOME)
    phone.move(HOME.latitude, HOME.longitude, NOW_US)
    assert phone.on_alert(cell_alert(THERE), NOW_US) is None
    reaction = phone.move(*h3.cell_to_latlng(THERE), NOW_US)
    assert reaction is not None
    assert (reaction.version, reaction.sounds) == (1, True)
    assert (
        phone.on_alert(cell_alert(HERE), NOW_US) is None
    )  # the cell it has left, the same version
    assert phone.move(HOME.latitude, HOME.longitude, NOW_US) is None
    assert phone.on_alert(cell_alert(FAR), NOW_US) is None
    assert phone.refused == {"for another cell": 1}


@pytest.mark.parametrize(("intensity", "is_told"), [(2.5, False), (5.0, True)])
def test_phone_is_told_once_more_only_where_it_is_stronger(intensity: float, is_told: bool) -> None:
    phone = machine(HOME)
    phone.move(HOME.latitude, HOME.longitude, NOW_US)
    first = phone.on_alert(cell_alert(HERE, intensity=2.5), NOW_US)
    assert first is not None
    assert first.level == "notice"
    phone.on_alert(cell_alert(THERE, intensity=intensity), NOW_US)
    again = phone.move(*h3.cell_to_latlng(THERE), NOW_US)
    assert (again is not None) == is_told
    if again is not None:
        assert (again.level, again.sounds) == ("full", True)


def test_cancel_of_the_next_cell_does_not_alert_who_comes_there() -> None:
    phone = machine(HOME)
    phone.move(HOME.latitude, HOME.longitude, NOW_US)
    phone.on_alert(cell_alert(THERE, 1), NOW_US)
    phone.on_alert(cell_alert(THERE, 2, kind="cancel"), NOW_US)
    assert phone.move(*h3.cell_to_latlng(THERE), NOW_US) is None


def asked(share: float, number: int, seed: int = 0, late_s: float = 0.0) -> DeviceMachine:
    phone = DeviceMachine(
        replace(HOME, device_id=f"phone-{number}"),
        check_with(trusting([SIGNER], NOW_US)),
        TABLE,
        seed=seed,
    )
    phone.on_heartbeat(NOW_US, NOW_US)
    request = ReceiptRequest(share=share, within_s=30.0)
    assert phone.on_alert(cell_alert(HERE, receipt=request), NOW_US + round(late_s * 1e6))
    return phone


def test_of_those_asked_for_a_receipt_a_share_answers_spread_over_the_window() -> None:
    phones = [asked(0.2, number) for number in range(500)]
    waits = [(one.due_us - NOW_US) / 1e6 for phone in phones for one in phone.receipts]
    assert 70 < len(waits) < 130
    assert all(0 <= wait <= 30 for wait in waits)
    in_thirds = [sum(low <= wait < low + 10 for wait in waits) for low in (0, 10, 20)]
    assert min(in_thirds) > 15
    again = [asked(0.2, number) for number in range(500)]
    assert [p.receipts for p in again] == [p.receipts for p in phones]
    assert [bool(asked(0.2, n, seed=1).receipts) for n in range(50)] != [
        bool(phone.receipts) for phone in phones[:50]
    ]


def test_receipt_says_when_which_version_came_and_is_given_once_when_it_is_due() -> None:
    phone = asked(1.0, 1)
    (promised,) = phone.receipts
    assert phone.receipts_due(promised.due_us - 1) == []
    (body,) = phone.receipts_due(promised.due_us)
    assert (body.event_id, body.version, body.received_us) == ("ew-1", 1, NOW_US)
    assert phone.receipts_due(promised.due_us) == []


def test_who_hears_of_it_after_the_window_or_is_not_asked_sends_no_receipt() -> None:
    assert asked(1.0, 1, late_s=31.0).receipts == []
    phone = machine(HOME)
    assert phone.on_alert(cell_alert(HERE), NOW_US)
    assert phone.receipts == []


def test_new_kind_of_device_is_a_table_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "ew.toml").write_text(
        '[policy.kinds.siren]\nmin_intensity = 4\nfull_intensity = 6\naction = "howl"\n'
        '[policy.kinds.blinds]\nmin_intensity = 3\nfull_intensity = 3\naction = "open"\nsound = '
        "false\n",
        encoding="utf-8",
    )
    kinds = load_config(tmp_path / "ew.toml").policy.kinds

    def react(kind: str, intensity: float) -> tuple[str, str, bool]:
        made = DeviceMachine(
            replace(TV, kind=kind),
            check_with(trusting([SIGNER], NOW_US)),
            TABLE,
            kinds=kinds,
        )
        reaction = made.on_alert(alert(intensity=intensity), NOW_US)
        assert reaction is not None
        return reaction.level, reaction.action, reaction.sounds

    assert react("siren", 5.0) == ("notice", "", False)
    assert react("siren", 6.0) == ("full", "howl", True)
    assert react("blinds", 3.0) == ("full", "open", False)


def test_kinds_in_the_docs_are_those_of_the_default_configuration() -> None:
    page = (Path(__file__).parents[2] / "docs" / "device-protocol.md").read_text(encoding="utf-8")
    for name, kind in PolicyConfig().kinds.items():
        sound = "yes" if kind.sound else "no"
        row = (
            f"| {name} | {kind.address} | {kind.min_intensity:g} | {kind.full_intensity:g} | "
            f"{sound} | {kind.action} |"
        )
        assert row in page
