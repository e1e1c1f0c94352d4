"""What detectors elsewhere report is checked at the door: times far from now, and garbage."""

import logging
from collections.abc import Sequence

import numpy as np
import pytest

from ew import Pick
from ew.broker_address import BrokerAddress
from ew.errors import MessageError
from ew.locate.magnitude import CORNERS_HZ
from ew.locate.reports import PickReport
from ew.records import EventVersion
from ew.sources.picks import PickExchange, encode_ends, encode_report
from ew.times import NS_PER_S

NOW_NS = 1_600_000_000 * NS_PER_S
SEED_ID = "XS.A..HHZ"
TOPIC = f"ew/v1/pick/{SEED_ID}"


def exchange() -> PickExchange:
    def check(payload: bytes) -> EventVersion:
        raise MessageError("no event is expected")

    return PickExchange(BrokerAddress("127.0.0.1", 1883), check, now_ns=lambda: NOW_NS)


def report(at_ns: int, end_ns: int | None = None) -> bytes:
    pick = Pick(SEED_ID, at_ns, at_ns, 50.0, at_ns, 0.3, 1e-3, 0.02, 1.0)
    rows = len(CORNERS_HZ)
    peaks = np.full((rows, 4), 1e-3)
    end_ns = at_ns if end_ns is None else end_ns
    return encode_report(PickReport(pick, np.full(rows, 1e-8), peaks, 0, end_ns), "north")


def take(chosen: PickExchange, messages: Sequence[tuple[str, bytes]]) -> list[int]:
    chosen._take_all(messages)  # as the broker's messages come
    return [one.pick.time_ns for one in chosen.take().reports]


def test_a_report_of_now_is_taken_and_one_of_1970_yesterday_or_2099_refused() -> None:
    chosen = exchange()
    far = [0, NOW_NS - 86_400 * NS_PER_S, NOW_NS + 3600 * NS_PER_S, 4_070_908_800 * NS_PER_S]
    messages = [(TOPIC, report(at_ns)) for at_ns in (*far, NOW_NS - NS_PER_S)]
    messages.append((TOPIC, report(NOW_NS, end_ns=far[-1])))
    assert take(chosen, messages) == [NOW_NS - NS_PER_S]
    assert chosen.refusals.count == len(far) + 1


def test_data_that_end_in_the_future_are_refused_and_late_ones_are_news() -> None:
    chosen = exchange()
    for end_ns in (4_070_908_800 * NS_PER_S, NOW_NS - 86_400 * NS_PER_S):
        chosen._take_all([("ew/v1/detector/north", encode_ends({SEED_ID: end_ns}, "north"))])
    assert chosen.take().ends_s == {SEED_ID: (NOW_NS - 86_400 * NS_PER_S) / NS_PER_S}
    assert chosen.refusals.count == 1


def test_a_flood_of_garbage_is_counted_and_leaves_few_lines_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    chosen = exchange()
    with caplog.at_level(logging.WARNING, "ew.picks"):
        taken = take(chosen, [(TOPIC, b"\xff")] * 5000 + [(TOPIC, report(NOW_NS))])
    assert taken == [NOW_NS]
    assert chosen.refusals.count == 5000
    assert 1 <= len(caplog.records) < 100
    assert TOPIC in caplog.records[0].getMessage()
