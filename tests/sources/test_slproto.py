"""SeedLink without a socket: packets are found however the bytes are cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ew.errors import InputError
from ew.sources.slproto import Frame, Framer, Version, v3_selector, v4_selector, versions_of


def v3_packet(sequence: int, fill: int) -> bytes:
    return b"SL%06X" % sequence + bytes([fill]) * 512


def v4_packet(sequence: int, station: bytes, payload: bytes, form: bytes = b"2D") -> bytes:
    size, number = len(payload).to_bytes(4, "little"), sequence.to_bytes(8, "little")
    return b"SE" + form + size + number + bytes([len(station)]) + station + payload


STREAMS: dict[Version, tuple[bytes, list[Frame]]] = {
    3: (
        v3_packet(0xFFFFFF, 65) + b"SLINFO *" + bytes(512) + v3_packet(0, 66),
        [Frame(0xFFFFFF, None, b"A" * 512), Frame(0, None, b"B" * 512)],
    ),
    4: (
        v4_packet(2**63, b"XX_A", b"A" * 300)
        + v4_packet(0, b"", b"{}", b"JI")
        + v4_packet(2**63 + 1, b"XX_LONGNAME", b"", b"3D")
        + v4_packet(2**63 + 2, b"XX_A", b"B" * 64, b"3D"),
        [
            Frame(2**63, "XX_A", b"A" * 300),
            Frame(2**63 + 1, "XX_LONGNAME", b""),
            Frame(2**63 + 2, "XX_A", b"B" * 64),
        ],
    ),
}


@pytest.mark.parametrize("version", [3, 4])
@given(st.data())
def test_packets_are_the_same_however_the_bytes_are_cut(
    version: Version, data: st.DataObject
) -> None:
    stream, expected = STREAMS[version]
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=12))
    edges = [0, *sorted(cuts), len(stream)]
    framer, found = Framer(version), []
    for a, b in itertools.pairwise(edges):
        found += framer.feed(stream[a:b])
    assert found == expected


@pytest.mark.parametrize("version", [3, 4])
@given(st.binary(min_size=2, max_size=40))
def test_what_is_no_packet_raises(version: Version, data: bytes) -> None:
    if data[:2] in (b"SL", b"SE"):
        return
    with pytest.raises(InputError, match="no packet"):
        Framer(version).feed(data)


@pytest.mark.parametrize(
    ("v3", "v4"),
    [("HHZ", "*_H_H_Z"), ("00BH?", "00_B_H_?"), ("--LHZ", "_L_H_Z"), ("!??N", "!*_?_?_N")],
)
def test_selectors_mean_the_same_in_both_versions(v3: str, v4: str) -> None:
    assert v4_selector(v3) == v4
    assert v3_selector(v4) == v3
    assert (v3_selector(v3), v4_selector(v4)) == (v3, v4)


def test_type_of_record_becomes_a_subformat() -> None:
    assert v4_selector("00HHZ.D") == "00_H_H_Z.?D"


def test_selector_that_version_3_cannot_say_is_told() -> None:
    with pytest.raises(InputError, match="LLCCC"):
        v3_selector("0*_H_H_Z")


@pytest.mark.parametrize(
    ("greeting", "versions"),
    [
        (b"SeedLink v3.1 (2020.075)", {3}),
        (b"SeedLink v3.3 (2021) :: SLPROTO:3.1 CAP EXTREPLY", {3}),
        (b"SeedLink v4.0 (RingServer/4.0) :: SLPROTO:3.1 SLPROTO:4.0 CAP", {3, 4}),
        (b"SeedLink v4.1 (new) :: SLPROTO:4.1", {4}),
    ],
)
def test_versions_are_read_from_the_greeting(greeting: bytes, versions: set[int]) -> None:
    assert versions_of(greeting) == versions
