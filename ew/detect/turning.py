"""PURE: eight channels' rows into lanes and back: matrices of eight rows transposed in registers, 24 shuffles each.

``turn_in`` and ``turn_out`` do it with the filter delays, eight a channel. ``turn_samples`` does it with the samples of
eight packets of the same length, and on the way looks for the largest.
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import config as numba_config
from numba.extending import intrinsic

from ew.detect.layout import F4, I4, LANES, LEVELS, TINY
from ew.detect.machine import WORD, loop

if numba_config.DISABLE_JIT:
    from ew.detect.machine import array_at

VECTOR = ir.VectorType(ir.DoubleType(), LANES)
SAMPLE = ir.IntType(32)
WIDE = 2 * LANES


def turned_rows(builder, rows):
    """Eight vectors transposed: in three rounds, parts of 1, 2 and 4 change places between pairs."""
    for distance in (1, 2, 4):
        upper = [p if not p & distance else p - distance + LANES for p in range(LANES)]
        lower = [p + distance if not p & distance else p + LANES for p in range(LANES)]
        turned = list(rows)
        for i in range(LANES):
            if not i & distance:
                pair = rows[i], rows[i + distance]
                turned[i] = _shuffled(builder, *pair, upper)
                turned[i + distance] = _shuffled(builder, *pair, lower)
        rows = turned
    return rows


def _shuffled(builder, one, other, places):
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), list(places))
    return builder.shuffle_vector(one, other, mask)


def row_of(i, n):
    """The row of ``turned`` in which sample ``i`` lies if ``n`` were turned: of each whole eight 0, 4, 1, 5, 2, 6, 3, 7.

    That order takes half the shuffles, as a register that holds two rows need not be taken apart.
    """
    return (i & -LANES) + 2 * (i & 3) + (i >> 2 & 1) if i < (n & -LANES) else i


def emit_row_of(builder, i, n):
    """Emit the same."""
    eight, half = builder.and_(i, WORD(-LANES)), builder.and_(builder.lshr(i, WORD(2)), WORD(1))
    pair = builder.shl(builder.and_(i, WORD(3)), WORD(1))
    is_turned = builder.icmp_signed("<", i, builder.and_(n, WORD(-LANES)))
    return builder.select(is_turned, builder.add(eight, builder.add(pair, half)), i)


row_in = njit(cache=True, nogil=True, inline="always")(row_of)


def _pairs_of_columns(builder, rows):
    """Eight samples of eight rows turned: four vectors, the k-th of them the lanes' samples k and k + 4.

    ``rows``: four vectors, a quarter each of row k and row k + 4, and of these the samples after. All shuffles stay
    within the quarters.
    """

    def mixed(one, other, places):
        return _shuffled(
            builder,
            one,
            other,
            [quarter + p % 4 + p // 4 * WIDE for quarter in range(0, WIDE, 4) for p in places],
        )

    pairs = [
        mixed(rows[k], rows[k + 1], places)
        for k in (0, 2)
        for places in ((0, 4, 1, 5), (2, 6, 3, 7))
    ]
    return [
        mixed(pairs[k], pairs[k + 2], places)
        for k in (0, 1)
        for places in ((0, 1, 4, 5), (2, 3, 6, 7))
    ]


def _samples_emitter(form):
    """The body of ``turn_samples``: eight samples of each row at once."""
    quarter, wide = ir.VectorType(SAMPLE, 4), ir.VectorType(SAMPLE, WIDE)

    def emit(context, builder, signature, arguments):
        turned = builder.inttoptr(arguments[1], SAMPLE.as_pointer())
        n = arguments[2]
        rows = [_pointer_in(builder, arguments[0], lane) for lane in range(LANES)]

        def quarters(k, i):
            """Samples i to i + 7 of rows k and k + 4: the loads themselves put them where the shuffles want them."""
            parts = [
                builder.load(_at(builder, rows[lane], builder.add(i, WORD(at)), quarter), align=4)
                for at in (0, 4)
                for lane in (k, k + 4)
            ]
            halves = [_shuffled(builder, parts[j], parts[j + 1], range(LANES)) for j in (0, 2)]
            return _shuffled(builder, halves[0], halves[1], range(WIDE))

        def store(vector, row, align):
            at = builder.mul(row, WORD(LANES))
            builder.store(vector, _at(builder, turned, at, vector.type), align=align)

        def piece(i, largest, is_whole):
            loaded = [quarters(k, i) for k in range(4)]
            for vector in loaded:
                largest = _larger(builder, _size(builder, vector, form), largest)
            for k, pair in enumerate(_pairs_of_columns(builder, loaded)):
                if is_whole:
                    store(pair, builder.add(i, WORD(2 * k)), 64)
                else:
                    for half in (0, 1):
                        column = _shuffled(builder, pair, pair, range(8 * half, 8 * half + 8))
                        store(column, builder.add(i, WORD(k + 4 * half)), 32)
            return largest

        # The samples beyond whole eights lie in a piece that begins earlier; what it has of the others is overwritten
        whole = builder.and_(n, WORD(-LANES))
        none = ir.Constant(wide, [0] * WIDE)
        before = builder.block
        with builder.if_then(builder.icmp_signed("<", whole, n)):
            of_last, after = piece(builder.sub(n, WORD(LANES)), none, False), builder.block
        largest = builder.phi(wide)
        largest.add_incoming(none, before)
        largest.add_incoming(of_last, after)
        (largest,) = loop(
            builder, WORD(0), whole, LANES, [largest], lambda i, found: [piece(i, found[0], True)]
        )
        return builder.zext(_largest(builder, largest, WIDE), WORD)

    return emit


def _pointer_in(builder, addresses, lane):
    base = builder.inttoptr(addresses, WORD.as_pointer())
    return builder.inttoptr(builder.load(builder.gep(base, [WORD(lane)])), SAMPLE.as_pointer())


def _at(builder, base, i, kind):
    return builder.bitcast(builder.gep(base, [i]), kind.as_pointer())


def _size(builder, vector, form):
    """Of floats the bits without their sign, which keep the magnitudes' order; of integers the magnitude less at most 1."""
    width = vector.type.count
    if form == F4:
        return builder.and_(vector, ir.Constant(vector.type, [2**31 - 1] * width))
    sign = builder.ashr(vector, ir.Constant(vector.type, [31] * width))
    return builder.xor(vector, sign)


