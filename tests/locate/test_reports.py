"""Reports of detectors: an associator that has only them knows what one with the waveforms
knows."""

import json
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ew import Channel, Config, EventVersion, Origin, Packet, Pick
from ew.errors import MessageError
from ew.locate.amplitudes import PeakBins
from ew.locate.reports import PickReport, Reporter, add_report
from ew.pipeline import Pipeline
from ew.sources.picks import decode_ends, decode_report, encode_ends, encode_report
from ew.times import NS_PER_S
from ew.traveltimes import TravelTimes
from tests.serving import play

START_S = 1_600_000_000.0


def test_event_from_reports_is_that_from_waveforms(travel_times: TravelTimes) -> None:
    chosen = play()
    whole = Pipeline(Config(), chosen.inventory, travel_times)
    split = Pipeline(Config(), chosen.inventory, travel_times)
    reporter = Reporter(chosen.inventory)
    ours: list[EventVersion] = []
    theirs: list[EventVersion] = []
    for now_ns, tick in whole.moments(chosen.packets(0.5)):
        out = whole.feed(tick, now_ns)
        ours += out.versions
        reports = [decode_report(encode_report(r, "a")) for r in reporter.take(out.picks, tick)]
        ends = decode_ends(encode_ends(reporter.ends_ns, "a"))
        theirs += split.feed_reports(reports, ends, (), now_ns).versions
    assert len(ours) > 5
    assert [v.event_id for v in theirs] == [v.event_id for v in ours]
    assert [v.version for v in theirs] == [v.version for v in ours]
    for a, b in zip(ours, theirs, strict=True):
        assert b.origin.latitude == pytest.approx(a.origin.latitude, abs=0.02)
        assert b.origin.magnitude == pytest.approx(a.origin.magnitude, abs=0.05)


def reports_of(seed: int) -> tuple[Channel, list[PickReport]]:
    rng = np.random.default_rng(seed)
    chosen = play()
    seed_id = next(s for s in chosen.inventory if s.endswith("Z"))
    reporter = Reporter(chosen.inventory)
    pick_ns = round((START_S + 12) * NS_PER_S)
    reports: list[PickReport] = []
    for second in range(30):
        samples = rng.normal(0, 100 if second < 12 else 1000, 100)
        packet = Packet(seed_id, round((START_S + second) * NS_PER_S), 100.0, samples)
        picks = [Pick(seed_id, pick_ns, pick_ns, 5.0)] if second == 13 else []
        reports += reporter.take(picks, [packet])
    return chosen.inventory[seed_id], reports


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 3), order=st.randoms(use_true_random=False))
def test_reports_may_come_twice_and_in_any_order(seed: int, order: random.Random) -> None:
    channel, reports = reports_of(seed)
    straight, mixed = PeakBins(channel, START_S + 12), PeakBins(channel, START_S + 12)
    for report in reports:
        add_report(straight, report)
    shuffled = reports * 2
    order.shuffle(shuffled)
    for report in shuffled:
        add_report(mixed, report)
    a, b = straight.peaks(8.0, 50.0), mixed.peaks(8.0, 50.0)
    assert a is not None
    assert b is not None
    assert (a.pd_m == b.pd_m).all()
    assert (a.pd_m > 0).all()
    assert (a.noise_m == b.noise_m).all()


@pytest.mark.parametrize(
    ("member", "value"),
    [("snr", -1), ("peaks_m", [[1.0], [1.0]]), ("seed_id", "XX"), ("noise_m", [1.0]), ("v", 2)],
)
def test_a_report_with_a_mistake_is_refused_by_name(member: str, value: object) -> None:
    _, reports = reports_of(0)
    body = {**json.loads(encode_report(reports[0], "a")), member: value}
    with pytest.raises(MessageError, match=member):
        decode_report(json.dumps(body).encode())


def told(event_id: str, version: int, origin: Origin) -> EventVersion:
    return EventVersion(event_id, version, "update", origin.time_s + 5, origin, 8)


def test_an_associator_goes_on_from_what_the_other_told(travel_times: TravelTimes) -> None:
    chosen = play()
    pipeline = Pipeline(Config(), chosen.inventory, travel_times)
    engine = pipeline.engine
    versions: list[EventVersion] = []
    for now_ns, tick in pipeline.moments(chosen.packets(0.5)):
        versions += pipeline.feed(tick, now_ns).versions
        if len(versions) == 3 and versions[-1].version == 3:
            # The other one, that heard an earlier pick, is at version 7 of what it calls by an
            # earlier id
            engine.hear(told("ew20000101T0000000000", 7, versions[-1].origin))
    ids = [v.event_id for v in versions]
    assert ids[:3] == [ids[0]] * 3
    assert set(ids[3:]) == {"ew20000101T0000000000"}
    assert [v.version for v in versions[3:]] == list(range(8, 8 + len(versions) - 3))


def test_an_event_told_before_it_was_declared_keeps_its_id(travel_times: TravelTimes) -> None:
    chosen = play()
    pipeline = Pipeline(Config(), chosen.inventory, travel_times)
    pipeline.engine.hear(told("ew20000101T0000000000", 2, chosen.origins[0]))
    versions = [
        v
        for now_ns, tick in pipeline.moments(chosen.packets(0.5))
        for v in pipeline.feed(tick, now_ns).versions
    ]
    assert {v.event_id for v in versions} == {"ew20000101T0000000000"}
    assert versions[0].version == 3
    assert versions[0].kind == "update"
