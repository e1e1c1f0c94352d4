"""PURE: the inner loop of the detection core, eight channels side by side in one vector register.

``run_lanes`` carries the lanes' state through a block of samples, ``run_lanes_with_course`` also writes down y, S
and L of each sample; the formulas stand in ``kernels`` and, as plain numpy, in ``_lanes_plainly``. Written in LLVM's
terms because its own vectoriser stops at 0.7 Gsamples/s for the same formulas in a loop over lanes; this form
reaches 2.6 and leaves every width of register to LLVM (AVX2 and NEON take the eight in parts).
"""

import ctypes
import functools

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import config as numba_config
from numba.extending import intrinsic

from ew.detect.layout import BLOCK, F4, F8, I4, LANES, LEVELS, TINY, L, S

WORD = ir.IntType(64)
VECTOR = ir.VectorType(ir.DoubleType(), LANES)


def _emitter(with_course):
    """The body of ``run_lanes``: eight samples of each lane are read at once, turned into eight steps of all lanes."""

    def emit(context, builder, signature, arguments):
        n = arguments[1]
        rows = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
        coefficients, state, course = (
            builder.inttoptr(argument, VECTOR.as_pointer()) for argument in arguments[2:]
        )
        c = [_load(builder, coefficients, WORD(k)) for k in range(13)]
        start = [_load(builder, state, WORD(k)) for k in range(11)]

        def one_step(i, x, now):
            new, passed = _step(builder, c, x, now)
            if with_course:
                at = builder.mul(i, WORD(3))
                for k, value in enumerate(passed):
                    _store(builder, value, course, builder.add(at, WORD(k)))
            return new

        def eight_steps(i, now):
            lanes = [_row(builder, rows, lane, i) for lane in range(LANES)]
            for k, x in enumerate(_turned(builder, lanes)):
                now = one_step(builder.add(i, WORD(k)), x, now)
            return now

        def last_step(i, now):
            x = ir.Constant(VECTOR, ir.Undefined)
            for lane in range(LANES):
                at = builder.gep(rows, [builder.add(i, WORD(lane * BLOCK))])
                x = builder.insert_element(x, builder.load(at), ir.IntType(32)(lane))
            return one_step(i, x, now)

        whole = builder.and_(n, WORD(-LANES))
        now = _loop(builder, WORD(0), whole, LANES, start, eight_steps)
        now = _loop(builder, whole, n, 1, now, last_step)
        for k, value in enumerate(now):
            _store(builder, value, state, WORD(k))
        return context.get_dummy_value()

    return emit


def _step(builder, c, x, now):
    """One sample of each lane: the state after it, and y, S, L."""
    multiply_add = builder.module.globals.get("llvm.fmuladd.v8f64") or ir.Function(
        builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), "llvm.fmuladd.v8f64"
    )

    def fma(a, b, plus):
        return builder.call(multiply_add, [a, b, plus])

    v, new = builder.fmul(c[0], x), []
    for k in range(4):
        u = builder.fadd(v, now[2 * k])
        new += [
            fma(c[1 + 2 * k], u, now[2 * k + 1]),
            fma(c[2 + 2 * k], u, builder.fneg(v)),
        ]
        v = u
    energy = builder.fmul(v, v)
    sta, lta = fma(c[9], now[8], energy), fma(c[10], now[9], energy)
    # c[11], c[12] are 1, -on or -1, off: positive when a threshold was crossed, whichever way is looked for
    crossed = fma(c[12], lta, builder.fmul(c[11], sta))
    larger = builder.fcmp_ordered(">", crossed, now[10])
    return [*new, sta, lta, builder.select(larger, crossed, now[10])], (v, sta, lta)


def _turned(builder, rows):
    """Eight vectors transposed: in three rounds, parts of 1, 2 and 4 change places between pairs."""
    for distance in (1, 2, 4):
        upper = [p if not p & distance else p - distance + LANES for p in range(LANES)]
        lower = [p + distance if not p & distance else p + LANES for p in range(LANES)]
        turned = list(rows)
        for i in range(LANES):
            if not i & distance:
                pair = rows[i], rows[i + distance]
                for at, places in ((i, upper), (i + distance, lower)):
                    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), places)
                    turned[at] = builder.shuffle_vector(*pair, mask)
        rows = turned
    return rows


def _loop(builder, start, end, step, carried, body):
    """Emit ``for i in range(start, end, step): carried = body(i, carried)``; gives what is carried out."""
    entry = builder.block
    head, inside, done = (builder.append_basic_block(name) for name in ("head", "body", "done"))
    builder.branch(head)
    builder.position_at_end(head)
    i, values = builder.phi(WORD), [builder.phi(value.type) for value in carried]
    builder.cbranch(builder.icmp_signed("<", i, end), inside, done)
    builder.position_at_end(inside)
    new = body(i, values)
    following, last = builder.add(i, WORD(step)), builder.block
    builder.branch(head)
    for phi, before, after in zip([i, *values], [start, *carried], [following, *new], strict=True):
        phi.add_incoming(before, entry)
        phi.add_incoming(after, last)
    builder.position_at_end(done)
    return values


