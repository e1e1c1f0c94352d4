"""``python tests/open_broker.py``: the embedded broker without rules, for tests of the broker itself."""

import asyncio
import sys

from ew.delivery.embedded.server import Server
from ew.delivery.loop import fast_run


async def run() -> None:
    server = Server()
    await server.start()
    print(server.port, flush=True)
    await asyncio.to_thread(sys.stdin.read)  # until the test closes its end
    await server.stop()


if __name__ == "__main__":
    fast_run(run())
