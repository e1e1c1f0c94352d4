"""Fuzzes what reads bytes from outside, with bounded time and memory.

    python -m tests.fuzz miniseed --rounds 100000 --seed 7
    python -m tests.fuzz all
    python -m tests.fuzz miniseed --atheris [its options]      guided by coverage, where atheris is
        installed

Each input is a right one changed in a few places, the same for a seed. It fails where anything but
the errors that are stated is raised, where one input takes more than 10 s, or where memory grows by
more than 256 MiB; the input is then printed.
"""

import argparse
import base64
import faulthandler
import random
import resource
import sys
import time
import warnings

from tests.fuzz.targets import Target, targets

HANGS_S = 10.0
GROWS_MOST_BYTES = 256 << 20
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
WORDS = [
    b"-1",
    b"1e999",
    b"9" * 400,
    b"NaN",
    b"null",
    b"true",
    b'""',
    b"[]",
    b"{}",
    b"0x10",
    b"1.5",
    b"\xff",
    b"\x00",
    b"&a;",
    b"%s",
    b"[" * 300,
    b"'''",
    b"inf",
    b"1e-400",
    b"2" * 19,
    b"\r\n",
]


def mutate(data: bytes, others: list[bytes], lot: random.Random) -> bytes:
    """The bytes, changed in one to four places."""
    found = bytearray(data)
    for _ in range(lot.randint(1, 4)):
        at = lot.randrange(len(found) + 1)
        size = min(lot.choice((1, 2, 4, 8, 32, 200)), len(found) - at)
        change = lot.randrange(8)
        if change == 0 and size:
            found[at] ^= 1 << lot.randrange(8)
        elif change == 1 and size:
            found[at] = lot.randrange(256)
        elif change == 2:
            number, width = lot.choice(NUMBERS), lot.choice((1, 2, 4))
            order = lot.choice(("big", "little"))
            found[at : at + width] = (number % (1 << 8 * width)).to_bytes(width, order)  # type: ignore[arg-type]
        elif change == 3:
            del found[at : at + size]
        elif change == 4:
            found[at:at] = found[at : at + size] * lot.choice((1, 2, 50))
        elif change == 5:
            other = lot.choice(others)
            begin = lot.randrange(len(other))
            found[at:at] = other[begin : begin + lot.choice((4, 40, 400))]
        elif change == 6:
            found[at : at + size] = lot.choice(WORDS)
        else:
            del found[at:]
        if not found:
            return b""
    return bytes(found)


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def try_one(name: str, target: Target, data: bytes, at_first: int) -> None:
    """Read one input; the process ends where it hangs."""
    faulthandler.dump_traceback_later(HANGS_S, exit=True, file=sys.__stderr__)
    try:
        target.read(data)
    except target.allowed:
        pass
    except BaseException:
        print(f"{name}: input {base64.b85encode(data).decode()}", file=sys.stderr)
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()
    if peak_bytes() > at_first + GROWS_MOST_BYTES:
        sys.exit(f"{name}: too much memory for input {base64.b85encode(data).decode()}")


def fuzz(name: str, rounds: int, seed: int) -> None:
    target, lot = targets()[name](), random.Random(seed)
    samples = list(target.samples)
    for sample in samples:  # right ones are read, and what is loaded late is loaded
        try_one(name, target, sample, peak_bytes())
    at_first, begin_s = peak_bytes(), time.monotonic()
    # An input that asks for gigabytes is refused them, and that is an error like any other
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: SIM115, PTH123
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), resource.RLIM_INFINITY))
    for _ in range(rounds):
        try_one(name, target, mutate(lot.choice(samples), samples, lot), at_first)
    took_s = time.monotonic() - begin_s
    grew_mb = (peak_bytes() - at_first) / 1e6
    print(f"{name}: {rounds} inputs in {took_s:.1f} s, memory grew by {grew_mb:.0f} MB", flush=True)


def guided(name: str, arguments: list[str]) -> None:
    import atheris  # noqa: PLC0415 - optional

    target = targets()[name]()

    def one(data: bytes) -> None:
        try:
            target.read(data)
        except target.allowed:
            return

    atheris.instrument_all()
    atheris.Setup([sys.argv[0], *arguments], one)
    atheris.Fuzz()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=[*targets(), "all"])
    parser.add_argument("--rounds", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--atheris", nargs=argparse.REMAINDER)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # obspy warns of each field that it skips
    if given.atheris is not None:
        guided(given.target, given.atheris)
        return
    for name in targets() if given.target == "all" else [given.target]:
        fuzz(name, given.rounds, given.seed)


if __name__ == "__main__":
    main()
