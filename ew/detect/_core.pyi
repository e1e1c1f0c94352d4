# The compiled detection core, see core/bank.h.
from collections.abc import Callable
from typing import Any

from ew.detect.rates import Rate
from ew.records import Packet

BYTES_PER_CHANNEL: int
HISTORY: int
LIMIT: int

def choose(name: str, /) -> bool: ...
def vectors() -> str: ...

class Bank:
    def __init__(
        self,
        packet_type: type[Packet],
        rate_of: Callable[[float], Rate],
        lta_s: float,
        min_snr: float,
        max_sparsity: float,
    ) -> None: ...
    def process(
        self, packets: list[Packet], /
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]: ...
    def look_again(
        self, seed_id: str, trigger_ns: int, decided_ns: int, min_snr: float, /
    ) -> tuple[Any, ...] | None: ...
    def counts(self) -> dict[str, int]: ...
    def channels(self) -> tuple[str, ...]: ...
    def state(self, channel: int, /) -> tuple[float, ...]: ...
