"""PURE: smooths the packet times of a sensor whose clock jitters and whose rate is a little off.

Low-cost sensors stamp a packet when they send it, some ms late by chance, and sample up to 1 % off
the nominal rate. Taken literally, a sample would be missing or doubled every few packets. An
alpha-beta filter follows the stamps: each packet begins where the last one ended, at a rate that
makes its end approach the stamps.
"""

from dataclasses import dataclass

ALPHA, BETA = 0.2, 0.02
"""Shares of a stamp's deviation that correct time and rate; beta = alpha² / (2 - alpha) damps
critically (Benedict and Bordner 1962)."""
JUMP = 0.5
"""A deviation of more than this share of a packet's length, or than ``LEAST_JUMP_S``, is a gap or a
clock that was set."""
LEAST_JUMP_S = 0.1
RATE_OFF = 0.015
"""Most that the rate may differ from the nominal one, as a share; pickers restart at 0.02."""


@dataclass(slots=True)
class SampleClock:
    """The clock of one sensor: the time of its next sample (epoch s), and its rate in Hz."""

    next_s: float = 0.0
    rate: float = 0.0
    nominal: float = 0.0

    def follow(self, start_s: float, count: int, nominal: float) -> tuple[float, float]:
        """Start (epoch s) and rate (Hz) of ``count`` samples that are stamped ``start_s``."""
        ahead_s = start_s - self.next_s
        is_new = nominal != self.nominal
        if is_new or abs(ahead_s) > max(JUMP * count / nominal, LEAST_JUMP_S):
            self.rate = nominal if is_new else self.rate
            self.nominal = nominal
            self.next_s = start_s + count / self.rate
            return start_s, self.rate
        begin_s = self.next_s
        period_s = 1 / self.rate + BETA * ahead_s / count
        lowest, highest = (1 - RATE_OFF) * nominal, (1 + RATE_OFF) * nominal
        self.rate = min(highest, max(lowest, 1 / period_s))
        rate = min(highest, max(lowest, 1 / (1 / self.rate + ALPHA * ahead_s / count)))
        self.next_s = begin_s + count / rate
        return begin_s, rate
