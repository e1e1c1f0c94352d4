"""PURE: how the detection core lays out its arrays: the channels' state, the rate classes, a tick's packets, scratch.

State, one row a channel (C channels, H samples of history, a power of two):

| name | shape, dtype | meaning | at start |
|---|---|---|---|
| level | (C, 16) f8 | 8 filter delays, S, L, offset, last sample, rate in Hz, ns a sample, ns of late data on end | 0 |
| count | (C, 16) i8 | see the index names below | 0 |
| raw | (C, H + PADDING) f4 | the last H samples, see ``samples``, but for those in ``tail`` | 0 |
| tail | (C, 16) f4 | the last samples that do not fill a cache line yet, see ``keeping`` | 0 |

``READY`` is the sample from which triggers are allowed (warm-up, hold after a gap, a dead channel), ``SEGMENT`` the
first sample since data were last missing, ``RUN`` how often the last value was repeated, ``ON_AT`` the trigger's
sample or -1, ``DECIDED`` the sample at which the last trigger was judged, ``FORM`` that of the history.

Numba freezes these names at compile time, and its cache does not notice a change in another file: after one here,
clear ``ew/detect/__pycache__``.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

LANES = 8
"""One AVX-512 register of float64; two a lane group (16) spill registers: 1.8 instead of 2.6 Gsamples/s."""
LINE_BYTES = 64
BLOCK = 128  # samples: 8 KiB of x stay in the first-level cache
HISTORY = 4096
"""Raw samples kept a channel: 41 s at 100 Hz, 16 s at 250 Hz, 16 KiB. A power of two."""
LIMIT = 1024
"""Samples of one packet run at a time, so that a long one can't overrun the history a decision rests on."""
TAIL = LINE_BYTES // 4
"""Samples in a cache line of the history."""
PADDING = TAIL
"""Samples after a channel's history: at a distance of 16 KiB all channels would fall into the same cache sets."""
LEVELS = 16
"""Reals kept a channel."""
NEVER = 2**62
TINY = 1e-150  # a decaying state below this is zero: denormals would be a hundred times slower
FULL_SCALE = 8388607  # of a 24-bit digitiser
HUGE = 1e18  # a larger sample is no measurement; its square's square still fits float64

S, L, OFFSET, LAST, RATE, SAMPLE_NS, LATE_NS = 8, 9, 10, 11, 12, 13, 14
# The first eight fill the cache line that every packet needs; the others are for what is rare
SEEN, NEXT_NS, ANCHOR_NS, ANCHOR, RUN, ON_AT, CLASS, FORM, READY, SEGMENT, DECIDED = range(11)
# Rows of the lanes' state: delays, S, L, then whether a threshold was crossed, and the last sample
CROSSED, LANE_LAST = 10, 11
# Parts of ``following``, and the rows of each
NEXT, ONWARD = 0, 1
SAMPLES_AT, TAIL_AT, LEVEL_AT, COUNT_AT = 0, 1, 2, 3
# Rows of ``lines``
SOURCE, ROW, PLACE = 0, 1, 2
# What a packet does to its channel's state before its samples are run
CONTINUE, BRIDGE, RESTART = 0, 1, 2
# Forms of samples
F4, F8, I4 = 0, 1, 2
# Rows found
ON, OFF = 0, 1
# The tally
PACKETS, SAMPLES, BRIDGED, RESTARTED, OVERLAPS, DUPLICATES = 0, 1, 2, 3, 4, 5
CLOCK_STEPS, RATE_CHANGES, NOT_FINITE, CLIPPED, DIED = 6, 7, 8, 9, 10


