"""PURE: how long each stage of alerting took, in histograms for Prometheus."""

from bisect import bisect_left
from typing import Any

BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
STAGES = (
    "packet_age",
    "pick",
    "associate",
    "locate",
    "size",
    "estimate",
    "sign",
    "publish",
    "received",
)
"""In the order they come in; of each event version but ``received``, which is of each receipt."""
MS_PER_S = 1000.0


class StageHistograms:
    """Counts of durations by stage, since the start."""

    def __init__(self) -> None:
        self._counts = {stage: [0] * (len(BOUNDS_S) + 1) for stage in STAGES}
        self._sums_s = dict.fromkeys(STAGES, 0.0)

    def observe(self, stage: str, duration_ms: float) -> None:
        """Count a duration of one of ``STAGES``."""
        duration_s = duration_ms / MS_PER_S
        self._counts[stage][bisect_left(BOUNDS_S, duration_s)] += 1
        self._sums_s[stage] += duration_s

    def as_dict(self) -> dict[str, Any]:
        """Counts by bucket, the last one of what is beyond ``BOUNDS_S``, and the sum, s."""
        return {
            stage: {"counts": list(counts), "sum_s": round(self._sums_s[stage], 6)}
            for stage, counts in self._counts.items()
        }
