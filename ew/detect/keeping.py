"""PURE: samples into a channel's history past the caches, which they would only pass through.

A history is read where a channel has triggered, which few have, and by then its lines have long left the caches. An
ordinary store would fetch each line from memory, push out another, and carry it back later. A line that is written as a
whole and said not to be read soon goes to memory in one go. So that all lines are whole, a channel's last samples
wait in its ``tail`` until a line of them is full.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import config as numba_config
from numba.extending import intrinsic

from ew.detect.layout import HISTORY, LANES, LINE_BYTES, PADDING, PLACE, ROW, SEEN, SOURCE, TAIL
from ew.detect.machine import WORD, loop, spread

if numba_config.DISABLE_JIT:
    from ew.detect.machine import array_at

SAMPLE = ir.IntType(32)
LINE = ir.VectorType(SAMPLE, TAIL)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def row_at(slot, raw):
    """Where a channel's history lies."""
    return np.uint64(raw.ctypes.data) + np.uint64(4 * (HISTORY + PADDING) * slot)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def tail_at(slot, state):
    """Where a channel's tail lies."""
    return np.uint64(state.tail.ctypes.data) + np.uint64(LINE_BYTES * slot)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def aim(state, work):
    """Note for each lane where its second line comes from and goes, for ``run_turned`` to write it and those that follow."""
    for lane in range(LANES):
        slot = work.lane_slots[lane]
        seen = state.count[slot, SEEN]
        second = TAIL - (seen & (TAIL - 1))
        work.lines[SOURCE, lane] = work.samples_at[lane] + np.uint64(4 * second)
        work.lines[ROW, lane] = row_at(slot, state.raw)
        work.lines[PLACE, lane] = np.uint64(4 * (seen + second))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def keep(samples, n, written, slot, state):
    """Put ``n`` samples (4 bytes each, at an address) into a channel's history, behind those seen.

    ``written``: so many of them ``run_turned`` was given, and wrote the lines that are whole wherever the first begins.
    """
    seen = state.count[slot, SEEN] & (HISTORY - 1)
    begin = max(TAIL, written & -TAIL)
    keep_lines(samples, n, seen, row_at(slot, state.raw), tail_at(slot, state), begin)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def settle(slot, state):
    """Put the tail where the history is read and written sample by sample."""
    first = state.count[slot, SEEN] & (HISTORY - TAIL)
    state.raw[slot, first : first + TAIL] = state.tail[slot]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def unsettle(slot, state):
    """Take the tail from there, once ``SEEN`` has moved on."""
    first = state.count[slot, SEEN] & (HISTORY - TAIL)
    state.tail[slot] = state.raw[slot, first : first + TAIL]


def emit_line(builder, line, row, place):
    """Emit: write a line to ``place``, in bytes, of the history at ``row``."""
    soon = builder.module.add_metadata([ir.IntType(32)(1)])
    to = builder.add(row, builder.and_(place, WORD(4 * HISTORY - 1)))
    there = builder.inttoptr(to, LINE.as_pointer())
    builder.store(line, there, align=LINE_BYTES).set_metadata("nontemporal", soon)


def _keep_lines(context, builder, signature, arguments):
    samples, n, seen, row, tail, begin = arguments
    places = ir.Constant(ir.VectorType(WORD, TAIL), list(range(TAIL)))

    def at(base, i):
        return builder.inttoptr(builder.add(base, builder.shl(i, WORD(2))), LINE.as_pointer())

    def write(line, i):
        emit_line(builder, line, row, builder.shl(builder.add(first, i), WORD(2)))

    def some(i, mask, others):
        """Samples of a line where the mask is set, and no memory beyond them is touched."""
        name = f"llvm.masked.load.v{TAIL}i32.p0"
        kinds = LINE.as_pointer(), SAMPLE, mask.type, LINE
        load = builder.module.globals.get(name) or ir.Function(
            builder.module, ir.FunctionType(LINE, kinds), name
        )
        return builder.call(load, [at(samples, i), SAMPLE(4), mask, others])

    def whole(i, _):
        write(builder.load(at(samples, builder.sub(i, had)), align=4), i)
        return []

    # ``i`` counts from the line's beginning, of which the channel had some samples already
    had, first = builder.and_(seen, WORD(TAIL - 1)), builder.and_(seen, WORD(-TAIL))
    has = builder.add(had, n)
    end = builder.and_(has, WORD(-TAIL))
    kept = builder.load(at(tail, WORD(0)), align=LINE_BYTES)
    is_new = builder.and_(
        builder.icmp_signed(">=", places, spread(builder, had, TAIL)),
        builder.icmp_signed("<", places, spread(builder, has, TAIL)),
    )
    line = some(builder.neg(had), is_new, kept)
    with builder.if_else(builder.icmp_signed(">", end, WORD(0))) as (full, short):
        with full:
            write(line, WORD(0))
            loop(builder, begin, end, TAIL, [], whole)
            left = builder.icmp_signed("<", places, spread(builder, builder.sub(has, end), TAIL))
            rest = some(builder.sub(end, had), left, ir.Constant(LINE, [0] * TAIL))
            builder.store(rest, at(tail, WORD(0)), align=LINE_BYTES)
        with short:
            builder.store(line, at(tail, WORD(0)), align=LINE_BYTES)
    return context.get_dummy_value()


if numba_config.DISABLE_JIT:

    def keep_lines(samples, n, seen, row, tail, begin):
        kept, history = array_at(tail, TAIL, np.int32), array_at(row, HISTORY, np.int32)
        had = int(seen) % TAIL
        line = np.concatenate([kept[:had], array_at(samples, n, np.int32)])
        end = len(line) // TAIL * TAIL
        i = np.array([i for i in range(end) if i < TAIL or i >= begin], np.int64)
        history[(int(seen) - had + i) % HISTORY] = line[i]
        kept[: len(line) - end] = line[end:]

else:

    @intrinsic
    def keep_lines(typing_context, samples, n, seen, row, tail, begin):
        """Put ``n`` samples behind the ``seen`` ones (modulo the history's length) of the history at ``row``.

        Whole lines before sample ``begin``, counted from the beginning of the first line, are left out but for the first.
        """
        kinds = types.uint64, types.int64, types.int64, types.uint64, types.uint64, types.int64
        return types.void(*kinds), _keep_lines
