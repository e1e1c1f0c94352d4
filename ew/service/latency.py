"""PURE: the latency receipt of each event version, from P at the stations to receipts of devices.

Times are on the service's clock. A device sets its clock by the heartbeat, so its receipts are
accurate to some tens of ms.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ew.alerts.message import parse_receipt
from ew.components import station_of
from ew.delivery.progress import VersionProgress
from ew.errors import MessageError
from ew.records import EventVersion, Pick
from ew.service.histograms import StageHistograms
from ew.times import NS_PER_US, US_PER_S, us_from_seconds

VERSIONS_KEPT = 256
RECEIPTS_KEPT = 10_000
"""Most receipts of a version that are kept by device; later ones are not counted."""
CLOCKS_S = 2.0
"""Most that a device's clock may be off, s; a receipt that is further off is refused."""


@dataclass(slots=True)
class _Line:
    issued_us: int
    fixed: dict[str, Any]
    received_ms: dict[str, float] = field(default_factory=dict)  # by device
    # Receipts, alerts and acknowledgements when ``changed`` last returned it
    counted: tuple[int, int, int] | None = None


class Latencies:
    """Gathers the latency receipts of the newest versions.

    ``progress`` gives the publisher's part: when a version's alerts were sent and acknowledged.
    """

    def __init__(self, progress: Callable[[str, int], VersionProgress | None]) -> None:
        self.receipts = 0
        self.refused = 0
        self.histograms = StageHistograms()
        self._progress = progress
        self._lines: dict[tuple[str, int], _Line] = {}

    def note(
        self,
        version: EventVersion,
        picks: Sequence[Pick] = (),
        stages: Mapping[str, float] | None = None,
    ) -> None:
        """Note a version that was issued in the tick that brought these picks.

        ``stages``: the time each stage of that tick took, ms.
        """
        while len(self._lines) >= VERSIONS_KEPT:
            del self._lines[next(iter(self._lines))]
        issued_us = us_from_seconds(version.issued_s)
        times = sorted(
            {station_of(a.pick.seed_id): a.pick.time_ns for a in version.arrivals}.values()
        )
        ends = [pick.decided_ns for pick in picks if pick.decided_ns]
        fixed = {
            "issued_us": issued_us,
            "p_first_us": times[0] // NS_PER_US if times else None,
            "p_fourth_us": times[3] // NS_PER_US if len(times) > 3 else None,
            # The end of the newest data that a pick of this tick used; none where no pick is new
            "packet_age_ms": (round(issued_us / 1e3 - max(ends) / 1e6, 1) if ends else None),
            "stages_ms": {name: round(ms, 3) for name, ms in (stages or {}).items()},
        }
        self._lines[version.event_id, version.version] = _Line(issued_us, fixed)
        if ends:
            self.histograms.observe("packet_age", issued_us / 1e3 - max(ends) / 1e6)
        for stage, ms in (stages or {}).items():
            self.histograms.observe(stage, ms)

    def receive(self, topic: str, payload: bytes, now_us: int) -> None:
        """Take a device's receipt.

        One of an unknown version, or with an impossible time, is refused and counted.
        """
        try:
            body = parse_receipt(payload)
        except MessageError:
            self.refused += 1
            return
        line = self._lines.get((body.event_id, body.version))
        slack_us = CLOCKS_S * US_PER_S
        if line is None or not line.issued_us - slack_us <= body.received_us <= now_us + slack_us:
            self.refused += 1
            return
        device = topic.rsplit("/", 1)[1]
        if device not in line.received_ms and len(line.received_ms) < RECEIPTS_KEPT:
            self.receipts += 1
            line.received_ms[device] = max(0.0, (body.received_us - line.issued_us) / 1e3)
            self.histograms.observe("received", line.received_ms[device])

    def of(self, event_id: str, version: int) -> dict[str, Any]:
        """One version's latency receipt as far as it is known now."""
        line = self._lines[event_id, version]
        found = dict(line.fixed)
        progress = self._progress(event_id, version)
        if progress is not None and progress.alerts:
            found["stages_ms"] = {**found["stages_ms"], "sign": round(progress.signed_ns / 1e6, 3)}
            found |= {
                "alerts": progress.alerts,
                "first_publish_us": progress.first_sent_ns // NS_PER_US,
                "last_publish_us": progress.last_sent_ns // NS_PER_US,
                "acknowledged": progress.acknowledged,
                "last_acknowledged_us": progress.last_acknowledged_ns // NS_PER_US,
            }
        if line.received_ms:
            p50, p99 = np.percentile(list(line.received_ms.values()), (50, 99))
            found |= {
                "receipts": len(line.received_ms),
                "received_p50_ms": round(float(p50), 1),
                "received_p99_ms": round(float(p99), 1),
            }
        return found

    def changed(self) -> list[tuple[str, int, dict[str, Any]]]:
        """Event, version and latency receipt of each version whose receipt has changed."""
        found = []
        for (event_id, version), line in self._lines.items():
            progress = self._progress(event_id, version)
            sent = (progress.alerts, progress.acknowledged) if progress is not None else (0, 0)
            now = (len(line.received_ms), *sent)
            if progress is not None and progress.alerts and not (line.counted and line.counted[1]):
                self.histograms.observe("sign", progress.signed_ns / 1e6)
                published_ms = progress.first_sent_ns / 1e6 - line.issued_us / 1e3
                self.histograms.observe("publish", published_ms)
            if now != line.counted:
                line.counted = now
                found.append((event_id, version, self.of(event_id, version)))
        return found
