"""The command line: what it prints, what it writes, how it ends."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import ew
from tests.obspy_event import write_event_dir


@pytest.fixture(scope="module")
def event_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_event_dir(tmp_path_factory.mktemp("unterhaching"))


def test_replay_of_a_real_recording_finds_its_two_earthquakes(
    event_dir: Path, tmp_path: Path
) -> None:
    """Unterhaching, 27 May 2010, 16:24:31 and 16:27:29 UTC, from one source near 48.05 N 11.65
    E."""
    report = tmp_path / "report.json"
    done = ew("replay", str(event_dir), "--packet", "0.5", "--report", str(report))
    assert done.returncode == 0, done.stderr
    data = json.loads(report.read_text())
    assert [e["versions"][0]["origin_time"][:18] for e in data["events"]] == [
        "2010-05-27T16:24:3",
        "2010-05-27T16:27:2",
    ]
    for event in data["events"]:
        first = event["versions"][0]
        assert first["latitude"] == pytest.approx(48.05, abs=0.1)
        assert first["longitude"] == pytest.approx(11.65, abs=0.1)
        assert first["stations"] == 4
        picked = {
            pick["seed_id"] for pick in data["picks"] if pick["event_id"] == event["event_id"]
        }
        assert picked == {"BW.UH1..SHZ", "BW.UH2..SHZ", "BW.UH3..SHZ", "BW.UH4..EHZ"}


def test_same_input_gives_the_same_report_to_the_byte(event_dir: Path, tmp_path: Path) -> None:
    reports = [tmp_path / "one.json", tmp_path / "two.json"]
    for report in reports:
        assert ew("replay", str(event_dir), "--report", str(report)).returncode == 0
    assert reports[0].read_bytes() == reports[1].read_bytes()


def test_quakeml_and_figure_are_written_and_read_back(event_dir: Path, tmp_path: Path) -> None:
    import obspy  # noqa: PLC0415

    quakeml, figure = tmp_path / "events.xml", tmp_path / "replay.png"
    done = ew("replay", str(event_dir), "--quakeml", str(quakeml), "--plot", str(figure))
    assert done.returncode == 0, done.stderr
    events = obspy.read_events(str(quakeml))
    assert len(events) == 2
    for event in events:
        origin = event.preferred_origin()
        assert len(event.picks) == len(origin.arrivals) == 4
        assert abs(origin.arrivals[0].time_residual) < 1.0
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["replay", "/nowhere"], 2, "/nowhere: no such directory"),
        (["replay", "{empty}"], 1, "no waveforms.mseed"),
        (["replay", "{event}", "--packet", "0"], 2, "--packet"),
        (["replay", "{event}", "--speed", "fast"], 2, "--speed"),
        (["replay", "{event}", "--config", "/nowhere.toml"], 2, "/nowhere.toml"),
        (["replay", "{event}", "--report", "/nowhere/report.json"], 1, "/nowhere/report.json"),
        (["demo", "--scenario", "atlantis"], 2, "no scenario 'atlantis'; there are changning"),
        (["demo", "--phones", "-1"], 2, "--phones"),
        (["demo", "--broker", "carrier-pigeon"], 2, "carrier-pigeon"),
        (
            ["demo", "--broker", "mqtt://127.0.0.1:1", "--phones", "1", "--tvs", "0"],
            1,
            "no broker answers",
        ),
        (["simulate", "devices", "--broker", "mqtt://127.0.0.1:1", "--count", "-3"], 2, "--count"),
        (["serve"], 2, "service.inventory"),
        (["fly"], 2, "fly"),
    ],
)
def test_mistake_is_one_clear_line_with_its_exit_code(
    words: list[str], code: int, complaint: str, event_dir: Path, tmp_path: Path
) -> None:
    done = ew(*[word.format(event=event_dir, empty=tmp_path) for word in words])
    assert done.returncode == code, done.stderr
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_scenarios_are_listed() -> None:
    done = ew("scenarios")
    assert done.returncode == 0
    for name in ("changning", "lushan", "luding", "wenchuan"):
        assert name in done.stdout


def test_help_answers_without_loading_the_science() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "ew", "--help"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    for heavy in ("numba", "obspy", "matplotlib", "scipy"):
        assert f" {heavy}\n" not in done.stderr


def test_config_mistakes_are_explained_by_key(tmp_path: Path) -> None:
    file = tmp_path / "ew.toml"
    file.write_text('[picker]\nsta_s = -1\n[policy]\nmode = "loud"\nspeed = 3\n')
    done = ew("config", "check", str(file))
    assert done.returncode == 2
    for part in (
        str(file),
        "picker.sta_s",
        "policy.mode",
        "'actual', 'exercise' or 'test'",
        "policy.speed",
    ):
        assert part in done.stderr
    file.write_text("[picker]\nsta_s = 0.4\n")
    assert ew("config", "check", str(file)).returncode == 0


ISTANBUL = [[40.5, 28.5], [40.5, 29.5], [41.5, 29.5], [41.5, 28.5]]


@pytest.mark.parametrize("has_stations", [True, False])
@pytest.mark.parametrize("is_turned", [True, False])
def test_region_given_as_longitude_and_latitude_is_found_out(
    is_turned: bool, has_stations: bool, tmp_path: Path
) -> None:
    """By the stations where they are known (an error), else by the cities of the world (a
    warning)."""
    file, stations = tmp_path / "ew.toml", tmp_path / "stations.csv"
    stations.write_text(
        "seed_id,latitude,longitude,elevation_m,gain,input_units\n"
        "TU.A..HNZ,41.1,29.0,10,400000,M/S**2\n"
    )
    corners = [corner[::-1] for corner in ISTANBUL] if is_turned else ISTANBUL
    service = f'[service]\ninventory = "{stations}"\n' if has_stations else ""
    file.write_text(f'{service}[[policy.regions]]\nname = "Istanbul"\npolygon = {corners}\n')
    done = ew("config", "check", str(file))
    assert done.returncode == (2 if is_turned and has_stations else 0)
    assert ("[latitude, longitude]" in done.stderr) == is_turned
    assert ("no mistake found" in done.stdout) != is_turned


def test_serve_without_a_configuration_says_what_to_do_and_leaves_nothing(tmp_path: Path) -> None:
    done = ew("serve", cwd=tmp_path)
    assert done.returncode == 2
    first, second = done.stderr.splitlines()
    assert "inventory" in first
    assert "ew init" in second
    assert list(tmp_path.iterdir()) == []


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys, contextlib, io\n"
        "from ew.cli.main import main\n"
        "sys.argv = ['ew', '--help']\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): main()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {
        "numpy",
        "obspy",
        "scipy",
        "fastapi",
        "pydantic",
        "sqlalchemy",
        "matplotlib",
        "aiomqtt",
    }
    assert heavy.isdisjoint(done.stdout.split())
    assert "typer" in done.stdout.split()
