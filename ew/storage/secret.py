"""SHELL: the secret that a service shares with its web processes, in a file for its owner alone."""

import os
import secrets
from pathlib import Path

from ew.errors import InputError

SECRET_BYTES = 32


def shared_secret(path: Path) -> bytes:
    """The secret in a file, which is made (mode 0600) if there is none yet.

    Raises:
        InputError: the file can't be read or made, others may read it, or it is too short.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    except OSError as error:
        raise InputError(f"{path}: can't make the shared secret: {error.strerror}") from error
    secret = secrets.token_hex(SECRET_BYTES).encode()
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(secret)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise InputError(f"{path}: can't write the shared secret: {error.strerror}") from error
    return secret


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_mode & 0o077:
            raise InputError(f"{path}: others may read it; run chmod 600 on it")
        secret = path.read_bytes().strip()
    except OSError as error:
        raise InputError(f"{path}: can't read the shared secret: {error.strerror}") from error
    if len(secret) < SECRET_BYTES:
        raise InputError(
            f"{path}: the shared secret is too short; delete the file to get a new one"
        )
    return secret
