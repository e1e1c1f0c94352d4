"""A SeedLink server (versions 3 and 4) that plays packets over real TCP, with faults.

Version 3: HELLO, STATION, SELECT, DATA and FETCH with a sequence number, TIME, END, BYE, CAT,
BATCH, uni-station mode. Version 4 (FDSN SeedLink 4.0): HELLO, SLPROTO, USERAGENT, STATION, SELECT,
DATA [seq | ALL] [start [end]], END, ENDFETCH, BYE, with the specification's error codes. INFO of
every level in both, at any time (``slinfo``). Sequence numbers are shared by all stations. Faults
are rates for each record (``faults``).
"""

import asyncio
import random
import ssl
import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Literal, Self

import numpy as np

from ew.records import Packet
from ew.sources import miniseed
from ew.times import NS_PER_S
from simulators.faults import Cut, Faults, Wait, disturbed
from simulators.slinfo import SOFTWARE, About, Connection
from simulators.slring import Record, Ring
from simulators.slsession import END_OF_FETCH, Session

RECORD_BYTES = 512


class SeedLinkServer:
    """An async context; ``put`` adds a packet to the ring, from which clients are served.

    ``protocols`` are the versions it speaks, ``payload`` the version of miniSEED in version 4
    (version 3 knows 512-byte miniSEED 2 alone), ``first_sequence`` the number of the first record,
    ``tls`` a server's context, ``software`` the name in its greeting.
    """

    def __init__(
        self,
        *,
        ring: int = 200_000,
        faults: Faults | None = None,
        port: int = 0,
        protocols: tuple[Literal[3, 4], ...] = (3, 4),
        payload: Literal[2, 3] = 2,
        first_sequence: int = 0,
        tls: ssl.SSLContext | None = None,
        software: str = SOFTWARE,
    ) -> None:
        self.connections = 0
        self.sessions: list[Session] = []
        self._protocols, self._payload, self._software = protocols, payload, software
        self._ring = Ring(ring, first_sequence)
        self._started_ns = time.time_ns()
        self._faults = faults or Faults()
        self._random = random.Random(self._faults.seed)
        self._grown = asyncio.Condition()
        self._server: asyncio.Server | None = None
        self._asked_port, self._tls = port, tls
        self._clients: dict[asyncio.StreamWriter, Connection] = {}
        self._serving: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen on a port of 127.0.0.1."""
        self._server = await asyncio.start_server(
            self._accept, "127.0.0.1", self._asked_port, ssl=self._tls
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        if self._server is not None:
            self._server.close()
        self.cut()
        await asyncio.gather(*self._serving)

    @property
    def port(self) -> int:
        """The port it listens on."""
        if self._server is None:
            raise RuntimeError("the server is not started")
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """End all connections now."""
        for writer in list(self._clients):
            writer.transport.abort()

    async def put(self, packet: Packet) -> None:
        """Add a packet's records to the ring."""
        data = miniseed.encode(packet, RECORD_BYTES)
        async with self._grown:
            for at in range(0, len(data), RECORD_BYTES):
                plain = data[at : at + RECORD_BYTES]
                (part,) = miniseed.decode(plain).packets
                payload = plain if self._payload == 2 else miniseed.encode(part, version=3)
                number = self._ring.next_sequence
                times = part.start_ns, part.end_ns
                self._ring.add(Record(number, packet.seed_id, plain, payload, *times))
            self._grown.notify_all()

    async def play(self, arrivals: Iterable[tuple[int, Packet]], *, speed: float = 1.0) -> None:
        """Put packets in at their arrival times, ``speed`` times as fast."""
        loop = asyncio.get_running_loop()
        begin_s, first_ns = loop.time(), None
        for arrival_ns, packet in arrivals:
            first_ns = arrival_ns if first_ns is None else first_ns
            due_s = begin_s + (arrival_ns - first_ns) / NS_PER_S / speed
            if due_s > loop.time():
                await asyncio.sleep(due_s - loop.time())
            await self.put(packet)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._client(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        session = Session(self._protocols, self._software)
        self.sessions.append(session)
        host, port, *_ = writer.get_extra_info("peername")
        self._clients[writer] = Connection(host, port, time.time_ns())
        try:
            if await self._negotiate(reader, writer, session):
                await self._serve(reader, writer, session)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return  # the client has gone
        finally:
            del self._clients[writer]
            writer.close()

    async def _negotiate(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Session
    ) -> bool:
        """Answer commands until the stream begins; returns whether it is to begin."""
        has_begun = session.is_streaming
        while session.is_streaming == has_begun:
            command = await _command(reader)
            connection = self._clients[writer]
            clients = list(self._clients.values())
            answer = session.answer(command, About(self._ring, self._started_ns, clients))
            connection.version, connection.user_agent = session.version, session.user_agent
            if answer is None:
                return False
            writer.write(answer)
        return True

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: Session
    ) -> None:
        """Stream, and answer INFO meanwhile; when either ends, the connection ends."""
        tasks = {
            asyncio.create_task(self._stream(writer, session)),
            asyncio.create_task(self._negotiate(reader, writer, session)),
        }
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _stream(self, writer: asyncio.StreamWriter, session: Session) -> None:
        at = session.since
        while True:
            async with self._grown:
                while self._ring.next_sequence <= at and not session.is_over(self._ring.newest_ns):
                    await self._grown.wait()
                batch = self._ring.since(at)
            at = batch[-1].sequence + 1 if batch else at
            wanted = [record for record in batch if session.wants(record)]
            for action in disturbed(wanted, self._faults, self._random, _broken):
                if writer.is_closing():
                    return
                if isinstance(action, Cut):
                    writer.transport.abort()
                    return
                if isinstance(action, Wait):
                    await writer.drain()
                    await asyncio.sleep(action.seconds)
                else:
                    self._send(writer, session, action.record)
            await writer.drain()
            if session.is_over(self._ring.newest_ns) and self._ring.next_sequence <= at:
                writer.write(END_OF_FETCH)
                await writer.drain()
                return

    def _send(self, writer: asyncio.StreamWriter, session: Session, record: Record) -> None:
        packet = session.packet(record)
        writer.write(packet)
        connection = self._clients[writer]
        connection.packets += 1
        connection.bytes += len(packet)
        connection.current_sequence = record.sequence


def _broken(record: Record) -> Record:
    """A record of the same number and length, of noise."""
    rng = np.random.default_rng(record.sequence)
    plain, payload = (
        rng.integers(0, 256, len(data), np.uint8).tobytes()
        for data in (record.plain, record.payload)
    )
    return replace(record, plain=plain, payload=payload)


async def _command(reader: asyncio.StreamReader) -> str:
    """One command; clients end it with CR, LF or both."""
    line = bytearray()
    while True:
        byte = await reader.read(1)
        if not byte:
            return "BYE"
        if byte in (b"\r", b"\n"):
            if line.strip():
                return line.decode("ascii", "replace").strip()
            continue
        line += byte
