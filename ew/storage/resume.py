"""SHELL: what a service that comes back goes on from, in one small file beside the database.

It holds the event messages of the last minutes, as they were published and signed, and the SeedLink
sequence numbers of a while ago, so that the pickers can be warmed with data that were read before.
The file is written whole and put in its place in one step: a kill leaves the old one or the new one.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from ew.errors import InputError
from ew.storage.keyring import write_public


@dataclass(frozen=True, slots=True)
class Resume:
    """``events``: published event messages, oldest first; ``sequences``: by SeedLink server and key."""

    events: tuple[bytes, ...] = ()
    sequences: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def save_resume(path: Path, resume: Resume) -> None:
    """Put the file in its place.

    Raises:
        InputError: it can't be written.
    """
    body = {
        "v": 1,
        "events": [base64.b64encode(payload).decode() for payload in resume.events],
        "sequences": {name: dict(numbers) for name, numbers in resume.sequences.items()},
    }
    write_public(path, orjson.dumps(body))


def load_resume(path: Path) -> Resume:
    """What the file holds; nothing where there is none.

    Raises:
        InputError: it is damaged; a service then starts as if there were none, and says so.
    """
    if not path.exists():
        return Resume()
    try:
        body = orjson.loads(path.read_bytes())
        events = tuple(base64.b64decode(text, validate=True) for text in body["events"])
        sequences = {
            str(name): {str(key): int(number) for key, number in numbers.items()}
            for name, numbers in body["sequences"].items()
        }
    except (OSError, orjson.JSONDecodeError, binascii.Error, KeyError, TypeError, ValueError,
            AttributeError) as error:  # fmt: skip
        raise InputError(f"{path}: not a resume file: {error}") from error
    return Resume(events, sequences)
