"""PURE: the faults of a bad line in a stream of records, as rates for each record."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Faults:
    """Chances for each record, 0-1.

    ``cut``: the connection ends before it. ``delay``: it and all behind it wait for ``delay_s``.
    ``duplicate``: it is sent twice. ``reorder``: it changes places with the next that waits.
    ``garbage``: noise of a record's length follows it.
    """

    cut: float = 0.0
    delay: float = 0.0
    delay_s: float = 2.0
    duplicate: float = 0.0
    reorder: float = 0.0
    garbage: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Send(Generic[T]):
    """Send this record."""

    record: T


@dataclass(frozen=True, slots=True)
class Wait:
    """Send nothing for ``seconds``."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Cut:
    """End the connection."""


Action: TypeAlias = Send[T] | Wait | Cut


def disturbed(
    records: Sequence[T], faults: Faults, rng: random.Random, broken: Callable[[T], T]
) -> Iterator[Action[T]]:
    """Yield what happens to records that are to be sent; ``broken`` makes the garbage after one."""
    at = 0
    while at < len(records):
        if rng.random() < faults.cut:
            yield Cut()
        if rng.random() < faults.delay:
            yield Wait(faults.delay_s)
        batch = records[at : at + 1]
        if rng.random() < faults.reorder and at + 1 < len(records):
            # Both before the next cut: by the last number alone no client could know that the other
            # is missing
            batch = [records[at + 1], records[at]]
        for record in batch:
            yield Send(record)
            if rng.random() < faults.duplicate:
                yield Send(record)
            if rng.random() < faults.garbage:
                yield Send(broken(record))
        at += len(batch)
