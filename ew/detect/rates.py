"""PURE: what the picker needs to know about a sampling rate: its filter, and its lengths in samples."""

from ew.config.picker import PickerConfig
from ew.detect import onset
from ew.detect.filters import band_pass
from ew.detect.layout import HISTORY, LIMIT, TAIL

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
"""By so much a 12 Hz band-pass brings a clear onset late: synthetic onsets of 1-10 Hz at an SNR of 10-1,000 (docs/picker.md)."""
MIN_WAIT_SAMPLES = 6  # fewer can't tell a spike from an onset: at 31 Hz this is 0.2 s
MIN_DEAD_SAMPLES = 33  # what the kernel's quick look for equal samples is sure to find


def of_rate(rate: float, config: PickerConfig) -> tuple[list[float], list[int], list[int]]:
    """A row of ``RateParams.real`` and of ``lengths``, and one of ``onset``'s windows, for a rate in Hz."""
    c = config
    nsta, nlta = max(2, int(c.sta_s * rate)), max(10, int(c.lta_s * rate))
    dead = max(MIN_DEAD_SAMPLES, round(c.dead_s * rate))
    lengths = [nsta, nlta, dead, max(1, round(c.gap_hold_s * rate))]
    seconds = (SETTLE_S, NOISE_S, BEFORE_S, c.decision_s, STEP_S, c.patience_s, GUARD_S)
    windows = [max(1, round(s * rate)) for s in seconds]
    windows.append(round(1000 * DELAY_S * rate))
    windows[onset.WAIT] = max(MIN_WAIT_SAMPLES, windows[onset.WAIT])
    # No longer than the history that a judgement is sure to find
    used = (onset.SETTLE, onset.BEFORE, onset.WAIT, onset.PATIENCE)
    sure = HISTORY - TAIL - LIMIT - sum(windows[i] for i in used)
    windows.append(min(round(QUIET_S * rate), sure))
    band = band_pass(c.band_low_hz, c.band_high_hz, rate)
    sections = [-a for pair in zip(band.a1, band.a2, strict=True) for a in pair]
    levels = [ratio * nsta / nlta for ratio in (c.on_ratio, c.off_ratio)]
    return [band.gain, *sections, 1 - 1 / nsta, 1 - 1 / nlta, *levels], lengths, windows
