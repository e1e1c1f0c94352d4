"""SHELL: what a service that comes back goes on from, in one small file beside the database.

It holds the event versions of the last minutes, as they were told, and the SeedLink sequence numbers
of a while ago, so that the pickers can be warmed with data that were read before. The file is written
whole, flushed to the disk and put in its place in one step: a kill leaves the old one or the new one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from ew.errors import InputError
from ew.records import EventVersion, Status
from ew.storage.versions import version_body, version_of


@dataclass(frozen=True, slots=True)
class Resume:
    """``versions`` told with status ``mode``, oldest first; ``sequences`` by SeedLink server and key, at ``sequences_s``."""

    versions: tuple[EventVersion, ...] = ()
    sequences: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sequences_s: float = 0.0
    mode: Status | None = None


def save_resume(path: Path, resume: Resume) -> None:
    """Put the file in its place; it may take as long as the disk takes.

    Raises:
        InputError: it can't be written.
    """
    body = {
        "v": 1,
        "versions": [version_body(version) for version in resume.versions],
        "sequences": {name: dict(numbers) for name, numbers in resume.sequences.items()},
        "sequences_s": resume.sequences_s,
        "mode": resume.mode,
    }
    part = path.with_name(f"{path.name}.part")
    try:
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(orjson.dumps(body))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path}: can't be written: {error.strerror}") from error


def load_resume(path: Path) -> Resume:
    """What the file holds; nothing where there is none.

    Raises:
        InputError: it is damaged; a service then starts as if there were none, and says so.
    """
    if not path.exists():
        return Resume()
    try:
        body: dict[str, Any] = orjson.loads(path.read_bytes())
        versions = tuple(version_of(one) for one in body["versions"])
        sequences = {
            str(name): {str(key): int(number) for key, number in numbers.items()}
            for name, numbers in body["sequences"].items()
        }
        sequences_s = float(body["sequences_s"])
        mode = body.get("mode")  # a file of an earlier release does not tell it
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError,
            AttributeError) as error:  # fmt: skip
        raise InputError(f"{path}: not a resume file: {error}") from error
    return Resume(versions, sequences, sequences_s, mode)
