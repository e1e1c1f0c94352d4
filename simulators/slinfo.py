"""PURE: answers to INFO, in XML for SeedLink 3 and in JSON for SeedLink 4.

Elements and attributes follow SeisComP's server (SeedLink 3.1, 2012), members the FDSN (SeedLink
4.0, 2024) and ringserver; GAPS and ALL, which version 4 does not know, have a form like its own.
"""

import fnmatch
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal
from xml.etree import ElementTree as ET

from ew.times import iso_from_ns
from simulators.slring import Ring, Stream

SOFTWARE = "ew simulator"
ORGANIZATION = "ewnet"
LEVELS = ("ID", "CAPABILITIES", "FORMATS", "STATIONS", "STREAMS", "GAPS", "CONNECTIONS", "ALL")
CAPABILITIES = (
    "dialup",
    "multistation",
    "window-extraction",
    *(f"info:{level.lower()}" for level in LEVELS if level != "FORMATS"),
)
_OF_STATIONS = {"STATIONS", "STREAMS", "GAPS", "ALL"}
_OF_STREAMS = {"STREAMS", "GAPS", "ALL"}


@dataclass(slots=True)
class Connection:
    """One client, for INFO CONNECTIONS."""

    host: str = "127.0.0.1"
    port: int = 0
    since_ns: int = 0
    packets: int = 0
    bytes: int = 0
    version: Literal[3, 4] = 3
    user_agent: str = ""
    current_sequence: int = 0


@dataclass(slots=True)
class About:
    """What a server tells of itself."""

    ring: Ring = field(default_factory=lambda: Ring(0))
    started_ns: int = 0
    connections: Sequence[Connection] = ()


def xml(level: str, about: About) -> bytes | None:
    """The answer in SeedLink 3, ``None`` for a level it does not know."""
    if level not in LEVELS or level == "FORMATS":
        return None
    root = ET.Element("seedlink", software=f"SeedLink v3.1 ({SOFTWARE})")
    root.set("organization", ORGANIZATION)
    root.set("started", _v3_time(about.started_ns))
    if level in ("CAPABILITIES", "ALL"):
        for name in CAPABILITIES:
            ET.SubElement(root, "capability", name=name)
    if level in _OF_STATIONS:
        for station, streams in _stations(about.ring.streams()):
            _xml_station(root, station, streams, level)
    if level in ("CONNECTIONS", "ALL"):
        for connection in about.connections:
            _xml_connection(root, connection)
    return b'<?xml version="1.0"?>' + ET.tostring(root)


def _xml_station(
    root: ET.Element, station: str, streams: list[tuple[str, Stream]], level: str
) -> None:
    network, _, name = station.partition("_")
    one = ET.SubElement(root, "station", name=name, network=network, description=f"{name} station")
    one.set("begin_seq", f"{min(s.first.sequence for _, s in streams) & 0xFFFFFF:06X}")
    one.set("end_seq", f"{max(s.last.sequence for _, s in streams) & 0xFFFFFF:06X}")
    one.set("stream_check", "enabled" if level in _OF_STREAMS else "disabled")
    if level not in _OF_STREAMS:
        return
    for seed_id, stream in streams:
        _, _, location, channel = seed_id.split(".")
        part = ET.SubElement(one, "stream", location=location, seedname=channel, type="D")
        part.set("begin_time", _v3_time(stream.first.begin_ns))
        part.set("end_time", _v3_time(stream.last.end_ns))
        part.set("begin_recno", "0")
        part.set("end_recno", "0")
        part.set("gap_check", "enabled")
        part.set("gap_treshold", "0")  # the protocol's spelling
        if level in ("GAPS", "ALL"):
            for begin_ns, end_ns in stream.gaps:
                times = {"begin_time": _v3_time(begin_ns), "end_time": _v3_time(end_ns)}
                ET.SubElement(part, "gap", times)


