"""PURE: the inner loop of the detection core, eight channels side by side in one vector register.

``run_lanes`` carries the lanes' state through a block of samples kept as rows of float64, ``run_lanes_with_course``
also writes down y, S and L of each sample, and ``run_turned`` does the first from samples as they came, turned so that
the eight of one time lie together. The formulas stand in ``kernels`` and, as plain numpy, in ``_lanes_plainly``.
Written in LLVM's terms because its own vectoriser stops at 0.7 Gsamples/s for the same formulas in a loop over lanes;
this form reaches 2.6 and leaves every width of register to LLVM (AVX2 and NEON take the eight in parts).
"""

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import config as numba_config
from numba.extending import intrinsic

from ew.detect.keeping import LINE, emit_line
from ew.detect.layout import (
    BLOCK,
    COUNT_AT,
    CROSSED,
    F4,
    HISTORY,
    I4,
    LANE_LAST,
    LANES,
    LEVEL_AT,
    LINE_BYTES,
    PLACE,
    ROW,
    SAMPLES_AT,
    SOURCE,
    TAIL,
    TAIL_AT,
    L,
    S,
)
from ew.detect.machine import WORD, fetch, loop, spread
from ew.detect.turning import emit_row_of, row_of, turned_rows

if numba_config.DISABLE_JIT:
    from ew.detect.machine import array_at

VECTOR = ir.VectorType(ir.DoubleType(), LANES)
WORDS = ir.VectorType(WORD, LANES)
NONE = ir.Constant(WORDS, [0] * LANES)
SPOT = 32
"""Of so many samples one is held against the one before it: a run of equal samples as long as a dead channel's
(33 at least) can't pass between two such spots."""


def _emitter(with_course):
    """The body of ``run_lanes``: eight samples of each lane are read at once, turned into eight steps of all lanes."""

    def emit(context, builder, signature, arguments):
        n = arguments[1]
        rows = builder.inttoptr(arguments[0], ir.DoubleType().as_pointer())
        coefficients, state, course = (
            builder.inttoptr(argument, VECTOR.as_pointer()) for argument in arguments[2:]
        )
        c, start = _begin(builder, coefficients, state)

        def one_step(i, x, now):
            new, passed = _step(builder, c, x, now)
            if with_course:
                at = builder.mul(i, WORD(3))
                for k, value in enumerate(passed):
                    _store(builder, value, course, builder.add(at, WORD(k)))
            return new

        def eight_steps(i, now):
            lanes = [_row(builder, rows, lane, i) for lane in range(LANES)]
            for k, x in enumerate(turned_rows(builder, lanes)):
                now = one_step(builder.add(i, WORD(k)), x, now)
            return now

        def last_step(i, now):
            x = ir.Constant(VECTOR, ir.Undefined)
            for lane in range(LANES):
                at = builder.gep(rows, [builder.add(i, WORD(lane * BLOCK))])
                x = builder.insert_element(x, builder.load(at), ir.IntType(32)(lane))
            return one_step(i, x, now)

        whole = builder.and_(n, WORD(-LANES))
        now = loop(builder, WORD(0), whole, LANES, start, eight_steps)
        now = loop(builder, whole, n, 1, now, last_step)
        _keep(builder, now, state)
        return context.get_dummy_value()

    return emit


