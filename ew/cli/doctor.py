"""``ew doctor``: checks a configuration and this machine, and prints what is wrong."""

import asyncio
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from ew.alerts.trust import read_document
from ew.cli.check import check_regions
from ew.config import Config, load_config
from ew.detect import bank
from ew.errors import EwError, InputError
from ew.service.doctor import Finding, examine
from ew.service.loading import load_inventory, load_keys
from ew.storage.database import Database, reason_of
from ew.times import US_PER_S

DISK_LEAST_BYTES = 200 * 1024 * 1024
KEYS_LEAST_DAYS = 2.0
"""Least days a document of keys must be valid for: one of `ew keys` has to be renewed by hand."""


def run_doctor(path: Path | None, seconds: float) -> int:
    """Print the findings; 1 if any is bad, else 0."""
    console = Console(soft_wrap=True, highlight=False)
    bad = 0
    for finding in _findings(path, seconds):
        mark = "[green]ok   [/]" if finding.is_well else "[red]wrong[/]"
        console.print(f"{mark} {escape(finding.where)}: {escape(finding.what)}")
        bad += not finding.is_well
    console.print("nothing wrong found" if not bad else f"{bad} things are wrong")
    return 1 if bad else 0


def _findings(path: Path | None, seconds: float) -> Iterator[Finding]:
    """The findings, in the order of the checks."""
    compiled = "compiled" if bank.core is not None else "not compiled: its slower twin runs"
    yield Finding("detection core", True, compiled)
    try:
        config = load_config(path)
    except EwError as error:
        yield Finding("configuration", False, str(error))
        return
    yield Finding("configuration", True, str(path) if path else "the defaults (--config FILE)")
    yield _keys(config)
    yield _database(config)
    yield _port("HTTP port", config.service.http_host, config.service.http_port)
    if config.delivery.broker == "embedded":
        yield _port("MQTT port", "127.0.0.1", config.delivery.broker_port)
    try:
        inventory = load_inventory(config)
        check_regions(config, path or Path("the configuration"))
    except EwError as error:
        yield Finding("inventory", False, str(error))
        return
    yield from asyncio.run(examine(config, inventory, seconds))


def _keys(config: Config) -> Finding:
    if config.service.key_file is None and config.policy.mode != "actual":
        return Finding("keys", True, "a root and a key for drills are made beside the database")
    try:
        keys = load_keys(config)
        document = read_document(keys.document, [keys.root])
    except EwError as error:
        return Finding("keys", False, str(error))
    days = (document.expires_us / US_PER_S - time.time()) / 86_400
    signs = f"{keys.signer.key_id} signs {', '.join(sorted(keys.signer.may_sign))}"
    what = f"{signs}; the document ends in {days:.0f} days (`ew keys rotate`)"
    return Finding("keys", days > KEYS_LEAST_DAYS, what)


def _database(config: Config) -> Finding:
    where = config.service.database
    if isinstance(where, Path):
        return _disk(where)
    try:
        database = Database(where)
        with database.engine().connect() as connection:
            version = ".".join(map(str, connection.dialect.server_version_info or ()))
    except (InputError, SQLAlchemyError) as error:
        return Finding("database", False, reason_of(error))
    return Finding("database", True, f"{database.name}: PostgreSQL {version}")


def _disk(path: Path) -> Finding:
    folder = path.absolute().parent
    if not folder.is_dir():
        return Finding("database", False, f"{folder}: no such directory")
    if not os.access(folder, os.W_OK):
        return Finding("database", False, f"{folder}: this user may not write there")
    free = shutil.disk_usage(folder).free
    what = f"{path}, {free / 2**30:.1f} GiB free"
    return Finding("database", free > DISK_LEAST_BYTES, what)


def _port(where: str, host: str, port: int) -> Finding:
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError as error:  # as it should be while the service runs
            return Finding(where, True, f"{host}:{port} can't be taken now: {error.strerror}")
    return Finding(where, True, f"{host}:{port} is free")
