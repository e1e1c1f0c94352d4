"""PURE: what a picker bank met and how often."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Counters:
    """What a bank met and how often, since it was made."""

    packets: int = 0
    samples: int = 0
    triggers: int = 0
    picks: int = 0
    rejected_snr: int = 0
    rejected_glitch: int = 0
    rejected_gap: int = 0
    gaps_bridged: int = 0
    gaps_restarted: int = 0
    overlaps: int = 0
    duplicates: int = 0
    clock_steps: int = 0
    rate_changes: int = 0
    not_finite: int = 0
    clipped: int = 0
    dead: int = 0
    refused: int = 0

    def as_dict(self) -> dict[str, int]:
        """Names and counts, for metrics."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
