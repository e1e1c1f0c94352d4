"""A TCP proxy that can be cut (all connections reset, new ones refused) or frozen (nothing
passes)."""

import asyncio
import contextlib
from typing import Self

READ_BYTES = 1 << 16


class Proxy:
    """An async context that passes bytes between its port and another of 127.0.0.1."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self._is_cut = False

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.thaw()
        self.cut()

    @property
    def port(self) -> int:
        if self._server is None:
            raise RuntimeError("the proxy is not started")
        return int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> None:
        """Reset all connections and refuse new ones."""
        self._is_cut = True
        for writer in list(self._writers):
            writer.transport.abort()

    def mend(self) -> None:
        """Take connections again."""
        self._is_cut = False

    def freeze(self) -> None:
        """Pass nothing on, and close nothing, like a cable pulled out."""
        self._flows.clear()

    def thaw(self) -> None:
        """Pass on what waits."""
        self._flows.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        try:
            theirs, ours = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, ours}
        try:
            await asyncio.gather(self._pass(reader, ours), self._pass(theirs, writer))
        finally:
            self._writers -= {writer, ours}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(READ_BYTES):
                await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
