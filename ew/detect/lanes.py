"""PURE: the inner loop of the detection core, eight channels side by side in one vector register.

``run_lanes`` and ``run_lanes_with_course`` carry the state through a block of samples; the formulas stand in
``kernels`` and, as plain numpy, in ``_lanes_plainly``.
"""

import ctypes

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.core import config as numba_config
from numba.extending import intrinsic

from ew.detect.layout import LANES, L, S


def _emitter(with_course):
    """The body of ``run_lanes`` in LLVM's terms: a loop over samples whose state are eight-wide vectors.

    Written out because LLVM's own vectoriser stops at 0.7 Gsamples/s for the same formulas in a loop over lanes.
    """

    def emit(context, builder, signature, arguments):
        vector, word = ir.VectorType(ir.DoubleType(), LANES), ir.IntType(64)
        multiply_add = builder.module.globals.get("llvm.fmuladd.v8f64") or ir.Function(
            builder.module, ir.FunctionType(vector, [vector] * 3), "llvm.fmuladd.v8f64"
        )

        def fma(a, b, c):
            return builder.call(multiply_add, [a, b, c])

        def row(base, index):
            return builder.gep(base, [index if isinstance(index, ir.Value) else word(index)])

        n = arguments[1]
        x, coefficients, state, course = (
            builder.inttoptr(arguments[i], vector.as_pointer()) for i in (0, 2, 3, 4)
        )
        c = [builder.load(row(coefficients, i), align=8) for i in range(13)]
        first = [builder.load(row(state, i), align=8) for i in range(11)]
        entry = builder.block
        loop, done = builder.append_basic_block("samples"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        i = builder.phi(word)
        i.add_incoming(word(0), entry)
        now = [builder.phi(vector) for _ in first]
        v = builder.fmul(c[0], builder.load(row(x, i), align=8))
        new = []
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
        new += [sta, lta, builder.select(larger, crossed, now[10])]
        if with_course:
            at = builder.mul(i, word(3))
            for k, value in enumerate((v, sta, lta)):
                builder.store(value, row(course, builder.add(at, word(k))), align=8)
        following = builder.add(i, word(1))
        i.add_incoming(following, loop)
        for phi, start, end in zip(now, first, new, strict=True):
            phi.add_incoming(start, entry)
            phi.add_incoming(end, loop)
        builder.cbranch(builder.icmp_signed("<", following, n), loop, done)
        builder.position_at_end(done)
        for k, value in enumerate(new):
            builder.store(value, row(state, k), align=8)
        return context.get_dummy_value()

    return emit


def _lanes_plainly(x, n, coefficients, state, course):
    """The same in plain numpy, for the debugger (``NUMBA_DISABLE_JIT=1``)."""
    c = coefficients
    for i in range(n):
        v = c[0] * x[i]
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

    def run_lanes(x, first, n, work_state, coefficients):
        _lanes_plainly(x[first:], n, coefficients, work_state, None)

    def run_lanes_with_course(x, n, work_state, coefficients, course):
        _lanes_plainly(x, n, coefficients, work_state, course)

else:
    _SIGNATURE = types.void(types.uintp, types.int64, types.uintp, types.uintp, types.uintp)

    @intrinsic
    def _emitted(typing_context, x, n, coefficients, state, course):
        return _SIGNATURE, _emitter(with_course=False)

    @intrinsic
    def _emitted_with_course(typing_context, x, n, coefficients, state, course):
        return _SIGNATURE, _emitter(with_course=True)

    @intrinsic
    def pointer(typing_context, address):
        """An address as a pointer, for ``carray``."""

        def emit(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

        return types.voidptr(types.uint64), emit

    @njit(cache=True, nogil=True, error_model="numpy")
    def bare(array):
        """The same array without an owner; the caller's keeps it alive."""
        return carray(pointer(np.uint64(array.ctypes.data)), array.shape, array.dtype)

    @njit(cache=True, nogil=True, error_model="numpy")
    def run_lanes(x, first, n, state, coefficients):
        at = x.ctypes.data + np.uintp(first * LANES * 8)
        _emitted(at, n, coefficients.ctypes.data, state.ctypes.data, at)

    @njit(cache=True, nogil=True, error_model="numpy")
    def run_lanes_with_course(x, n, state, coefficients, course):
        _emitted_with_course(
            x.ctypes.data, n, coefficients.ctypes.data, state.ctypes.data, course.ctypes.data
        )
