"""A yardstick for delivery: write the same bytes to every socket that is connected, and nothing
else.

Prints its port; each line of standard input is one message's payload, sent at once to all as a QoS
0 PUBLISH. No broker can deliver faster on this machine with one core.
"""

import asyncio
import sys

from mqtt_broker import encode
from mqtt_broker.loop import fast_run
from mqtt_broker.packets import V311

_CLIENTS: set[asyncio.Transport] = set()


class _Socket(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        _CLIENTS.add(transport)  # type: ignore[arg-type]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        _CLIENTS.discard(self.transport)  # type: ignore[arg-type]


async def _run() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Socket, "127.0.0.1", 0, backlog=4096)
    commands = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    print(server.sockets[0].getsockname()[1], flush=True)
    async for line in commands:
        head, tail = encode.publish_parts(V311, "cell", line.strip(), 0, retain=False, items=[])
        data = head + tail
        for one in _CLIENTS:
            one.write(data)


if __name__ == "__main__":
    fast_run(_run())
