"""PURE: a tick's list of packets read into columns at some 30 ns a packet, where a Python loop takes some 500.

Compiled code follows the references itself: list item, the four slots of a ``Packet``, the float, the array's
header, all at the offsets CPython and numpy fix for their own C extensions; integers and the dictionary of channels
go through CPython's C interface. Before the first use a probe packet is read this way and compared; where the layout
differs (another interpreter, a debug or free-threaded build) and for any packet that is not exactly of the plain types
(a numpy integer as time, a view with strides, swapped bytes), ``plain`` puts it in order in Python.
"""

import ctypes
import sys
import sysconfig
from functools import cache

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import config as numba_config
from numba.extending import intrinsic
from numpy.typing import NDArray

from ew.detect.frame import batch_in, frame_of
from ew.detect.layout import BankState, Batch, RateParams, batch_for, work_for
from ew.detect.machine import prefetch
from ew.records import Packet

MAX_RATE_HZ = 500.0
MIN_RATE_HZ = 10.0
FORMS = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int32))
"""The dtypes of samples, in the order of the kernels' F4, F8, I4."""

ITEM = (
    16  # of the first slot, of a list's item vector less 8, of a float's value and an array's data
)
AHEAD = 16  # packets
UNKNOWN_CHANNEL, NOT_PLAIN, UNUSABLE = -1, -2, -3


EXACT_TYPES = tuple(id(t) for t in (Packet, np.ndarray, int, np.int64, float, np.float64))
DTYPES = tuple(id(form) for form in FORMS)
THREE_DIGITS = 3 if sys.version_info < (3, 12) else 3 << 3
"""What an ``int`` of 60 to 90 bits, as times are, has before its digits of 30 bits each."""


@intrinsic
def _word(typing_context, address):
    """The 8 bytes at an address, as an unsigned integer."""

    def emit(context, builder, signature, arguments):
        return builder.load(builder.inttoptr(arguments[0], ir.IntType(64).as_pointer()))

    return types.uint64(types.uint64), emit


@intrinsic
def _real(typing_context, address):
    """The 8 bytes at an address, as a float64."""

    def emit(context, builder, signature, arguments):
        return builder.load(builder.inttoptr(arguments[0], ir.DoubleType().as_pointer()))

    return types.float64(types.uint64), emit


@intrinsic
def _long(typing_context, address):
    """``PyLong_AsLongLong`` of an exact ``int``; -1 for one beyond 64 bits, its exception cleared."""

    def emit(context, builder, signature, arguments):
        api = context.get_python_api(builder)
        value = api.long_as_longlong(builder.inttoptr(arguments[0], api.pyobj))
        with builder.if_then(builder.icmp_signed("==", value, ir.IntType(64)(-1)), likely=False):
            api.err_clear()
        return value

    return types.int64(types.uint64), emit


@intrinsic
def _lookup(typing_context, dictionary, key):
    """``PyDict_GetItem``: the value's address (borrowed), 0 if the key is missing."""

    def emit(context, builder, signature, arguments):
        api = context.get_python_api(builder)
        found = api.dict_getitem(*(builder.inttoptr(a, api.pyobj) for a in arguments))
        return builder.ptrtoint(found, ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), emit


@njit(cache=True, error_model="numpy", inline="always")
def _time(number):
    """The value of an exact ``int``: its three digits put together, as a call takes longer."""
    if _word(number + np.uint64(ITEM)) != np.uint64(THREE_DIGITS):
        return _long(number)
    low, high = _word(number + np.uint64(24)), _word(number + np.uint64(32))
    digit = np.uint64(2**30 - 1)
    value = low & digit | (low >> np.uint64(32)) << np.uint64(30) | (high & digit) << np.uint64(60)
    return np.int64(value) if high & digit < np.uint64(8) else np.int64(-1)


