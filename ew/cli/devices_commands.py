"""Parses ``ew devices …``.

Heavy imports are inside the commands, so that ``ew --help`` answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from ew.cli.options import ConfigOption

devices_app = typer.Typer(help="The registered devices of a service.", no_args_is_help=True)


@devices_app.callback()
def _group() -> None:
    """Keep ``import`` a command of its own while it is the only one."""


@devices_app.command("import")
def devices_import(
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="CSV, or Parquet by its end.")],
    config: ConfigOption = None,
) -> None:
    """Register the devices of a file in the service's database; none if a line is wrong.

    Columns: device_id, kind, latitude, longitude. Devices known before are moved. A running
    service takes them when it reads its devices again, at the latest at its next start.
    """
    from ew.cli.devices import import_devices  # noqa: PLC0415

    import_devices(file, config)
