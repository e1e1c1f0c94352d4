"""PURE: the waveforms behind the picks: our own, packet by packet, or what detectors elsewhere report of theirs."""

from collections.abc import Sequence

from ew.locate.amplitudes import History, PeakBins, PeakTracker
from ew.locate.reports import PickReport, add_report
from ew.locate.shear import ShearWaves, SOnset
from ew.records import Inventory, Packet, Pick
from ew.times import seconds_from_ns


class Waves:
    """Gives the peaks about a pick and the S-wave behind it, and keeps the peaks growing while an event follows them."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._history = History()
        self._shear = ShearWaves()
        self._trackers: dict[str, list[PeakTracker]] = {}
        self._reported: dict[tuple[str, int], PeakBins] = {}
        self._s_reported: dict[tuple[str, int], SOnset | None] = {}

    def take_packets(self, packets: Sequence[Packet]) -> None:
        """Take in packets of all components."""
        for packet in packets:
            if not packet.seed_id.endswith("Z"):
                self._shear.take_packet(packet)
                continue
            self._history.add(packet)
            for tracker in self._trackers.get(packet.seed_id, ()):
                tracker.add(packet)

    def s_onset(self, pick: Pick) -> SOnset | None:
        """The S-wave behind a pick, if it is in by now and stands out."""
        key = pick.seed_id, pick.time_ns
        if key in self._s_reported:
            return self._s_reported[key]
        return self._shear.behind(pick)

    def take_report(self, report: PickReport) -> bool:
        """Take in what a detector reports; whether its pick is new. The channel must be in the inventory."""
        key = report.pick.seed_id, report.pick.time_ns
        bins, is_new = self._reported.get(key), key not in self._reported
        if bins is None:
            onset_s = seconds_from_ns(report.pick.time_ns)
            bins = self._reported[key] = PeakBins(self._inventory[report.pick.seed_id], onset_s)
        if is_new or report.end_ns >= (bins.end_ns or 0):  # what rests on the most data counts
            self._s_reported[key] = report.s_onset
        add_report(bins, report)
        return is_new

    def follow(self, pick: Pick) -> PeakBins:
        """The peaks about a pick, from now on kept up."""
        reported = self._reported.get((pick.seed_id, pick.time_ns))
        if reported is not None:
            return reported
        history = self._history.packets(pick.seed_id)
        onset_s = seconds_from_ns(pick.time_ns)
        tracker = PeakTracker(self._inventory[pick.seed_id], onset_s, history)
        self._trackers.setdefault(pick.seed_id, []).append(tracker)
        return tracker

    def let_go(self, bins: PeakBins) -> None:
        """Keep these peaks up no longer."""
        trackers = self._trackers.get(bins.channel.seed_id, [])
        if bins in trackers:
            trackers.remove(bins)

    def forget(self, before_s: float) -> None:
        """Let go of reports of picks older than that."""
        self._reported = {k: b for k, b in self._reported.items() if b.onset_s >= before_s}
        self._s_reported = {k: s for k, s in self._s_reported.items() if k in self._reported}
        self._shear.forget(before_s)
