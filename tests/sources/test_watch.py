"""A watched directory with real files: whatever way they are written, each packet comes once."""

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ew.config import Config
from ew.records import Packet
from ew.service.acquisition import Acquisition
from ew.sources import miniseed, watch
from ew.sources.watch import UNFINISHED_S, WatchedFolder

START_NS = 1_600_000_000_000_000_000


def packet(second: int, seed_id: str = "XX.A..HHZ") -> Packet:
    samples = np.random.default_rng(second).integers(-500, 500, 100).astype(np.int32)
    return Packet(seed_id, START_NS + second * 10**9, 100.0, samples)


def record(second: int, seed_id: str = "XX.A..HHZ") -> bytes:
    return miniseed.encode(packet(second, seed_id))


class Watching:
    """A directory that is looked at, and the seconds whose packets came."""

    def __init__(self, folder: Path) -> None:
        self.source = WatchedFolder(folder, print)
        self.now_s = 0.0
        self.seconds: list[int] = []

    def look(self, after_s: float = 0.25) -> list[int]:
        self.now_s += after_s
        found = [(p.start_ns - START_NS) // 10**9 for p in self.source.look(self.now_s)]
        self.seconds += found
        return found


@pytest.fixture
def at(tmp_path: Path) -> Watching:
    return Watching(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["a.mseed", "a.MSEED", "a.ms", "XX.A..HHZ.D.2020.256", "noending", "day/hour/a", ".hidden"],
)
def test_files_of_any_name_in_any_folder_are_read(at: Watching, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(record(0) + record(1))
    assert at.look() == [0, 1]
    assert at.look() == []
    assert at.source.left_aside == {}


def test_file_that_grows_is_read_on(at: Watching, tmp_path: Path) -> None:
    path = tmp_path / "a.mseed"
    for second in range(4):
        with path.open("ab") as opened:
            opened.write(record(second))
        assert at.look() == [second]
    assert at.look() == []


def test_slow_writer_loses_nothing_and_is_named_while_it_waits(
    at: Watching, tmp_path: Path
) -> None:
    data = record(0) + record(1)
    path = tmp_path / "slow.mseed"
    with path.open("wb", buffering=0) as opened:
        for byte in data[:700]:
            opened.write(bytes([byte]))
            at.look(0.01)
        assert at.seconds == [0]
        assert at.source.left_aside == {}
        at.look(UNFINISHED_S + 1)
        assert "188 bytes" in at.source.left_aside["slow.mseed"]
        opened.write(data[700:])
    assert at.look() == [1]
    assert at.source.left_aside == {}


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize("seconds", [[5], [5, 6], [0, 1, 2], [0, 6], [1, 2, 3, 4]])
def test_rewritten_file_is_read_anew_and_each_packet_comes_once(
    at: Watching, tmp_path: Path, seconds: list[int], kept: bool
) -> None:
    path = tmp_path / "latest.mseed"
    path.write_bytes(record(0) + record(1))
    assert at.look() == [0, 1]
    written = path if kept else tmp_path / "next"  # in its place, or by another that takes it
    written.write_bytes(b"".join(record(second) for second in seconds))
    os.utime(written, ns=(10**18, 10**18))  # a coarse clock may show no change
    written.replace(path)
    assert at.look() == [second for second in seconds if second > 1]
    assert at.look() == []


def test_renamed_and_copied_files_bring_nothing_twice(at: Watching, tmp_path: Path) -> None:
    part = tmp_path / "a.mseed.part"
    part.write_bytes(record(0))
    assert at.look() == [0]
    part.rename(tmp_path / "a.mseed")
    (tmp_path / "b.mseed").write_bytes(record(0) + record(1))
    assert at.look() == [1]


def test_what_is_left_aside_is_named_with_the_reason(
    at: Watching, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "notes.txt").write_text("calibrated in May\n" * 100)
    (tmp_path / "short").write_text("hi")
    (tmp_path / "broken.mseed").write_bytes(record(0) + b"\x07garbage" * 40 + record(1))
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert at.look() == [0, 1]
    assert at.look() == []
    assert set(at.source.left_aside) == {"notes.txt", "short", "broken.mseed", "nowhere", "pipe"}
    assert at.source.left_aside["notes.txt"] == "no miniSEED record in it"
    assert "320 bytes at byte 512" in at.source.left_aside["broken.mseed"]
    for name in at.source.left_aside:
        assert sum(f"{name} left aside" in line for line in caplog.messages) == 1


def test_directory_that_comes_later_is_named_until_then(at: Watching, tmp_path: Path) -> None:
    later = Watching(tmp_path / "later")
    later.look()
    assert "No such file" in later.source.left_aside["."]
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "a").write_bytes(record(0))
    assert later.look() == [0]
    assert later.source.left_aside == {}


def test_large_files_are_read_part_by_part_and_foreign_ones_not_to_the_end(
    at: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "PART_BYTES", 1500)
    monkeypatch.setattr(watch, "FOREIGN_BYTES", 3000)
    (tmp_path / "a.mseed").write_bytes(b"".join(record(second) for second in range(20)))
    (tmp_path / "film").write_bytes(b"\xff" * 60_000)
    for _ in range(15):
        at.look()
    assert at.seconds == list(range(20))
    assert at.source._files[str(tmp_path / "film")].seen < 10_000
    assert set(at.source.left_aside) == {"film"}


def test_what_was_written_last_comes_first_where_there_is_much(
    at: Watching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOK_BYTES", 2000)
    for second in range(10):
        path = tmp_path / f"{second}.mseed"
        path.write_bytes(record(second))
        os.utime(path, (1000.0 + second, 1000.0 + second))
    assert at.look() == [7, 8, 9]
    (tmp_path / "live.mseed").write_bytes(record(20))
    assert at.look() == [5, 6, 20]
    for _ in range(5):
        at.look()
    assert sorted(at.seconds) == [*range(10), 20]


PIECES = [record(0), record(1), miniseed.encode(packet(2), version=3), b"\x07junk", b"0000" * 20]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=6), st.data())
def test_packets_are_the_same_however_a_file_grows(parts: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(parts) + record(9)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=10))
    found: list[Packet] = []
    done = 0
    for end in [*sorted(cuts), len(whole)]:
        decoded, count = miniseed.decode_growing(whole[done:end])
        found += decoded.packets
        done += count
    assert done == len(whole)
    expected = miniseed.decode(whole).packets
    assert [(p.seed_id, p.start_ns) for p in found] == [(p.seed_id, p.start_ns) for p in expected]
    for ours, theirs in itertools.zip_longest(found, expected):
        np.testing.assert_array_equal(ours.samples, theirs.samples)


def test_health_and_status_name_what_is_left_aside(tmp_path: Path) -> None:
    (tmp_path / "data.mseed.gz").write_bytes(b"\x1f\x8b" + bytes(100))
    config = Config.model_validate({"service": {"watch": str(tmp_path)}})
    acquisition = Acquisition(config, None)  # type: ignore[arg-type] - no broker is asked
    assert acquisition.folder is not None
    acquisition.folder.look(0.0)
    assert acquisition.left_aside() == [f"{tmp_path}: left aside data.mseed.gz"]
    assert acquisition.status()["watch"]["left_aside"] == {
        "data.mseed.gz": "no miniSEED record in it"
    }
