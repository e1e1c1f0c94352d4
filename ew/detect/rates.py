"""PURE: what depends on the sampling rate: the filter, and the lengths in samples."""

from typing import NamedTuple

from ew.config.picker import PickerConfig
from ew.detect.filters import band_pass

HISTORY = 4096
"""Samples kept a channel: 41 s at 100 Hz, 16 s at 250 Hz. A power of two."""
LIMIT = 1024
"""Samples of a packet run before triggers are judged: a long one can't overrun the history."""
PADDING = 16
"""Samples between two histories in memory, see ``core/bank.h``."""
SETTLE_S = 4.0
"""By then the band-pass from rest is within 1e-4 of its settled course (slowest pole: 2.4 1/s)."""
NOISE_S = 3.0
"""Before an onset, in which the noise is measured."""
BEFORE_S = 2.0
"""Before a trigger, from where the onset is searched."""
QUIET_S = 20.0
"""Before an onset, where the quietest second is searched.

If the onset is S, its P came within this time up to 160 km from the earthquake.
"""
GUARD_S = 0.1
"""Before an onset, left out of its noise: the onset may be late by so much."""
STEP_S = 0.05
"""From one look at a trigger to the next; later looks are farther apart (``core/onset.c``)."""
DELAY_S = 0.03
"""Delay of a clear onset by a band-pass up to 12 Hz (docs/picker.md)."""
MIN_WAIT_SAMPLES = 6  # fewer can't tell a spike from an onset: at 31 Hz this is 0.2 s
MIN_DEAD_SAMPLES = 33  # what the core's quick look for equal samples is sure to find


class Lengths(NamedTuple):
    """Lengths in samples: STA, LTA, equal values of a dead channel, hold after a bridged gap."""

    nsta: int
    nlta: int
    dead: int
    hold: int


class Windows(NamedTuple):
    """Lengths that a look at a trigger uses, in samples (``delay`` in thousandths)."""

    settle: int
    noise: int
    before: int
    wait: int
    step: int
    patience: int
    guard: int
    delay_thousandths: int
    quiet: int


class Rate(NamedTuple):
    """All that depends on the sampling rate, as ``struct rate`` of the core has it.

    ``gain``, ``a1``, ``a2``: the band-pass (``filters``); ``averages``: 1 - 1/nsta, 1 - 1/nlta, and
    the sums' ratio S / L at the on and off ratio.
    """

    gain: float
    a1: tuple[float, ...]
    a2: tuple[float, ...]
    averages: tuple[float, float, float, float]
    lengths: Lengths
    windows: Windows


def rate_of(config: PickerConfig, rate: float) -> Rate:
    """Return the filter, averages and windows for a sampling rate in Hz."""
    c = config
    nsta, nlta = max(2, int(c.sta_s * rate)), max(10, int(c.lta_s * rate))
    dead = max(MIN_DEAD_SAMPLES, round(c.dead_s * rate))
    lengths = Lengths(nsta, nlta, dead, max(1, round(c.gap_hold_s * rate)))

    def samples(seconds: float) -> int:
        return max(1, round(seconds * rate))

    settle, before, patience = samples(SETTLE_S), samples(BEFORE_S), samples(c.patience_s)
    wait = max(MIN_WAIT_SAMPLES, samples(c.decision_s))
    windows = Windows(
        settle=settle,
        noise=samples(NOISE_S),
        before=before,
        wait=wait,
        step=samples(STEP_S),
        patience=patience,
        guard=samples(GUARD_S),
        delay_thousandths=round(1000 * DELAY_S * rate),
        # No longer than the history that a judgement is sure to find
        quiet=min(
            round(QUIET_S * rate), HISTORY - PADDING - LIMIT - settle - before - wait - patience
        ),
    )
    band = band_pass(c.band_low_hz, c.band_high_hz, rate)
    on, off = (ratio * nsta / nlta for ratio in (c.on_ratio, c.off_ratio))
    averages = 1 - 1 / nsta, 1 - 1 / nlta, on, off
    return Rate(
        band.gain, tuple(band.a1.tolist()), tuple(band.a2.tolist()), averages, lengths, windows
    )
