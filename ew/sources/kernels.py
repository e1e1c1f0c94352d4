"""PURE: the compiled reading of plain miniSEED 2 records, many in one call (FDSN SEED 2.4 manual, chapters 8 and 10, appendix B).

Live streams are nearly all of one kind: a fixed header of 48 bytes in big-endian order, a blockette 1000, perhaps a 1001 (microseconds) and a 100 (rate), and
Steim-1, Steim-2, int32 or float32 samples. Those are read here. Whatever else there is (miniSEED 3, other encodings, little-endian, a
record that contradicts itself) is left to libmseed, one record at a time, which is also what tests hold this against.

Steim: a frame is 16 words of 32 bits; word 0 holds 2 bits for each word, which tell how many differences it packs. In a record's first
frame words 1 and 2 are its first and last sample, X0 and Xn. x[0] = X0, x[i] = x[i-1] + d[i], and x[n-1] = Xn or the record is broken.

| array | shape, dtype | meaning |
|---|---|---|
| ``data`` | (N,) u8 | the bytes |
| ``whole`` | (R, 6) i8 | a row a record: byte offset, length, first data byte, encoding, samples, start time (ns since the epoch) |
| ``rates`` | (R,) f8 | samples a second |
| ``out`` | (S,) i4 | the samples, one record after the other; float32 as their bits |
"""

import numpy as np
from numba import njit

AT, LENGTH, FIRST, ENCODING, SAMPLES, START_NS = 0, 1, 2, 3, 4, 5
INT32, FLOAT32, STEIM1, STEIM2 = 3, 4, 10, 11
HEADER = 48
MARGIN = 15 * 7 + 8
"""Samples that ``out`` must hold beyond the last one: what a frame's padding may be taken for."""


def _packings():
    """(2, 16, 2) i8: for Steim-1 and Steim-2, a word's two bits and its own first two: how many differences of how many bits."""
    table = np.zeros((2, 16, 2), np.int64)
    table[:, 4:8] = 4, 8
    table[0, 8:12], table[0, 12:16] = (2, 16), (1, 32)
    table[1, 8:12] = (0, 0), (1, 30), (2, 15), (3, 10)  # 0 bits: no such code
    table[1, 12:16] = (5, 6), (6, 5), (7, 4), (0, 0)
    table[:, :4] = 0, 1
    return table


PACKINGS = _packings()


@njit(cache=True, nogil=True, error_model="numpy")
def scan(data, at, whole, rates):
    """Read the headers of the plain records from byte ``at`` on, until one is not plain or the rows are full.

    Returns ``(records, samples)``.
    """
    found, total = 0, 0
    while found < len(whole) and at + HEADER <= len(data):
        row = whole[found]
        if not _is_header(data, at) or not _blockettes(data, at, row, rates, found):
            break
        if not _time(data, at, row):
            break
        total += row[SAMPLES]
        at += row[LENGTH]
        found += 1
    return found, total


@njit(cache=True, nogil=True, error_model="numpy")
def unpack(data, whole, records, packing, out):
    """Unpack the samples of the first ``records`` rows; returns how many records are sound: the next one is not."""
    at = 0
    for k in range(records):
        row = whole[k]
        n, first, end = row[SAMPLES], row[FIRST], row[AT] + row[LENGTH]
        if row[ENCODING] == INT32 or row[ENCODING] == FLOAT32:
            if first + 4 * n > end:
                return k
            for i in range(n):
                out[at + i] = np.int32(_i4(data, first + 4 * i))
        elif not _steim(data, first, end, n, packing[row[ENCODING] - STEIM1], out, at):
            return k
        at += n
    return records


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _u2(data, at):
    return np.int64(data[at]) << 8 | np.int64(data[at + 1])


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _u4(data, at):
    return _u2(data, at) << 16 | _u2(data, at + 2)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _signed(value, bits):
    sign = np.int64(1) << (bits - 1)
    return (value ^ sign) - sign


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _i2(data, at):
    return _signed(_u2(data, at), 16)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _i4(data, at):
    return _signed(_u4(data, at), 32)


