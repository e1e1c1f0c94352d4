"""PURE: what the compiled stages need below numpy: memory by its address, and cache lines asked for ahead of time.

With ``NUMBA_DISABLE_JIT=1`` the same names do the same in Python, and fetch nothing.
"""

import ctypes

from llvmlite import ir
from numba import carray, types
from numba.core import config as numba_config
from numba.extending import intrinsic

WORD = ir.IntType(64)


def fetch(builder, address, to_write):
    """Emit: ask for the cache line at ``address`` (a 64-bit integer)."""
    byte, integer = ir.IntType(8).as_pointer(), ir.IntType(32)
    prefetch_line = builder.module.globals.get("llvm.prefetch.p0") or ir.Function(
        builder.module,
        ir.FunctionType(ir.VoidType(), [byte, integer, integer, integer]),
        "llvm.prefetch.p0",
    )
    at = builder.inttoptr(address, byte)
    builder.call(prefetch_line, [at, integer(to_write), integer(3), integer(1)])


def spread(builder, value, count):
    """Emit: a vector of ``count`` times the same value."""
    nothing = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    first = builder.insert_element(nothing, value, ir.IntType(32)(0))
    places = ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count)
    return builder.shuffle_vector(first, nothing, places)


def loop(builder, start, end, step, carried, body):
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


if numba_config.DISABLE_JIT:

    def pointer(address):
        return ctypes.c_void_p(int(address))

    def prefetch(address):
        pass

    def array_at(address, n, dtype):
        """The ``n`` numbers at an address."""
        return carray(pointer(address), (int(n),), dtype)

else:

    @intrinsic
    def pointer(typing_context, address):
        """An address as a pointer, for ``carray``."""

        def emit(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

        return types.voidptr(types.uint64), emit

    @intrinsic
    def prefetch(typing_context, address):
        """Ask for the cache line at an address."""

        def emit(context, builder, signature, arguments):
            fetch(builder, arguments[0], 0)
            return context.get_dummy_value()

        return types.void(types.uint64), emit
