"""PURE: samples as they came into rows of float64 and the channel's history; what is no number is mended on the way.

A channel's history is of the form of its packets: float32 and int32 as they came; of float64, float32 less ``OFFSET``,
the channel's first sample, so that the small motion on a large offset is kept. A channel whose form changes on the
way is kept as float64 is, from then on until data are missing next.
"""

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import config as numba_config
from numba.extending import intrinsic

from ew.detect.keeping import row_at
from ew.detect.layout import (
    CLIPPED,
    F4,
    F8,
    FORM,
    FULL_SCALE,
    HISTORY,
    HUGE,
    I4,
    LANES,
    LAST,
    NOT_FINITE,
    OFFSET,
    SEEN,
)
from ew.detect.machine import WORD, loop, pointer, spread

if numba_config.DISABLE_JIT:
    from ew.detect.machine import array_at


def _take_emitter(form):
    """The body of ``take``: convert and write eight samples at once, then the rest one by one."""
    memory = {F4: ir.FloatType(), F8: ir.DoubleType(), I4: ir.IntType(32)}[form]
    kinds = (memory, ir.DoubleType(), ir.FloatType() if form == F8 else memory)

    def emit(context, builder, signature, arguments):
        bases = [
            builder.inttoptr(address, kind.as_pointer())
            for address, kind in zip(arguments[:3], kinds, strict=True)
        ]
        n, offset = arguments[3:]

        def some(width):
            wide = [ir.VectorType(kind, width) for kind in kinds]
            words = ir.VectorType(WORD, width)
            no_sign = ir.Constant(words, [2**63 - 1] * width)
            offsets = spread(builder, offset, width)

            def body(i, largest):
                at = [
                    builder.bitcast(builder.gep(base, [i]), kind.as_pointer())
                    for base, kind in zip(bases, wide, strict=True)
                ]
                x = kept = builder.load(at[0], align=4)
                if form == I4:
                    x = builder.sitofp(x, wide[1])
                elif form == F4:
                    x = builder.fpext(x, wide[1])
                else:
                    kept = builder.fptrunc(builder.fsub(x, offsets), wide[2])
                builder.store(x, at[1], align=8)
                builder.store(kept, at[2], align=4)
                # As integers, magnitudes keep their order, and infinity and NaN come after all numbers
                size = builder.and_(builder.bitcast(x, words), no_sign)
                larger = builder.icmp_signed(">", size, largest[0])
                return [builder.select(larger, size, largest[0])]

            return body, ir.Constant(words, [0] * width)

        whole = builder.and_(n, WORD(-LANES))
        eights, none = some(LANES)
        (of_eights,) = loop(builder, WORD(0), whole, LANES, [none], eights)
        ones, none = some(1)
        (of_ones,) = loop(builder, whole, n, 1, [none], ones)
        for distance in (4, 2, 1):
            places = [(p + distance) % LANES for p in range(LANES)]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), places)
            other = builder.shuffle_vector(of_eights, of_eights, mask)
            larger = builder.icmp_signed(">", other, of_eights)
            of_eights = builder.select(larger, other, of_eights)
        first = ir.IntType(32)(0)
        one, eight = (builder.extract_element(v, first) for v in (of_ones, of_eights))
        largest = builder.select(builder.icmp_signed(">", one, eight), one, eight)
        return builder.bitcast(largest, ir.DoubleType())

    return emit


if numba_config.DISABLE_JIT:

    def take_f4(samples, row, history, n, offset):
        x = array_at(samples, n, np.float32)
        array_at(row, n, np.float64)[:] = array_at(history, n, np.float32)[:] = x
        return np.max(np.abs(x.astype(np.float64)))

    def take_i4(samples, row, history, n, offset):
        x = array_at(samples, n, np.int32)
        array_at(row, n, np.float64)[:] = array_at(history, n, np.int32)[:] = x
        return np.max(np.abs(x.astype(np.float64)))

    def take_f8(samples, row, history, n, offset):
        x = array_at(samples, n, np.float64)
        array_at(row, n, np.float64)[:] = x
        with np.errstate(over="ignore"):
            array_at(history, n, np.float32)[:] = x - offset
        return np.max(np.abs(x))

