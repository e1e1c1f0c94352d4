"""miniSEED there and back, beside obspy's reader and libmseed."""

import io
from typing import Any

import numpy as np
import obspy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pymseed import DataEncoding, MS3Record

from ew import Packet
from ew.sources.miniseed import _read_whole, decode, decode_each, encode, joined, read_runs
from tests.reference import miniseed as libmseed

START_NS = 1_560_783_343_000_000_000
RNG = np.random.default_rng(3)


@given(
    hnp.arrays(np.int32, st.integers(1, 800), elements=st.integers(-(2**27), 2**27)),
    st.integers(0, 10**6),
)
def test_packet_survives_encoding_and_decoding(samples: np.ndarray, offset_us: int) -> None:
    packet = Packet(
        "XX.ABC.00.HHZ", START_NS + offset_us * 1000 // 100_000 * 100_000, 100.0, samples
    )
    (run,) = joined(decode(encode(packet)).packets)
    np.testing.assert_array_equal(run.samples, samples)
    assert (run.seed_id, run.start_ns, run.sampling_rate) == (
        packet.seed_id,
        packet.start_ns,
        100.0,
    )


@pytest.mark.parametrize("dtype", ["int32", "float32"])
def test_obspy_reads_the_same_of_our_bytes(dtype: str) -> None:
    samples = RNG.normal(0, 1000, 3000).astype(dtype)
    data = encode(Packet("XX.ABC..HHZ", START_NS, 100.0, samples))
    trace = obspy.read(io.BytesIO(data), format="MSEED")[0]
    np.testing.assert_array_equal(trace.data, samples)
    assert trace.id == "XX.ABC..HHZ"


def recorded(
    samples: np.ndarray,
    encoding: DataEncoding,
    *,
    version: int = 2,
    length: int = 512,
    rate: float = 100.0,
    start_ns: int = START_NS,
) -> bytes:
    record = MS3Record()
    record.sourceid, record.reclen, record.formatversion = "FDSN:XX_AB3_00_H_H_Z", length, version
    record.samprate, record.encoding, record.starttime = rate, encoding, start_ns
    return b"".join(bytes(part) for part in record.generate(samples, samples.dtype.char))


def assert_as_libmseed(data: bytes) -> None:
    decoded, (expected, unread) = decode(data), libmseed.records(data)
    assert len(decoded.notes) == unread
    assert len(decoded.packets) == len(decoded.offsets) == len(expected)
    for packet, (seed_id, start_ns, rate, samples) in zip(decoded.packets, expected, strict=True):
        assert (packet.seed_id, packet.start_ns, packet.sampling_rate) == (seed_id, start_ns, rate)
        assert packet.samples.dtype == samples.dtype
        assert packet.samples.tobytes() == samples.tobytes()


@given(
    st.lists(st.integers(0, 29), min_size=1, max_size=500),
    st.sampled_from([DataEncoding.STEIM1, DataEncoding.STEIM2, DataEncoding.INT32]),
    st.sampled_from([128, 256, 512, 4096]),
    st.sampled_from([0.1, 1.0, 20.0, 30.06, 31.25, 100.0, 250.0]),
    st.integers(0, 4_000_000_000_000_000),
)
def test_integer_records_are_read_as_libmseed_reads_them(
    bits: list[int], encoding: DataEncoding, length: int, rate: float, start_us: int
) -> None:
    rng = np.random.default_rng(len(bits))
    samples = np.array([rng.integers(-(2**b), 2**b + 1) for b in bits]) // 2  # of any width
    start_ns = start_us * 1000
    assert_as_libmseed(
        recorded(samples.astype(np.int32), encoding, length=length, rate=rate, start_ns=start_ns)
    )


