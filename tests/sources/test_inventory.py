"""Stations from StationXML and from an FDSN station service: what can be used is, what can't is
named."""

import contextlib
import copy
import io
import logging
import math
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import obspy
import pytest

from ew.config import Config
from ew.config.service import ServiceConfig
from ew.errors import InputError
from ew.service.loading import load_inventory
from ew.sources.fdsn import read_stations
from ew.sources.inventory import parse_csv, parse_stationxml, read_inventory

Handler = Callable[[BaseHTTPRequestHandler], None]


def stationxml(*, without_response: str = "", level: str = "channel") -> bytes:
    """obspy's example stations, the responses of some channels left out."""
    inventory = obspy.read_inventory()
    for network in inventory:
        for station in network:
            if level == "station":
                station.channels = []
            for channel in station:
                if channel.code == without_response:
                    channel.response = None
    out = io.BytesIO()
    inventory.write(out, format="STATIONXML")
    return out.getvalue()


@contextlib.contextmanager
def station_service(handle: Handler) -> Iterator[str]:
    """A web service on a free port of 127.0.0.1; the URL of a query to it."""

    class Service(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(ConnectionError):
                handle(self)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        running = threading.Thread(target=server.serve_forever, args=(0.01,))
        running.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/fdsnws/station/1/query?level=channel"
        finally:
            server.shutdown()
            running.join()


def answers(body: bytes, status: int = 200, length: int | None = None) -> Handler:
    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Length", str(len(body) if length is None else length))
        request.end_headers()
        request.wfile.write(body)

    return handle


def test_channel_without_response_is_named_and_the_rest_serves() -> None:
    whole = parse_stationxml(stationxml(), "stations.xml")
    stations = parse_stationxml(stationxml(without_response="EHZ"), "stations.xml")
    left_out = {seed_id for seed_id in whole.channels if seed_id.endswith("EHZ")}
    assert left_out
    assert set(stations.channels) == set(whole.channels) - left_out
    for seed_id in left_out:
        assert f"stations.xml: {seed_id} has no response" in stations.notes


def test_service_takes_its_stations_from_a_station_service(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []

    def handle(request: BaseHTTPRequestHandler) -> None:
        asked.append(request.path)
        answers(stationxml(without_response="EHZ"))(request)

    database = tmp_path / "ew.sqlite"
    with station_service(handle) as url, caplog.at_level(logging.WARNING):
        config = Config(service=ServiceConfig(inventory=url, database=database))
        channels = load_inventory(config)
    assert asked == ["/fdsnws/station/1/query?level=channel"]
    assert channels["BW.RJOB..EHN"].gain == pytest.approx(2.5168e9, rel=1e-3)
    assert "BW.RJOB..EHZ has no response" in caplog.text
    # The service has gone; a restart goes on with what it said, and tells
    again = load_inventory(config)
    assert again == channels
    assert f"{url}: can't reach it" in caplog.text
    assert "going on with its last answer" in caplog.text


@pytest.mark.parametrize(
    ("handle", "complaint"),
    [
        (answers(b"", 204), "no station fits the query"),
        (answers(b"Error 400: Bad request\nmore", 400), "HTTP 400 .*Error 400: Bad request"),
        (answers(b"moved house", 500), "HTTP 500 .*moved house"),
        (answers(b"<html>welcome</html>"), "can't read it as StationXML"),
        (answers(stationxml(level="station")), "does the query say level=channel"),
        (answers(stationxml()[:3000], length=50_000), "ended .* bytes too soon"),
        (answers(b" " * 70_000), "more than 60000 bytes"),
    ],
)
def test_answer_that_cannot_be_used_is_told_with_the_url(
    tmp_path: Path, handle: Handler, complaint: str
) -> None:
    kept = tmp_path / "kept.xml"
    with station_service(handle) as url:
        with pytest.raises(InputError, match=complaint) as raised:
            read_stations(url, kept, most_bytes=60_000)
        assert str(raised.value).startswith(url)
    assert not kept.exists()


@pytest.mark.parametrize("drips", [False, True])
def test_service_that_never_finishes_is_given_up(tmp_path: Path, drips: bool) -> None:
    given_up = threading.Event()

    def handle(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        while drips and not given_up.wait(0.01):
            request.wfile.write(b" ")
            request.wfile.flush()
        given_up.wait(30)

    with station_service(handle) as url:
        with pytest.raises(InputError, match=r"timed out|not all there in time"):
            read_stations(url, tmp_path / "kept.xml", timeout_s=0.3)
        given_up.set()


def test_nobody_there_is_told_with_the_url(tmp_path: Path) -> None:
    with station_service(answers(b"")) as url:
        pass
    with pytest.raises(InputError, match="can't reach it"):
        read_stations(url, tmp_path / "kept.xml")


def test_the_epoch_that_holds_the_data_gives_the_gain() -> None:
    """A digitiser was changed in 2006: its gain was a quarter before."""
    inventory = obspy.read_inventory()
    station = inventory[0][0]
    later = station.channels[0]
    earlier = copy.deepcopy(later)
    gain = later.response.instrument_sensitivity.value
    earlier.response.instrument_sensitivity.value = gain / 4
    change = obspy.UTCDateTime(2006, 1, 1)
    earlier.start_date, earlier.end_date = obspy.UTCDateTime(2000, 1, 1), change
    later.start_date, later.end_date = change, None
    station.channels = [later, earlier]  # in whatever order the file has them
    seed_id = f"{inventory[0].code}.{station.code}.{later.location_code}.{later.code}"
    out = io.BytesIO()
    inventory.write(out, format="STATIONXML")

    def gain_at(at_s: float | None) -> float:
        return parse_stationxml(out.getvalue(), "x.xml", at_s).channels[seed_id].gain

    assert gain_at(obspy.UTCDateTime(2005, 6, 1).timestamp) == pytest.approx(gain / 4)
    assert gain_at(obspy.UTCDateTime(2006, 6, 1).timestamp) == pytest.approx(gain)
    assert gain_at(None) == pytest.approx(gain)
    then = parse_stationxml(out.getvalue(), "x.xml", obspy.UTCDateTime(2005, 6, 1).timestamp)
    assert then.channels[seed_id].until_s == change.timestamp
    assert parse_stationxml(out.getvalue(), "x.xml").channels[seed_id].until_s == math.inf
    before = parse_stationxml(out.getvalue(), "x.xml", obspy.UTCDateTime(1999, 1, 1).timestamp)
    assert seed_id not in before.channels
    assert f"x.xml: {seed_id} has no epoch at the time of the data" in before.notes


@pytest.mark.parametrize(
    ("units", "kind", "factor"),
    [
        ("M/S", "M/S", 1.0),
        ("cm/s", "M/S", 1e-2),
        ("NM/S", "M/S", 1e-9),
        ("mm/sec", "M/S", 1e-3),
        ("M/S**2", "M/S**2", 1.0),
        ("CM/S**2", "M/S**2", 1e-2),
        ("cm/s2", "M/S**2", 1e-2),
        ("GAL", "M/S**2", 1e-2),
        ("m/s/s", "M/S**2", 1.0),
    ],
)
def test_gain_is_counts_per_metre_whatever_the_units(units: str, kind: str, factor: float) -> None:
    text = f"seed_id,latitude,longitude,elevation_m,gain,input_units\nXX.A..HNZ,1,2,0,500,{units}\n"
    channel = parse_csv(text.encode(), "s.csv").channels["XX.A..HNZ"]
    assert (channel.input_units, channel.gain) == (kind, pytest.approx(500 / factor))


@pytest.mark.parametrize("units", ["M", "PA", "V", "", "COUNTS", "M/S**3"])
def test_units_that_are_no_motion_are_named(units: str) -> None:
    text = f"seed_id,latitude,longitude,elevation_m,gain,input_units\nXX.A..HNZ,1,2,0,500,{units}\n"
    found = parse_csv(text.encode(), "s.csv")
    assert found.channels == {}
    assert "XX.A..HNZ" in found.notes[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_csv_of_a_spreadsheet_is_read(encoding: str) -> None:
    text = (
        "Seed_ID;LATITUDE;Longitude;elevation_m;Gain;Input_Units\r\n"
        "XX.A.--.HNZ;-17,5;179,9;12;1000,5;M/S**2\r\n"
    )
    (channel,) = parse_csv(text.encode(encoding), "s.csv").channels.values()
    assert channel.seed_id == "XX.A..HNZ"
    assert (channel.latitude, channel.longitude) == (-17.5, 179.9)
    assert channel.gain == 1000.5


def test_gain_by_stages_alone_is_their_product(tmp_path: Path) -> None:
    inventory = obspy.read_inventory()
    for channel in inventory[0][0]:
        channel.response.instrument_sensitivity = None
    path = tmp_path / "network.stationxml"
    inventory.write(str(path), format="STATIONXML")
    channel = inventory[0][0][0]
    seed_id = f"{inventory[0].code}.{inventory[0][0].code}.{channel.location_code}.{channel.code}"
    stages = [s.stage_gain for s in channel.response.response_stages if s.stage_gain]
    found = read_inventory(path, channel.start_date.timestamp + 1)
    assert found.channels[seed_id].gain == pytest.approx(math.prod(stages))