def _larger(builder, one, other):
    return builder.select(builder.icmp_unsigned(">", one, other), one, other)


def _largest(builder, vector, width):
    distance = width // 2
    while distance:
        places = [(p + distance) % width for p in range(width)]
        vector = _larger(builder, vector, _shuffled(builder, vector, vector, places))
        distance //= 2
    return builder.extract_element(vector, ir.IntType(32)(0))


def _turn_in(context, builder, signature, arguments):
    """Eight channels' filter delays into the lanes' state: rows of ``level`` transposed."""
    levels = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
    slots = builder.inttoptr(arguments[1], WORD.as_pointer())
    state = builder.inttoptr(arguments[2], VECTOR.as_pointer())
    rows = [builder.load(_channel(builder, levels, slots, lane), align=8) for lane in range(LANES)]
    for k, vector in enumerate(turned_rows(builder, rows)):
        builder.store(vector, builder.gep(state, [WORD(k)]), align=8)
    return context.get_dummy_value()


def _turn_out(context, builder, signature, arguments):
    """And back, with what has decayed to nearly nothing set to zero."""
    levels = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
    slots = builder.inttoptr(arguments[1], WORD.as_pointer())
    state = builder.inttoptr(arguments[2], VECTOR.as_pointer())
    zero, tiny = (ir.Constant(VECTOR, [value] * LANES) for value in (0.0, TINY))
    rows = []
    for k in range(LANES):
        v = builder.load(builder.gep(state, [WORD(k)]), align=8)
        size = builder.select(builder.fcmp_ordered("<", v, zero), builder.fneg(v), v)
        rows.append(builder.select(builder.fcmp_ordered(">", size, tiny), v, zero))
    for lane, row in enumerate(turned_rows(builder, rows)):
        builder.store(row, _channel(builder, levels, slots, lane), align=8)
    return context.get_dummy_value()


def _channel(builder, levels, slots, lane):
    slot = builder.load(builder.gep(slots, [WORD(lane)]))
    at = builder.gep(levels, [builder.mul(slot, WORD(LEVELS))])
    return builder.bitcast(at, VECTOR.as_pointer())


if numba_config.DISABLE_JIT:

    def _levels(address, slot):
        return array_at(int(address) + 8 * LEVELS * int(slot), LANES, np.float64)

    def turn_in(levels, slots, state):
        for lane, slot in enumerate(array_at(slots, LANES, np.int64)):
            array_at(state, LANES * LANES, np.float64)[lane::LANES] = _levels(levels, slot)

    def turn_out(levels, slots, state):
        for lane, slot in enumerate(array_at(slots, LANES, np.int64)):
            delays = array_at(state, LANES * LANES, np.float64)[lane::LANES]
            _levels(levels, slot)[:] = np.where(np.abs(delays) > TINY, delays, 0.0)

    def _turn_samples(samples, turned, n):
        rows = array_at(turned, n * LANES, np.int32).reshape(n, LANES)
        for lane, address in enumerate(array_at(samples, LANES, np.uint64)):
            rows[[row_of(i, n) for i in range(n)], lane] = array_at(address, n, np.int32)
        return rows

    def turn_samples_f4(samples, turned, n):
        return int(np.max(_turn_samples(samples, turned, n) & (2**31 - 1)))

    def turn_samples_i4(samples, turned, n):
        rows = _turn_samples(samples, turned, n)
        return int(np.max(rows ^ (rows >> 31)))

else:
    _TURN = types.void(types.uint64, types.uint64, types.uint64)
    _SAMPLES = types.int64(types.uint64, types.uint64, types.int64)

    @intrinsic
    def turn_in(typing_context, levels, slots, state):
        """Delays of the channels ``slots`` (8,) i8 into ``state``; all three are addresses."""
        return _TURN, _turn_in

    @intrinsic
    def turn_out(typing_context, levels, slots, state):
        """Delays of the channels ``slots`` (8,) i8 out of ``state``; all three are addresses."""
        return _TURN, _turn_out

    @intrinsic
    def turn_samples_f4(typing_context, samples, turned, n):
        """``n`` samples (8 to BLOCK) of eight rows into ``turned`` (n, 8), in the order of ``row_of``; all f4.

        ``samples`` is the address of (8,) u8, the rows' addresses; ``turned`` is one. Gives the bits of the largest
        magnitude: those of infinity and NaN come after all numbers'.
        """
        return _SAMPLES, _samples_emitter(F4)

    @intrinsic
    def turn_samples_i4(typing_context, samples, turned, n):
        """The same for i4; gives the largest magnitude, or 1 less."""
        return _SAMPLES, _samples_emitter(I4)
