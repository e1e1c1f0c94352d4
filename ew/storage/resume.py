"""SHELL: the state from which a restarted service continues, in a file beside the database.

It contains the published event versions of the last minutes, and SeedLink sequence numbers from
some time before, so that the pickers can be warmed with data that were read already. The file is
written whole, flushed to the disk and moved to its place in one step: a kill leaves the old one or
the new one.
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
    """The content of the file.

    ``versions``: published with status ``mode``, oldest first; ``sequences``: by SeedLink server
    and key, as of ``sequences_s``.
    """

    versions: tuple[EventVersion, ...] = ()
    sequences: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    sequences_s: float = 0.0
    mode: Status | None = None


def save_resume(path: Path, resume: Resume) -> None:
    """Write the file and move it to its place; it takes as long as the disk takes.

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
    """The content of the file; empty where there is none.

    Raises:
        InputError: it is damaged; a service then starts as if there were none, and logs it.
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
        mode = body.get("mode")  # a file of an earlier release has no mode
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError,
            AttributeError) as error:  # fmt: skip
        raise InputError(f"{path}: not a resume file: {error}") from error
    return Resume(versions, sequences, sequences_s, mode)
