"""SHELL: live packets from SeedLink servers (version 3), with reconnect and resume by sequence number.

A client of our own on asyncio: obspy's blocks in steps of up to half a second and can't resume a selection with wildcards;
the protocol is ten commands (SeedLink 3.1, IRIS 2012). What a server still has after a reconnect is asked for again from
the last sequence number; what comes twice is the picker's to drop.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from ew.config.service import SeedLinkSource
from ew.errors import InputError
from ew.records import Packet
from ew.sources import miniseed

log = logging.getLogger("ew.seedlink")

HEADER_BYTES, RECORD_BYTES = 8, 512
SILENCE_S = 120.0
"""A server that sends nothing for so long is taken for dead."""
RETRY_FIRST_S, RETRY_MOST_S = 0.5, 30.0


@dataclass(slots=True)
class SeedLinkStatus:
    """What a client has met, for health and metrics; ``sequences`` resume a stream, by NET_STA ("*": any)."""

    is_connected: bool = False
    packets: int = 0
    records_refused: int = 0
    reconnects: int = 0
    last_error: str | None = None
    sequences: dict[str, int] = field(default_factory=dict)


class SeedLinkClient:
    """One server; ``run`` hands its packets on until it is cancelled."""

    def __init__(
        self,
        source: SeedLinkSource,
        take: Callable[[Packet], None],
        *,
        sequences: Mapping[str, int] | None = None,
    ) -> None:
        self.source = source
        self.status = SeedLinkStatus(sequences=dict(sequences or {}))
        self._take = take

    @property
    def name(self) -> str:
        """Host and port."""
        return f"{self.source.host}:{self.source.port}"

    async def run(self) -> None:
        """Connect, read, and connect again with growing waits; returns never."""
        wait_s = RETRY_FIRST_S
        while True:
            try:
                await self._session()
                wait_s = RETRY_FIRST_S
                reason = "the server ended the connection"
            except (OSError, InputError, TimeoutError, asyncio.IncompleteReadError) as error:
                reason = str(error) or type(error).__name__
            was_connected, self.status.is_connected = self.status.is_connected, False
            if was_connected:
                wait_s = RETRY_FIRST_S
            self.status.reconnects += 1
            self.status.last_error = reason
            log.warning("seedlink %s: %s; trying again in %.1f s", self.name, reason, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_MOST_S)

    async def _session(self) -> None:
        reader, writer = await asyncio.open_connection(self.source.host, self.source.port)
        try:
            async with asyncio.timeout(30):
                await self._negotiate(reader, writer)
            self.status.is_connected = True
            while True:
                async with asyncio.timeout(SILENCE_S):
                    header = await reader.readexactly(HEADER_BYTES)
                    if not header.startswith(b"SL"):
                        raise InputError(
                            f"seedlink {self.name}: no packet where one must begin: {header!r}"
                        )
                    record = await reader.readexactly(RECORD_BYTES)
                if not header.startswith(b"SLINFO"):
                    self._record(header, record)
        finally:
            writer.close()

    async def _negotiate(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HELLO\r\n")
        greeting = await reader.readline()
        await reader.readline()
        if not greeting.lower().startswith(b"seedlink"):
            raise InputError(f"{self.name} is no SeedLink server: it says {greeting[:60]!r}")
        for one in self.source.select:
            station, _, selectors = one.partition(":")
            net, _, sta = station.partition("_")
            await self._command(reader, writer, f"STATION {sta} {net}")
            for selector in selectors.split():
                await self._command(reader, writer, f"SELECT {selector}")
            resume = self._resume(station)
            await self._command(
                reader, writer, f"DATA {resume:06X}" if resume is not None else "DATA"
            )
        writer.write(b"END\r\n")

    def _resume(self, station: str) -> int | None:
        """The sequence number to go on from; wildcards go on from the last of all."""
        known = self.status.sequences
        last = known.get("*") if "*" in station or "?" in station else known.get(station)
        return None if last is None else (last + 1) & 0xFFFFFF

    async def _command(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: str
    ) -> None:
        writer.write(text.encode() + b"\r\n")
        answer = (await reader.readline()).strip()
        if answer != b"OK":
            raise InputError(f"seedlink {self.name}: {text!r} was answered with {answer[:60]!r}")

    def _record(self, header: bytes, record: bytes) -> None:
        try:
            sequence = int(header[2:].decode("latin1"), base=16)
        except ValueError:
            sequence = -1
        decoded = miniseed.decode(record, self.name)
        if not decoded.packets:
            self.status.records_refused += 1
            log.warning(
                "seedlink %s: record %s refused: %s",
                self.name,
                header[2:].decode("latin1"),
                decoded.notes[:1],
            )
        for packet in decoded.packets:
            self.status.packets += 1
            self._take(packet)
            if sequence >= 0:
                net, sta = packet.seed_id.split(".")[:2]
                self.status.sequences[f"{net}_{sta}"] = self.status.sequences["*"] = sequence
