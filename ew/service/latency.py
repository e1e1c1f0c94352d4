"""The latency receipt of each event version: what passed between P at the stations and the devices that say when they heard.

Times are on the service's clock; a device's receipt is on its own, set by the heartbeat, so good to some tens of ms.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ew.alerts.message import parse_receipt
from ew.delivery.progress import VersionProgress
from ew.errors import MessageError
from ew.records import EventVersion, Pick
from ew.times import US_PER_S, us_from_seconds

VERSIONS_KEPT = 256
RECEIPTS_KEPT = 10_000
"""Receipts of a version that are told apart by device; beyond it they are counted no more."""
CLOCKS_S = 2.0
"""How far a device's clock may be off; a receipt further from the truth is refused."""
NS_PER_US = 1000


@dataclass(slots=True)
class _Line:
    issued_us: int
    fixed: dict[str, Any]
    received_ms: dict[str, float] = field(default_factory=dict)  # by device
    told: tuple[int, int, int] | None = (
        None  # receipts, alerts and acknowledgements when it was last told
    )


class Latencies:
    """Gathers the latency receipts of the newest versions; ``progress`` gives the publisher's part."""

    def __init__(self, progress: Callable[[str, int], VersionProgress | None]) -> None:
        self.receipts = 0
        self.refused = 0
        self._progress = progress
        self._lines: dict[tuple[str, int], _Line] = {}

    def note(
        self, version: EventVersion, picks: Sequence[Pick] = (), stages: Mapping[str, float] | None = None
    ) -> None:  # fmt: skip
        """A version has been issued in the tick that brought these picks; ``stages``: what each stage took there, ms."""
        while len(self._lines) >= VERSIONS_KEPT:
            del self._lines[next(iter(self._lines))]
        issued_us = us_from_seconds(version.issued_s)
        times = sorted(
            {a.pick.seed_id.rsplit(".", 2)[0]: a.pick.time_ns for a in version.arrivals}.values()
        )
        ends = [pick.decided_ns for pick in picks if pick.decided_ns]
        fixed = {
            "issued_us": issued_us,
            "p_first_us": times[0] // NS_PER_US if times else None,
            "p_fourth_us": times[3] // NS_PER_US if len(times) > 3 else None,
            # Of the newest data a pick of this tick rests on; a version without a new pick has none
            "packet_age_ms": (round(issued_us / 1e3 - max(ends) / 1e6, 1) if ends else None),
            "stages_ms": {name: round(ms, 3) for name, ms in (stages or {}).items()},
        }
        self._lines[version.event_id, version.version] = _Line(issued_us, fixed)

    def receive(self, topic: str, payload: bytes, now_us: int) -> None:
        """Take a device's receipt; one of an unknown version, or of a time that can't be, is refused and counted."""
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

    def of(self, event_id: str, version: int) -> dict[str, Any]:
        """One version's latency receipt as far as it is known by now."""
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
        """Event, version and latency receipt of each version of which more is known than at the last call."""
        found = []
        for (event_id, version), line in self._lines.items():
            progress = self._progress(event_id, version)
            sent = (progress.alerts, progress.acknowledged) if progress is not None else (0, 0)
            now = (len(line.received_ms), *sent)
            if now != line.told:
                line.told = now
                found.append((event_id, version, self.of(event_id, version)))
        return found