@njit(cache=True, nogil=True, error_model="numpy")
def _is_header(data, at):
    """Six digits, a quality letter, a blank, and codes of letters, digits and blanks."""
    for i in range(6):
        if not 48 <= data[at + i] <= 57:
            return False
    quality = data[at + 6]  # D, R, Q, M
    if quality not in (68, 77, 81, 82) or data[at + 7] != 32:
        return False
    for i in range(8, 20):
        c = data[at + i]
        if not (48 <= c <= 57 or 65 <= c <= 90 or c == 32):
            return False
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _blockettes(data, at, row, rates, found):
    """Length, encoding, number of samples and rate; False if they are not those of a plain record."""
    length, encoding, rate = (
        np.int64(0),
        np.int64(-1),
        _rate(_i2(data, at + 32), _i2(data, at + 34)),
    )
    microseconds = 0
    samples, first = _u2(data, at + 30), _u2(data, at + 44)
    here, guard = _u2(data, at + 46), HEADER
    while here != 0:
        if here < guard or here + 8 > first or at + first > len(data):
            return False
        kind = _u2(data, at + here)
        if kind == 1000:
            if data[at + here + 5] != 1 or not 7 <= data[at + here + 6] <= 16:
                return False
            encoding, length = np.int64(data[at + here + 4]), np.int64(1) << data[at + here + 6]
        elif kind == 1001:
            microseconds = _signed(np.int64(data[at + here + 5]), 8)
        elif kind == 100 and here + 12 <= first:
            rate = float(np.uint32(_u4(data, at + here + 4)).view(np.float32))
        else:
            return False
        guard, here = here + 8, _u2(data, at + here + 2)
    if encoding not in (INT32, FLOAT32, STEIM1, STEIM2) or at + length > len(data):
        return False
    if samples == 0 or not 0.0 < rate < np.inf or not HEADER <= first < length:
        return False
    row[AT], row[LENGTH], row[FIRST] = at, length, at + first
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
def _time(data, at, row):
    """Add the header's start time and, unless it was applied, the time correction; False if it is no time."""
    year, day = _u2(data, at + 20), _u2(data, at + 22)
    hour, minute, second = data[at + 24], data[at + 25], data[at + 26]
    tenths_ms = _u2(data, at + 28)
    if not (1900 <= year <= 2100 and 1 <= day <= 366 and hour < 24 and minute < 60):
        return False
    if second > 60 or tenths_ms > 9999:
        return False
    past = year - 1
    days = (
        365 * past + past // 4 - past // 100 + past // 400 + day - 719_163
    )  # 1970-01-01 is day 719,163
    if not data[at + 36] & 2:
        tenths_ms += _i4(data, at + 40)
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    row[START_NS] += seconds * 1_000_000_000 + tenths_ms * 100_000
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def _steim(data, at, end, n, packing, out, into):
    """Unpack ``n`` samples of the frames from byte ``at`` to ``end``; False if they are too few or Xn is another.

    Without a branch on how a word is packed, which in noise nobody can predict: eight values are written for each word,
    however few it holds, and those too many are written over by the next.
    """
    if at + 64 > end:
        return False
    x, x_last = _i4(data, at + 4), np.int32(_i4(data, at + 8))
    here, stop, is_sound = into, into + n, True
    for start in range(at, end - 63, 64):
        frame = data[start : start + 64]
        codes = _u4(frame, 0)
        for k in range(3 if start == at else 1, 16):
            word = _u4(frame, 4 * k)
            kind = (codes >> (30 - 2 * k) & 3) << 2 | word >> 30
            count, bits = packing[kind, 0], packing[kind, 1]
            up, down = 64 - bits * count, 64 - bits
            eight = out[here : here + 8]
            for d in range(8):
                eight[d] = np.int32((word << (up + bits * d & 63)) >> (down & 63))
            is_sound &= bits > 0
            here += count
        if here >= stop or not is_sound:
            break
    if here < stop or not is_sound:
        return False
    # The first difference leads from the record before
    out[into] = np.int32(x)
    for i in range(into + 1, stop):
        x += out[i]
        out[i] = np.int32(x)
    return out[stop - 1] == x_last
