"""SHELL: starts a broker (embedded, Mosquitto, NATS) or finds one that runs already."""

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from ew.broker_address import BrokerAddress, parse_url
from ew.config import DeliveryConfig
from ew.delivery.child import Child, Keep, end, guard
from ew.delivery.embedded import SECRET, SERVICE_USER
from ew.delivery.ports import listen_when_free
from ew.errors import BrokerError

log = logging.getLogger("ew.broker")

START_WITHIN_S = 20.0


@contextlib.asynccontextmanager
async def open_broker(
    spec: str,
    *,
    port: int = 0,
    config: DeliveryConfig | None = None,
    secret: str | None = None,
    keep: Keep | None = None,
) -> AsyncIterator[BrokerAddress]:
    """A broker that lasts as long as the context.

    ``spec``: ``embedded``, ``mosquitto``, ``nats`` or a URL (``ew.broker_address``). All but the
    last run as child processes on ``port`` (0: a free one) of 127.0.0.1. ``config`` gives the
    embedded broker its certificate and users; for a URL it names the trusted certificates and the
    file of the password. The embedded broker's address contains the service's own name and
    password, ``secret`` (``None``: a new one), with which alone alerts can be published. With
    ``keep`` a child that ends or hangs is started again on its port.

    Raises:
        ConfigError: ``spec`` is none of these, or its user's password can't be read.
        BrokerError: the broker can't be started or reached, or its port is in use.
    """
    if spec in ("embedded", "mosquitto", "nats") and port:
        await _wait_for(port)
    if spec == "embedded":
        async with _embedded(port, config or DeliveryConfig(), secret, keep) as address:
            yield address
    elif spec == "mosquitto":
        async with _mosquitto(port, keep) as address:
            yield address
    elif spec == "nats":
        async with _nats(port, keep) as address:
            yield address
    else:
        config = config or DeliveryConfig()
        address = parse_url(spec, ca_file=config.ca_file, password_file=config.password_file)
        await _reach_any(address)
        yield address


@contextlib.asynccontextmanager
async def _embedded(
    port: int, config: DeliveryConfig, secret: str | None, keep: Keep | None
) -> AsyncIterator[BrokerAddress]:
    secret = secret or secrets.token_urlsafe(24)
    ports = [port]  # plain, and over TLS; once known, a restarted broker gets them again
    listeners: list[asyncio.Task[None]] = []

    async def start() -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ew.delivery.embedded",
            "--port",
            str(ports[0]),
            "--with-parent",
            *_guards(config),
            env={**os.environ, SECRET: secret},
            stdin=asyncio.subprocess.PIPE,  # closed when we die, which ends the broker
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            line = await _first_line(process, "embedded broker")
        except BaseException:
            await end(process)
            raise
        listeners.append(asyncio.create_task(_pass_on(process.stderr), name="broker-log"))
        ports[:] = [int(part.rsplit(":", 1)[1]) for part in line.split(", ")]
        return process

    child = Child("embedded broker", start)
    try:
        pid = await child.begin()
        address = BrokerAddress(
            "127.0.0.1",
            ports[0],
            pid,
            username=SERVICE_USER,
            password=secret,
            tls_port=ports[1] if len(ports) > 1 else None,
        )
        if keep is not None:
            keep("broker", lambda: child.watch(address))
        yield address
    finally:
        await child.end()
        for listener in listeners:
            listener.cancel()


async def _pass_on(stderr: asyncio.StreamReader | None) -> None:
    """Copy the broker process's messages to our log; an unread pipe would fill up and block it."""
    while stderr is not None and (data := await stderr.read(1 << 14)):
        for line in data.decode(errors="replace").splitlines():
            log.warning("embedded broker: %s", line)


def _guards(config: DeliveryConfig) -> list[str]:
    """The embedded broker's options for TLS and users."""
    found = [] if config.anonymous else ["--no-anonymous"]
    found += ["--open-stations"] if config.stations == "open" else []
    if config.users is not None:
        found += ["--users", str(config.users)]
    if config.certificate is not None:
        found += [
            "--certificate",
            str(config.certificate),
            "--private-key",
            str(config.private_key),
        ]
        found += ["--tls-host", config.tls_host, "--tls-port", str(config.tls_port)]
    return found


