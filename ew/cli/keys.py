"""``ew keys``: makes and changes a directory of keys (``ew.storage.keyring``)."""

import secrets
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ew.config.service import api_key_lines
from ew.storage.keyring import Keyring
from ew.times import NS_PER_US, iso_from_us


def init(path: Path) -> None:
    """Make a keyring and print where its parts belong."""
    keyring = Keyring.init(path, _now_us())
    _print(keyring)
    print(
        f"""
Keep {path}/root/ off the service's machine: it is needed for rotate and revoke only.
Devices are made with {path}/root.pub.pem and believe nothing else.
The service's configuration names a signing key and the document:

    [service]
    key_file = "{path}/signing/actual-1.pem"
    key_id = "actual-1"
    keys_document = "{path}/keys.json"
"""
    )


def rotate(path: Path) -> None:
    """Add new keys and print the document."""
    _print(Keyring.load(path).rotate(_now_us()))
    print("\nRestart the service with a new key_file and key_id, and with the new keys.json.")


def revoke(path: Path, key_id: str) -> None:
    """Take a key out and print the document."""
    _print(Keyring.load(path).revoke(key_id, _now_us()))
    print("\nRestart the service with the new keys.json, so that devices receive it.")


def show(path: Path) -> None:
    """Print a keyring's document."""
    _print(Keyring.load(path))


def api(name: str, scopes: Sequence[str]) -> None:
    """Make a key of the HTTP API; print it, once, with the configuration's lines for it."""
    secret = secrets.token_urlsafe(32)
    lines = "\n".join(api_key_lines(name, secret, scopes))
    print(f"the key of {name}, which is kept nowhere: {secret}\n\n{lines}")


def _print(keyring: Keyring) -> None:
    document = keyring.document
    print(f"root {document.root_id}, serial {document.serial}")
    print(f"issued {iso_from_us(document.issued_us)}, expires {iso_from_us(document.expires_us)}")
    table = Table("key_id", "may sign", "from", "until")
    for key in document.keys:
        table.add_row(
            key.key_id,
            ", ".join(key.statuses),
            iso_from_us(key.not_before_us),
            iso_from_us(key.not_after_us),
        )
    Console(soft_wrap=True, highlight=False).print(table)


def _now_us() -> int:
    return time.time_ns() // NS_PER_US
