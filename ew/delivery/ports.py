"""SHELL: opens a TCP port as soon as it is free."""

import asyncio
import socket

FREE_WITHIN_S = 3.0
"""A port is tried for this long, s: after a kill the process of before may still hold it."""
BACKLOG = 2048


async def listen_when_free(host: str, port: int) -> socket.socket:
    """A socket that listens on the port, 0: a free one.

    Raises:
        OSError: the port stays in use, or needs other rights.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + FREE_WITHIN_S
    while True:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            if loop.time() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            return listener