@njit(cache=True, error_model="numpy", inline="always")
def _ask_ahead(items, i, n, about):
    """What lies behind the references is scattered over the heap: ask for it in three steps ahead of its turn."""
    if i + 2 * AHEAD < n:
        prefetch(_word(items + np.uint64(8 * (i + 2 * AHEAD))))
        soon = _word(items + np.uint64(8 * (i + AHEAD)))
        if _word(soon + np.uint64(8)) == about[4]:
            for k in range(1, 4):
                prefetch(_word(soon + about[k]))
        soon = _word(items + np.uint64(8 * (i + AHEAD // 2)))
        if _word(soon + np.uint64(8)) == about[4]:
            # The array's own length, in a place of its own
            prefetch(_word(_word(soon + about[3]) + np.uint64(32)))


@njit(cache=True, error_model="numpy", inline="always")
def _rate(number, about):
    """The value of an exact ``float``, ``float64`` or ``int``, NaN of anything else."""
    kind = _word(number + np.uint64(8))
    if kind == about[8] or kind == about[9]:
        return _real(number + np.uint64(ITEM))
    return np.float64(_long(number)) if kind == about[6] else np.nan


@njit(cache=True, error_model="numpy", inline="always")
def _form_of(dtype, about):
    """Which of ``FORMS`` it is, -1 if none."""
    for form in range(3):
        if dtype == about[10 + form]:
            return form
    return -1


@njit(cache=True, error_model="numpy")  # holds the GIL: it reads Python's objects
def _read(packets, first, kept, slot_of, ids, guess, stamps, tick, about, frame):
    """Read on from packet ``first`` into row ``kept``; returns ``(next, kept, status, repeated)``.

    ``packets`` and ``slot_of`` are the addresses of the list and of the dictionary of channels, ``ids`` (C,) u8 those
    of the strings it holds, ``guess`` (P,) i8 the slot each place of the list had last, ``about`` see ``layout``. A
    status below 0 tells what Python has to do about packet ``next``; ``repeated`` whether a channel came twice since
    ``tick`` was new.
    """
    items, n = _word(packets + np.uint64(ITEM + 8)), np.int64(_word(packets + np.uint64(ITEM)))
    out = batch_in(frame)
    at_seed_id, at_start, at_rate, at_samples = about[0], about[1], about[2], about[3]
    is_packet, is_array, is_int, is_int64 = about[4], about[5], about[6], about[7]
    repeated = False
    # Most packets share one rate and one dtype, as objects: what was found of the last one holds
    last_rate, rate_hz, last_dtype, form = np.uint64(0), 0.0, np.uint64(0), -1
    for i in range(first, n):
        _ask_ahead(items, i, n, about)
        packet = _word(items + np.uint64(8 * i))
        if _word(packet + np.uint64(8)) != is_packet:
            return i, kept, NOT_PLAIN, repeated
        seed_id, start = _word(packet + at_seed_id), _word(packet + at_start)
        rate, samples = _word(packet + at_rate), _word(packet + at_samples)
        if _word(samples + np.uint64(8)) != is_array:
            return i, kept, NOT_PLAIN, repeated
        kind = _word(start + np.uint64(8))
        if kind == is_int:
            start_ns = _time(start)
        elif kind == is_int64:
            start_ns = np.int64(_word(start + np.uint64(ITEM)))
        else:
            return i, kept, NOT_PLAIN, repeated
        if rate != last_rate:
            last_rate, rate_hz = rate, _rate(rate, about)
            if not MIN_RATE_HZ <= rate_hz <= MAX_RATE_HZ:
                return i, kept, NOT_PLAIN, repeated
        dtype = _word(samples + np.uint64(56))
        if dtype != last_dtype:
            last_dtype, form = dtype, _form_of(dtype, about)
            if form < 0:
                return i, kept, NOT_PLAIN, repeated
        dimensions = _word(samples + np.uint64(24)) & np.uint64(0xFFFFFFFF)
        if dimensions != 1 or start_ns == -1:
            return i, kept, NOT_PLAIN, repeated
        length = np.int64(_word(_word(samples + np.uint64(32))))
        stride = _word(_word(samples + np.uint64(40)))
        if stride != np.uint64(8 if form == 1 else 4) and length > 1:
            return i, kept, NOT_PLAIN, repeated
        # Most often the packets come in the order of the last tick, and with the very same strings
        slot = guess[i]
        if seed_id != ids[slot]:
            known = _lookup(slot_of, seed_id)
            if known == 0:
                return i, kept, UNKNOWN_CHANNEL, repeated
            slot = guess[i] = _long(known)
        if length == 0:
            continue
        repeated = repeated or stamps[slot] == tick
        stamps[slot] = tick
        out.address[kept], out.form[kept] = _word(samples + np.uint64(ITEM)), form
        out.length[kept], out.slot[kept] = length, slot
        out.start_ns[kept], out.rate[kept] = start_ns, rate_hz
        kept += 1
    return n, kept, 0, repeated


def _read_plainly(
    packets: list[Packet],
    first: int,
    kept: int,
    slot_of: dict[str, int],
    stamps: NDArray[np.int64],
    tick: int,
    out: Batch,
) -> tuple[int, int, int, bool]:
    """The same in Python, for an interpreter whose objects lie otherwise."""
    repeated = False
    for i in range(first, len(packets)):
        packet = packets[i]
        if plain(packet) is not packet:
            return i, kept, NOT_PLAIN, repeated
        slot = slot_of.get(packet.seed_id)
        if slot is None:
            return i, kept, UNKNOWN_CHANNEL, repeated
        if not len(packet.samples):
            continue
        repeated = repeated or stamps[slot] == tick
        stamps[slot] = tick
        out.address[kept] = packet.samples.__array_interface__["data"][0]
        out.form[kept], out.length[kept] = FORMS.index(packet.samples.dtype), len(packet.samples)
        out.slot[kept], out.start_ns[kept], out.rate[kept] = (
            slot,
            packet.start_ns,
            packet.sampling_rate,
        )
        kept += 1
    return len(packets), kept, 0, repeated


def plain(packet: Packet) -> Packet | None:
    """The packet itself if it is of the plain types, one made plain, or ``None`` if it can't be used.

    Unusable are other dtypes, more than one dimension, a rate outside 10-500 Hz and a time beyond int64.
    """
    samples = packet.samples
    native = samples.dtype.newbyteorder("=")
    if samples.ndim != 1 or native not in FORMS:
        return None
    rate, start_ns = float(packet.sampling_rate), int(packet.start_ns)
    if not MIN_RATE_HZ <= rate <= MAX_RATE_HZ or not abs(start_ns) < 2**62:
        return None
    is_plain = (
        type(packet) is Packet
        and type(samples) is np.ndarray
        and type(packet.start_ns) in {int, np.int64}
        and type(packet.sampling_rate) in {int, float, np.float64}
        and start_ns != -1
        and any(samples.dtype is form for form in FORMS)
        and samples.flags.c_contiguous
    )
    if is_plain:
        return packet
    form = FORMS[FORMS.index(native)]
    in_order = np.array(samples, dtype=form, order="C", subok=False)
    in_order = in_order if in_order.dtype is form else in_order.view(form)
    return Packet(packet.seed_id, start_ns if start_ns != -1 else -2, rate, in_order)


@cache
def layout() -> NDArray[np.uint64] | None:
    """What ``_read`` has to know, (13,) u8; ``None`` where it would look in the wrong place.

    Where a ``Packet`` keeps its four references, in bytes; the addresses of the six types taken as they are and of the
    three dtypes. These differ from process to process, and the compile cache freezes globals.

    A probe packet is looked at word by word from Python, then read by the compiled code and compared.
    """
    if numba_config.DISABLE_JIT or sys.implementation.name != "cpython":
        return None
    if sysconfig.get_config_var("Py_GIL_DISABLED") or hasattr(sys, "gettotalrefcount"):
        return None
    samples = np.arange(3, dtype=np.float32)
    probe = Packet("probe", 2**60 + 7, 31.25, samples)
    words = [_address_at(id(probe) + at) for at in range(ITEM, Packet.__basicsize__, 8)]
    wanted = [id(getattr(probe, name)) for name in Packet.__slots__]
    if not set(wanted) <= set(words) or _address_at(id(samples) + ITEM) != samples.ctypes.data:
        return None
    offsets = np.array([ITEM + 8 * words.index(reference) for reference in wanted], np.uint64)
    about = np.concatenate([offsets, np.array(EXACT_TYPES + DTYPES, np.uint64)])
    packets, slot_of, out = [probe], {"probe": 0}, batch_for(1)
    nothing, zero, stamps = np.zeros(1, np.uint64), np.zeros(1, np.int64), np.zeros(1, np.int64)
    none, whole = np.zeros((0, 0)), np.zeros((0, 0), np.int64)
    single = np.zeros((0, 0), np.float32)
    state, work = BankState(none, whole, single, single), work_for(0, 0)
    frame = frame_of(out, RateParams(none, whole), state, work)
    status = _read(id(packets), 0, 0, id(slot_of), nothing, zero, stamps, 1, about, frame)
    row = [int(c[0]) for c in (out.address, out.form, out.length, out.slot, out.start_ns)]
    as_told = status == (1, 1, 0, False) and row == [samples.ctypes.data, 0, 3, 0, 2**60 + 7]
    return about if as_told and out.rate[0] == 31.25 else None


def _address_at(address: int) -> int | None:
    return ctypes.c_void_p.from_address(address).value


def read(
    packets: list[Packet],
    first: int,
    kept: int,
    slot_of: dict[str, int],
    ids: NDArray[np.uint64],
    guess: NDArray[np.int64],
    stamps: NDArray[np.int64],
    tick: int,
    out: Batch,
    frame: NDArray[np.uint64],
) -> tuple[int, int, int, bool]:
    """Read on from packet ``first`` into row ``kept`` of ``out``, the batch of ``frame``; see ``_read``."""
    about = layout()
    if about is None:
        return _read_plainly(packets, first, kept, slot_of, stamps, tick, out)
    direct: tuple[int, int, int, bool] = _read(
        id(packets), first, kept, id(slot_of), ids, guess, stamps, tick, about, frame
    )
    return direct
