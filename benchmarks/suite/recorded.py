"""Recorded earthquakes, where they are at hand: a row each, held to what the issue of truth asks.

The catalogue is good to 10-15 km and a second; the fourth onset of ``picks.csv``, made offline, is
allowed half a second.
"""

import os
from pathlib import Path

from benchmarks.suite.playing import versions_of
from ew.report import by_event, physical_limit_s, score
from ew.sources.files import load_event_dir
from ew.times import NS_PER_S
from ew.traveltimes import TravelTimes

RECORDED = Path(os.environ.get("EW_RECORDED", Path(__file__).parents[3] / "shared/data/recorded"))
PACKETS_S = (1.0, 0.1)
CLEAR_ONSETS = 4


def directories() -> list[Path]:
    """The recordings there are; none where the folder is missing."""
    if not RECORDED.is_dir():
        return []
    return sorted(path for path in RECORDED.iterdir() if (path / "event.json").is_file())


def play_recorded(task: tuple[Path, float]) -> dict[str, object]:
    """One recording in packets of so many seconds."""
    path, packet_s = task
    table = TravelTimes.load()
    event_dir = load_event_dir(path)
    versions = versions_of(event_dir.inventory, event_dir.packets(packet_s), table)
    truth = event_dir.event.origin if event_dir.event is not None else None
    row: dict[str, object] = {"recording": path.name, "packets s": packet_s}
    if truth is None:
        return {**row, "false": len(by_event(versions))}
    onsets = sorted(pick.time_ns for pick in event_dir.analyst_picks)
    fourth_s = None
    if len(onsets) >= CLEAR_ONSETS:
        fourth_s = onsets[CLEAR_ONSETS - 1] / NS_PER_S - truth.time_s
    limit_s = physical_limit_s(truth, event_dir.spans, event_dir.inventory, table)
    result = score(versions, truth, limit_s)
    return {
        **row,
        "false": result.false_events,
        "missed": result.missed,
        "limit s": limit_s,
        "4th onset s": fourth_s,
        "first alert s": result.first_alert_s,
        "after 4th onset s": _since(result.first_alert_s, fourth_s),
        "first km": result.epicentre_error_km,
        "last km": result.final_epicentre_error_km,
        "first M": result.magnitude_error,
        "last M": result.final_magnitude_error,
    }


def _since(later_s: float | None, earlier_s: float | None) -> float | None:
    return None if later_s is None or earlier_s is None else later_s - earlier_s


def figures(rows: list[dict[str, object]]) -> dict[str, float]:
    """What the budgets judge: the worst of the recordings that have at least four clear onsets."""
    clear = [r for r in rows if r.get("4th onset s") is not None]
    found = [r for r in clear if not r["missed"]]

    def worst(key: str, of: list[dict[str, object]]) -> float:
        return max((abs(float(str(r[key]))) for r in of), default=0.0)

    def latest(of: list[dict[str, object]]) -> float:
        """A large earthquake is told before its fourth onset: that is early, not late."""
        return max((float(str(r["after 4th onset s"])) for r in of), default=0.0)

    by_packet = {p: [r for r in found if r["packets s"] == p] for p in PACKETS_S}
    return {
        "recorded, first alert after the 4th onset, 1 s packets": latest(by_packet[1.0]),
        "recorded, first alert after the 4th onset, 0.1 s packets": latest(by_packet[0.1]),
        "recorded, first epicentre": worst("first km", found),
        "recorded, last epicentre": worst("last km", found),
        "recorded, last magnitude": worst("last M", found),
        "recorded, missed": float(sum(bool(r["missed"]) for r in clear)),
        "recorded, false or split": float(sum(int(str(r["false"])) for r in rows)),
    }
