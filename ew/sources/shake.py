"""SHELL: reads the UDP data cast of Raspberry Shakes.

A packet is ``{'EHZ', 1582315130.292, 14168, 14927, …}``: channel, time of the first sample (epoch
seconds, ms), counts; four for each second and channel (manual.raspberryshake.org/udp.html). It
contains neither station nor sampling rate, so that both are configured; the Shake is known by the
address it sends from. UDP can be forged within a network: use it in a network of your own.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, TypeAlias

import numpy as np

from ew.config.sources import ShakeSource
from ew.records import Packet

log = logging.getLogger("ew.shake")

_CAST = re.compile(
    rb"\{'([A-Z0-9]{3})',\s*(\d{9,10})(?:\.(\d{1,9}))?((?:,\s*-?\d{1,10}){1,2000})\}\s*"
)
_INT32 = np.iinfo(np.int32)


class Cast(NamedTuple):
    """A packet of the data cast; ``samples`` are int32 counts."""

    channel: str
    start_ns: int
    samples: np.ndarray[tuple[int], np.dtype[np.int32]]


@dataclass(slots=True)
class ShakeStatus:
    """Counts of a Shake's packets; ``refused_from``: the last address that is not configured."""

    packets: int = 0
    refused: int = 0
    refused_from: str = ""


Senders: TypeAlias = Mapping[str, ShakeSource]


def parse(datagram: bytes) -> Cast | None:
    """Parse a datagram; ``None``: it is no data cast."""
    found = _CAST.fullmatch(datagram)
    if found is None:
        return None
    channel, seconds, fraction, counts = found.groups()
    samples = np.array(counts.split(b",")[1:], np.int64)
    if samples.min() < _INT32.min or samples.max() > _INT32.max:
        return None
    start_ns = int(seconds) * 10**9 + int((fraction or b"").ljust(9, b"0"))
    return Cast(channel.decode(), start_ns, samples.astype(np.int32))


class Shakes:
    """Listens for all configured Shakes; ``run`` passes their packets on until it is cancelled."""

    def __init__(self, sources: Sequence[ShakeSource], take: Callable[[Packet], None]) -> None:
        self.status = {source.station: ShakeStatus() for source in sources}
        self.strangers = ShakeStatus()
        self._take = take
        self._ports: dict[tuple[str, int], dict[str, ShakeSource]] = {}
        for source in sources:
            self._ports.setdefault((source.host, source.port), {})[source.sender] = source

    async def run(self) -> None:
        """Listen until cancelled.

        Raises:
            OSError: a port can't be opened.
        """
        loop = asyncio.get_running_loop()
        transports = []
        try:
            for address, senders in self._ports.items():
                transport, _ = await loop.create_datagram_endpoint(
                    partial(_Port, self, senders), local_addr=address
                )
                transports.append(transport)
            await asyncio.Event().wait()
        finally:
            for transport in transports:
                transport.close()

    def receive(self, datagram: bytes, sender: str, senders: Senders) -> None:
        """Take a datagram from an address."""
        source = senders.get(sender)
        if source is None:
            self._refuse(self.strangers, sender, "no Shake of this address is configured")
            return
        status = self.status[source.station]
        cast = parse(datagram)
        if cast is None:
            self._refuse(status, sender, f"no data cast: {datagram[:40]!r}")
            return
        status.packets += 1
        seed_id = f"{source.station}.{cast.channel}"
        self._take(Packet(seed_id, cast.start_ns, source.sampling_rate, cast.samples))

    @staticmethod
    def _refuse(status: ShakeStatus, sender: str, why: str) -> None:
        if status.refused_from != sender:  # logged once, and not for each packet
            log.warning("shake: packet from %s refused: %s", sender, why)
        status.refused += 1
        status.refused_from = sender


class _Port(asyncio.DatagramProtocol):
    def __init__(self, shakes: Shakes, senders: Senders) -> None:
        self._shakes, self._senders = shakes, senders

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._shakes.receive(data, addr[0].removeprefix("::ffff:"), self._senders)