def _turned_emitter(form):
    """The body of ``run_turned``."""
    memory = ir.VectorType(ir.FloatType() if form == F4 else ir.IntType(32), LANES)

    def emit(context, builder, signature, arguments):
        n = arguments[1]
        turned = builder.inttoptr(arguments[0], memory.as_pointer())
        coefficients, state = (
            builder.inttoptr(argument, VECTOR.as_pointer()) for argument in arguments[2:4]
        )
        c, start = _begin(builder, coefficients, state)

        def in_row(row):
            x = builder.load(builder.gep(turned, [row]), align=32)
            return builder.fpext(x, VECTOR) if form == F4 else builder.sitofp(x, VECTOR)

        def sample(i):
            return in_row(emit_row_of(builder, i, n))

        def step(row, now):
            return _step(builder, c, in_row(row), now)[0]

        def pair(i, found):
            here, before = sample(i), sample(builder.sub(i, WORD(1)))
            return [builder.or_(found[0], builder.fcmp_ordered("==", here, before))]

        def step_of_some(i, carried):
            *now, last, equal = carried
            x = in_row(i)
            ends = builder.load(builder.inttoptr(arguments[5], WORDS.as_pointer()), align=8)
            goes_on = builder.icmp_signed(">", ends, spread(builder, i, LANES))
            new = step(i, now)
            (is_same,) = pair(i, [equal])
            return [
                builder.select(goes_on, after, before)
                for after, before in zip([*new, x, is_same], [*now, last, equal], strict=True)
            ]

        now = _steps_with_errands(builder, n, arguments[4], arguments[7], start, step)
        last = sample(builder.sub(n, WORD(1)))
        equal = builder.fcmp_ordered("==", sample(WORD(0)), _load(builder, state, WORD(LANE_LAST)))
        before = sample(builder.sub(n, WORD(2)))
        equal = builder.or_(equal, builder.fcmp_ordered("==", last, before))
        (equal,) = loop(builder, WORD(SPOT - 1), n, SPOT, [equal], pair)
        *now, last, equal = loop(builder, n, arguments[6], 1, [*now, last, equal], step_of_some)
        has_crossed = _keep(builder, now, state)
        _store(builder, last, state, WORD(LANE_LAST))
        crossed, repeated = (
            builder.zext(builder.bitcast(lanes, ir.IntType(LANES)), WORD)
            for lanes in (has_crossed, equal)
        )
        return builder.or_(crossed, builder.shl(repeated, WORD(LANES)))

    return emit


def _steps_with_errands(builder, n, following, lines, start, step):
    """Emit ``n`` steps and what is done on the way, so that the steps' time hides the memory's.

    What the next eight packets need is asked for, what is needed first at first: four lines of state each, then their
    samples. The samples of these go into the histories by whole lines; that comes last, as it would hold up the others.
    A line in each step: in one burst the sixteen requests a core can have open would hold up all else.
    """
    following, lines = (builder.inttoptr(at, WORD.as_pointer()) for at in (following, lines))

    def least(a, b):
        return builder.select(builder.icmp_signed("<", a, b), a, b)

    def most(a, b):
        return builder.select(builder.icmp_signed(">", a, b), a, b)

    def of_lane(table, row, lane):
        return builder.load(builder.gep(table, [WORD(LANES * row + lane)]))

    def ask(row, lane, distance, to_write):
        fetch(builder, builder.add(of_lane(following, row, lane), distance), to_write)

    def ask_for_state(_, lane):
        ask(LEVEL_AT, lane, WORD(0), 1)
        ask(LEVEL_AT, lane, WORD(LINE_BYTES), 1)
        ask(COUNT_AT, lane, WORD(0), 1)
        ask(TAIL_AT, lane, WORD(0), 1)

    def ask_for_samples(distance, lane):
        ask(SAMPLES_AT, lane, distance, 0)

    def keep(distance, lane):
        distance = builder.sub(distance, before_kept)
        here = builder.add(of_lane(lines, SOURCE, lane), distance)
        line = builder.load(builder.inttoptr(here, LINE.as_pointer()), align=4)
        place = builder.add(of_lane(lines, PLACE, lane), distance)
        emit_line(builder, line, of_lane(lines, ROW, lane), place)

    def round_with(*errands):
        def body(turn, now):
            first, distance = builder.shl(turn, WORD(3)), builder.mul(turn, WORD(LINE_BYTES))
            for lane in range(LANES):
                for errand in errands:
                    errand(distance, lane)
                now = step(builder.add(first, WORD(row_of(lane, LANES))), now)
            return now

        return body

    rounds, lines_of = builder.lshr(n, WORD(3)), builder.lshr(n, WORD(4))
    # n samples lie in so many lines, in one more if they do not begin with one, and in another that is not whole
    asked = least(builder.add(lines_of, WORD(2)), rounds)
    # The first line and what may be one more are left to ``keeping.keep``
    silent = builder.sub(rounds, most(builder.sub(lines_of, WORD(1)), WORD(0)))
    before_kept = builder.mul(silent, WORD(LINE_BYTES))
    alone = least(asked, silent)
    now = loop(builder, WORD(0), WORD(1), 1, start, round_with(ask_for_state, ask_for_samples))
    now = loop(builder, WORD(1), alone, 1, now, round_with(ask_for_samples))
    now = loop(builder, alone, asked, 1, now, round_with(ask_for_samples, keep))
    now = loop(builder, asked, silent, 1, now, round_with())
    now = loop(builder, most(asked, silent), rounds, 1, now, round_with(keep))
    return loop(builder, builder.shl(rounds, WORD(3)), n, 1, now, step)


