"""miniSEED by libmseed alone, a record at a time: what the compiled reader is held against."""

import re

import numpy as np
from pymseed import MS3Record, PymseedError, sourceid2nslc

HEADER = re.compile(rb"[0-9 ]{6}[DRQM][ \x00]|MS\x03")
TYPES = {"i": np.int32, "f": np.float32, "d": np.float64}


def records(data: bytes) -> tuple[list[tuple[str, int, float, np.ndarray]], int]:
    """(SEED id, start time in ns, sampling rate, samples) of each record, and how many places could
    not be read.
    """
    found, unread, at = [], 0, 0
    while at < len(data):
        try:
            record = MS3Record.parse(data[at:], unpack_data=True)
        except PymseedError:
            unread += 1
            following = HEADER.search(data, at + 1)
            at = following.start() if following else len(data)
            continue
        at += record.reclen
        if record.sampletype not in TYPES or record.numsamples == 0 or record.samprate <= 0:
            unread += 1
            continue
        samples = np.array(record.np_datasamples, TYPES[record.sampletype])
        try:
            seed_id = ".".join(sourceid2nslc(record.sourceid))
        except ValueError:
            unread += 1
            continue
        found.append((seed_id, record.starttime, record.samprate, samples))
    return found, unread
