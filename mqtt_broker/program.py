"""SHELL: a broker as a program: options for its addresses and TLS, run until it is stopped."""

import argparse
import asyncio
import gc
import signal
import ssl
import sys
from pathlib import Path

from mqtt_broker.access import Access
from mqtt_broker.connection import Limits
from mqtt_broker.loop import fast_run
from mqtt_broker.server import Server

EVERYWHERE = "0.0.0.0"  # noqa: S104 - TLS is for clients elsewhere


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``run`` needs."""
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0: a free one, told on standard output")
    add("--tls-host", default=EVERYWHERE, help="where TLS listens")
    add("--tls-port", type=int, default=8883)
    add("--certificate", type=Path, help="certificate chain (PEM); TLS is on with it")
    add("--private-key", type=Path, help="its key (PEM)")
    add("--with-parent", action="store_true", help="end when standard input is closed")


def run(options: argparse.Namespace, access: Access, limits: Limits) -> None:
    """Run a broker until SIGTERM or SIGINT.

    Prints ``listening on HOST:PORT``, with ``, TLS on HOST:PORT`` if there is a certificate.

    Raises:
        OSError: the port is in use or the address is not of this machine.
        ValueError: the certificate or its key can't be used.
    """
    fast_run(_serve(options, access, limits))


async def _serve(options: argparse.Namespace, access: Access, limits: Limits) -> None:
    server = Server(limits, access)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start(options.host, options.port)
    where = f"listening on {options.host}:{server.port}"
    if options.certificate:
        tls = _tls(options.certificate, options.private_key)
        await server.start(options.tls_host, options.tls_port, tls)
        where += f", TLS on {options.tls_host}:{server.ports[1]}"
    # Sessions live long; a full collection over 10,000 of them would delay urgent messages
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    print(where, flush=True)
    watcher = asyncio.create_task(_wait_for_parent(stop)) if options.with_parent else None
    await stop.wait()
    if watcher is not None:
        watcher.cancel()
    await server.stop()


def _tls(certificate: Path, private_key: Path | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, private_key)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"{certificate}: no certificate with its key: {error}") from error
    return context


async def _wait_for_parent(stop: asyncio.Event) -> None:
    """Stop when the parent process dies, however it dies: it holds our standard input open."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1 << 10):
        pass
    stop.set()
