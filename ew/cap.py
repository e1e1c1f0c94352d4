"""PURE: event versions as messages of the Common Alerting Protocol 1.2 (OASIS, 2010)."""

import math
from collections.abc import Sequence
from xml.etree import ElementTree as ET

from ew.alerts.message import EVENT_LIFE_S
from ew.config import Config
from ew.records import EventVersion, Status
from ew.shaking.profile import profile
from ew.times import iso_from_seconds
from ew.traveltimes import TravelTimes
from ew.xmltree import add, document, encoded

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_STATUS = {"actual": "Actual", "exercise": "Exercise", "test": "Test"}
_TYPE = {"alert": "Alert", "update": "Update", "cancel": "Cancel"}
_HEADLINES = {
    "en": ("Earthquake M {magnitude}. Drop, cover, hold on.", "The earthquake alert is cancelled."),
    "zh": ("地震预警：{magnitude}级。请立即避险。", "地震预警已取消。"),
}
_MARK = {"exercise": {"en": "EXERCISE: ", "zh": "演习："}, "test": {"en": "TEST: ", "zh": "测试："}}
_INSTRUCTION = {
    "en": "Drop, cover, and hold on until the shaking ends.",
    "zh": "伏地、遮挡、手抓牢，直到震动停止。",
}
SEVERITIES = ((8.0, "Extreme"), (6.0, "Severe"), (4.0, "Moderate"), (0.0, "Minor"))
"""CAP severity by the largest expected intensity (CSIS or MMI): damage to many buildings from 8,
slight damage from 6."""


def cap_of_event(
    history: Sequence[EventVersion],
    status: Status,
    config: Config,
    travel_times: TravelTimes,
    sender: str,
) -> bytes:
    """The CAP message of an event's newest version, with its area and severity as configured.

    ``history`` and ``sender``: as for ``cap_message``.
    """
    felt = profile(
        history[-1].origin, travel_times, config.shaking.relation, config.policy.least_intensity
    )
    return cap_message(
        history,
        status,
        sender=sender,
        radius_km=felt["alert_km"],
        highest=max(felt["intensity"]),
    )


def cap_message(
    history: Sequence[EventVersion],
    status: Status,
    *,
    sender: str,
    radius_km: float,
    highest: float,
) -> bytes:
    """The newest of an event's versions as a CAP 1.2 message, UTF-8.

    ``history``: all versions, first to last; earlier ones are referred to. ``sender``: without
    blanks or commas. ``radius_km``: the distance to which people are alerted. ``highest``: the
    largest expected intensity. The area is a circle, which needs no care where it crosses the date
    line.
    """
    version, earlier = history[-1], history[:-1]
    alert = document(NAMESPACE, "alert")
    add(alert, "identifier", _identifier(version))
    add(alert, "sender", sender)
    add(alert, "sent", _time(version.issued_s))
    add(alert, "status", _STATUS[status])
    add(alert, "msgType", _TYPE[version.kind] if earlier else "Alert")
    add(alert, "scope", "Public")
    if status != "actual":
        add(alert, "note", f"This is {'an exercise' if status == 'exercise' else 'a test'}.")
    if earlier:
        of = " ".join(f"{sender},{_identifier(v)},{_time(v.issued_s)}" for v in earlier)
        add(alert, "references", of)
    for language in _HEADLINES:
        _add_info(alert, version, status, language, radius_km, highest)
    return encoded(alert)


def _add_info(
    alert: ET.Element,
    version: EventVersion,
    status: Status,
    language: str,
    radius_km: float,
    highest: float,
) -> None:
    origin, is_over = version.origin, version.kind == "cancel"
    magnitude = "?" if math.isnan(origin.magnitude) else f"{origin.magnitude:.1f}"
    headline, ended = _HEADLINES[language]
    mark = _MARK.get(status, {}).get(language, "")
    info = add(alert, "info")
    add(info, "language", {"en": "en-US", "zh": "zh-CN"}[language])
    add(info, "category", "Geo")
    add(info, "event", {"en": "Earthquake", "zh": "地震"}[language])
    add(info, "responseType", "AllClear" if is_over else "Shelter")
    add(info, "urgency", "Past" if is_over else "Immediate")
    add(info, "severity", next(name for least, name in SEVERITIES if highest >= least))
    add(info, "certainty", "Unlikely" if is_over else "Observed")
    add(info, "effective", _time(version.issued_s))
    add(info, "onset", _time(origin.time_s))
    add(info, "expires", _time(version.issued_s + EVENT_LIFE_S))
    add(info, "senderName", "ew")
    add(info, "headline", mark + (ended if is_over else headline.format(magnitude=magnitude)))
    if not is_over:
        add(info, "instruction", mark + _INSTRUCTION[language])
    for name, value in (
        ("event_id", version.event_id),
        ("version", str(version.version)),
        ("magnitude", magnitude),
        ("depth_km", f"{origin.depth_km:.0f}"),
        ("latitude", f"{origin.latitude:.3f}"),
        ("longitude", f"{origin.longitude:.3f}"),
        ("origin_time", iso_from_seconds(origin.time_s)),
    ):
        parameter = add(info, "parameter")
        add(parameter, "valueName", name)
        add(parameter, "value", value)
    area = add(info, "area")
    add(
        area, "areaDesc", f"{radius_km:.0f} km around {origin.latitude:.2f}, {origin.longitude:.2f}"
    )
    add(area, "circle", f"{origin.latitude:.4f},{origin.longitude:.4f} {radius_km:.1f}")


def _identifier(version: EventVersion) -> str:
    return f"{version.event_id}.{version.version}"


def _time(moment_s: float) -> str:
    """A time as CAP wants it: whole seconds, UTC as -00:00 (3.3.2)."""
    return f"{iso_from_seconds(moment_s)[:19]}-00:00"
