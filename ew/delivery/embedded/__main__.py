"""``python -m ew.delivery.embedded [--host HOST] [--port PORT] [--with-parent]``: run the embedded broker until it is told to stop.

Prints ``listening on HOST:PORT`` once it does. A process of its own keeps its fan-out clear of the pipeline's work.
"""

import argparse
import asyncio
import gc
import signal
import sys

from ew.delivery.embedded.server import Server
from ew.delivery.loop import fast_run


async def _run(host: str, port: int, *, with_parent: bool) -> None:
    server = Server()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start(host, port)
    # Sessions live long; a full collection over 10,000 of them would hold up an alert
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    print(f"listening on {host}:{server.port}", flush=True)
    watcher = asyncio.create_task(_until_parent_ends(stop)) if with_parent else None
    await stop.wait()
    if watcher is not None:
        watcher.cancel()
    await server.stop()


async def _until_parent_ends(stop: asyncio.Event) -> None:
    """The parent holds the other end of our standard input; when it dies, however it dies, we go too."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1 << 10):
        pass
    stop.set()


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="python -m ew.delivery.embedded", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--with-parent", action="store_true", help="end when standard input is closed"
    )
    options = parser.parse_args()
    try:
        fast_run(_run(options.host, options.port, with_parent=options.with_parent))
    except OSError as error:
        sys.exit(f"can't listen on {options.host}:{options.port}: {error.strerror or error}")


if __name__ == "__main__":
    main()
