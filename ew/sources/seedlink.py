"""SHELL: reads live packets from SeedLink servers (versions 3 and 4), with reconnect and resume.

A client of our own on asyncio: obspy's blocks in steps of up to half a second, can't resume a
selection with wildcards and knows version 3 alone. The protocol is in ``slproto``. After a
reconnect, data are asked for from the last sequence number on; what comes twice is dropped by the
picker.
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ew import __version__
from ew.broker_address import tls_context
from ew.config.service import SeedLinkSource
from ew.errors import InputError
from ew.records import Packet
from ew.sources import miniseed
from ew.sources.slproto import (
    Frame,
    Framer,
    Resume,
    Version,
    checks_times,
    commands,
    expand,
    is_pattern,
    resume_key,
    versions_of,
)

log = logging.getLogger("ew.seedlink")

READ_BYTES = 64 * 1024
CONNECT_S = 10.0
"""A server that is not connected within this time, s, TLS handshake included, is left for the next
one."""
ANSWER_S = 30.0
"""A server that leaves a command unanswered for this long, s, is dead."""
KEEP_ALIVE_S, ALIVE_WITHIN_S = 15.0, 15.0
"""After this silence, s, a server is asked INFO ID, and must answer within the second time, s."""
NO_DATA_S = 120.0
"""A server that answers but sends no data for this long, s, is left for the next one."""
RETRY_FIRST_S, RETRY_MOST_S = 0.5, 30.0


@dataclass(slots=True)
class SeedLinkStatus:
    """State of a client, for health and metrics.

    ``server``: the one in use; ``refused``: stations it does not serve, with its answer;
    ``sequences`` resume a stream (``slproto.resume_key``, "*": any).
    """

    is_connected: bool = False
    protocol: Version | None = None
    packets: int = 0
    records_refused: int = 0
    reconnects: int = 0
    last_error: str | None = None
    server: str = ""
    refused: dict[str, str] = field(default_factory=dict)
    sequences: dict[str, int] = field(default_factory=dict)


class SeedLinkClient:
    """Reads one source; ``run`` passes its packets on until it is cancelled.

    ``stations`` (NET_STA) of the inventory are requested by name where a server knows no wildcards.

    Raises:
        ConfigError: the source's ``ca_file`` can't be read or holds no certificate.
    """

    def __init__(
        self,
        source: SeedLinkSource,
        take: Callable[[Packet], None],
        *,
        sequences: Mapping[str, int] | None = None,
        stations: Sequence[str] = (),
    ) -> None:
        self.source = source
        self._stations = stations
        self._counted_by = self.name
        self.status = SeedLinkStatus(sequences=dict(sequences or {}))
        self._times_ns: dict[str, int] = {}  # of the packets ``sequences`` number
        self._checks_times = False
        self._take = take
        self._tls = tls_context(source.ca_file) if source.tls else None

    @property
    def name(self) -> str:
        """Host and port."""
        return f"{self.source.host}:{self.source.port}"

    async def run(self) -> None:
        """Connect, read, and reconnect with growing pauses, each server in turn, for ever."""
        wait_s = RETRY_FIRST_S
        for attempt in itertools.count():
            host, port = self.source.servers[attempt % len(self.source.servers)]
            self.status.server = f"{host}:{port}"
            if self.status.server != self._counted_by:
                # Numbers are kept by server: another server counts differently
                self._counted_by = self.status.server
                self.status.sequences.clear()
                self._times_ns.clear()
            try:
                await self._session(host, port)
                wait_s = RETRY_FIRST_S
                reason = "the server ended the connection"
            except (OSError, InputError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
            was_connected, self.status.is_connected = self.status.is_connected, False
            if was_connected:
                wait_s = RETRY_FIRST_S
            self.status.reconnects += 1
            self.status.last_error = reason
            log.warning("seedlink %s: %s; trying again in %.1f s", self.name, reason, wait_s)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, RETRY_MOST_S)

    async def _session(self, host: str, port: int) -> None:
        try:
            async with asyncio.timeout(
                CONNECT_S
                # A network that drops packets silently would take minutes
            ):
                reader, writer = await asyncio.open_connection(host, port, ssl=self._tls)
        except TimeoutError as error:
            raise TimeoutError(f"not reached within {CONNECT_S:.0f} s") from error
        try:
            version = await self._negotiate(reader, writer)
            framer = Framer(version)
            self.status.is_connected, self.status.protocol = True, version
            data_s = time.monotonic()
            while True:
                data = await self._read(reader, writer)
                if not data:
                    return
                frames = framer.feed(data)
                self._records(frames, version)
                if frames:
                    data_s = time.monotonic()
                elif time.monotonic() - data_s > NO_DATA_S:
                    # It answers and sends nothing: another server, or a new connection, may do
                    # better
                    raise InputError(f"no data for {NO_DATA_S:.0f} s")
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """The next bytes; a server that sends nothing is asked whether it is still there.

        Raises:
            TimeoutError: it does not answer.
        """
        reading = asyncio.ensure_future(reader.read(READ_BYTES))
        try:
            done, _ = await asyncio.wait({reading}, timeout=KEEP_ALIVE_S)
            if not done:
                writer.write(b"INFO ID\r\n")
                done, _ = await asyncio.wait({reading}, timeout=ALIVE_WITHIN_S)
            if not done:
                raise TimeoutError(f"silent for {KEEP_ALIVE_S + ALIVE_WITHIN_S:.0f} s")
            return reading.result()
        finally:
            reading.cancel()

    async def _negotiate(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Version:
        writer.write(b"HELLO\r\n")
        greeting = await _line(reader)
        offered, self._checks_times = versions_of(greeting), checks_times(greeting)
        await _line(reader)
        version = await self._choose(offered, reader, writer)
        accepted, refused = await self._ask(version, self.source.select, reader, writer)
        patterns = [one for one in self.source.select if is_pattern(one.partition(":")[0])]
        if any(one.partition(":")[0] in refused for one in patterns):
            # A server that knows no wildcards is asked for the stations of the inventory by name
            known, unknown = await self._ask(
                version, expand(patterns, self._stations), reader, writer
            )
            accepted += known
            refused = {**{s: w for s, w in refused.items() if not is_pattern(s)}, **unknown}
        self.status.refused = refused
        if refused:
            log.warning("seedlink %s: %s", self.name, "; ".join(refused.values()))
        if not accepted:
            raise InputError(f"every station was refused: {'; '.join(refused.values())}")
        writer.write(b"END\r\n")
        return version

    async def _ask(
        self,
        version: Version,
        select: Sequence[str],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> tuple[list[str], dict[str, str]]:
        """Ask for stations; returns the accepted ones, and the refused ones with their answers."""
        accepted: list[str] = []
        refused: dict[str, str] = {}
        times_ns = self._times_ns if self._checks_times else {}
        asked = list(commands(version, select, Resume(self.status.sequences, times_ns)))
        if version == 4:  # many commands may be under way; version 3 wants an answer to each
            writer.writelines(command.text.encode() + b"\r\n" for command in asked)
        for command in asked:
            if version == 3:
                if command.station in refused:
                    continue  # its SELECT and DATA would apply to the station before
                writer.write(command.text.encode() + b"\r\n")
            answer = await _line(reader)
            if answer != b"OK" and not command.resumes:
                reason = f"{command.text!r} was answered with {answer[:80].decode('latin1')!r}"
                refused.setdefault(command.station, reason)
            elif command.text.startswith("DATA") and command.station not in refused:
                accepted.append(command.station)
        return accepted, refused

    async def _choose(
        self, offered: set[Version], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Version:
        """Agree on the configured version, or on the highest that both speak."""
        wanted = self.source.protocol
        if wanted == 3 or (wanted == "auto" and 4 not in offered):
            return 3
        writer.write(b"SLPROTO 4.0\r\n")
        answer = await _line(reader)
        if answer == b"OK":
            writer.write(f"USERAGENT ew/{__version__}\r\n".encode())
            # The server's operator sees who we are; whatever it answers is fine
            await _line(reader)
            return 4
        if wanted == "auto" and 3 in offered:
            return 3
        raise InputError(
            f"it does not speak SeedLink 4 (it says {answer[:60]!r}); set protocol = 3 "
            "or leave it out"
        )

    def _records(self, frames: Sequence[Frame], version: Version) -> None:
        decoded = miniseed.decode_each([frame.payload for frame in frames], self.name)
        for frame, one in zip(frames, decoded, strict=True):
            if not one.packets:
                self.status.records_refused += 1
                log.warning(
                    "seedlink %s: record %s refused: %s", self.name, frame.sequence, one.notes[:1]
                )
            for packet in one.packets:
                self._hand_on(frame, packet, version)

    def _hand_on(self, frame: Frame, packet: Packet, version: Version) -> None:
        self.status.packets += 1
        self._take(packet)
        if frame.sequence is None:
            return
        station = frame.station or "_".join(packet.seed_id.split(".")[:2])
        for key in (resume_key(version, station), *(("*",) if version == 3 else ())):
            self.status.sequences[key] = frame.sequence
            self._times_ns[key] = packet.start_ns


async def _line(reader: asyncio.StreamReader) -> bytes:
    """A line of the server's.

    Raises:
        InputError: it closed the connection instead, or sent no end of a line.
        TimeoutError: it sends none.
    """
    async with asyncio.timeout(ANSWER_S):
        try:
            return (await reader.readuntil(b"\n")).strip()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise InputError(f"no answer where one must come: {error}") from error
