"""``python -m ew.delivery.embedded [--host HOST] [--port PORT] …``: run the embedded broker until it is told to stop.

Prints ``listening on HOST:PORT`` once it does, with ``, TLS on HOST:PORT`` if it was given a certificate. A process of its own
keeps its fan-out clear of the pipeline's work. ``--hash-password NAME ROLE`` makes a line for the file of users instead.
"""

import argparse
import asyncio
import gc
import getpass
import os
import signal
import ssl
import sys
from pathlib import Path

from ew.delivery.embedded.access import (
    SECRET,
    SERVICE_USER,
    Access,
    Role,
    User,
    hash_password,
    parse_users,
)
from ew.delivery.embedded.server import Server
from ew.delivery.loop import fast_run
from ew.errors import ConfigError


async def _run(options: argparse.Namespace) -> None:
    server = Server(access=_access(options))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await server.start(options.host, options.port)
    where = f"listening on {options.host}:{server.port}"
    if options.certificate:
        await server.start(options.tls_host, options.tls_port, _tls(options))
        where += f", TLS on {options.tls_host}:{server.ports[1]}"
    # Sessions live long; a full collection over 10,000 of them would hold up an alert
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    print(where, flush=True)
    watcher = asyncio.create_task(_until_parent_ends(stop)) if options.with_parent else None
    await stop.wait()
    if watcher is not None:
        watcher.cancel()
    await server.stop()


def _access(options: argparse.Namespace) -> Access:
    users = {} if options.users is None else _users(options.users)
    secret = os.environ.pop(SECRET, "")
    if secret and SERVICE_USER in users:
        raise ConfigError(
            f"{options.users}: {SERVICE_USER} is the service's own name; take another"
        )
    if secret:
        users[SERVICE_USER] = User(Role.SERVICE, hash_password(secret.encode()))
    if options.users is not None and not users:
        raise ConfigError(f"{options.users}: no user stands in it")
    if options.no_anonymous:
        return Access(users, anonymous=None)
    return Access(users, anonymous=Role.OPEN_STATION if options.open_stations else Role.DEVICE)


def _users(path: Path) -> dict[str, User]:
    try:
        return parse_users(path.read_text(encoding="utf-8"), str(path))
    except OSError as error:
        raise ConfigError(f"{path}: can't read the users: {error.strerror}") from error


def _tls(options: argparse.Namespace) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.certificate, options.private_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{options.certificate}: no certificate with its key: {error}") from error
    return context


def _print_user(name: str, role: str) -> None:
    first = getpass.getpass() if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if ":" in name or not first:
        raise ConfigError("a name has no colon, and a password is not empty")
    print(f"{name}:{Role(role).value}:{hash_password(first.encode())}")


async def _until_parent_ends(stop: asyncio.Event) -> None:
    """The parent holds the other end of our standard input; when it dies, however it dies, we go too."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1 << 10):
        pass
    stop.set()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ew.delivery.embedded", description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0)
    add("--tls-host", default="0.0.0.0", help="where TLS listens")  # noqa: S104 - that is what it is for
    add("--tls-port", type=int, default=8883)
    add("--certificate", type=Path, help="certificate chain (PEM); TLS is on with it")
    add("--private-key", type=Path, help="its key (PEM)")
    add("--users", type=Path, help="file of users: NAME:ROLE:HASH lines")
    add("--no-anonymous", action="store_true", help="every client needs a name and a password")
    add("--open-stations", action="store_true", help="stations need no name and password")
    add("--with-parent", action="store_true", help="end when standard input is closed")
    add("--hash-password", nargs=2, metavar=("NAME", "ROLE"), help="make a line for --users")
    return parser.parse_args()


def main() -> None:
    """Parse and run."""
    options = _options()
    try:
        if options.hash_password:
            _print_user(*options.hash_password)
        else:
            fast_run(_run(options))
    except OSError as error:
        sys.exit(f"can't listen on {options.host}:{options.port}: {error.strerror or error}")
    except (ConfigError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
