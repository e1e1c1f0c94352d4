"""Conversions between the three forms of time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ew import times

# 1970 to 2100, the range in which float64 seconds hold a microsecond
MICROSECONDS = st.integers(min_value=0, max_value=4_102_444_800_000_000)


@given(MICROSECONDS)
def test_microseconds_survive_seconds_and_back(time_us: int) -> None:
    assert times.us_from_seconds(times.seconds_from_us(time_us)) == time_us
    assert times.ns_from_seconds(times.seconds_from_us(time_us)) == time_us * 1000


@given(MICROSECONDS)
def test_text_survives_parsing(time_us: int) -> None:
    text = times.iso_from_seconds(times.seconds_from_us(time_us))
    assert times.us_from_seconds(times.seconds_from_iso(text)) == time_us
    assert times.iso_from_ns(time_us * 1000) == text


def test_text_is_iso_8601_utc_with_microseconds() -> None:
    assert times.iso_from_ns(1_560_783_343_000_001_000) == "2019-06-17T14:55:43.000001Z"


def test_text_without_a_zone_is_utc() -> None:
    assert times.seconds_from_iso("2019-06-17T14:55:43") == times.seconds_from_iso(
        "2019-06-17T14:55:43Z"
    )


def test_text_that_is_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match="Invalid isoformat"):
        times.seconds_from_iso("yesterday")