def in_lines(shape: tuple[int, ...], dtype: DTypeLike = np.float64) -> NDArray[Any]:
    """Zeros that begin with a cache line: a channel's row in two of numpy's own would lie in three."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(size + LINE_BYTES, np.uint8)
    first = -room.ctypes.data % LINE_BYTES
    return room[first : first + size].view(dtype).reshape(shape)


class BankState(NamedTuple):
    """The state table above."""

    level: NDArray[np.float64]
    count: NDArray[np.int64]  # type: ignore[assignment]  # hides tuple.count, which has no use here
    raw: NDArray[np.float32]
    tail: NDArray[np.float32]


def state_for(channels: int) -> BankState:
    """State at its start. Untouched pages of the history cost no memory."""
    count = in_lines((channels, 16), np.int64)
    count[:, ON_AT] = count[:, DECIDED] = -1
    return BankState(
        level=in_lines((channels, LEVELS)),
        count=count,
        raw=in_lines((channels, HISTORY + PADDING), np.float32),
        tail=in_lines((channels, TAIL), np.float32),
    )


class RateParams(NamedTuple):
    """What depends on the sampling rate, one row a rate class (R classes).

    ``real`` (R, 13) f8: gain, then -a1, -a2 of each section, 1 - 1/nsta, 1 - 1/nlta, and S / L at the on and off ratio;
    ``lengths`` (R, 4) i8, in samples: nsta, nlta, equal samples that make a dead channel, hold after a bridged gap.
    """

    real: NDArray[np.float64]
    lengths: NDArray[np.int64]


NSTA, NLTA, DEAD, HOLD = 0, 1, 2, 3
ON_LEVEL, OFF_LEVEL = 11, 12


class Batch(NamedTuple):
    """One tick's packets as columns (P,), at most one of each channel.

    ``address`` u8 and ``form`` (F4, F8, I4) of the samples, ``length``, ``slot`` of the channel, ``start_ns``, and the
    ``action`` that ``continuity`` decides, all i8; ``rate`` f8 in Hz.
    """

    address: NDArray[np.uint64]
    form: NDArray[np.int64]
    length: NDArray[np.int64]
    slot: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    action: NDArray[np.int64]
    rate: NDArray[np.float64]


def batch_for(packets: int) -> Batch:
    """Columns with room for so many packets."""
    form, length, slot, start_ns, action = np.zeros((5, packets), np.int64)
    return Batch(
        np.zeros(packets, np.uint64), form, length, slot, start_ns, action, np.zeros(packets)
    )


class Work(NamedTuple):
    """Scratch of one bank, or of one thread of it.

    f8: ``x`` (8, BLOCK), ``coefficients`` (13, 8), ``course`` (BLOCK, 3, 8): y, S, L; ``state``, ``before``,
    ``again`` (12, 8): the lanes' state and whether they crossed now, before the block, and run again. f4: ``turned``
    (BLOCK, 8). u8: ``samples_at`` (8,), ``following`` (2, 4, 8): where each lane's samples
    lie, and what the next eight packets and the next piece of these need; ``lines`` (3, 8): the address of the samples that go
    into the history by whole lines, that of the history, and the place in it in bytes. i8: ``ends``, ``stops``, ``lane_slots``, ``lane_class`` (8,): samples
    left, samples of the piece being run, channel and class of each lane; ``order`` (P,); ``found`` (F, 4): kind, slot, first and last sample; ``tally`` (11,): see the
    index names.
    """

    x: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    state: NDArray[np.float64]
    before: NDArray[np.float64]
    again: NDArray[np.float64]
    course: NDArray[np.float64]
    turned: NDArray[np.float32]
    samples_at: NDArray[np.uint64]
    following: NDArray[np.uint64]
    lines: NDArray[np.uint64]
    ends: NDArray[np.int64]
    stops: NDArray[np.int64]
    lane_slots: NDArray[np.int64]
    lane_class: NDArray[np.int64]
    order: NDArray[np.int64]
    found: NDArray[np.int64]
    tally: NDArray[np.int64]


def work_for(packets: int, channels: int) -> Work:
    """Scratch for so many packets a tick and channels in all."""
    return Work(
        x=in_lines((LANES, BLOCK)),
        coefficients=in_lines((13, LANES)),
        state=in_lines((12, LANES)),
        before=in_lines((12, LANES)),
        again=in_lines((12, LANES)),
        course=in_lines((BLOCK, 3, LANES)),
        turned=in_lines((BLOCK, LANES), np.float32),
        samples_at=np.zeros(LANES, np.uint64),
        following=np.zeros((2, 4, LANES), np.uint64),
        lines=np.zeros((3, LANES), np.uint64),
        ends=np.zeros(LANES, np.int64),
        stops=np.zeros(LANES, np.int64),
        lane_slots=np.zeros(LANES, np.int64),
        lane_class=np.full(LANES, -1),
        order=np.zeros(packets, np.int64),
        found=np.zeros((1024 + 4 * channels, 4), np.int64),
        tally=np.zeros(11, np.int64),
    )