def _begin(builder, coefficients, state):
    """Coefficients and state in registers. The gain (row 0) is left out: the ratio is the same without it."""
    c = [_load(builder, coefficients, WORD(k)) for k in range(13)]
    return c, [_load(builder, state, WORD(k)) for k in range(CROSSED)] + [NONE]


def _keep(builder, now, state):
    """The lanes' state into memory; tells which lanes have crossed a threshold."""
    for k, value in enumerate(now[:CROSSED]):
        _store(builder, value, state, WORD(k))
    has_crossed = builder.icmp_signed("<", now[CROSSED], NONE)
    one, before = ir.Constant(VECTOR, [1.0] * LANES), _load(builder, state, WORD(CROSSED))
    _store(builder, builder.select(has_crossed, one, before), state, WORD(CROSSED))
    return has_crossed


def _step(builder, c, x, now):
    """One sample of each lane: the state after it, and y, S, L."""
    multiply_add = builder.module.globals.get("llvm.fmuladd.v8f64") or ir.Function(
        builder.module, ir.FunctionType(VECTOR, [VECTOR] * 3), "llvm.fmuladd.v8f64"
    )

    def fma(a, b, plus):
        return builder.call(multiply_add, [a, b, plus])

    v, new = x, []
    for k in range(4):
        u = builder.fadd(v, now[2 * k])
        new += [
            fma(c[1 + 2 * k], u, now[2 * k + 1]),
            fma(c[2 + 2 * k], u, builder.fneg(v)),
        ]
        v = u
    energy = builder.fmul(v, v)
    sta, lta = fma(c[9], now[S], energy), fma(c[10], now[L], energy)
    # Below zero where S is above its level; c[11] is -0 where a fall below it is looked for, and turns the sign.
    # The signs of all samples are gathered by one operation; the largest of all differences took three
    over = builder.bitcast(fma(c[12], lta, builder.fneg(sta)), WORDS)
    crossed = builder.or_(now[CROSSED], builder.xor(over, builder.bitcast(c[11], WORDS)))
    return [*new, sta, lta, crossed], (v, sta, lta)


def _load(builder, base, index):
    return builder.load(builder.gep(base, [index]), align=8)


def _store(builder, value, base, index):
    builder.store(value, builder.gep(base, [index]), align=8)


def _row(builder, rows, lane, i):
    at = builder.gep(rows, [builder.add(i, WORD(lane * BLOCK))])
    return builder.load(builder.bitcast(at, VECTOR.as_pointer()), align=8)


def _lanes_plainly(x, n, coefficients, state, course):
    """The same in plain numpy, for the debugger (``NUMBA_DISABLE_JIT=1``)."""
    c = coefficients
    for i in range(n):
        v = x[:, i]
        for k in range(4):
            u = v + state[2 * k]
            state[2 * k] = c[1 + 2 * k] * u + state[2 * k + 1]
            state[2 * k + 1] = c[2 + 2 * k] * u - v
            v = u
        state[S] = c[9] * state[S] + v * v
        state[L] = c[10] * state[L] + v * v
        over = np.signbit(c[12] * state[L] - state[S])
        state[CROSSED] = np.where(over != np.signbit(c[11]), 1.0, state[CROSSED])
        if course is not None:
            course[i] = v, state[S], state[L]


