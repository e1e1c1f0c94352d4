"""The three forms of time in ``ew`` and every conversion between them.

Integer nanoseconds in packets and picks, float64 epoch seconds inside the science (good to
0.2 µs for today's dates), integer microseconds on the wire. ISO 8601 text in reports. All are UTC.
"""

from datetime import UTC, datetime, timedelta

NS_PER_S = 1_000_000_000
US_PER_S = 1_000_000
NS_PER_US = 1000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def seconds_from_ns(time_ns: int) -> float:
    """Epoch seconds of an integer nanosecond time; whole seconds kept exact before the division."""
    whole, rest = divmod(time_ns, NS_PER_S)
    return whole + rest / NS_PER_S


def ns_from_seconds(time_s: float) -> int:
    """Integer nanoseconds of epoch seconds, rounded to the microsecond float64 can hold."""
    return round(time_s * US_PER_S) * 1000


def us_from_seconds(time_s: float) -> int:
    """Integer microseconds of epoch seconds."""
    return round(time_s * US_PER_S)


def seconds_from_us(time_us: int) -> float:
    """Epoch seconds of integer microseconds."""
    return time_us / US_PER_S


def iso_from_seconds(time_s: float) -> str:
    """ISO 8601 UTC text with microseconds, as the report file wants it."""
    moment = _EPOCH + timedelta(microseconds=us_from_seconds(time_s))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iso_from_ns(time_ns: int) -> str:
    """ISO 8601 UTC text with microseconds of an integer nanosecond time."""
    moment = _EPOCH + timedelta(microseconds=round(time_ns / 1000))
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def iso_from_us(time_us: int) -> str:
    """ISO 8601 UTC text of integer microseconds."""
    return (_EPOCH + timedelta(microseconds=time_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def seconds_from_iso(text: str) -> float:
    """Epoch seconds of ISO 8601 text; a time without a zone is UTC.

    Raises:
        ValueError: the text is no ISO 8601 time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) / timedelta(microseconds=1) / US_PER_S
