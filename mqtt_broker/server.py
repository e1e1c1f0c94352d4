"""SHELL: the broker on its ports: accepts connections and keeps the clock."""

import asyncio
import ssl

from mqtt_broker.access import OPEN, Access
from mqtt_broker.connection import Connection, Limits
from mqtt_broker.packets import Reason
from mqtt_broker.router import Broker
from mqtt_broker.scheduler import Scheduler

TICK_S = 0.5
CONNECT_WITHIN_S = 10.0
KEEP_ALIVE_GRACE = 1.5
"""Keep-alives of silence after which a client is disconnected (3.1.2.10)."""
LOGINS_AT_ONCE = 2
"""Passwords checked at the same time: a storm of clients must not take all cores."""


class Server:
    """A broker on one or more TCP ports."""

    def __init__(
        self,
        limits: Limits | None = None,
        access: Access = OPEN,
        connection: type[Connection] = Connection,
    ) -> None:
        self._connection = connection
        self.limits = limits or Limits()
        self.access = access
        self.logins = asyncio.Semaphore(LOGINS_AT_ONCE)
        self.broker = Broker()
        self.scheduler = Scheduler(lambda call: asyncio.get_running_loop().call_soon(call))
        self.urgent = tuple(topic.encode() for topic in self.limits.urgent)
        self.connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._ticker: asyncio.Task[None] | None = None

    @staticmethod
    def now() -> float:
        """The broker's time, seconds."""
        return asyncio.get_running_loop().time()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self.ports[0]

    @property
    def ports(self) -> list[int]:
        """The ports it listens on, in the order they were asked for."""
        if not self._servers:
            raise RuntimeError("the broker is not started")
        return [int(server.sockets[0].getsockname()[1]) for server in self._servers]

    async def start(
        self, host: str = "127.0.0.1", port: int = 0, tls: ssl.SSLContext | None = None
    ) -> None:
        """Listen on an address; may be called again for another.

        Raises:
            OSError: the port is in use or the address is not here.
        """
        loop = asyncio.get_running_loop()
        self._servers.append(
            await loop.create_server(
                lambda: self._connection(self), host, port, backlog=4096, ssl=tls
            )
        )
        if self._ticker is None:
            self._ticker = asyncio.create_task(self._tick(), name="broker-tick")

    async def stop(self) -> None:
        """Stop listening and end all connections."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.shut_down()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            now = self.now()
            for connection in list(self.connections):
                silent_s = now - connection.last_heard
                if connection.session is None and silent_s > CONNECT_WITHIN_S:
                    connection.close()
                elif 0 < connection.keep_alive_s * KEEP_ALIVE_GRACE < silent_s:
                    connection.close(Reason.KEEP_ALIVE_TIMEOUT)
            self.broker.tick(now)
