"""What the course of motion after an onset says of its source."""

import numpy as np
import pytest

from ew.locate.amplitudes import BIN_S, ONSET_BIN, PeakBins
from ew.locate.followed import BAND, Course, Followed, course_of
from ew.locate.onsets import Onset
from ew.records import Channel, Pick
from ew.times import ns_from_seconds

START_S = 1_600_000_000.0
T_S = np.arange(24) * BIN_S


def bins_of(motion: list[float]) -> PeakBins:
    peaks = PeakBins(Channel("XS.S..HNZ", 0.0, 0.0, 0.0, 1.0, "M/S**2"), START_S)
    add(peaks, motion)
    return peaks


def add(peaks: PeakBins, motion: list[float]) -> None:
    peaks.bins[BAND, ONSET_BIN : ONSET_BIN + len(motion)] = motion
    peaks.end_ns = ns_from_seconds(START_S + len(motion) * BIN_S)


def course(motion: list[float]) -> Course:
    return course_of(bins_of(motion))


def test_what_falls_or_slams_does_not_last_and_an_earthquake_does() -> None:
    assert course(list(np.exp(-T_S / 0.75))).lasts_s < 2.0
    assert course(list(np.exp(-T_S / 3.0))).lasts_s >= 2.0
    # S, five times as loud, takes nothing from the P before it
    assert course([1.0] * 12 + [5.0]).lasts_s >= 2.0
    # A lorry every second: in all it lasts, at a stretch it does not
    lorries = course([1.0, 1.0, 0.0, 0.0] * 8)
    assert lorries.lasts_s == 16 * BIN_S
    assert lorries.stretch_s == 2 * BIN_S


def test_what_is_loudest_at_once_has_not_grown() -> None:
    assert course(list(np.exp(-T_S / 2.0))).beginning == 1.0
    assert course([0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0, 1.5]).beginning == pytest.approx(0.3)


def test_what_is_gone_between_bursts_has_paused() -> None:
    assert course([1.0] * 4 + [0.01] * 4 + [1.0] * 4).has_paused
    assert not course([1.0] * 4 + [0.2] * 12 + [5.0] * 4).has_paused
    assert not course([1.0] * 4 + [0.01] * 3 + [1.0] * 4).has_paused


def test_without_data_nothing_lasts_or_has_grown() -> None:
    none = PeakBins(Channel("XS.S..HNZ", 0.0, 0.0, 0.0, 1.0, "M/S**2"), START_S)
    for found in (course_of(none), course([]), course([0.0] * 9)):
        assert (found.lasts_s, found.beginning) == (0.0, 1.0)


def test_the_course_follows_the_data() -> None:
    pick = Pick("XS.S..HNZ", ns_from_seconds(START_S), ns_from_seconds(START_S), 9.0)
    followed = Followed(Onset(pick, 0, START_S), bins_of([1.0] * 4))
    assert followed.course.lasts_s == 1.0
    add(followed.peaks, [1.0] * 8)
    assert followed.course.lasts_s == 2.0
