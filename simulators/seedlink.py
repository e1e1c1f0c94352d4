"""A SeedLink server (version 3) that plays packets over real TCP: a ring of records, selections, resume, and faults.

It answers HELLO, STATION, SELECT, DATA and FETCH with a sequence number, TIME, END, INFO ID and BYE. Faults are given as
rates a record: cut (the connection ends), duplicate, reorder (swapped with the next), garbage (a record that is none).
"""

import asyncio
import fnmatch
import random
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from ew.records import Packet
from ew.sources import miniseed
from ew.times import NS_PER_S

RECORD_BYTES = 512
GREETING = b"SeedLink v3.1 (ew simulator) :: SLPROTO:3.1\r\newnet\r\n"


@dataclass(frozen=True, slots=True)
class Faults:
    """Chance a record, 0-1."""

    cut: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    garbage: float = 0.0
    seed: int = 0


@dataclass(slots=True)
class _Wish:
    network: str
    station: str
    selectors: list[str]
    since: int | None

    def wants(self, seed_id: str) -> bool:
        net, sta, loc, cha = seed_id.split(".")
        if not (fnmatch.fnmatchcase(net, self.network) and fnmatch.fnmatchcase(sta, self.station)):
            return False
        names = (cha, loc + cha)
        return not self.selectors or any(
            fnmatch.fnmatchcase(n, s) for s in self.selectors for n in names
        )


class SeedLinkServer:
    """An async context; ``put`` adds a packet to the ring, all clients that want it get it."""

    def __init__(self, *, ring: int = 200_000, faults: Faults | None = None, port: int = 0) -> None:
        self.connections = 0
        self._ring: list[tuple[int, str, bytes]] = []
        self._limit = ring
        self._sequence = 0
        self._faults = faults or Faults()
        self._random = random.Random(self._faults.seed)
        self._grown = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._asked_port = port
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        """Listen on a port of 127.0.0.1."""
        self._server = await asyncio.start_server(self._client, "127.0.0.1", self._asked_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        if self._server is not None:
            self._server.close()
        self.cut()

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """End all connections now."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def put(self, packet: Packet) -> None:
        """Add a packet's records to the ring."""
        data = miniseed.encode(packet, RECORD_BYTES)
        async with self._grown:
            for at in range(0, len(data), RECORD_BYTES):
                self._ring.append((self._sequence, packet.seed_id, data[at : at + RECORD_BYTES]))
                self._sequence += 1
            del self._ring[: -self._limit]
            self._grown.notify_all()

    async def play(self, arrivals: Iterable[tuple[int, Packet]], *, speed: float = 1.0) -> None:
        """Put packets in as they arrive, ``speed`` times as fast as they did."""
        loop = asyncio.get_running_loop()
        begin_s, first_ns = loop.time(), None
        for arrival_ns, packet in arrivals:
            first_ns = arrival_ns if first_ns is None else first_ns
            due_s = begin_s + (arrival_ns - first_ns) / NS_PER_S / speed
            if due_s > loop.time():
                await asyncio.sleep(due_s - loop.time())
            await self.put(packet)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            wishes = await self._negotiate(reader, writer)
            if wishes:
                await self._stream(writer, wishes)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # the client has gone
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _negotiate(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> list[_Wish]:
        wishes: list[_Wish] = []
        while True:
            words = (await _command(reader)).split()
            name = words[0].upper() if words else ""
            if name == "HELLO":
                writer.write(GREETING)
            elif name == "STATION" and len(words) >= 3:
                wishes.append(_Wish(words[2], words[1], [], None))
                writer.write(b"OK\r\n")
            elif name == "SELECT" and wishes and len(words) == 2:
                wishes[-1].selectors.append(words[1].split(".")[0])
                writer.write(b"OK\r\n")
            elif name in ("DATA", "FETCH", "TIME") and wishes:
                if name != "TIME" and len(words) > 1:
                    wishes[-1].since = int(words[1], 16)
                writer.write(b"OK\r\n")
            elif name == "END" and wishes:
                return wishes
            elif name == "BYE" or not words:
                return []
            else:
                writer.write(b"ERROR\r\n")

    async def _stream(self, writer: asyncio.StreamWriter, wishes: list[_Wish]) -> None:
        sinces = [wish.since for wish in wishes if wish.since is not None]
        at = min(sinces) if sinces else self._sequence
        while True:
            async with self._grown:
                while self._sequence <= at:
                    await self._grown.wait()
                oldest = self._ring[0][0]
                batch = self._ring[max(0, at - oldest) :]
            at = batch[-1][0] + 1
            wanted = [r for r in batch if any(wish.wants(r[1]) for wish in wishes)]
            for sequence, record in self._with_faults(wanted):
                if sequence < 0:
                    writer.transport.abort()
                    return
                writer.write(b"SL%06X" % (sequence & 0xFFFFFF) + record)
            await writer.drain()

    def _with_faults(self, records: list[tuple[int, str, bytes]]) -> Iterable[tuple[int, bytes]]:
        faults, chance = self._faults, self._random.random
        records = list(records)
        for i, (sequence, _, record) in enumerate(records):
            if chance() < faults.cut:
                yield -1, b""
            if chance() < faults.reorder and i + 1 < len(records):
                later = records[i + 1]
                records[i + 1] = records[i]
                sequence, record = later[0], later[2]  # noqa: PLW2901
            yield sequence, record
            if chance() < faults.duplicate:
                yield sequence, record
            if chance() < faults.garbage:
                yield (
                    sequence,
                    bytes(np.random.default_rng(sequence).integers(0, 256, RECORD_BYTES, np.uint8)),
                )


async def _command(reader: asyncio.StreamReader) -> str:
    """One command; clients end it with CR, LF or both."""
    line = bytearray()
    while True:
        byte = await reader.read(1)
        if not byte:
            return ""
        if byte in (b"\r", b"\n"):
            if line.strip():
                return line.decode("ascii", "replace").strip()
            continue
        line += byte
