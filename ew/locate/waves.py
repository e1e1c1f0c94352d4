"""PURE: the waveforms behind the picks: our own, packet by packet, or what detectors elsewhere report of theirs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ew.locate.amplitudes import History, PeakBins, PeakTracker
from ew.locate.motion import MotionTracker
from ew.locate.reports import PickReport, add_report
from ew.locate.shear import HORIZONTAL, ShearWaves, SOnset, looked_until_s
from ew.records import Inventory, Packet, Pick, StationMotion
from ew.times import seconds_from_ns


@dataclass(slots=True)
class _Reported:
    """What detectors elsewhere have told of a pick."""

    bins: PeakBins
    s_onset: SOnset | None = None
    peaks: tuple[float, float, float] = (0.0, 0.0, 0.0)


class Waves:
    """Gives the peaks about a pick, the S-wave and the shaking behind it; keeps up what an event follows."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._history = History()
        self._shear = ShearWaves(self._history)
        self._trackers: dict[str, list[PeakTracker]] = {}
        self._motions: dict[str, MotionTracker] = {}
        self._reported: dict[tuple[str, int], _Reported] = {}

    def take_packets(self, packets: Sequence[Packet]) -> None:
        """Take in packets of all components."""
        for packet in packets:
            self._history.add(packet)
            for tracker in self._trackers.get(packet.seed_id, ()):
                tracker.add(packet)
            if packet.seed_id[:-1] in self._motions:
                self._motions[packet.seed_id[:-1]].add([packet])

    def take_report(self, report: PickReport) -> bool:
        """Take in what a detector reports; whether its pick is new. The channel must be in the inventory."""
        key = report.pick.seed_id, report.pick.time_ns
        known, is_new = self._reported.get(key), key not in self._reported
        if known is None:
            onset_s = seconds_from_ns(report.pick.time_ns)
            known = _Reported(PeakBins(self._inventory[report.pick.seed_id], onset_s))
            self._reported[key] = known
        if report.end_ns >= (known.bins.end_ns or 0):  # what rests on the most data counts
            known.s_onset, known.peaks = (
                report.s_onset,
                (report.pga_m_s2, report.pgv_m_s, report.pgd_m),
            )
        add_report(known.bins, report)
        return is_new

    def s_onset(self, pick: Pick) -> SOnset | None:
        """The S-wave behind a pick, if it is in by now and stands out."""
        reported = self._reported.get((pick.seed_id, pick.time_ns))
        return self._shear.behind(pick) if reported is None else reported.s_onset

    def s_sought_s(self, pick: Pick) -> float:
        """Up to when (epoch s) S was looked for behind a pick; minus infinity where there are no horizontals."""
        reported = self._reported.get((pick.seed_id, pick.time_ns))
        if reported is None:
            return self._shear.sought_s(pick)
        sensor, end_ns = pick.seed_id[:-1], reported.bins.end_ns
        if end_ns is None or not any(sensor + c in self._inventory for c in HORIZONTAL):
            return -math.inf
        return looked_until_s(seconds_from_ns(pick.time_ns), seconds_from_ns(end_ns))

    def motion(self, pick: Pick) -> StationMotion:
        """How hard the pick's station has shaken since; kept up from the first call until ``let_go``."""
        channel = self._inventory[pick.seed_id]
        peaks = self._peak_motion(pick)
        return StationMotion(channel.seed_id, channel.latitude, channel.longitude, *peaks)

    def _peak_motion(self, pick: Pick) -> tuple[float, float, float]:
        reported = self._reported.get((pick.seed_id, pick.time_ns))
        if reported is not None:
            return reported.peaks
        sensor = pick.seed_id[:-1]
        if sensor not in self._motions:
            tracker = MotionTracker(self._inventory, pick.time_ns)
            for channel in self._history.components(pick.seed_id):
                tracker.add(self._history.packets(channel))
            self._motions[sensor] = tracker
        motion = self._motions[sensor]
        return *motion.peaks, motion.displacement_m

    def follow(self, pick: Pick) -> PeakBins:
        """The peaks about a pick, from now on kept up."""
        reported = self._reported.get((pick.seed_id, pick.time_ns))
        if reported is not None:
            return reported.bins
        history = self._history.packets(pick.seed_id)
        onset_s = seconds_from_ns(pick.time_ns)
        tracker = PeakTracker(self._inventory[pick.seed_id], onset_s, history)
        self._trackers.setdefault(pick.seed_id, []).append(tracker)
        return tracker

    def let_go(self, bins: PeakBins) -> None:
        """Keep these peaks, and the motion of their station, up no longer."""
        self._motions.pop(bins.channel.seed_id[:-1], None)
        trackers = self._trackers.get(bins.channel.seed_id, [])
        if bins in trackers:
            trackers.remove(bins)

    def forget(self, before_s: float) -> None:
        """Let go of what belongs to picks older than that."""
        self._reported = {k: r for k, r in self._reported.items() if r.bins.onset_s >= before_s}
        self._shear.forget(before_s)