def _load(builder, base, index):
    return builder.load(builder.gep(base, [index]), align=8)


def _store(builder, value, base, index):
    builder.store(value, builder.gep(base, [index]), align=8)


def _row(builder, rows, lane, i):
    at = builder.gep(rows, [builder.add(i, WORD(lane * BLOCK))])
    return builder.load(builder.bitcast(at, VECTOR.as_pointer()), align=8)


def _take_emitter(form):
    """The body of ``take``: convert and write eight samples at once, then the rest one by one."""
    memory = {F4: ir.FloatType(), F8: ir.DoubleType(), I4: ir.IntType(32)}[form]
    kinds = (memory, ir.DoubleType(), ir.FloatType())

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
            nothing = ir.Constant(wide[1], ir.Undefined)
            first = builder.insert_element(nothing, offset, ir.IntType(32)(0))
            places = ir.Constant(ir.VectorType(ir.IntType(32), width), [0] * width)
            offsets = builder.shuffle_vector(first, nothing, places)

            def body(i, largest):
                at = [
                    builder.bitcast(builder.gep(base, [i]), kind.as_pointer())
                    for base, kind in zip(bases, wide, strict=True)
                ]
                x = builder.load(at[0], align=4)
                if form == I4:
                    x = builder.sitofp(x, wide[1])
                elif form == F4:
                    x = builder.fpext(x, wide[1])
                moved = builder.fsub(x, offsets)
                builder.store(moved, at[1], align=8)
                builder.store(builder.fptrunc(moved, wide[2]), at[2], align=4)
                # As integers, magnitudes keep their order, and infinity and NaN come after all numbers
                size = builder.and_(builder.bitcast(x, words), no_sign)
                larger = builder.icmp_signed(">", size, largest[0])
                return [builder.select(larger, size, largest[0])]

            return body, ir.Constant(words, [0] * width)

        whole = builder.and_(n, WORD(-LANES))
        eights, none = some(LANES)
        (of_eights,) = _loop(builder, WORD(0), whole, LANES, [none], eights)
        ones, none = some(1)
        (of_ones,) = _loop(builder, whole, n, 1, [none], ones)
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


def _turn_in(context, builder, signature, arguments):
    """Eight channels' filter delays into the lanes' state: rows of ``level`` transposed."""
    levels = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
    slots = builder.inttoptr(arguments[1], WORD.as_pointer())
    state = builder.inttoptr(arguments[2], VECTOR.as_pointer())
    rows = [builder.load(_channel(builder, levels, slots, lane), align=8) for lane in range(LANES)]
    for k, vector in enumerate(_turned(builder, rows)):
        _store(builder, vector, state, WORD(k))
    return context.get_dummy_value()


def _turn_out(context, builder, signature, arguments):
    """And back, with what has decayed to nearly nothing set to zero."""
    levels = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
    slots = builder.inttoptr(arguments[1], WORD.as_pointer())
    state = builder.inttoptr(arguments[2], VECTOR.as_pointer())
    zero, tiny = (ir.Constant(VECTOR, [value] * LANES) for value in (0.0, TINY))
    rows = []
    for k in range(LANES):
        v = _load(builder, state, WORD(k))
        size = builder.select(builder.fcmp_ordered("<", v, zero), builder.fneg(v), v)
        rows.append(builder.select(builder.fcmp_ordered(">", size, tiny), v, zero))
    for lane, row in enumerate(_turned(builder, rows)):
        builder.store(row, _channel(builder, levels, slots, lane), align=8)
    return context.get_dummy_value()


def _channel(builder, levels, slots, lane):
    slot = builder.load(builder.gep(slots, [WORD(lane)]))
    at = builder.gep(levels, [builder.mul(slot, WORD(LEVELS))])
    return builder.bitcast(at, VECTOR.as_pointer())


def _lanes_plainly(x, n, coefficients, state, course):
    """The same in plain numpy, for the debugger (``NUMBA_DISABLE_JIT=1``)."""
    c = coefficients
    for i in range(n):
        v = c[0] * x[:, i]
        for k in range(4):
            u = v + state[2 * k]
            state[2 * k] = c[1 + 2 * k] * u + state[2 * k + 1]
            state[2 * k + 1] = c[2 + 2 * k] * u - v
            v = u
        state[S] = c[9] * state[S] + v * v
        state[L] = c[10] * state[L] + v * v
        state[10] = np.maximum(c[11] * state[S] + c[12] * state[L], state[10])
        if course is not None:
            course[i] = v, state[S], state[L]


