"""Parses ``ew keys …``.

Heavy imports are inside the commands, so that ``ew --help`` answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

keys_app = typer.Typer(
    help="Make, rotate and revoke the keys that devices believe.", no_args_is_help=True
)
DirectoryArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The keyring.")]


@keys_app.command("init")
def keys_init(directory: DirectoryArgument) -> None:
    """Make a root, a key for real alerts and one for drills, and the document for devices."""
    from ew.cli.keys import init  # noqa: PLC0415

    init(directory)


@keys_app.command("rotate")
def keys_rotate(directory: DirectoryArgument) -> None:
    """Add new keys; the old ones stay valid for a week, until every device knows the new ones."""
    from ew.cli.keys import rotate  # noqa: PLC0415

    rotate(directory)


@keys_app.command("revoke")
def keys_revoke(
    directory: DirectoryArgument, key_id: Annotated[str, typer.Argument(metavar="KEY_ID")]
) -> None:
    """Take a key out of the document; devices forget it when they receive the new document."""
    from ew.cli.keys import revoke  # noqa: PLC0415

    revoke(directory, key_id)


@keys_app.command("api")
def keys_api(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[
        list[str], typer.Option(help="viewer, vendor, partner or operator; may be given again.")
    ],
) -> None:
    """Make a key of the HTTP API: print it, once, and the configuration's lines with its hash."""
    from ew.cli.keys import api  # noqa: PLC0415

    api(name, scope)


@keys_app.command("show")
def keys_show(directory: DirectoryArgument) -> None:
    """Print the document's serial and time, and each key with the statuses it may sign."""
    from ew.cli.keys import show  # noqa: PLC0415

    show(directory)
