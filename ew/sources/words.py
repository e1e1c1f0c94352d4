"""PURE: what the compiled reading of records needs below numpy: big-endian numbers, and Steim's differences, eight at once.

Addresses are int64, as those of a user's process fit. With ``NUMBA_DISABLE_JIT=1`` the same names do the same in Python.
"""

import ctypes

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import config as numba_config
from numba.extending import intrinsic

from ew.detect.machine import WORD, loop, spread

if numba_config.DISABLE_JIT:
    from ew.detect.machine import array_at

SAMPLE = ir.IntType(32)
EIGHT = ir.VectorType(SAMPLE, 8)

ROW = 32
"""int32 a packing's row has: how far each of eight differences is shifted up, then down, how many there are, and 1 if it is none."""
DOWN, COUNT, IS_NONE = 8, 16, 17


def packings():
    """(2, 16, ROW) i4: for Steim-1 and Steim-2, by a word's two bits and its own first two, how it is taken apart."""
    table = np.zeros((2, 16, ROW), np.int32)
    table[:, :, IS_NONE] = 1
    for kind in range(4):
        _set(table[:, kind], 0, 1)
        _set(table[:, 4 + kind], 4, 8)
        _set(table[0, 8 + kind], 2, 16)
        _set(table[0, 12 + kind], 1, 32)
    for kind, (count, bits) in {9: (1, 30), 10: (2, 15), 11: (3, 10), 12: (5, 6), 13: (6, 5), 14: (7, 4)}.items():  # fmt: skip
        _set(table[1, kind], count, bits)
    return table


def _set(rows, count, bits):
    rows[..., :count] = 32 - bits * (count - np.arange(count))
    rows[..., DOWN : DOWN + 8] = 32 - bits
    rows[..., COUNT], rows[..., IS_NONE] = count, 0


def _loaded(context, builder, address, bits):
    kind = ir.IntType(bits)
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


def _big_endian(bits):
    def emit(context, builder, signature, arguments):
        return builder.zext(builder.bswap(_loaded(context, builder, arguments[0], bits)), WORD)

    return emit


def _native(bits, has_sign):
    def emit(context, builder, signature, arguments):
        widen = builder.sext if has_sign else builder.zext
        return widen(_loaded(context, builder, arguments[0], bits), WORD)

    return emit


def _take_apart(context, builder, signature, arguments):
    word, row, out = arguments
    vectors = builder.inttoptr(row, EIGHT.as_pointer())
    up, down = (
        builder.load(builder.gep(vectors, [WORD(k)]), align=4) for k in (0, DOWN // EIGHT.count)
    )
    words = spread(builder, builder.trunc(word, SAMPLE), EIGHT.count)
    found = builder.ashr(builder.shl(words, up), down)
    builder.store(found, builder.inttoptr(out, EIGHT.as_pointer()), align=4)
    return context.get_dummy_value()


def _sum_up(context, builder, signature, arguments):
    at, n = arguments
    base = builder.inttoptr(at, SAMPLE.as_pointer())
    zeros = ir.Constant(EIGHT, [0] * EIGHT.count)

    def shuffled(vector, places):
        return builder.shuffle_vector(vector, zeros, ir.Constant(EIGHT, places))

    def body(i, carried):
        here = builder.bitcast(builder.gep(base, [i]), EIGHT.as_pointer())
        sums = builder.load(here, align=4)
        for distance in (1, 2, 4):
            moved = [p - distance if p >= distance else EIGHT.count for p in range(EIGHT.count)]
            sums = builder.add(sums, shuffled(sums, moved))
        sums = builder.add(sums, carried[0])
        builder.store(sums, here, align=4)
        return [shuffled(sums, [EIGHT.count - 1] * EIGHT.count)]

    loop(builder, WORD(0), n, EIGHT.count, [zeros], body)
    return context.get_dummy_value()


if numba_config.DISABLE_JIT:

    def be1(address):
        return ctypes.string_at(int(address), 1)[0]

    def be2(address):
        return int.from_bytes(ctypes.string_at(int(address), 2), "big")

    def be4(address):
        return int.from_bytes(ctypes.string_at(int(address), 4), "big")

    def ne4(address):
        return int(array_at(address, 1, np.int32)[0])

    def copy_twelve(at, to):
        ctypes.memmove(int(to), int(at), 12)

    def take_apart(word, row, out):
        up, down = array_at(row, 2 * EIGHT.count, np.int32).reshape(2, EIGHT.count)
        words = np.full(EIGHT.count, word, np.uint32)
        array_at(out, EIGHT.count, np.int32)[:] = (words << up).astype(np.int32) >> down

    def sum_up(at, n):
        samples = array_at(at, n, np.int32)
        samples[:] = np.cumsum(samples, dtype=np.int32)

else:
    _NUMBER = types.int64(types.int64)

    @intrinsic
    def be1(typing_context, address):
        """The byte at an address."""
        return _NUMBER, _native(8, has_sign=False)

    @intrinsic
    def be2(typing_context, address):
        """The big-endian number of two bytes at an address, without sign."""
        return _NUMBER, _big_endian(16)

    @intrinsic
    def be4(typing_context, address):
        """The big-endian number of four bytes at an address, without sign."""
        return _NUMBER, _big_endian(32)

    @intrinsic
    def ne4(typing_context, address):
        """The int32 at an address."""
        return _NUMBER, _native(32, has_sign=True)

    @intrinsic
    def copy_twelve(typing_context, at, to):
        """Copy twelve bytes: a header's codes."""

        def emit(context, builder, signature, arguments):
            kind = ir.IntType(96).as_pointer()
            source, target = (builder.inttoptr(address, kind) for address in arguments)
            builder.store(builder.load(source, align=1), target, align=1)
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), emit

    @intrinsic
    def take_apart(typing_context, word, row, out):
        """Write the eight int32 that a packing's row makes of a word; those beyond its count are of no meaning."""
        return types.void(types.int64, types.int64, types.int64), _take_apart

    @intrinsic
    def sum_up(typing_context, at, n):
        """Turn ``n`` int32 into their running sums; up to seven after them are changed as well."""
        return types.void(types.int64, types.int64), _sum_up
