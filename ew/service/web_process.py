"""SHELL: runs the web process as a child of the service and sends it what it needs."""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any

import orjson

from ew.broker_address import BrokerAddress
from ew.delivery.child import end

STOP_WITHIN_S = 3.0
UNREAD_MOST_BYTES = 1 << 20
"""Most bytes that wait for a child that does not read; beyond it no further status is sent."""


class ChildEndedError(Exception):
    """A child process has ended by itself."""


class WebProcess:
    """``ew web`` on a socket that the service opened, so that clients wait while it restarts.

    Its broker, secret and status go over a pipe, which no other user can read, and whose end tells
    the child that the service has died.
    """

    def __init__(self, config: Path | None, listener: socket.socket, secret: bytes) -> None:
        self.pid: int | None = None
        self._config = config
        self._listener = listener
        self._first: list[bytes] = [
            _line(fd=listener.fileno(), secret=secret.decode("ascii")),
        ]
        self._stdin: asyncio.StreamWriter | None = None

    async def run(self) -> None:
        """Run one child until it ends.

        Raises:
            ChildEndedError: always, unless cancelled; the caller starts it again.
        """
        options = [] if self._config is None else ["--config", str(self._config)]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ew", "web", "--child", *options),
            stdin=asyncio.subprocess.PIPE,
            pass_fds=(self._listener.fileno(),),
        )
        self._stdin, self.pid = process.stdin, process.pid
        try:
            for line in self._first:
                self._write(line)
            code = await process.wait()
        finally:
            self._stdin = self.pid = None
            await end(process, STOP_WITHIN_S)
        raise ChildEndedError(f"the web process ended with code {code}")

    def send_broker(self, broker: BrokerAddress) -> None:
        """Send the broker's address, now and to each child that is started later."""
        line = _line(
            broker={
                "host": broker.host,
                "port": broker.port,
                "others": broker.others,
                "username": broker.username,
                "password": broker.password,
                "is_tls": broker.is_tls,
                "ca_file": None if broker.ca_file is None else str(broker.ca_file),
            }
        )
        self._first.append(line)
        self._write(line)

    def send_status(self, status: dict[str, Any]) -> None:
        """Send the service's status, so that health can answer while the broker is lost."""
        self._write(_line(status=status))

    def _write(self, line: bytes) -> None:
        stdin = self._stdin
        if stdin is None or stdin.is_closing():
            return
        if stdin.transport.get_write_buffer_size() < UNREAD_MOST_BYTES:
            stdin.write(line)


def broker_of(message: dict[str, Any]) -> BrokerAddress:
    """The broker's address in a message to the child."""
    ca_file = message["ca_file"]
    return BrokerAddress(
        host=message["host"],
        port=message["port"],
        others=tuple((host, port) for host, port in message["others"]),
        username=message["username"],
        password=message["password"],
        is_tls=message["is_tls"],
        ca_file=None if ca_file is None else Path(ca_file),
    )


def _line(**what: Any) -> bytes:  # noqa: ANN401 - plain JSON values
    return orjson.dumps(what) + b"\n"
