"""COSMOS strong-motion files: the headers of the format's own example, with values that can be
checked."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ew.sources import cosmos
from ew.sources.files import load_event_dir

HEAD = """Corrected acceleration    (Format v01.20 with 13 text lines) Src: fakefile.txt
Somewhere in Los Angeles, CA            June 16,2005 13:53 PDT
Hypocenter: 34.0580  -117.0110  H= 12km(SCSN) ML=4.9, Mw=4.8(CIT), Ms=4.2(NEIC)
Origin: 06/16/2005, 20:53:26.1 UTC (SCSN)
Statn No: 01-23075  Code:CE-J2236  CDMG Yucaipa - Bryant & Oak Glen
Coords: 34.0460 -117.0350  Site Geology:  geology description here
Recorder: SSA-2  s/n 1238 ( 1 Chns of 12  at Sta) Sensor:FBA-11  s/n 1889
Rcrd start time:06/16/2005, 20:53:04.400 UTC (Q=2) RcrdId: 23075-L1889-05167.06
Sta Cha:  1: 340 deg (Rcrdr Chan  1) Location: building location description
Raw record length = 70.000  sec, Uncor max =   -.167 g  at   27.850 sec
Processed: 06/17/2005, 12:01:00 PDT      Max =  -161.962 cm/sec2  at  27.850 sec
Record filtered below 0.30  Hz (periods over  14.5 secs), and above 40.0 Hz
Values used when parameter or data value is unknown/unspecified:   -999, -999.0
"""
VALUES = np.round(100 * np.sin(np.arange(1003) / 9), 5)


def channel(azimuth: int, *, parameter: int = 1, unit: int = 4, values: np.ndarray = VALUES) -> str:
    integers, reals = [-999] * 100, [-999.0] * 100
    integers[:3] = [2, parameter, unit]
    integers[39:45] = [2005, 167, 6, 16, 20, 53]
    integers[53] = azimuth
    reals[:3] = [34.046, -117.035, 15.0]
    reals[29], reals[33], reals[61] = 4.4, 0.005, 10.0

    def rows(shown: list[str], a_line: int) -> str:
        return "".join(
            "".join(shown[at : at + a_line]) + "\n" for at in range(0, len(shown), a_line)
        )

    return (
        HEAD
        + " 100 Integer-header values follow on  10 lines, Format= (10I8)\n"
        + rows([f"{value:8d}" for value in integers], 10)
        + " 100 Real-header values follow on  17 lines, Format= (6F13.6)\n"
        + rows([f"{value:13.6f}" for value in reals], 6)
        + '  2 Comment line(s) follow, each starting with a "|":\n | one\n | 7 two\n'
        + f"{len(values):7d}  acceleration pts, approx   10 secs, "
        + "units=cm/sec2(04),Format=(8F10.5)\n"
        + rows([f"{value:10.5f}" for value in values], 8)
        + "End-of-data for Chan  1 acceleration\n"
    )


def test_three_channels_of_a_file_are_a_station_that_can_be_replayed(tmp_path: Path) -> None:
    text = channel(0) + channel(90) + channel(400)
    (tmp_path / "CEJ2236.V2").write_text(text)
    event_dir = load_event_dir(tmp_path)
    assert sorted(event_dir.inventory) == [f"CE.J2236..HN{axis}" for axis in "ENZ"]
    vertical = event_dir.inventory["CE.J2236..HNZ"]
    assert (vertical.latitude, vertical.longitude, vertical.elevation_m) == (34.046, -117.035, 15)
    assert (vertical.gain, vertical.input_units, vertical.dip_deg) == (100, "M/S**2", -90)
    run = next(run for run in event_dir.runs if run.seed_id == "CE.J2236..HNZ")
    np.testing.assert_allclose(run.samples, VALUES)
    assert run.sampling_rate == 100
    assert run.start_ns == 1118955184_400_000_000  # 2005-06-16T20:53:04.4Z, as its eighth line says


def test_values_that_touch_are_told_apart_by_their_width() -> None:
    touching = np.array([-123.45678, -123.45678, 9999.0, -0.00001])
    (part,), _ = cosmos.parse(channel(0, values=touching).encode(), "x")
    np.testing.assert_allclose(part.packet.samples, touching)


def test_channels_of_a_building_have_locations_of_their_own() -> None:
    parts, notes = cosmos.parse((channel(340) + channel(400) + channel(340)).encode(), "x")
    assert [part.packet.seed_id for part in parts] == [
        "CE.J2236..HN1", "CE.J2236..HNZ", "CE.J2236.01.HN1"
    ]  # fmt: skip
    assert [part.channel.seed_id for part in parts] == [part.packet.seed_id for part in parts]
    assert notes == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (channel(0, parameter=2, unit=5), "parameter 2 in unit 5"),
        (channel(0, unit=50), "unit 50"),
        (channel(0).replace("Code:CE-J2236", ""), "no station code"),
        (channel(0).replace("    10.000000", "     0.000000"), "a sample every 0.0 ms"),
        (channel(0)[:3000], "ends too early"),
        (channel(0).replace("Format=(8F10.5)", ""), "no format"),
    ],
)
def test_channel_that_can_not_be_used_is_named_and_the_others_are_read(
    text: str, complaint: str
) -> None:
    parts, notes = cosmos.parse((text + channel(90)).encode(), "x.V1")
    assert [part.packet.seed_id for part in parts] == ["CE.J2236..HNE"]
    assert any(note.startswith("x.V1: channel 1") and complaint in note for note in notes), notes


@given(st.integers(0, 9000), st.binary(max_size=30))
def test_altered_files_are_read_or_named(at: int, noise: bytes) -> None:
    data = channel(400).encode()
    cosmos.parse(data[:at] + noise + data[at + len(noise) :], "x")
