"""PURE: what a detector tells an associator: picks, what followed them, and which stations live.

A pick goes out as soon as it is made; what its station saw before and after it follows packet by
packet, as the displacement's peaks in bins of a quarter second, the S-wave once it stands out, and
how hard the ground has shaken: some hundred bytes, whatever the sampling rate.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ew.components import is_vertical, verticals_of
from ew.locate.amplitudes import (
    BIN_S,
    LONGEST_S,
    NOISE_BINS,
    ONSET_BIN,
    History,
    PeakBins,
    PeakTracker,
)
from ew.locate.motion import MotionTracker
from ew.locate.shear import ShearWaves, SOnset
from ew.records import Inventory, Packet, Pick
from ew.times import NS_PER_S, seconds_from_ns


@dataclass(frozen=True, slots=True, eq=False)
class PickReport:
    """A pick and a run of the peaks around it.

    ``noise_m`` (F,) f8: peak before the onset; ``peaks_m`` (F, n) f8: from bin ``first_bin`` after
    the onset on, m, a row a corner; ``end_ns``: how far the data reach that they rest on;
    ``s_onset``: the S-wave behind it, once it stands out; ``pga_m_s2``, ``pgv_m_s``, ``pgd_m``:
    peak acceleration, velocity and displacement since; ``tau_c_s``: predominant period of the first
    seconds (NaN before they are in).
    """

    pick: Pick
    noise_m: NDArray[np.float64]
    peaks_m: NDArray[np.float64]
    first_bin: int
    end_ns: int
    s_onset: SOnset | None = None
    pga_m_s2: float = 0.0
    pgv_m_s: float = 0.0
    pgd_m: float = 0.0
    tau_c_s: float = math.nan


@dataclass(frozen=True, slots=True, eq=False)
class _Followed:
    """A pick and what is kept up of its station for a minute."""

    pick: Pick
    peaks: PeakTracker
    motion: MotionTracker


class Reporter:
    """Makes reports of picks and of the packets that follow them, at a detector."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._verticals = verticals_of(inventory)
        self._history = History()
        self._shear = ShearWaves(self._history)
        self._followed: dict[str, list[_Followed]] = {}
        self.ends_ns: dict[str, int] = {}

    def take(self, picks: Sequence[Pick], packets: Iterable[Packet]) -> list[PickReport]:
        """The reports due after a tick: new picks, and what the packets add to those of the last minute."""
        packets = list(packets)
        for packet in packets:
            self._history.add(packet)
            for followed in self._followed.get(packet.seed_id[:-1], ()):
                followed.motion.add([packet])
        reports = []
        for packet in packets:
            if not is_vertical(packet.seed_id, self._verticals):
                continue
            self.ends_ns[packet.seed_id] = max(packet.end_ns, self.ends_ns.get(packet.seed_id, 0))
            for followed in self._followed.get(packet.seed_id[:-1], ()):
                before = followed.peaks.end_ns
                followed.peaks.add(packet)
                if before is not None and followed.peaks.end_ns != before:
                    reports.append(self._report(followed, before))
        reports.extend(self._begin(pick) for pick in picks)
        self._let_go()
        return reports

    def _begin(self, pick: Pick) -> PickReport:
        onset_s = seconds_from_ns(pick.time_ns)
        history = self._history.packets(pick.seed_id)
        peaks = PeakTracker(self._inventory[pick.seed_id], onset_s, history)
        motion = MotionTracker(self._inventory, pick.time_ns)
        for channel in self._history.components(pick.seed_id):
            motion.add(self._history.packets(channel))
        followed = _Followed(pick, peaks, motion)
        self._followed.setdefault(pick.seed_id[:-1], []).append(followed)
        return self._report(followed, pick.time_ns)

    def _let_go(self) -> None:
        newest_ns = max(self.ends_ns.values(), default=0)
        since_ns = newest_ns - round(LONGEST_S * NS_PER_S)
        for sensor, followed in list(self._followed.items()):
            kept = [f for f in followed if f.pick.time_ns > since_ns]
            if kept:
                self._followed[sensor] = kept
            else:
                del self._followed[sensor]
        self._shear.forget(seconds_from_ns(since_ns))

    def _report(self, followed: _Followed, since_ns: int) -> PickReport:
        """What has come since a moment."""
        pick, peaks = followed.pick, followed.peaks
        pga, pgv = followed.motion.peaks
        end_ns = peaks.end_ns or pick.time_ns
        first = max(int((since_ns - pick.time_ns) / NS_PER_S / BIN_S), 0)
        last = max(int(np.ceil((end_ns - pick.time_ns) / NS_PER_S / BIN_S)), first)
        return PickReport(
            pick=pick,
            noise_m=peaks.bins[:, :NOISE_BINS].max(axis=1),
            peaks_m=peaks.bins[:, ONSET_BIN + first : ONSET_BIN + last].copy(),
            first_bin=first,
            end_ns=end_ns,
            s_onset=self._shear.behind(pick),
            pga_m_s2=pga,
            pgv_m_s=pgv,
            pgd_m=followed.motion.displacement_m,
            tau_c_s=peaks.tau_c_s,
        )


def add_report(bins: PeakBins, report: PickReport) -> None:
    """Put what a report tells into the bins of its pick; reports may come twice, late or in any order."""
    bins.bins[:, 0] = np.maximum(bins.bins[:, 0], report.noise_m)
    there = bins.bins[:, ONSET_BIN + report.first_bin :][:, : report.peaks_m.shape[1]]
    np.maximum(there, report.peaks_m[:, : there.shape[1]], out=there)
    if report.tau_c_s > 0:  # sums of this ratio stand for those that are not sent
        bins.squares[:, ONSET_BIN] = (report.tau_c_s / (2 * math.pi)) ** 2, 1.0
    bins.end_ns = max(bins.end_ns or 0, report.end_ns)
