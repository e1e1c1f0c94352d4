"""PURE: the arrays of a bank as one array of addresses, which is all that a compiled stage is called with.

Numba looks at every array of every argument at each call: 24 arrays in four tuples took 5 us, as long as the work on 50
packets. A frame takes 0.3 us. It holds addresses, so it is made anew whenever one of the arrays is.
"""

import numpy as np
from numba import carray, njit
from numpy.typing import NDArray

from ew.detect.layout import (
    BLOCK,
    HISTORY,
    LANES,
    LEVELS,
    PADDING,
    TAIL,
    BankState,
    Batch,
    RateParams,
    Work,
)
from ew.detect.machine import pointer

SIZES = 5


def frame_of(batch: Batch, params: RateParams, state: BankState, work: Work) -> NDArray[np.uint64]:
    """Addresses of all arrays in the order of their tuples, behind the five sizes that differ.

    The caller keeps the arrays alive as long as the frame is used.
    """
    sizes = [len(batch.slot), len(params.real), len(state.level), len(work.found), len(work.order)]
    arrays = (*batch, *params, *state, *work)
    return np.array(sizes + [array.ctypes.data for array in arrays], np.uint64)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _array(frame, k, shape, dtype):
    """Without an owner: no reference is counted when it is used, which in a loop costs more than the use."""
    return carray(pointer(frame[SIZES + k]), shape, dtype)


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def batch_in(frame):
    """The ``Batch`` of a frame."""
    n = (np.int64(frame[0]),)
    return Batch(
        _array(frame, 0, n, np.uint64),
        _array(frame, 1, n, np.int64),
        _array(frame, 2, n, np.int64),
        _array(frame, 3, n, np.int64),
        _array(frame, 4, n, np.int64),
        _array(frame, 5, n, np.int64),
        _array(frame, 6, n, np.float64),
    )


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def params_in(frame):
    """The ``RateParams`` of a frame."""
    rates = np.int64(frame[1])
    return RateParams(
        _array(frame, 7, (rates, 13), np.float64), _array(frame, 8, (rates, 4), np.int64)
    )


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def state_in(frame):
    """The ``BankState`` of a frame."""
    channels = np.int64(frame[2])
    return BankState(
        _array(frame, 9, (channels, LEVELS), np.float64),
        _array(frame, 10, (channels, 16), np.int64),
        _array(frame, 11, (channels, HISTORY + PADDING), np.float32),
        _array(frame, 12, (channels, TAIL), np.float32),
    )


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def work_in(frame):
    """The ``Work`` of a frame."""
    lanes = (LANES,)
    return Work(
        _array(frame, 13, (LANES, BLOCK), np.float64),
        _array(frame, 14, (13, LANES), np.float64),
        _array(frame, 15, (12, LANES), np.float64),
        _array(frame, 16, (12, LANES), np.float64),
        _array(frame, 17, (12, LANES), np.float64),
        _array(frame, 18, (BLOCK, 3, LANES), np.float64),
        _array(frame, 19, (BLOCK, LANES), np.float32),
        _array(frame, 20, lanes, np.uint64),
        _array(frame, 21, (2, 4, LANES), np.uint64),
        _array(frame, 22, (3, LANES), np.uint64),
        _array(frame, 23, lanes, np.int64),
        _array(frame, 24, lanes, np.int64),
        _array(frame, 25, lanes, np.int64),
        _array(frame, 26, lanes, np.int64),
        _array(frame, 27, (np.int64(frame[4]),), np.int64),
        _array(frame, 28, (np.int64(frame[3]), 4), np.int64),
        _array(frame, 29, (11,), np.int64),
    )
