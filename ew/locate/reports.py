"""PURE: what a detector tells an associator: picks, what followed them, and which stations live.

A pick goes out as soon as it is made; what its station saw before and after it follows packet by packet, as the
displacement's peaks in bins of a quarter second, and the S-wave once it stands out: some hundred bytes, whatever the
sampling rate.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ew.locate.amplitudes import (
    BIN_S,
    LONGEST_S,
    NOISE_BINS,
    ONSET_BIN,
    History,
    PeakBins,
    PeakTracker,
)
from ew.locate.shear import ShearWaves, SOnset
from ew.records import Inventory, Packet, Pick
from ew.times import NS_PER_S, seconds_from_ns


@dataclass(frozen=True, slots=True, eq=False)
class PickReport:
    """A pick and a run of the peaks around it.

    ``noise_m`` (F,) f8: peak before the onset; ``peaks_m`` (F, n) f8: from bin ``first_bin`` after the onset on, m, a row a
    corner; ``end_ns``: how far the data reach that they rest on; ``s_onset``: the S-wave behind it, once it stands out.
    """

    pick: Pick
    noise_m: NDArray[np.float64]
    peaks_m: NDArray[np.float64]
    first_bin: int
    end_ns: int
    s_onset: SOnset | None = None


class Reporter:
    """Makes reports of picks and of the packets that follow them, at a detector."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._history = History()
        self._shear = ShearWaves()
        self._followed: dict[str, list[tuple[Pick, PeakTracker]]] = {}
        self.ends_ns: dict[str, int] = {}

    def take(self, picks: Sequence[Pick], packets: Iterable[Packet]) -> list[PickReport]:
        """The reports due after a tick: new picks, and what the packets add to those of the last minute."""
        reports = []
        vertical = []
        for packet in packets:
            if packet.seed_id.endswith("Z"):
                vertical.append(packet)
            else:
                self._shear.take_packet(packet)
        for packet in vertical:
            self._history.add(packet)
            self.ends_ns[packet.seed_id] = max(packet.end_ns, self.ends_ns.get(packet.seed_id, 0))
            for pick, tracker in self._followed.get(packet.seed_id, ()):
                before = tracker.end_ns
                tracker.add(packet)
                if before is not None and tracker.end_ns != before:
                    reports.append(_report(pick, tracker, before, self._shear.behind(pick)))
        reports.extend(self._begin(pick) for pick in picks)
        self._let_go()
        return reports

    def _begin(self, pick: Pick) -> PickReport:
        onset_s = seconds_from_ns(pick.time_ns)
        history = self._history.packets(pick.seed_id)
        tracker = PeakTracker(self._inventory[pick.seed_id], onset_s, history)
        self._followed.setdefault(pick.seed_id, []).append((pick, tracker))
        return _report(pick, tracker, pick.time_ns, self._shear.behind(pick))

    def _let_go(self) -> None:
        for seed_id, followed in list(self._followed.items()):
            newest = self.ends_ns.get(seed_id, 0)
            kept = [(p, t) for p, t in followed if newest - p.time_ns < LONGEST_S * NS_PER_S]
            if kept:
                self._followed[seed_id] = kept
            else:
                del self._followed[seed_id]
        newest_ns = max(self.ends_ns.values(), default=0)
        self._shear.forget(seconds_from_ns(newest_ns) - LONGEST_S)


def _report(pick: Pick, tracker: PeakTracker, since_ns: int, s_onset: SOnset | None) -> PickReport:
    end_ns = tracker.end_ns or pick.time_ns
    first = max(int((since_ns - pick.time_ns) / NS_PER_S / BIN_S), 0)
    last = max(int(np.ceil((end_ns - pick.time_ns) / NS_PER_S / BIN_S)), first)
    return PickReport(
        pick=pick,
        noise_m=tracker.bins[:, :NOISE_BINS].max(axis=1),
        peaks_m=tracker.bins[:, ONSET_BIN + first : ONSET_BIN + last].copy(),
        first_bin=first,
        end_ns=end_ns,
        s_onset=s_onset,
    )


def add_report(bins: PeakBins, report: PickReport) -> None:
    """Put what a report tells into the bins of its pick; reports may come twice, late or in any order."""
    bins.bins[:, 0] = np.maximum(bins.bins[:, 0], report.noise_m)
    there = bins.bins[:, ONSET_BIN + report.first_bin :][:, : report.peaks_m.shape[1]]
    np.maximum(there, report.peaks_m[:, : there.shape[1]], out=there)
    bins.end_ns = max(bins.end_ns or 0, report.end_ns)
