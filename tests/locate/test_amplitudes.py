"""Peaks after an onset do not depend on how what came before it was cut."""

import numpy as np
import pytest

from ew import Channel, Packet
from ew.locate import amplitudes
from ew.locate.amplitudes import PeakTracker
from ew.locate.kernels import displacement_peaks

START_S = 1_600_000_000
CHANNEL = Channel("XX.A..HNZ", 30.0, 103.0, 0.0, 4e5, "M/S**2")


def packets(samples: np.ndarray, length: int, *, gap_at: int | None = None) -> list[Packet]:
    return [
        Packet("XX.A..HNZ", START_S * 10**9 + at * 10**7, 100.0, samples[at : at + length])
        for at in range(0, len(samples), length)
        if at != gap_at
    ]


@pytest.mark.parametrize("gap_at", [None, 2000])
def test_history_is_filtered_in_as_few_passes_as_it_has_gaps_and_gives_the_same_peaks(
    gap_at: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = np.random.default_rng(1).normal(0, 100, 4500).cumsum().astype(np.float32)
    history, onset_s = packets(samples, 100, gap_at=gap_at), START_S + 40.0
    one_by_one = PeakTracker(CHANNEL, onset_s, history[:20])
    for packet in history[20:]:
        one_by_one.add(packet)
    passes = []

    def counted(*args: object) -> None:
        passes.append(args)
        displacement_peaks(*args)

    monkeypatch.setattr(amplitudes, "displacement_peaks", counted)
    at_once = PeakTracker(CHANNEL, onset_s, history)
    assert len(passes) == (1 if gap_at is None else 2)
    assert at_once.end_ns == one_by_one.end_ns
    np.testing.assert_allclose(at_once.bins[1:], one_by_one.bins[1:], rtol=1e-3)