def _xml_connection(root: ET.Element, connection: Connection) -> None:
    one = ET.SubElement(root, "station", name="CLIENT", network="SL", description="client")
    one.set("begin_seq", "0")
    one.set("end_seq", "0")
    one.set("stream_check", "disabled")
    part = ET.SubElement(one, "connection", host=connection.host, port=str(connection.port))
    part.set("ctime", _v3_time(connection.since_ns))
    part.set("begin_seq", "0")
    part.set("current_seq", f"{connection.current_sequence & 0xFFFFFF:06X}")
    part.set("sequence_gaps", "0")
    part.set("txcount", str(connection.packets))
    part.set("totBytes", str(connection.bytes))
    part.set("begin_seq_valid", "yes")
    part.set("realtime", "yes")
    part.set("end_of_data", "no")


def document(
    level: str, about: About, station: str = "*", stream: str = "*"
) -> dict[str, Any] | None:
    """The answer in SeedLink 4, ``None`` for a level it does not know.

    ``station`` and ``stream`` are patterns.
    """
    if level not in LEVELS:
        return None
    found: dict[str, Any] = {
        "software": f"SeedLink v4.0 ({SOFTWARE})",
        "organization": ORGANIZATION,
        "server_start": iso_from_ns(about.started_ns),
    }
    if level in ("CAPABILITIES", "ALL"):
        found["capability"] = ["SLPROTO:3.1", "SLPROTO:4.0", "TIME"]
    if level in ("FORMATS", "ALL"):
        data = {"D": "data"}
        found["format"] = {
            "2": {"mimetype": "application/vnd.fdsn.mseed", "subformat": data},
            "3": {"mimetype": "application/vnd.fdsn.mseed3", "subformat": data},
        }
        found["filter"] = {"native": "as the record is kept"}
    if level in _OF_STATIONS:
        found["station"] = [
            _json_station(name, streams, stream, level)
            for name, streams in _stations(about.ring.streams())
            if fnmatch.fnmatchcase(name, station)
        ]
    if level in ("CONNECTIONS", "ALL"):
        clients = [_json_connection(connection) for connection in about.connections]
        found["connections"] = {"client_count": len(clients), "client": clients}
    return found


def encoded(found: dict[str, Any]) -> bytes:
    """A document as bytes."""
    return json.dumps(found).encode()


def _json_station(
    name: str, streams: list[tuple[str, Stream]], pattern: str, level: str
) -> dict[str, Any]:
    station: dict[str, Any] = {
        "id": name,
        "description": f"{name} station",
        "start_seq": min(s.first.sequence for _, s in streams),
        "end_seq": max(s.last.sequence for _, s in streams),
    }
    if level in _OF_STREAMS:
        station["stream"] = [
            _json_stream(stream, has_gaps=level in ("GAPS", "ALL"))
            for _, stream in streams
            if fnmatch.fnmatchcase(stream.last.stream, pattern)
        ]
    return station


def _json_stream(stream: Stream, *, has_gaps: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": stream.last.stream,
        "format": "3" if stream.is_version_3 else "2",
        "subformat": "D",
        "start_time": iso_from_ns(stream.first.begin_ns),
        "end_time": iso_from_ns(stream.last.end_ns),
    }
    if has_gaps:
        found["gap"] = [
            {"start_time": iso_from_ns(begin_ns), "end_time": iso_from_ns(end_ns)}
            for begin_ns, end_ns in stream.gaps
        ]
    return found


def _json_connection(connection: Connection) -> dict[str, Any]:
    return {
        "host": connection.host,
        "ip_address": connection.host,
        "client_port": str(connection.port),
        "type": "SeedLink",
        "client_id": connection.user_agent,
        "protocol_version": f"{connection.version}.0",
        "connect_time": iso_from_ns(connection.since_ns),
        "transmit_packets": connection.packets,
        "transmit_bytes": connection.bytes,
    }


def _stations(streams: dict[str, Stream]) -> Iterator[tuple[str, list[tuple[str, Stream]]]]:
    for name, group in groupby(streams.items(), key=lambda item: item[1].last.station):
        yield name, list(group)


def _v3_time(time_ns: int) -> str:
    """A time as SeedLink 3 writes it: ``2024/01/31 12:00:00.0000``."""
    day, _, clock = iso_from_ns(time_ns).rstrip("Z").partition("T")
    return f"{day.replace('-', '/')} {clock[:13]}"