def find_program(name: str) -> str | None:
    """The path of a broker's program; server directories are often missing on a user's PATH."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextlib.asynccontextmanager
async def _mosquitto(port: int, keep: Keep | None) -> AsyncIterator[BrokerAddress]:
    port = port or free_port()
    settings = (
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
        "max_queued_messages 10000\nmax_inflight_messages 0\n"
        "set_tcp_nodelay true\nlog_type error\nlog_dest stderr\n"
    )
    async with run_program("mosquitto", "mosquitto", settings, port, keep) as address:
        yield address


@contextlib.asynccontextmanager
async def _nats(port: int, keep: Keep | None) -> AsyncIterator[BrokerAddress]:
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="ew-nats-") as folder:
        settings = (
            f'server_name: ew\nlisten: "127.0.0.1:{free_port()}"\n'
            f'jetstream {{ store_dir: "{folder}" }}\nmqtt {{ listen: "127.0.0.1:{port}" }}\n'
        )
        async with run_program("nats-server", "nats-server", settings, port, keep) as address:
            yield address


@contextlib.asynccontextmanager
async def run_program(
    name: str, package: str, settings: str, port: int, keep: Keep | None = None
) -> AsyncIterator[BrokerAddress]:
    """Run a broker's program with the text of a configuration file until the context ends.

    ``package``: the Debian package of the program. ``port``: where the broker answers once it has
    started.

    Raises:
        BrokerError: it is not installed, or does not start.
    """
    program = find_program(name)
    if program is None:
        raise BrokerError(
            f"{name} is not installed: apt-get install {package}, or use --broker embedded"
        )
    with tempfile.TemporaryDirectory(prefix="ew-broker-") as folder:
        file, log = Path(folder) / "broker.conf", Path(folder) / "log"
        file.write_text(settings, encoding="utf-8")
        guards: list[asyncio.subprocess.Process] = []

        async def start() -> asyncio.subprocess.Process:
            # Its messages go to a file: an unread pipe would fill up and block the broker
            with log.open("ab") as out:
                process = await asyncio.create_subprocess_exec(
                    program, "-c", str(file), stdout=out, stderr=out
                )
            try:
                await _reach(BrokerAddress("127.0.0.1", port), name, process, log)
                while guards:  # of an ended broker: another process may get its number
                    await end(guards.pop())
                guards.append(await guard(process))
            except BaseException:
                await end(process)
                raise
            return process

        child = Child(name, start)
        try:
            address = BrokerAddress("127.0.0.1", port, await child.begin())
            if keep is not None:
                keep("broker", lambda: child.watch(address))
            yield address
        finally:
            for one in guards:
                await end(one)
            await child.end()


async def _first_line(process: asyncio.subprocess.Process, name: str) -> str:
    if process.stdout is None or process.stderr is None:
        raise BrokerError(f"{name}: started without its pipes")
    try:
        async with asyncio.timeout(START_WITHIN_S):
            line = await process.stdout.readline()
            if not line:
                reason = (await process.stderr.read()).decode(errors="replace").strip()
                raise BrokerError(f"{name} did not start: {reason or 'it ended at once'}")
    except TimeoutError as error:
        raise BrokerError(f"{name} did not start within {START_WITHIN_S:.0f} s") from error
    return line.decode().strip()


async def _reach_any(address: BrokerAddress) -> None:
    """Wait for one node that answers: the rest of a cluster may come later."""
    failures = []
    for host, port in address.nodes:
        try:
            return await _reach(BrokerAddress(host, port))
        except BrokerError as error:
            failures.append(str(error))
    raise BrokerError("; ".join(failures))


async def _reach(
    address: BrokerAddress,
    name: str = "broker",
    process: asyncio.subprocess.Process | None = None,
    log: Path | None = None,
) -> None:
    """Wait until a port answers; a broker that is not our child is tried once."""
    deadline = asyncio.get_running_loop().time() + START_WITHIN_S
    while True:
        try:
            _, writer = await asyncio.open_connection(address.host, address.port)
        except OSError as error:
            if process is None:
                raise BrokerError(
                    f"no broker answers at {address.url}: {error.strerror or error}"
                ) from error
            if process.returncode is not None:
                reason = _text_of(log)
                raise BrokerError(
                    f"{name} did not start: {reason or 'it ended at once'}"
                ) from error
            if asyncio.get_running_loop().time() > deadline:
                raise BrokerError(f"{name} did not answer within {START_WITHIN_S:.0f} s") from error
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return


def _text_of(log: Path | None) -> str:
    return log.read_text(errors="replace").strip() if log else ""


async def _wait_for(port: int) -> None:
    """Wait until the port is free; else Mosquitto's start would find the other program's answer.

    Raises:
        BrokerError: it stays in use, or needs other rights.
    """
    try:
        listener = await listen_when_free("127.0.0.1", port)
    except OSError as error:
        raise BrokerError(
            f"delivery.broker_port: can't listen on 127.0.0.1:{port}: {error.strerror}; choose "
            f"another port, or 0 for a free one, or use the broker that runs there: "
            f'delivery.broker = "mqtt://127.0.0.1:{port}"'
        ) from error
    listener.close()


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