@pytest.mark.parametrize(
    ("dtype", "encoding", "version"),
    [
        ("f4", DataEncoding.FLOAT32, 2),
        ("f8", DataEncoding.FLOAT64, 2),
        ("f4", DataEncoding.FLOAT32, 3),
        ("i4", DataEncoding.STEIM2, 3),
        ("i4", DataEncoding.INT16, 2),
    ],
)
def test_other_records_are_read_as_libmseed_reads_them(
    dtype: str, encoding: DataEncoding, version: int
) -> None:
    samples = RNG.normal(0, 1000, 900).astype(dtype)
    plain = recorded(RNG.normal(0, 9, 700).astype("i4"), DataEncoding.STEIM2)
    assert_as_libmseed(plain + recorded(samples, encoding, version=version) + plain)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.integers(0, 4 * 512 - 1), st.integers(0, 255)), min_size=1, max_size=4)
)
@example([(512 + 36, 2), (512 + 43, 9)])  # a time correction that was applied
@example([(512 + 43, 9)])  # and one that was not
@example([(512 + 33, 250), (512 + 35, 3)])  # rate factor and multiplier
@example([(512 + 32, 255), (512 + 33, 246), (512 + 34, 255), (512 + 35, 254)])  # both negative
@example([(512 + 72, 200)])  # the last sample is another than the record says
@example([(512 + 26, 60)])  # a leap second
def test_broken_records_are_read_or_named_as_libmseed_has_it(changes: list[Any]) -> None:
    data = bytearray(
        recorded(
            np.random.default_rng(1).normal(0, 300, 800).astype("i4"),
            DataEncoding.STEIM2,
            start_ns=START_NS + 12_345_000,
        )[: 4 * 512]
    )
    for at, value in changes:
        data[at] = value
    assert_as_libmseed(bytes(data))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["XX.A..HHZ", "XX.A.00.HHZ", "XX.B..HHN"]),
            st.sampled_from([100.0, 30.309, 50.0]),
            st.sampled_from([0.0, 0.004, 0.5, 30.0, -0.5]),  # seconds after what came before
            st.integers(1, 900),
        ),
        min_size=1,
        max_size=6,
    ),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_files_give_the_runs_that_libmseed_makes_of_them(
    parts: list[Any], rng: Any, is_shuffled: bool
) -> None:
    ends_ns: dict[str, int] = {}
    records = []
    for seed_id, rate, after_s, count in parts:
        start_ns = ends_ns.get(seed_id, START_NS) + round(after_s * 1e9) // 1000 * 1000
        form = "f4" if seed_id.endswith("N") else "i4"  # libmseed takes one of each channel
        samples = np.random.default_rng(count).normal(0, 300, count).astype(form)
        packet = Packet(seed_id, start_ns, rate, samples)
        ends_ns[seed_id] = packet.end_ns
        data = encode(packet)
        records += [data[at : at + 512] for at in range(0, len(data), 512)]
    if is_shuffled and not any(after_s < 0 for _, _, after_s, _ in parts):
        rng.shuffle(records)
    runs = read_runs(b"".join(records)).packets
    expected = _read_whole(b"".join(records), "").packets
    assert len(runs) == len(expected)
    for ours, theirs in zip(runs, expected, strict=True):
        assert (ours.seed_id, ours.start_ns, ours.sampling_rate, ours.samples.dtype) == (
            theirs.seed_id,
            theirs.start_ns,
            theirs.sampling_rate,
            theirs.samples.dtype,
        )
        np.testing.assert_array_equal(ours.samples, theirs.samples)


def test_a_kept_packet_is_not_changed_by_what_is_read_later() -> None:
    first = decode(encode(Packet("XX.A..HHZ", START_NS, 100.0, np.arange(50, dtype=np.int32))))
    before = first.packets[0].samples.copy()
    decode(encode(Packet("XX.A..HHZ", START_NS, 100.0, -np.arange(5000, dtype=np.int32))))
    np.testing.assert_array_equal(first.packets[0].samples, before)


@given(st.binary(max_size=2000))
def test_any_bytes_are_decoded_or_named_never_worse(data: bytes) -> None:
    decoded = decode(data)
    assert decoded.packets or decoded.notes or not data


RECORD = encode(Packet("XX.A..HHZ", START_NS, 100.0, np.arange(100, dtype=np.int32)))


@pytest.mark.parametrize(
    "payload",
    [
        b"000000D " * 20_000,
        (RECORD[:39] + b"\0" + RECORD[40:46] + b"\0\0") * 4000,  # headers without a length
        b"MS\x03" * 50_000,
        RECORD[:512] + b"\x07" * 512 + RECORD * 100,
    ],
)
def test_payload_that_is_no_record_is_left_at_its_first_fault(
    payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each look costs some µs: through 1 MiB of begins of headers it held up the loop for 1 s
    looks = 0
    parse = MS3Record.parse

    def counted(*arguments: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        return parse(*arguments, **options)

    monkeypatch.setattr(MS3Record, "parse", counted)
    (decoded,) = decode_each([payload])
    assert len(decoded.notes) == 1
    assert looks <= 2
