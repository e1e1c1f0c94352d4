"""``ew serve``: the service until it is stopped: broker, database, pipeline, HTTP."""

import asyncio
import logging
import signal
import socket
from pathlib import Path

import structlog
import uvicorn

from ew.api.app import create_app
from ew.api.detector import create_detector_app
from ew.config import Config, load_config
from ew.delivery.broker import open_broker
from ew.errors import EwError, InputError
from ew.service.detector import Detector
from ew.service.runtime import Service, load_inventory, load_keys
from ew.storage.store import Store


def run_serve(path: Path | None) -> None:
    """Serve until interrupted.

    Raises:
        ConfigError: the configuration is wrong or incomplete.
        InputError: a file can't be used or the HTTP port is in use.
        BrokerError: the broker can't be started or reached.
    """
    config = load_config(path)
    logging.basicConfig(
        level=config.service.log_level.upper(), format="%(message)s", handlers=[_handler()]
    )
    try:
        asyncio.run(_serve(config))
    except* EwError as group:
        raise _first(group) from None


def _handler() -> logging.Handler:
    """Log lines as ``time level logger event``, one way for our own and the libraries'."""
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processor=structlog.dev.ConsoleRenderer(colors=False),
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
        )
    )
    return handler


def _first(group: BaseExceptionGroup[EwError]) -> EwError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, EwError):
        raise error
    return error


async def _serve(config: Config) -> None:
    inventory = load_inventory(config)
    is_detector = config.service.role == "detect"
    if not is_detector:
        load_keys(config)  # a missing key is told before anything is started
    listener = _listen(config)
    async with (
        Store(config.service.database) as store,
        open_broker(
            config.delivery.broker, port=config.delivery.broker_port, config=config.delivery
        ) as broker,
    ):
        service: Service | Detector
        if is_detector:
            service = Detector(config, inventory, store, broker)
            app = create_detector_app(service)
        else:
            service = Service(config, inventory, store, broker)
            app = create_app(service)
        settings = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=1,  # open WebSockets would hold a stop up for ever
        )
        server = uvicorn.Server(settings)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined] # ours below stop all of it
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        port = listener.getsockname()[1]
        what = "detector" if is_detector else f"mode {config.policy.mode}"
        print(f"ew: http://{config.service.http_host}:{port}  {broker.url}  {what}", flush=True)
        await _until(stop, service, server, listener)
        await service.save()


async def _until(
    stop: asyncio.Event,
    service: Service | Detector,
    server: uvicorn.Server,
    listener: socket.socket,
) -> None:
    running = asyncio.create_task(service.run(), name="service")
    http = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({running, http, stopping}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    if running.done():
        await running  # it never returns by itself: this raises what ended it
    running.cancel()
    await asyncio.gather(running, http, return_exceptions=True)
    stopping.cancel()


def _listen(config: Config) -> socket.socket:
    """The HTTP socket, opened before anything else so that a port in use is told at once."""
    service = config.service
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((service.http_host, service.http_port))
    except OSError as error:
        raise InputError(
            f"service.http_port: can't listen on {service.http_host}:{service.http_port}: {error.strerror}"
        ) from error
    return listener
