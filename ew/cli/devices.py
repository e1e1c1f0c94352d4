"""``ew devices import``: registers the devices of a file in the service's database."""

import asyncio
from pathlib import Path
from typing import IO

import typer
from sqlalchemy.exc import SQLAlchemyError

from ew.config import Config, load_config
from ew.errors import InputError
from ew.storage.database import reason_of
from ew.storage.device_files import DevicesError, Form, batches, check
from ew.storage.store import Store


def import_devices(file: Path, path: Path | None) -> None:
    """Check the whole file as the API does, then register its devices and print their number.

    Raises:
        ConfigError: the configuration is wrong.
        InputError: a file or the database can't be used, or lines are wrong, each of which is
            printed.
        MissingParquetError: pyarrow is not installed.
    """
    config = load_config(path)
    form: Form = "parquet" if file.suffix.lower() == ".parquet" else "csv"
    try:
        with file.open("rb") as opened:
            count = check(opened, form, list(config.policy.kinds))
            asyncio.run(_register(opened, form, config))
    except OSError as error:
        raise InputError(f"{file}: can't be read: {error.strerror}") from error
    except DevicesError as error:
        for one in error.mistakes:
            typer.echo(f"{file} line {one.line}: {one.what}", err=True)
        raise InputError(f"{file}: no device was registered") from error
    except SQLAlchemyError as error:
        raise InputError(f"the database can't be used: {reason_of(error)}") from error
    typer.echo(f"{count} devices registered")


async def _register(file: IO[bytes], form: Form, config: Config) -> None:
    async with Store(config.service.database) as store:
        for batch in batches(file, form, list(config.policy.kinds)):
            await store.register(*batch)
