"""PURE: what the picker needs to know about a sampling rate: its filter, and its lengths in samples."""

from typing import NamedTuple

from ew.config.picker import PickerConfig
from ew.detect.filters import band_pass

HISTORY = 4096
"""Samples kept a channel: 41 s at 100 Hz, 16 s at 250 Hz. A power of two."""
LIMIT = 1024
"""Samples of a packet run before triggers are judged, so that a long one can't overrun the history."""
PADDING = 16
SETTLE_S = 4.0
"""The band-pass from rest is within 1e-4 of its settled course by then (slowest pole: 2.4 1/s at 1 Hz)."""
NOISE_S = 3.0
BEFORE_S = 2.0
QUIET_S = 20.0
"""Before a pick, where its channel's quiet is looked for: P, if this is S, came within it up to 160 km away."""
GUARD_S = 0.1
STEP_S = 0.05
"""From one look at a trigger to the next; later ones are a quarter of the time since the trigger apart."""
DELAY_S = 0.03
"""By so much a 12 Hz band-pass brings a clear onset late (docs/picker.md)."""
MIN_WAIT_SAMPLES = 6  # fewer can't tell a spike from an onset: at 31 Hz this is 0.2 s
MIN_DEAD_SAMPLES = 33  # what the core's quick look for equal samples is sure to find


class Lengths(NamedTuple):
    """Samples: of both averages, of equal values that make a channel dead, and of the hold after a bridged gap."""

    nsta: int
    nlta: int
    dead: int
    hold: int


class Windows(NamedTuple):
    """What a look at a trigger uses, in samples (``delay`` in thousandths); see ``core/onset.c``."""

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

    ``a1``, ``a2``: the band-pass's sections; ``averages``: 1 - 1/nsta, 1 - 1/nlta, and the sums' ratio S / L at the on and
    off ratio.
    """

    gain: float
    a1: tuple[float, ...]
    a2: tuple[float, ...]
    averages: tuple[float, float, float, float]
    lengths: Lengths
    windows: Windows


def rate_of(config: PickerConfig, rate: float) -> Rate:
    """The filter, averages and windows of a rate in Hz."""
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