else:
    _TAKE = types.float64(types.uint64, types.uint64, types.uint64, types.int64, types.float64)

    @intrinsic
    def take_f4(typing_context, samples, row, history, n, offset):
        """``n`` float32 into a lane's row (f8) and, as they are, into the history; all three are addresses.

        Gives the largest magnitude among them: infinite or NaN if any sample is.
        """
        return _TAKE, _take_emitter(F4)

    @intrinsic
    def take_f8(typing_context, samples, row, history, n, offset):
        """The same for float64, of which the history keeps float32 less ``offset``."""
        return _TAKE, _take_emitter(F8)

    @intrinsic
    def take_i4(typing_context, samples, row, history, n, offset):
        """The same for int32."""
        return _TAKE, _take_emitter(I4)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def load(address, form, at, m, slot, lane, level, count, raw, x, tally):
    """Put ``m`` samples from ``at`` on into the lane's row of ``x`` and into the channel's history."""
    samples = address + np.uint64((8 if form == F8 else 4) * at)
    if count[slot, FORM] != form and count[slot, FORM] != F8:
        _keep_as_float64(slot, level, count, raw)
    largest = _take(samples, form, m, slot, lane, level, count, raw, x)
    is_bad = form != I4 and not largest < HUGE
    if form == I4 and largest >= FULL_SCALE:
        tally[CLIPPED] += at_full_scale(samples, m)
    if is_bad:
        _mend(x[lane], m, slot, level, tally)
    if is_bad or count[slot, FORM] != form:
        _keep_row(x[lane], m, slot, level, count, raw)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _take(samples, form, m, slot, lane, level, count, raw, x):
    """In two parts where the history's end is passed; gives the largest magnitude."""
    largest, offset, i = 0.0, level[slot, OFFSET], 0
    row = np.uint64(x.ctypes.data) + np.uint64(8 * x.shape[1] * lane)
    history = row_at(slot, raw)
    while i < m:
        start = (count[slot, SEEN] + i) & (HISTORY - 1)
        fits = min(m - i, HISTORY - start)
        to, at, part = history + np.uint64(4 * start), row + np.uint64(8 * i), 0.0
        if form == F4:
            part = take_f4(samples + np.uint64(4 * i), at, to, fits, offset)
        elif form == F8:
            part = take_f8(samples + np.uint64(8 * i), at, to, fits, offset)
        else:
            part = take_i4(samples + np.uint64(4 * i), at, to, fits, offset)
        if largest < HUGE and not part <= largest:  # NaN, once found, stays
            largest = part
        i += fits
    return largest


@njit(cache=True, nogil=True, error_model="numpy")
def _mend(row, m, slot, level, tally):
    """Put the last good sample in the place of each bad one, so that no step is made."""
    last = level[slot, LAST] if not np.isnan(level[slot, LAST]) else level[slot, OFFSET]
    for i in range(m):
        if abs(row[i]) < HUGE:
            last = row[i]
        else:
            tally[NOT_FINITE] += 1
            row[i] = last


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_row(row, m, slot, level, count, raw):
    """Write a row into a history of another form than its packet's, or once it is mended."""
    offset = level[slot, OFFSET] if count[slot, FORM] == F8 else 0.0
    for i in range(m):
        raw[slot, (count[slot, SEEN] + i) & (HISTORY - 1)] = row[i] - offset


@njit(cache=True, nogil=True, error_model="numpy")
def _keep_as_float64(slot, level, count, raw):
    """Turn a history of float32 or int32 into what is kept of float64."""
    for i in range(HISTORY):
        raw[slot, i] = kept(raw, slot, i, count[slot, FORM]) - level[slot, OFFSET]
    count[slot, FORM] = F8


@njit(cache=True, nogil=True, error_model="numpy")
def kept(raw, slot, sample, form):
    """The history's sample, as float64; less the channel's offset if ``form`` is F8."""
    i = sample & (HISTORY - 1)
    if form == I4:
        return np.float64(raw[slot].view(np.int32)[i])
    return np.float64(raw[slot, i])


@njit(cache=True, nogil=True, error_model="numpy")
def _sample(samples, form, i):
    if form == F4:
        return np.float64(carray(pointer(samples), (i + 1,), np.float32)[i])
    if form == F8:
        return carray(pointer(samples), (i + 1,), np.float64)[i]
    return np.float64(carray(pointer(samples), (i + 1,), np.int32)[i])


@njit(cache=True, nogil=True, error_model="numpy")
def first_good(address, form, at, m):
    """The first sample from ``at`` on that is a number, or 0 if there is none among ``m``."""
    for i in range(at, at + m):
        v = _sample(address, form, i)
        if abs(v) < HUGE:
            return v
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def at_full_scale(samples, m):
    """How many of ``m`` int32 at an address are as large as a 24-bit digitiser can tell."""
    clipped = 0
    for i in range(m):
        clipped += abs(_sample(samples, I4, i)) >= FULL_SCALE
    return clipped
