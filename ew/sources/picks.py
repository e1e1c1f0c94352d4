"""SHELL: exchanges picks and events: detectors publish on ``ew/v1/pick/+``, associators subscribe.

Associators also receive each other's events. Reports are JSON; displacements have three digits, far
finer than the effect of a station's site. A detector's ``ew/v1/detector/NAME`` says each second
where the data of its channels end.
"""

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, TypeVar

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ew.alerts.message import TOPIC_DETECTOR, TOPIC_EVENT, TOPIC_PICK
from ew.alerts.release_gate import AHEAD_MOST_S
from ew.broker_address import BrokerAddress
from ew.errors import MessageError
from ew.locate.magnitude import CORNERS_HZ
from ew.locate.reports import PickReport
from ew.locate.shear import SOnset
from ew.records import EventVersion, Pick
from ew.sources.listen import listen
from ew.sources.refusals import Refusals
from ew.times import NS_PER_S, ns_from_seconds, seconds_from_ns

log = logging.getLogger("ew.picks")

OLD_MOST_S = 600.0
"""Reports of older picks come too late for an event: a backlog's are refused."""
Row = Annotated[list[Annotated[float, Field(ge=0, allow_inf_nan=False)]], Field(max_length=400)]
Rows = Annotated[list[Row], Field(min_length=len(CORNERS_HZ), max_length=len(CORNERS_HZ))]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _PickBody(_Model):
    v: int = Field(ge=1, le=1)
    seed_id: str = Field(pattern=r"^[^.]+\.[^.]+\.[^.]*\.[^.]+$", max_length=32)
    time_ns: int = Field(ge=0)
    trigger_ns: int = Field(ge=0)
    decided_ns: int = Field(ge=0)
    snr: float = Field(gt=0, allow_inf_nan=False)
    period_s: float | None = None
    amplitude: float | None = None
    onset_error_s: float = Field(ge=0, allow_inf_nan=False)
    noise_ratio: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    noise_m: Row
    peaks_m: Rows
    first_bin: int = Field(ge=0, le=1000)
    end_ns: int = Field(ge=0)
    s_time_ns: int | None = Field(default=None, ge=0)
    s_clarity: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    pga_m_s2: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    pgv_m_s: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    pgd_m: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    tau_c_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)


class _DetectorBody(_Model):
    v: int = Field(ge=1, le=1)
    ends_ns: dict[str, int]


Body = TypeVar("Body", _PickBody, _DetectorBody)


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.3g}") for value in values]


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None


def encode_report(report: PickReport, detector: str) -> bytes:
    """A report as JSON for MQTT."""
    pick = report.pick
    return orjson.dumps(
        {
            "v": 1,
            "detector": detector,
            "seed_id": pick.seed_id,
            "time_ns": pick.time_ns,
            "trigger_ns": pick.trigger_ns,
            "decided_ns": pick.decided_ns,
            "snr": round(float(pick.snr), 3),
            "period_s": _known(float(pick.period_s)),
            "amplitude": _known(float(pick.amplitude)),
            "onset_error_s": round(float(pick.onset_error_s), 4),
            "noise_ratio": _known(round(float(pick.noise_ratio), 2)),
            "noise_m": _rounded(report.noise_m),
            "peaks_m": [_rounded(row) for row in report.peaks_m],
            "first_bin": report.first_bin,
            "end_ns": report.end_ns,
            **_s_members(report.s_onset),
            "pga_m_s2": float(f"{report.pga_m_s2:.3g}"),
            "pgv_m_s": float(f"{report.pgv_m_s:.3g}"),
            "pgd_m": float(f"{report.pgd_m:.3g}"),
            **({"tau_c_s": round(report.tau_c_s, 4)} if report.tau_c_s > 0 else {}),
        }
    )


def _s_members(s: SOnset | None) -> dict[str, float]:
    if s is None:
        return {}
    return {"s_time_ns": ns_from_seconds(s.time_s), "s_clarity": round(s.clarity, 2)}


