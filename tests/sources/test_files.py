"""An EVENT_DIR: what can be used is, what can't is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ew import Packet
from ew.errors import InputError
from ew.sources import miniseed
from ew.sources.files import load_event_dir

START_NS = 1_560_783_343_000_000_000
HEADER = "seed_id,latitude,longitude,elevation_m,gain,input_units\n"


def packet(
    seed_id: str, start_s: float = 0.0, seconds: float = 20.0, rate: float = 100.0
) -> Packet:
    samples = np.random.default_rng(1).normal(0, 100, round(seconds * rate)).astype(np.int32)
    return Packet(seed_id, START_NS + round(start_s * 1e9), rate, samples)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    def write(packets: list[Packet], stations: str, *, extra: dict[str, str] | None = None) -> Path:
        data = b"".join(miniseed.encode(p) for p in packets)
        (tmp_path / "waveforms.mseed").write_bytes(data)
        (tmp_path / "stations.csv").write_text(HEADER + stations, encoding="utf-8")
        for name, text in (extra or {}).items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_packets_come_in_order_of_arrival_and_hold_every_sample(make: Callable[..., Path]) -> None:
    whole = [packet("XX.A..HHZ"), packet("XX.B..HHZ", 0.37)]
    event_dir = load_event_dir(make(whole, "XX.A..HHZ,30,100,0,1,M/S\nXX.B..HHZ,31,100,0,1,M/S\n"))
    arrivals = list(event_dir.packets(1.0))
    assert [a for a, _ in arrivals] == sorted(a for a, _ in arrivals)
    for original in whole:
        parts = [p for _, p in arrivals if p.seed_id == original.seed_id]
        np.testing.assert_array_equal(np.concatenate([p.samples for p in parts]), original.samples)
        assert parts[0].start_ns == original.start_ns
    for arrival_ns, p in arrivals:
        assert arrival_ns == p.start_ns + round((len(p.samples) - 1) * 1e9 / p.sampling_rate)


def test_channel_without_metadata_is_named_and_the_rest_runs(make: Callable[..., Path]) -> None:
    event_dir = load_event_dir(
        make([packet("XX.A..HHZ"), packet("XX.B..HHZ")], "XX.A..HHZ,30,100,0,1,M/S\n")
    )
    assert list(event_dir.inventory) == ["XX.A..HHZ"]
    assert any("XX.B..HHZ" in note for note in event_dir.notes)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("XX.A..HHZ,,100,0,1,M/S", "line 2: XX.A..HHZ has no latitude"),
        ("XX.A..HHZ,30,100,0,,M/S", "line 2: XX.A..HHZ has no gain"),
        ("XX.A..HHZ,30,100,0,0,M/S", "line 2: XX.A..HHZ has no gain"),
        ("XX.A..HHZ,30,100,0,nan,M/S", "line 2: XX.A..HHZ has no gain"),
        ("XX.A..HHZ,130,100,0,1,M/S", "line 2: XX.A..HHZ lies nowhere"),
        ("XX.A..HHZ,30,100,0,1,PA", "line 2: XX.A..HHZ is in 'PA'"),
        ("XX-A,30,100,0,1,M/S", "is not NET.STA.LOC.CHA"),
    ],
)
def test_bad_row_is_named_by_its_line_and_the_rest_runs(
    make: Callable[..., Path], row: str, complaint: str
) -> None:
    folder = make([packet("XX.A..HHZ"), packet("XX.B..HHZ")], f"{row}\nXX.B..HHZ,31,100,0,1,M/S\n")
    event_dir = load_event_dir(folder)
    assert list(event_dir.inventory) == ["XX.B..HHZ"]
    assert any(complaint in note for note in event_dir.notes)


def test_garbage_between_records_is_named_and_passed_over(make: Callable[..., Path]) -> None:
    folder = make([packet("XX.A..HHZ")], "XX.A..HHZ,30,100,0,1,M/S\n")
    data = (folder / "waveforms.mseed").read_bytes()
    (folder / "waveforms.mseed").write_bytes(data[:512] + b"\x07garbage" * 40 + data[512:])
    event_dir = load_event_dir(folder)
    assert sum(len(run.samples) for run in event_dir.runs) == 2000
    assert any("can't be read" in note for note in event_dir.notes)


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        ("waveforms.mseed", "no waveforms.mseed"),
        ("stations.csv", "neither stations.xml nor stations.csv"),
    ],
)
def test_missing_file_is_named(make: Callable[..., Path], missing: str, complaint: str) -> None:
    folder = make([packet("XX.A..HHZ")], "XX.A..HHZ,30,100,0,1,M/S\n")
    (folder / missing).unlink()
    with pytest.raises(InputError, match=complaint):
        load_event_dir(folder)


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("waveforms.mseed", "no waves at all", "not one miniSEED record"),
        ("stations.csv", "a,b\n1,2\n", "no column"),
        ("event.json", "{", "can't read the catalogue origin"),
        ("event.json", '{"latitude": 1}', "no 'origin_time'"),
    ],
)
def test_unusable_file_is_named(
    make: Callable[..., Path], name: str, text: str, complaint: str
) -> None:
    folder = make([packet("XX.A..HHZ")], "XX.A..HHZ,30,100,0,1,M/S\n", extra={name: text})
    with pytest.raises(InputError, match=complaint):
        load_event_dir(folder)


def test_bad_analyst_pick_is_named_by_its_line(make: Callable[..., Path]) -> None:
    picks = (
        "seed_id,phase,time,source\nXX.A..HHZ,P,yesterday,me\nXX.A..HHZ,P,2019-06-17T14:55:45Z,me\n"
    )
    event_dir = load_event_dir(
        make([packet("XX.A..HHZ")], "XX.A..HHZ,30,100,0,1,M/S\n", extra={"picks.csv": picks})
    )
    assert len(event_dir.analyst_picks) == 1
    assert any("picks.csv line 2" in note for note in event_dir.notes)


def test_changing_rate_is_told(make: Callable[..., Path]) -> None:
    packets = [packet("XX.A..HHZ"), packet("XX.A..HHZ", 20.0, rate=50.0)]
    event_dir = load_event_dir(make(packets, "XX.A..HHZ,30,100,0,1,M/S\n"))
    assert any(
        "XX.A..HHZ: sampling rate changes between 50 and 100 Hz" in note for note in event_dir.notes
    )


def test_stationxml_gives_gain_and_place(make: Callable[..., Path]) -> None:
    import obspy  # noqa: PLC0415

    stream, inventory = obspy.read(), obspy.read_inventory()
    folder = make([packet("XX.A..HHZ")], "")
    (folder / "stations.csv").unlink()
    for trace in stream:
        trace.data = trace.data.astype("float32")
    stream.write(str(folder / "waveforms.mseed"), format="MSEED")
    inventory.write(str(folder / "stations.xml"), format="STATIONXML")
    event_dir = load_event_dir(folder)
    channel = event_dir.inventory["BW.RJOB..EHZ"]
    assert channel.input_units == "M/S"
    assert channel.gain == pytest.approx(2.5168e9, rel=1e-3)
    assert channel.latitude == pytest.approx(47.737, abs=1e-3)
