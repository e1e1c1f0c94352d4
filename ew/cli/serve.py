"""``ew serve``: runs broker, alert path and the web process until it is stopped."""

import asyncio
import logging
import os
import secrets
import signal
import sys
from pathlib import Path

from ew.broker_address import BrokerAddress
from ew.cli import logs
from ew.cli.listening import listen_on
from ew.config import Config, load_config
from ew.delivery.broker import open_broker
from ew.errors import EwError, InputError
from ew.service.detector import Detector
from ew.service.loading import inventory_location, load_inventory, load_keys
from ew.service.runtime import Service
from ew.service.tasks import Watch
from ew.service.web_process import WebProcess
from ew.storage.keyring import ServiceKeys, write_public
from ew.storage.secret import shared_secret

log = logging.getLogger("ew.serve")

PIPELINE_FAILED = 70
"""Exit code (EX_SOFTWARE of sysexits.h) after which a supervisor starts the service again at
once."""


def run_serve(path: Path | None) -> None:
    """Serve until interrupted. A failing pipeline ends the process at once.

    Raises:
        ConfigError: the configuration is wrong or incomplete.
        InputError: a file can't be used or the HTTP port is in use.
        BrokerError: the broker can't be started or reached.
    """
    config = load_config(path)
    inventory_location(config)  # before anything is written or started
    logs.set_up(config.service.log_level)
    try:
        asyncio.run(_serve(config, path))
    except* EwError as group:
        raise _first(group) from None
    except* Exception as group:  # noqa: BLE001 - the process's top: it is logged
        _end_at_once(group)


def _first(group: BaseExceptionGroup[EwError]) -> EwError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, EwError):
        raise error
    return error


def _end_at_once(error: BaseException) -> None:
    """End without waiting for threads that may hang on a disk; children end with their pipe."""
    import traceback  # noqa: PLC0415 - needed at the end alone

    traceback.print_exception(error)
    sys.stderr.flush()
    os._exit(PIPELINE_FAILED)


async def _serve(config: Config, path: Path | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    running = asyncio.create_task(_run(config, path), name="service")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if running.done():
        running.result()  # it never returns by itself: this raises the error that ended it
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def _run(config: Config, path: Path | None) -> None:
    listener = await listen_on(config)
    secret = _secret(config)
    async with asyncio.TaskGroup() as group:
        watch = Watch(group)
        web = WebProcess(path, listener, secret)
        watch.keep("web", web.run)
        loading = group.create_task(asyncio.to_thread(load_inventory, config), name="inventory")
        keys = None
        if config.service.role != "detect":
            keys = load_keys(config)  # a missing key is reported before anything is started
            if path is not None and config.service.keys_document is None:
                _show_root(keys, path.parent / f"{config.service.files.stem}.root.pub.pem")
        async with open_broker(
            config.delivery.broker,
            port=config.delivery.broker_port,
            config=config.delivery,
            keep=watch.keep,
        ) as broker:
            web.send_broker(broker)
            inventory = await loading  # read while the broker started
            service: Service | Detector
            if keys is None:
                service = Detector(config, inventory, broker, watch)
            else:
                service = Service(config, inventory, broker, keys, secret, watch)
            service.on_status.append(web.send_status)
            _announce(config, listener.getsockname()[1], broker)
            try:
                await service.run()
            finally:
                service.close()


def _show_root(keys: ServiceKeys, file: Path) -> None:
    """Write the public root key beside the configuration too, where device makers look."""
    try:
        write_public(file, keys.root_pem)
    except InputError as error:
        log.info("%s; the root's public key stands beside the database alone", error)


def _announce(config: Config, port: int, broker: BrokerAddress) -> None:
    role, mode = config.service.role, config.policy.mode
    what = "detector" if role == "detect" else f"mode {mode}"
    print(f"ew: http://{config.service.http_host}:{port}  {broker.url}  {what}", flush=True)


def _secret(config: Config) -> bytes:
    """The secret shared with web processes; if none can be stored, one for our own child alone."""
    try:
        return shared_secret(config.service.link_secret_file)
    except InputError as error:
        log.warning("%s; `ew web` elsewhere can't reach this run", error)
        return secrets.token_hex(32).encode()
