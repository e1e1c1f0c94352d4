"""miniSEED there and back, beside obspy's reader."""

import io

import numpy as np
import obspy
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ew import Packet
from ew.sources.miniseed import decode, encode, joined


@given(
    hnp.arrays(np.int32, st.integers(1, 800), elements=st.integers(-(2**27), 2**27)),
    st.integers(0, 10**6),
)
def test_packet_survives_encoding_and_decoding(samples: np.ndarray, offset_us: int) -> None:
    packet = Packet(
        "XX.ABC.00.HHZ",
        1_560_783_343_000_000_000 + offset_us * 1000 // 100_000 * 100_000,
        100.0,
        samples,
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
    samples = np.random.default_rng(3).normal(0, 1000, 3000).astype(dtype)
    data = encode(Packet("XX.ABC..HHZ", 1_560_783_343_000_000_000, 100.0, samples))
    trace = obspy.read(io.BytesIO(data), format="MSEED")[0]
    np.testing.assert_array_equal(trace.data, samples)
    assert trace.id == "XX.ABC..HHZ"


@given(st.binary(max_size=2000))
def test_any_bytes_are_decoded_or_named_never_worse(data: bytes) -> None:
    decoded = decode(data)
    assert decoded.packets or decoded.notes or not data
