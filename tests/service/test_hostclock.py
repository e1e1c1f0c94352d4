"""What is read of the host's own clock."""

import pytest

from ew.service.hostclock import ClockState, parse_tracking, read_clock

TRACKING = (
    "C0248F97,192.36.143.151,2,1700000000.123,{},0.0001,0.0002,-12.3,0.01,0.05,0.02,0.001,64.2,{}\n"
)


def test_what_chrony_tells() -> None:
    found = parse_tracking(TRACKING.format("0.250000000", "Normal"))
    assert found == ClockState(True, -0.25, "chrony"), "a positive number means that it is behind"
    found = parse_tracking(TRACKING.format("0.0", "Not synchronised"))
    assert found.is_synchronized is False


@pytest.mark.parametrize(
    "told", ["", "506 Cannot talk to daemon", TRACKING.format("nan", "Normal")]
)
def test_another_answer_is_none(told: str) -> None:
    with pytest.raises(ValueError, match=r"chronyc|offset"):
        parse_tracking(told)


def test_this_host_can_be_asked() -> None:
    found = read_clock()
    assert found.by in {"kernel", "chrony", ""}
    assert (found.by == "") == (found.is_synchronized is None)
