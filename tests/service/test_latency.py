"""Latency receipts: what is known of a version's way from the ground to the devices."""

from dataclasses import replace

import orjson
import pytest

from ew.delivery.progress import SendProgress
from ew.records import Arrival, EventVersion, Origin, Pick
from ew.service.latency import RECEIPTS_KEPT, Latencies

ISSUED_S = 1_560_783_349.0
ISSUED_US = 1_560_783_349_000_000


def picks() -> list[Pick]:
    """P at five stations, a second apart, the last 1.5 s before the version; its data end 0.4 s
    before it."""
    ends = ISSUED_US * 1000 - 400_000_000
    times = [ISSUED_US * 1000 - 1_500_000_000 - n * 1_000_000_000 for n in range(5)]
    return [Pick(f"XS.S{n}..HHZ", t, t, 9.0, ends - n) for n, t in enumerate(times)]


def version(number: int = 1) -> EventVersion:
    arrivals = tuple(Arrival(pick, "P", 10.0, 0.0, 1.0) for pick in picks())
    origin = Origin(ISSUED_S - 6, 28.3, 104.9, 16, 6)
    return EventVersion("ew-1", number, "alert", ISSUED_S, origin, 5, arrivals)


@pytest.fixture
def latencies() -> Latencies:
    made = Latencies(lambda *_: None)
    made.note(version(), picks()[:1], {"pick": 0.31234, "locate": 2.0})
    return made


def receipt(received_us: int, number: int = 1, event_id: str = "ew-1") -> bytes:
    return orjson.dumps(
        {"v": 1, "event_id": event_id, "version": number, "received_us": received_us}
    )


def test_receipt_names_p_at_the_stations_the_age_of_the_data_and_the_stages(
    latencies: Latencies,
) -> None:
    found = latencies.of("ew-1", 1)
    assert found["p_first_us"] == ISSUED_US - 5_500_000
    assert found["p_fourth_us"] == ISSUED_US - 2_500_000
    assert found["packet_age_ms"] == pytest.approx(400.0)
    assert found["stages_ms"] == {"pick": 0.312, "locate": 2.0}
    assert "received_p50_ms" not in found


def test_versions_of_another_agency_have_no_stations_and_no_data(latencies: Latencies) -> None:
    latencies.note(replace(version(2), arrivals=()))
    found = latencies.of("ew-1", 2)
    assert (found["p_first_us"], found["p_fourth_us"], found["packet_age_ms"]) == (None, None, None)


def test_alerts_are_counted_from_the_plan_to_the_brokers_answer() -> None:
    now = iter([1_000, 0])
    progress = SendProgress(lambda: ISSUED_US * 1000 + next(now))
    latencies = Latencies(progress.of)
    latencies.note(version())
    progress.submit("ew-1", 1)
    for number in (2, 3):
        progress.sent("ew-1", 1, (ISSUED_US + number) * 1000, 55_000)
    progress.acknowledged("ew-1", 1, (ISSUED_US + 9) * 1000)
    found = latencies.of("ew-1", 1)
    assert (found["alerts"], found["acknowledged"]) == (2, 1)
    assert found["first_publish_us"] == ISSUED_US + 2
    assert found["last_publish_us"] == ISSUED_US + 3
    assert found["last_acknowledged_us"] == ISSUED_US + 9
    assert found["stages_ms"] == {"sign": 0.055}


def test_devices_receipts_give_the_median_and_the_99th_percentile(latencies: Latencies) -> None:
    for number in range(1, 101):
        topic = f"ew/v1/receipt/tv-{number}"
        latencies.receive(topic, receipt(ISSUED_US + number * 1000), ISSUED_US + 20_000_000)
        latencies.receive(topic, receipt(ISSUED_US), ISSUED_US + 20_000_000)  # a second one
    found = latencies.of("ew-1", 1)
    assert (found["receipts"], latencies.receipts, latencies.refused) == (100, 100, 0)
    assert found["received_p50_ms"] == pytest.approx(50.5)
    assert found["received_p99_ms"] == pytest.approx(99.0, abs=0.2)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[1]",
        receipt(ISSUED_US, number=2),
        receipt(ISSUED_US, event_id="made-up"),
        receipt(ISSUED_US - 3_000_000),
        receipt(ISSUED_US + 60_000_000),
        receipt(ISSUED_US) + b" " * 2000,
    ],
)
def test_receipt_that_can_not_be_true_is_refused_and_counted(
    latencies: Latencies, payload: bytes
) -> None:
    latencies.receive("ew/v1/receipt/tv-1", payload, ISSUED_US + 20_000_000)
    assert (latencies.receipts, latencies.refused) == (0, 1)
    assert "receipts" not in latencies.of("ew-1", 1)


def test_flood_of_receipts_is_bounded(latencies: Latencies) -> None:
    for number in range(RECEIPTS_KEPT + 50):
        latencies.receive(f"ew/v1/receipt/{number}", receipt(ISSUED_US), ISSUED_US)
    assert latencies.receipts == latencies.of("ew-1", 1)["receipts"] == RECEIPTS_KEPT


def test_only_what_is_new_is_told_again(latencies: Latencies) -> None:
    assert [(event, number) for event, number, _ in latencies.changed()] == [("ew-1", 1)]
    assert latencies.changed() == []
    latencies.receive("ew/v1/receipt/tv-1", receipt(ISSUED_US + 5000), ISSUED_US + 9000)
    ((_, _, body),) = latencies.changed()
    assert body["received_p50_ms"] == pytest.approx(5.0)
