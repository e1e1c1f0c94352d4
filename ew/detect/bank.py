"""PURE: ``PickerBank``: packets of any channels in, P picks out.

The compiled core (``core/``, its memory drawn in ``core/bank.h``) does the work, or where it was
not built its twin in NumPy and SciPy (``twin``). Both take a tick's packets and return rows, which
become ``Pick`` and ``Trigger`` here.
"""

import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ew.config import Config
from ew.config.picker import PickerConfig
from ew.detect import rates, stalta, twin
from ew.detect.counters import Counters
from ew.records import Packet, Pick

core: Any = None
"""The compiled module, ``None`` where it was not built."""
with suppress(ImportError):
    core = import_module("ew.detect._core")

TRIGGERS_KEPT = 10_000
"""Trigger windows kept until ``take_triggers``; beyond it the oldest are dropped."""
EARLY_DOUBT = twin.EARLY_DOUBT


class Core(Protocol):
    """The methods of the compiled bank and of its twin."""

    def process(
        self, packets: list[Packet], /
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Run one tick; return rows of ``Pick`` and of ``Trigger``."""
        ...

    def look_again(
        self, seed_id: str, trigger_ns: int, decided_ns: int, min_snr: float, /
    ) -> tuple[Any, ...] | None:
        """Judge a channel where another was picked; return a row of ``Pick`` or ``None``."""
        ...

    def counts(self) -> dict[str, int]:
        """Return what was met so far, by the names of ``Counters``."""
        ...

    def channels(self) -> tuple[str, ...]:
        """Return the SEED ids met so far."""
        ...

    def state(self, channel: int, /) -> tuple[float, ...]:
        """Return the filter's eight delays, S and L."""
        ...


@dataclass(frozen=True, slots=True)
class Trigger:
    """One window of STA/LTA between its on and its last sample above the off threshold."""

    seed_id: str
    on_ns: int
    off_ns: int


@cache
def warn_not_built() -> None:
    """Say once in a process that the twin runs."""
    print(
        "ew: the compiled detection core is not built, its slower twin runs; "
        "to build it: pip install -e .",
        file=sys.stderr,
    )


class PickerBank:
    """Pickers of all channels, each made when its channel's first packet comes.

    ``process`` takes the packets of one tick. The same samples give the same picks however they are
    cut into packets. ``counters`` counts what was met and skipped; ``take_triggers`` returns the
    STA/LTA windows that ended since the last call, and ``PickerBank.characteristic`` the
    band-passed samples and the ratio, to plot or to check.
    """

    def __init__(self, config: PickerConfig | Config | None = None) -> None:
        if isinstance(config, Config):
            config = config.picker
        self.config = c = config or PickerConfig()
        self._triggers: deque[Trigger] = deque(maxlen=TRIGGERS_KEPT)
        if core is None:
            warn_not_built()
        bank = twin.Bank if core is None else core.Bank
        rate_of = partial(rates.rate_of, c)
        self._core: Core = bank(Packet, rate_of, c.lta_s, c.min_snr, c.max_sparsity)

    @property
    def channels(self) -> Sequence[str]:
        """The SEED ids met so far."""
        return self._core.channels()

    @property
    def counters(self) -> Counters:
        """What was met so far, and how often."""
        return Counters(**self._core.counts())

    @property
    def bytes_per_channel(self) -> int:
        """Memory held for one channel."""
        return 8 * rates.HISTORY if core is None else int(core.BYTES_PER_CHANNEL)

    def process(self, packets: Sequence[Packet]) -> list[Pick]:
        """Take in one tick's packets and return the picks they complete, in order of onset.

        Packets of one channel may come in any order within the tick. ``samples`` must be
        one-dimensional float32, float64 or int32; a packet of another kind is refused (counted), as
        is one at a rate outside 10-500 Hz.

        Raises:
            AttributeError: something in ``packets`` is no packet; none has been taken in then.
        """
        rows, windows = self._core.process(packets if type(packets) is list else list(packets))
        if windows:
            self._triggers.extend(Trigger(*window) for window in windows)
        picks = [Pick(*row) for row in rows]
        picks.sort(key=lambda pick: (pick.time_ns, pick.seed_id))
        return picks

    def look_again(
        self, seed_id: str, other: Pick, *, min_snr: float, within_s: float
    ) -> Pick | None:
        """Return the pick of a channel if the onset that another was picked for shows there too.

        An SNR of ``min_snr`` is enough, and an onset ``within_s`` of the other's. The channel's own
        triggers are judged as before: its own pick may still follow, or ``None`` if it has been.
        """
        # The core asks for more within the first looks; the other channel has confirmed the onset
        least = min_snr / EARLY_DOUBT
        row = self._core.look_again(seed_id, other.trigger_ns, other.decided_ns, least)
        if row is None:
            return None
        pick = Pick(*row)
        is_near = abs(pick.time_ns - other.time_ns) <= within_s * 1e9
        return pick if is_near and pick.snr >= min_snr else None

    def take_triggers(self) -> list[Trigger]:
        """Return the trigger windows that ended since the last call."""
        taken = list(self._triggers)
        self._triggers.clear()
        return taken

    @classmethod
    def characteristic(
        cls,
        samples: NDArray[Any],
        sampling_rate: float,
        config: PickerConfig | Config | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the band-passed samples and the STA/LTA ratio of a channel fed ``samples``.

        Both (N,) float64; the ratio is 0 in the warm-up, as in obspy's ``recursive_sta_lta``.
        """
        if isinstance(config, Config):
            config = config.picker
        rate = rates.rate_of(config or PickerConfig(), round(sampling_rate * 100) / 100)
        return stalta.characteristic(np.ascontiguousarray(samples, np.float64), rate)
