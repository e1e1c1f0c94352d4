"""PURE: the compiled reading of plain miniSEED 2 records, many in one call (FDSN SEED 2.4 manual, chapters 8 and 10, appendix B).

Live streams are nearly all of one kind: a fixed header of 48 bytes in big-endian order, a blockette 1000, perhaps a 1001 (microseconds) and a 100 (rate), and
Steim-1, Steim-2, int32 or float32 samples. Those are read here. Whatever else there is (miniSEED 3, other encodings, little-endian, a
record that contradicts itself) is left to libmseed, one record at a time, which is also what tests hold this against.

Steim: a frame is 16 words of 32 bits; word 0 holds 2 bits for each word, which tell how many differences it packs. In a record's first
frame words 1 and 2 are its first and last sample, X0 and Xn. x[0] = X0, x[i] = x[i-1] + d[i], and x[n-1] = Xn or the record is broken.

| array | shape, dtype | meaning |
|---|---|---|
| ``data`` | (N,) u8 | the bytes |
| ``whole`` | (R, 9) i8 | a row a record: byte offset, length, first data byte, encoding, samples, start time (ns since the epoch), samples a second (as f8), codes (as S16): station (5), location (2), channel (3), network (2) |
| ``out`` | (S,) i4 | the samples, one record after the other; float32 as their bits |
"""

import numpy as np
from numba import carray, njit

from ew.detect.machine import pointer
from ew.sources.words import (
    COUNT,
    IS_NONE,
    ROW,
    be1,
    be2,
    be4,
    copy_twelve,
    ne4,
    packings,
    sum_up,
    take_apart,
)

AT, LENGTH, FIRST, ENCODING, SAMPLES, START_NS, RATE, CODES = 0, 1, 2, 3, 4, 5, 6, 7
COLUMNS = 9
INT32, FLOAT32, STEIM1, STEIM2 = 3, 4, 10, 11
HEADER = 48
CODES_AT = 8
MARGIN = 15 * 7 + 8
"""Samples that ``out`` must hold beyond the last one: what a frame's padding may be taken for."""
PACKINGS = packings()
DIGIT, CODE = 1, 2