if numba_config.DISABLE_JIT:

    def pointer(address):
        return ctypes.c_void_p(int(address))

    def bare(array):
        return array

    def prefetch(address):
        pass

    prefetch_to_write = prefetch

    def _array(address, n, dtype):
        return carray(pointer(address), (int(n),), dtype)

    def _taken(samples, row, history, n, offset, dtype):
        x = _array(samples, n, dtype).astype(np.float64)
        _array(row, n, np.float64)[:] = x - offset
        _array(history, n, np.float32)[:] = x - offset
        return np.max(np.abs(x))

    take_f4 = functools.partial(_taken, dtype=np.float32)
    take_f8 = functools.partial(_taken, dtype=np.float64)
    take_i4 = functools.partial(_taken, dtype=np.int32)

    def _levels(address, slot):
        return _array(int(address) + 8 * LEVELS * int(slot), LANES, np.float64)

    def turn_in(levels, slots, state):
        for lane, slot in enumerate(_array(slots, LANES, np.int64)):
            _array(state, LANES * LANES, np.float64)[lane::LANES] = _levels(levels, slot)

    def turn_out(levels, slots, state):
        for lane, slot in enumerate(_array(slots, LANES, np.int64)):
            delays = _array(state, LANES * LANES, np.float64)[lane::LANES]
            _levels(levels, slot)[:] = np.where(np.abs(delays) > TINY, delays, 0.0)

    def run_lanes(x, first, n, state, coefficients):
        _lanes_plainly(x[:, first:], n, coefficients, state, None)

    def run_lanes_with_course(x, n, state, coefficients, course):
        _lanes_plainly(x, n, coefficients, state, course)

else:
    _SIGNATURE = types.void(types.uintp, types.int64, types.uintp, types.uintp, types.uintp)

    @intrinsic
    def _emitted(typing_context, x, n, coefficients, state, course):
        return _SIGNATURE, _emitter(with_course=False)

    @intrinsic
    def _emitted_with_course(typing_context, x, n, coefficients, state, course):
        return _SIGNATURE, _emitter(with_course=True)

    _TAKE = types.float64(types.uint64, types.uint64, types.uint64, types.int64, types.float64)
    _TURN = types.void(types.uint64, types.uint64, types.uint64)

    @intrinsic
    def take_f4(typing_context, samples, row, history, n, offset):
        """``n`` float32 less ``offset`` into a lane's row (f8) and the history (f4), all three addresses.

        Gives the largest magnitude among them: infinite or NaN if any sample is.
        """
        return _TAKE, _take_emitter(F4)

    @intrinsic
    def take_f8(typing_context, samples, row, history, n, offset):
        """The same for float64."""
        return _TAKE, _take_emitter(F8)

    @intrinsic
    def take_i4(typing_context, samples, row, history, n, offset):
        """The same for int32."""
        return _TAKE, _take_emitter(I4)

    @intrinsic
    def turn_in(typing_context, levels, slots, state):
        """Delays of the channels ``slots`` (8,) i8 into ``state``; all three are addresses."""
        return _TURN, _turn_in

    @intrinsic
    def turn_out(typing_context, levels, slots, state):
        """Delays of the channels ``slots`` (8,) i8 out of ``state``; all three are addresses."""
        return _TURN, _turn_out

    @intrinsic
    def pointer(typing_context, address):
        """An address as a pointer, for ``carray``."""

        def emit(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

        return types.voidptr(types.uint64), emit

    def _prefetch_emitter(to_write):
        def emit(context, builder, signature, arguments):
            byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
            fetch = builder.module.globals.get("llvm.prefetch.p0") or ir.Function(
                builder.module,
                ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer]),
                "llvm.prefetch.p0",
            )
            at = builder.inttoptr(arguments[0], byte)
            builder.call(fetch, [at, integer(to_write), integer(3), integer(1)])
            return context.get_dummy_value()

        return emit

    @intrinsic
    def prefetch(typing_context, address):
        """Ask for the cache line at an address, to be read."""
        return types.void(types.uint64), _prefetch_emitter(0)

    @intrinsic
    def prefetch_to_write(typing_context, address):
        """Ask for the cache line at an address, to be written."""
        return types.void(types.uint64), _prefetch_emitter(1)

    @njit(cache=True, nogil=True, error_model="numpy")
    def bare(array):
        """The same array without an owner; the caller's keeps it alive."""
        return carray(pointer(np.uint64(array.ctypes.data)), array.shape, array.dtype)

    @njit(cache=True, nogil=True, error_model="numpy")
    def run_lanes(x, first, n, state, coefficients):
        """Run ``n`` samples of ``x`` (8, BLOCK) f8 from ``first`` on; ``state`` (11, 8) moves on."""
        at = x.ctypes.data + np.uintp(first * 8)
        _emitted(at, n, coefficients.ctypes.data, state.ctypes.data, at)

    @njit(cache=True, nogil=True, error_model="numpy")
    def run_lanes_with_course(x, n, state, coefficients, course):
        """The same from sample 0, with y, S, L of each in ``course`` (BLOCK, 3, 8) f8."""
        _emitted_with_course(
            x.ctypes.data, n, coefficients.ctypes.data, state.ctypes.data, course.ctypes.data
        )