if numba_config.DISABLE_JIT:

    def run_lanes(x, first, n, state, coefficients):
        _lanes_plainly(x[:, first:], n, coefficients, state, None)

    def run_lanes_with_course(x, n, state, coefficients, course):
        _lanes_plainly(x, n, coefficients, state, course)

    def _run_turned(turned, n, coefficients, state, ends, most, lines, dtype):
        whole = max(0, n // TAIL - 1) * TAIL
        for source, row, place in array_at(lines, 3 * LANES, np.uint64).reshape(3, LANES).T:
            at = (int(place) // 4 + np.arange(whole)) % HISTORY
            array_at(row, HISTORY, np.int32)[at] = array_at(source, whole, np.int32)
        rows = array_at(turned, most * LANES, dtype).reshape(most, LANES)
        x = rows[[row_of(i, n) for i in range(most)]].T.astype(np.float64)
        now = array_at(state, (LANE_LAST + 1) * LANES, np.float64).reshape(-1, LANES)
        ends = array_at(ends, LANES, np.int64)
        equal = (x[:, 0] == now[LANE_LAST]) | (x[:, n - 1] == x[:, n - 2])
        for i in [*range(SPOT - 1, n, SPOT), *range(n, most)]:
            equal |= (x[:, i] == x[:, i - 1]) & (ends > i)
        c = array_at(coefficients, 13 * LANES, np.float64).reshape(13, LANES)
        _lanes_plainly(x, n, c, now, None)
        for i in range(n, most):
            before = now.copy()
            _lanes_plainly(x[:, i:], 1, c, now, None)
            now[:, ends <= i] = before[:, ends <= i]
        now[LANE_LAST] = x[range(LANES), ends - 1]
        bits = 1 << np.arange(LANES)
        return int(bits @ (now[CROSSED] > 0)) | int(bits @ equal) << LANES

    def run_turned_f4(turned, n, coefficients, state, following, ends, most, lines):
        return _run_turned(turned, n, coefficients, state, ends, most, lines, np.float32)

    def run_turned_i4(turned, n, coefficients, state, following, ends, most, lines):
        return _run_turned(turned, n, coefficients, state, ends, most, lines, np.int32)

else:
    _SIGNATURE = types.void(types.uintp, types.int64, types.uintp, types.uintp, types.uintp)
    _TURNED = types.int64(
        types.uint64,
        types.int64,
        types.uint64,
        types.uint64,
        types.uint64,
        types.uint64,
        types.int64,
        types.uint64,
    )

    @intrinsic
    def _emitted(typing_context, x, n, coefficients, state, course):
        return _SIGNATURE, _emitter(with_course=False)

    @intrinsic
    def _emitted_with_course(typing_context, x, n, coefficients, state, course):
        return _SIGNATURE, _emitter(with_course=True)

    @intrinsic
    def run_turned_f4(typing_context, turned, n, coefficients, state, following, ends, most, lines):
        """Run ``n`` samples (``LANES`` at least) of eight lanes from ``turned`` (most, 8) f4, and of some lanes up to ``most``.

        All but ``n`` and ``most`` are addresses; ``ends`` (8,) i8: how many samples each lane has.

        ``state`` (12, 8) f8 moves on, ``following`` (4, 8) u8: where samples, ``tail``, ``level`` and ``count`` of the
        next eight packets lie. Gives a bit for each lane that crossed a threshold, and from bit 8 on one for each with
        equal neighbours where a dead channel must have some: at its ends or at one of the spots between.
        """
        return _TURNED, _turned_emitter(F4)

    @intrinsic
    def run_turned_i4(typing_context, turned, n, coefficients, state, following, ends, most, lines):
        """The same for int32."""
        return _TURNED, _turned_emitter(I4)

    @njit(cache=True, nogil=True, error_model="numpy")
    def run_lanes(x, first, n, state, coefficients):
        """Run ``n`` samples of ``x`` (8, BLOCK) f8 from ``first`` on; ``state`` (12, 8) moves on."""
        at = x.ctypes.data + np.uintp(first * 8)
        _emitted(at, n, coefficients.ctypes.data, state.ctypes.data, at)

    @njit(cache=True, nogil=True, error_model="numpy")
    def run_lanes_with_course(x, n, state, coefficients, course):
        """The same from sample 0, with y, S, L of each in ``course`` (BLOCK, 3, 8) f8."""
        _emitted_with_course(
            x.ctypes.data, n, coefficients.ctypes.data, state.ctypes.data, course.ctypes.data
        )