def decode_report(payload: bytes) -> PickReport:
    """Parse a report.

    Raises:
        MessageError: a member is missing or out of range; it names the first.
    """
    body = _checked(_PickBody, payload)
    if len(body.noise_m) != len(CORNERS_HZ) or len({len(row) for row in body.peaks_m}) != 1:
        raise MessageError(
            f"noise_m and peaks_m need a value for each of {len(CORNERS_HZ)} corners"
        )
    pick = Pick(
        body.seed_id,
        body.time_ns,
        body.trigger_ns,
        body.snr,
        body.decided_ns,
        np.nan if body.period_s is None else body.period_s,
        np.nan if body.amplitude is None else body.amplitude,
        body.onset_error_s,
        np.nan if body.noise_ratio is None else body.noise_ratio,
    )
    peaks = np.array(body.peaks_m, dtype=np.float64).reshape(len(CORNERS_HZ), -1)
    s_onset = None
    if body.s_time_ns is not None and body.s_clarity is not None:
        s_onset = SOnset(seconds_from_ns(body.s_time_ns), body.s_clarity)
    return PickReport(
        pick=pick,
        noise_m=np.array(body.noise_m),
        peaks_m=peaks,
        first_bin=body.first_bin,
        end_ns=body.end_ns,
        s_onset=s_onset,
        pga_m_s2=body.pga_m_s2,
        pgv_m_s=body.pgv_m_s,
        pgd_m=body.pgd_m,
        tau_c_s=np.nan if body.tau_c_s is None else body.tau_c_s,
    )


def encode_ends(ends_ns: Mapping[str, int], detector: str) -> bytes:
    """The end of the data of each of a detector's channels, as JSON for MQTT."""
    return orjson.dumps({"v": 1, "detector": detector, "ends_ns": dict(ends_ns)})


def decode_ends(payload: bytes) -> dict[str, float]:
    """Parse a detector's message: the end of each channel's data, epoch seconds.

    Raises:
        MessageError: a member is missing or out of range; it names the first.
    """
    body = _checked(_DetectorBody, payload)
    return {seed_id: end_ns / NS_PER_S for seed_id, end_ns in body.ends_ns.items()}


def _checked(model: type[Body], payload: bytes) -> Body:
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        mistake = error.errors()[0]
        where = ".".join(map(str, mistake["loc"])) or "message"
        raise MessageError(f"{where}: {mistake['msg']}") from error


@dataclass(slots=True)
class Received:
    """What has been received since the last call of ``take``."""

    reports: list[PickReport] = field(default_factory=list)
    ends_s: dict[str, float] = field(default_factory=dict)
    versions: list[EventVersion] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether it holds anything."""
        return bool(self.reports or self.ends_s or self.versions)


@dataclass(slots=True)
class PickExchange:
    """Subscribes to events of other services and to reports of detectors, and gathers them.

    ``takes_reports``: whether reports are wanted. ``check`` verifies and parses an event message;
    it raises ``MessageError`` for one that is not valid. A report is refused whose times are far
    from ``now_ns()``, the time in integer ns.
    """

    broker: BrokerAddress
    check: Callable[[bytes], EventVersion]
    takes_reports: bool = True
    now_ns: Callable[[], int] = time.time_ns
    received: Received = field(default_factory=Received)
    reports: int = 0
    refusals: Refusals = field(default_factory=lambda: Refusals(log, "picks"))

    async def run(self) -> None:
        """Listen until cancelled; a lost broker is tried again each second."""
        topics = [(TOPIC_EVENT.format("+"), 1)]
        if self.takes_reports:
            topics += [(TOPIC_PICK.format("+"), 1), (TOPIC_DETECTOR.format("+"), 0)]
        await listen(self.broker, topics, self._take_all, "picks")

    def take(self) -> Received:
        """Return and clear what was received since the last call."""
        received, self.received = self.received, Received()
        return received

    def _take_all(self, messages: Sequence[tuple[str, bytes]]) -> None:
        for topic, payload in messages:
            self._take(topic, payload)

    def _take(self, topic: str, payload: bytes) -> None:
        if not payload:  # a retained message was cleared
            return
        try:
            if topic.startswith(TOPIC_PICK.format("")):
                report = decode_report(payload)
                for name in ("time_ns", "trigger_ns", "decided_ns"):
                    self._check_time(name, getattr(report.pick, name) / NS_PER_S)
                self._check_time("end_ns", report.end_ns / NS_PER_S)
                self.received.reports.append(report)
                self.reports += 1
            elif topic.startswith(TOPIC_DETECTOR.format("")):
                ends_s = decode_ends(payload)
                self._check_time("ends_ns", max(ends_s.values(), default=0.0), old_most_s=math.inf)
                self.received.ends_s.update(ends_s)
            else:
                self.received.versions.append(self.check(payload))
        except MessageError as error:
            self.refusals.note(topic, error)

    def _check_time(self, name: str, time_s: float, old_most_s: float = OLD_MOST_S) -> None:
        """Raise ``MessageError`` for a member whose time, epoch seconds, is far from now.

        One time far ahead would make all other stations look silent.
        """
        age_s = self.now_ns() / NS_PER_S - time_s
        if not -AHEAD_MOST_S <= age_s <= old_most_s:
            ahead = "ahead" if age_s < 0 else "ago"
            raise MessageError(f"{name}: {abs(age_s):.0f} s {ahead}, far from now")
