"""Recordings as archives keep them: SAC, K-NET and KiK-net files, and SDS archives by time and
place."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import obspy
import orjson
import pytest
from typer.testing import CliRunner

from ew import Packet
from ew.cli.main import app
from ew.errors import InputError
from ew.sources import archive, miniseed
from ew.sources.archive import Wanted, load_sds
from ew.sources.files import load_event_dir
from ew.times import iso_from_seconds
from tests.serving import play, write_inventory

BEGIN_S = 1_560_783_343.0
KNET = """Origin Time       2019/06/17 23:55:43
Lat.              28.340
Long.             104.900
Depth. (km)       16
Mag.              6.0
Station Code      {station}
Station Lat.      28.5000
Station Long.     104.7000
Station Height(m) 300
Record Time       2019/06/17 23:55:58
Sampling Freq(Hz) 100Hz
Duration Time(s)  20
Dir.              {direction}
Scale Factor      3920(gal)/6182761
Max. Acc. (gal)   4.383
Last Correction   2019/06/17 23:55:00
Memo.
"""


def noise(seed: int, count: int = 2000) -> np.ndarray:
    return np.random.default_rng(seed).integers(-5000, 5000, count).astype(np.int32)


def write_knet(path: Path, station: str, direction: str, samples: np.ndarray) -> None:
    rows = [
        "".join(f"{value:9d}" for value in samples[at : at + 8]) for at in range(0, len(samples), 8)
    ]
    path.write_text(KNET.format(station=station, direction=direction) + "\n".join(rows) + "\n")


def test_knet_and_kiknet_files_tell_place_scale_and_time_themselves(tmp_path: Path) -> None:
    for direction in ("N-S", "E-W", "U-D"):
        write_knet(tmp_path / f"AKT013.{direction[0]}W", "AKT013", direction, noise(1))
    for number in "123456":
        write_knet(tmp_path / f"IBRH10.{number}", "IBRH10", number, noise(int(number)))
    event_dir = load_event_dir(tmp_path)
    assert sorted(event_dir.inventory) == [
        *(f"BO.AKT013..HN{axis}" for axis in "ENZ"),
        *(f"BO.IBRH10.{sensor}.HN{axis}" for sensor in ("BH", "SF") for axis in "ENZ"),
    ]
    channel = event_dir.inventory["BO.AKT013..HNZ"]
    assert (channel.latitude, channel.longitude, channel.elevation_m) == (28.5, 104.7, 300.0)
    assert channel.gain == pytest.approx(100 * 6182761 / 3920)
    assert (channel.input_units, channel.dip_deg) == ("M/S**2", -90.0)
    run = next(run for run in event_dir.runs if run.seed_id == "BO.IBRH10.SF.HNZ")
    np.testing.assert_array_equal(run.samples, noise(6))
    assert run.start_ns == round(BEGIN_S * 1e9)  # Japanese time, and 15 s of the logger


def test_obspys_own_knet_file_is_read(tmp_path: Path) -> None:
    found = Path(obspy.__file__).parent / "io/nied/tests/data/test.knet"
    (tmp_path / "AKT0139608110312.EW").write_bytes(found.read_bytes())
    with pytest.raises(InputError, match="no vertical channel"):
        load_event_dir(tmp_path)
    (tmp_path / "AKT0139608110312.UD").write_bytes(found.read_bytes().replace(b"E-W", b"U-D"))
    event_dir = load_event_dir(tmp_path)
    peak_gal = max(
        np.max(np.abs(run.samples - run.samples.mean())) / event_dir.inventory[run.seed_id].gain
        for run in event_dir.runs
    ) * 100  # fmt: skip
    assert peak_gal == pytest.approx(4.383, rel=0.02)  # as its header says


def sac(seed_id: str, samples: np.ndarray, **header: Any) -> bytes:
    network, station, location, channel = seed_id.split(".")
    trace = obspy.Trace(samples.astype(np.float32))
    trace.stats.update(
        {"network": network, "station": station, "location": location, "channel": channel}
        | {"sampling_rate": 100.0, "starttime": obspy.UTCDateTime(BEGIN_S), "sac": header}
    )
    out = io.BytesIO()
    trace.write(out, format="SAC")
    return out.getvalue()


def test_sac_files_are_read_with_a_stations_file_or_a_header_that_tells_the_unit(
    tmp_path: Path,
) -> None:
    place = {"stla": 28.5, "stlo": 104.7, "stel": 300.0, "cmpinc": 0.0}
    (tmp_path / "a.sac").write_bytes(sac("XX.A..HHZ", noise(1), idep=7, **place))
    (tmp_path / "b.SAC").write_bytes(sac("XX.B..HHZ", noise(2), **place))
    (tmp_path / "c").write_bytes(sac("XX.C..HHZ", noise(3)))
    (tmp_path / "readme.txt").write_text("calibrated in May")
    without = load_event_dir(tmp_path)
    assert list(without.inventory) == ["XX.A..HHZ"]
    assert without.inventory["XX.A..HHZ"].gain == 1e9  # nm/s
    assert without.inventory["XX.A..HHZ"].dip_deg == -90.0
    for name in ("XX.B..HHZ", "XX.C..HHZ", "readme.txt"):
        assert any(name in note for note in without.notes)
    (tmp_path / "stations.csv").write_text(
        "seed_id,latitude,longitude,elevation_m,gain,input_units\nXX.B..HHZ,28,104,0,1000,M/S\nXX.A..HHZ,28,104,0,5,M/S\n"
    )
    with_file = load_event_dir(tmp_path)
    assert with_file.inventory["XX.B..HHZ"].gain == 1000
    assert with_file.inventory["XX.A..HHZ"].gain == 5  # the stations file goes first
    run = with_file.runs[0]
    np.testing.assert_array_equal(run.samples, noise(1).astype(np.float32))
    assert run.start_ns == round(BEGIN_S * 1e9)


def test_directory_without_any_waveforms_says_what_it_found(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(100))
    with pytest.raises(InputError, match=r"a\.bin: in no format that obspy reads"):
        load_event_dir(tmp_path)


def write_sds(root: Path, packet: Packet) -> None:
    """Records by day, as slarchive files them."""
    network, station, location, channel = packet.seed_id.split(".")
    data = miniseed.encode(packet)
    for at in range(0, len(data), 512):
        (part,) = miniseed.decode(data[at : at + 512]).packets
        day = obspy.UTCDateTime(part.start_ns / 1e9)
        name = f"{network}.{station}.{location}.{channel}.D.{day.year}.{day.julday:03d}"
        file = root / f"{day.year}" / network / station / f"{channel}.D" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("ab") as opened:
            opened.write(data[at : at + 512])


MIDNIGHT_S = 1_560_816_000.0
CSV = "seed_id,latitude,longitude,elevation_m,gain,input_units\n"


@pytest.fixture
def sds(tmp_path: Path) -> Path:
    """A minute around midnight of three stations, the third without a row in the stations file."""
    for number, station in enumerate("ABC"):
        write_sds(
            tmp_path,
            Packet(
                f"XX.{station}..HHZ", round((MIDNIGHT_S - 30) * 1e9), 100.0, noise(number, 6000)
            ),
        )
    (tmp_path / "stations.csv").write_text(
        CSV + "XX.A..HHZ,28,104,0,1,M/S\nXX.B..HHZ,29,104,0,1,M/S\n"
    )
    return tmp_path


def test_archive_gives_a_time_across_midnight(sds: Path) -> None:
    event_dir = load_sds(sds, Wanted(MIDNIGHT_S - 10, MIDNIGHT_S + 5))
    assert sorted(event_dir.inventory) == ["XX.A..HHZ", "XX.B..HHZ"]
    assert any(note.startswith("XX.C..HHZ") for note in event_dir.notes)
    run, _ = event_dir.runs
    assert run.start_ns == round((MIDNIGHT_S - 10) * 1e9)
    np.testing.assert_array_equal(run.samples, noise(0, 6000)[2000:3501])


def test_archive_gives_the_stations_within_a_place(sds: Path) -> None:
    wanted = Wanted(MIDNIGHT_S - 10, MIDNIGHT_S + 5, (28.0, 104.0, 50.0))
    assert list(load_sds(sds, wanted).inventory) == ["XX.A..HHZ"]


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (Wanted(MIDNIGHT_S, MIDNIGHT_S), "--to must be later"),
        (Wanted(MIDNIGHT_S + 9e6, MIDNIGHT_S + 9e6 + 60), "no data of 2 channels"),
        (Wanted(MIDNIGHT_S, MIDNIGHT_S + 9, (-28.0, 104.0, 50.0)), "within --place"),
        (Wanted(MIDNIGHT_S, MIDNIGHT_S + 9, stations="/none.xml"), "none.xml"),
    ],
)
def test_archive_that_has_nothing_of_it_says_what_is_wrong(
    sds: Path, wanted: Wanted, complaint: str
) -> None:
    with pytest.raises(InputError, match=complaint):
        load_sds(sds, wanted)


def test_more_than_memory_holds_is_refused(sds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_SAMPLES", 1000)
    with pytest.raises(InputError, match="ask for less time"):
        load_sds(sds, Wanted(MIDNIGHT_S - 10, MIDNIGHT_S + 5))


@pytest.fixture
def replayed(tmp_path: Path) -> Callable[..., Any]:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(app, ["replay", *arguments])

    return run


def test_replay_of_an_archive_finds_the_earthquake(
    tmp_path: Path, replayed: Callable[..., Any]
) -> None:
    shown = play()
    packets = [packet for _, packet in shown.packets(1.0) if packet.seed_id.endswith("Z")]
    for packet in packets:
        counts = np.rint(packet.samples).astype(np.int32)
        write_sds(tmp_path, Packet(packet.seed_id, packet.start_ns, packet.sampling_rate, counts))
    write_inventory(tmp_path / "elsewhere.csv", shown.inventory.values())
    begin_s = min(packet.start_ns for packet in packets) / 1e9
    times = "--from", iso_from_seconds(begin_s), "--to", iso_from_seconds(begin_s + 60)
    config = tmp_path / "ew.toml"
    config.write_text(f'[service]\ninventory = "{tmp_path}/elsewhere.csv"\n')
    result = replayed(
        f"sds:{tmp_path}", *times, "--config", str(config),
        "--place", "29.5,103.5,300", "--report", str(tmp_path / "report.json"),
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    report = orjson.loads((tmp_path / "report.json").read_bytes())
    (event,) = report["events"]
    assert event["versions"][-1]["latitude"] == pytest.approx(29.5, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("sds:/x",), "needs --from TIME --to TIME"),
        (("sds:/x", "--from", "yesterday", "--to", "2020-01-01"), "give ISO 8601"),
        (
            ("sds:/x", "--from", "2020-01-01", "--to", "2020-01-02", "--place", "1,2"),
            "radius in km",
        ),
        ((".", "--from", "2020-01-01"), "for an archive only"),
    ],
)
def test_options_that_do_not_fit_are_told(
    replayed: Callable[..., Any], arguments: tuple[str, ...], complaint: str
) -> None:
    result = replayed(*arguments)
    assert result.exit_code != 0
    assert complaint in str(result.exception)
