"""PURE: reads JSON from outside as all languages agree on it (I-JSON, RFC 7493).

Two readers that read different values from the same bytes can be played against each other: one
verifies the signature of its values, the other acts on its own. So whatever JSON leaves open is
refused: a member that occurs twice, numbers no double holds, text that is no UTF-8, deep nesting.
"""

import json
from typing import Any, NoReturn

import orjson

from ew.errors import MessageError

MOST_INT = 2**53 - 1
"""Largest integer that every JSON reader holds exactly (RFC 7493, 2.2)."""
LONGEST_INT = 16
"""Digits of ``MOST_INT``."""
DEEPEST = 16
"""Deepest nesting accepted; our messages nest four deep."""


def read_object(payload: bytes, name: str, most_bytes: int) -> dict[str, Any]:
    """The JSON object in ``payload``.

    Raises:
        MessageError: it is larger than ``most_bytes`` or no I-JSON object; it begins with ``name``.
    """
    if len(payload) > most_bytes:
        raise MessageError(f"{name} of {len(payload)} bytes: at most {most_bytes} are allowed")
    try:
        # orjson enforces the grammar, UTF-8 and finite numbers, but takes the last of two members
        # of one name; the standard library shows both
        orjson.loads(payload)
        found = json.loads(payload.decode(), object_pairs_hook=_members, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"{name}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise MessageError(f"{name}: not a JSON object")
    if _depth(found) > DEEPEST:
        raise MessageError(f"{name}: nested more than {DEEPEST} deep")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        _refuse(f"member {next(n for n in names if names.count(n) > 1)!r} stands twice")
    return found


def _integer(text: str) -> int:
    if len(text.lstrip("-")) > LONGEST_INT or abs(value := int(text)) > MOST_INT:
        _refuse("an integer is beyond 2^53 - 1")
    return value


def _refuse(reason: str) -> NoReturn:
    raise ValueError(reason)


def _depth(value: object) -> int:
    """The depth of nested objects and lists, computed without recursion."""
    deepest, left = 0, [(value, 1)]
    while left:
        one, depth = left.pop()
        if isinstance(one, dict | list):
            deepest = max(deepest, depth)
            inner = one.values() if isinstance(one, dict) else one
            left.extend((item, depth + 1) for item in inner)
    return deepest
