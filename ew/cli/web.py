"""``ew web``: serves API, page and metrics of a service that runs in another process."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn

from ew.api.app import create_app
from ew.api.backend import Backend
from ew.api.detector import create_detector_app
from ew.broker_address import BrokerAddress, parse_url
from ew.cli import logs
from ew.cli.listening import listen_on
from ew.config import Config, load_config
from ew.errors import ConfigError, EwError
from ew.service.loading import load_inventory
from ew.service.parent import Parent
from ew.service.tasks import Watch
from ew.service.web_process import broker_of
from ew.storage.secret import shared_secret
from ew.storage.store import Store

INVENTORY_AGAIN_S = 10.0


def run_web(path: Path | None, parent: Parent | None = None) -> None:
    """Serve API and page until stopped; ``parent``: the service that has started this process.

    Raises:
        ConfigError: the configuration is wrong, or the broker is one that only its service can
            reach.
        InputError: a file can't be used or the HTTP port is in use.
    """
    config = load_config(path)
    logs.set_up(config.service.log_level)
    if parent is None:
        asyncio.run(_alone(config))
    else:
        asyncio.run(_as_child(config, parent))


async def _alone(config: Config) -> None:
    delivery, service = config.delivery, config.service
    if "://" not in delivery.broker:
        raise ConfigError(
            f"delivery.broker {delivery.broker!r} runs inside its service: `ew web` alone needs "
            "mqtt://… or mqtts://…"
        )
    broker = parse_url(
        delivery.broker, ca_file=delivery.ca_file, password_file=delivery.password_file
    )
    backend = _backend(config, shared_secret(service.link_secret_file))
    listener = await listen_on(config)
    print(f"ew web: http://{service.http_host}:{listener.getsockname()[1]}", flush=True)
    await _serve(backend, listener, lambda: backend.listen(broker))


async def _as_child(config: Config, parent: Parent) -> None:
    loop = asyncio.get_running_loop()
    started: asyncio.Future[dict[str, Any]] = loop.create_future()
    broker: asyncio.Future[BrokerAddress] = loop.create_future()
    backend: Backend | None = None

    def take(message: dict[str, Any]) -> None:
        if "fd" in message:
            started.set_result(message)
        elif "broker" in message and not broker.done():
            broker.set_result(broker_of(message["broker"]))
        elif "status" in message and backend is not None:
            backend.take_status(message["status"])

    def hand_over(message: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(take, message)

    parent.give_to(hand_over)
    first = await started
    backend = _backend(config, first["secret"].encode("ascii"))
    listener = socket.socket(fileno=first["fd"])

    async def listen() -> None:
        await backend.listen(await asyncio.shield(broker))

    # A detector's broker may let it publish picks alone: its status comes over the pipe
    is_detector = config.service.role == "detect"
    await _serve(backend, listener, None if is_detector else listen)


def _backend(config: Config, secret: bytes) -> Backend:
    return Backend(config, Store(config.service.database), secret)


async def _serve(
    backend: Backend, listener: socket.socket, listen: Callable[[], Awaitable[None]] | None
) -> None:
    is_detector = backend.config.service.role == "detect"
    app = create_detector_app(backend) if is_detector else create_app(backend)
    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,  # open WebSockets would delay a stop for ever
    )
    server = uvicorn.Server(settings)

    def stop() -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    async with asyncio.TaskGroup() as group:
        watch = Watch(group)
        if listen is not None:
            watch.keep("broker", listen)
            watch.keep("devices", backend.repeat_notices)
        beside = [
            group.create_task(backend.keep_store(), name="store"),
            group.create_task(_load_inventory(backend), name="inventory"),
        ]
        await server.serve(sockets=[listener])
        for task in beside:
            task.cancel()
        watch.stop()


async def _load_inventory(backend: Backend) -> None:
    """Load the stations to show, again and again until it succeeds."""
    while True:
        try:
            backend.inventory = await asyncio.to_thread(load_inventory, backend.config)
        except EwError as error:
            backend.trouble["inventory"] = str(error)
        else:
            backend.trouble.pop("inventory", None)
            return
        await asyncio.sleep(INVENTORY_AGAIN_S)