def _letters():
    """(256,) u1: of each byte whether it may stand in a sequence number and in a code."""
    table = np.zeros(256, np.uint8)
    table[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ ")] = CODE
    table[list(b"0123456789")] = DIGIT | CODE
    return table


LETTERS = _letters()


@njit(cache=True, nogil=True, error_model="numpy")
def scan(data, at, whole):
    """Read the headers of the plain records from byte ``at`` on, until one is not plain or the rows are full.

    Returns ``(records, samples)``.
    """
    found, total = 0, 0
    begin, end = data.ctypes.data, data.ctypes.data + len(data)
    here, rates = begin + at, whole.view(np.float64)[:, RATE]
    while found < len(whole) and here + HEADER <= end:
        row = whole[found]
        if not _is_header(here) or not _blockettes(here, begin, end, row, rates, found):
            break
        if not _time(here, row):
            break
        row[COLUMNS - 1] = 0
        copy_twelve(here + CODES_AT, whole.ctypes.data + 8 * (COLUMNS * found + CODES))
        total += row[SAMPLES]
        here += row[LENGTH]
        found += 1
    return found, total


@njit(cache=True, nogil=True, error_model="numpy")
def unpack(data, whole, records, packing, out):
    """Unpack the samples of the first ``records`` rows; returns how many records are sound: the next one is not."""
    begin, to, table = data.ctypes.data, out.ctypes.data, packing.ctypes.data
    for k in range(records):
        row = whole[k]
        n, first, end = row[SAMPLES], begin + row[FIRST], begin + row[AT] + row[LENGTH]
        if row[ENCODING] == INT32 or row[ENCODING] == FLOAT32:
            if first + 4 * n > end:
                return k
            _swap(first, n, to)
        elif not _steim(first, end, n, table + 4 * 16 * ROW * (row[ENCODING] - STEIM1), to):
            return k
        to += 4 * n
    return records


@njit(cache=True, nogil=True, error_model="numpy")
def _swap(at, n, to):
    out = carray(pointer(np.uint64(to)), (n,), np.int32)
    for i in range(n):
        out[i] = np.int32(be4(at + 4 * i))


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _signed(value, bits):
    sign = np.int64(1) << (bits - 1)
    return (value ^ sign) - sign


@njit(cache=True, nogil=True, error_model="numpy")
def _is_header(at):
    """Six digits, a quality letter, a blank, and codes of letters, digits and blanks."""
    found = DIGIT | CODE
    for i in range(6):
        found &= LETTERS[be1(at + i)]
    if not found & DIGIT:
        return False
    for i in range(8, 20):
        found &= LETTERS[be1(at + i)]
    quality = be1(at + 6)  # D, R, Q, M
    return bool(found) and quality in (68, 77, 81, 82) and be1(at + 7) == 32


@njit(cache=True, nogil=True, error_model="numpy")
def _blockettes(at, begin, end, row, rates, found):
    """Length, encoding, number of samples and rate; False if they are not those of a plain record."""
    length, encoding, rate = (
        np.int64(0),
        np.int64(-1),
        _rate(_signed(be2(at + 32), 16), _signed(be2(at + 34), 16)),
    )
    microseconds = 0
    samples, first = be2(at + 30), be2(at + 44)
    here, guard = be2(at + 46), HEADER
    while here != 0:
        if here < guard or here + 8 > first or at + first > end:
            return False
        kind = be2(at + here)
        if kind == 1000:
            if be1(at + here + 5) != 1 or not 7 <= be1(at + here + 6) <= 16:
                return False
            encoding, length = be1(at + here + 4), np.int64(1) << be1(at + here + 6)
        elif kind == 1001:
            microseconds = _signed(be1(at + here + 5), 8)
        elif kind == 100 and here + 12 <= first:
            rate = float(np.uint32(be4(at + here + 4)).view(np.float32))
        else:
            return False
        guard, here = here + 8, be2(at + here + 2)
    if encoding not in (INT32, FLOAT32, STEIM1, STEIM2) or at + length > end:
        return False
    if samples == 0 or not 0.0 < rate < np.inf or not HEADER <= first < length:
        return False
    row[AT], row[LENGTH], row[FIRST] = at - begin, length, at - begin + first
    row[ENCODING], row[SAMPLES], row[START_NS] = encoding, samples, 1000 * microseconds
    rates[found] = rate
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _rate(factor, multiplier):
    """Samples a second; a negative factor is a period, a negative multiplier divides (SEED 2.4, fixed header, 10-11)."""
    rate = float(factor) if factor >= 0 else -1.0 / float(factor)
    if multiplier > 0:
        return rate * float(multiplier)
    if multiplier < 0:
        return -1.0 * (rate / float(multiplier))
    return 0.0


@njit(cache=True, nogil=True, error_model="numpy")
def _time(at, row):
    """Add the header's start time and, unless it was applied, the time correction; False if it is no time."""
    year, day = be2(at + 20), be2(at + 22)
    hour, minute, second = be1(at + 24), be1(at + 25), be1(at + 26)
    tenths_ms = be2(at + 28)
    if not (1900 <= year <= 2100 and 1 <= day <= 366 and hour < 24 and minute < 60):
        return False
    if second > 60 or tenths_ms > 9999:
        return False
    past = year - 1
    days = (
        365 * past + past // 4 - past // 100 + past // 400 + day - 719_163
    )  # 1970-01-01 is day 719,163
    if not be1(at + 36) & 2:
        tenths_ms += _signed(be4(at + 40), 32)
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    row[START_NS] += seconds * 1_000_000_000 + tenths_ms * 100_000
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _steim(at, end, n, table, to):
    """Unpack ``n`` samples of the frames from address ``at`` to ``end``; False if they are too few or Xn is another.

    Without a branch on how a word is packed, which in noise nobody can predict: eight differences are written for each
    word, however few it holds, and those too many are written over by the next.
    """
    if at + 64 > end:
        return False
    x_first, x_last = be4(at + 4), be4(at + 8)
    here, stop, unsound = to, to + 4 * n, 0
    for frame in range(at, end - 63, 64):
        codes = be4(frame)
        for k in range(3 if frame == at else 1, 16):
            word = be4(frame + 4 * k)
            row = table + 4 * ROW * ((codes >> (30 - 2 * k) & 3) << 2 | word >> 30)
            take_apart(word, row, here)
            here += 4 * ne4(row + 4 * COUNT)
            unsound |= ne4(row + 4 * IS_NONE)
        if here >= stop or unsound:
            break
    if here < stop or unsound:
        return False
    out = carray(pointer(np.uint64(to)), (n,), np.int32)
    out[0] = np.int32(x_first)  # the first difference leads from the record before
    sum_up(to, n)
    return out[n - 1] == np.int32(x_last)
