"""What reads bytes from outside: right ones to begin with, and what may be raised about wrong
ones."""

import itertools
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from ew import Config, Packet, PickerBank
from ew.alerts.message import (
    parse_alert,
    parse_event,
    parse_heartbeat,
    parse_receipt,
)
from ew.alerts.trust import Verifier, root_from_pem
from ew.api.models import DeviceIn, OriginIn
from ew.config import load_config
from ew.config.explain import as_toml
from ew.errors import ConfigError, InputError, MessageError
from ew.sources import openeew, shake
from ew.sources.inventory import parse_csv, parse_stationxml
from ew.sources.miniseed import decode as decode_miniseed
from ew.sources.miniseed import decode_growing, read_runs
from ew.sources.miniseed import encode as encode_miniseed
from ew.sources.picks import decode_ends, decode_report
from ew.sources.slproto import Framer, Version
from ew.storage.resume import load_resume
from mqtt_broker import decode, encode
from mqtt_broker.packets import V5, V311, ProtocolError, Type

ROOT = Path(__file__).parents[2]
FOLDER = Path(tempfile.mkdtemp(prefix="ew-fuzz-"))


@dataclass(frozen=True)
class Target:
    """``read`` takes any bytes and raises at worst one of ``allowed``."""

    samples: Sequence[bytes]
    read: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...] = ()


# Records and frames

START_NS = 1_600_000_000_000_000_000
WAVE = (np.sin(np.arange(900) / 7) * 1e4).astype(np.int32)
PACKETS = [Packet("XX.A..HHZ", START_NS, 100.0, WAVE), Packet("XX.B.00.HNZ", START_NS, 50.0, WAVE)]
RECORDS = [encode_miniseed(packet) for packet in PACKETS]
RECORDS += [encode_miniseed(packet, version=3) for packet in PACKETS]
BANK = PickerBank()


def miniseed(data: bytes) -> None:
    decoded = decode_miniseed(data)
    assert decoded.packets or decoded.notes or not data
    growing, done = decode_growing(data)
    assert 0 <= done <= len(data)
    for packet in [*decoded.packets, *growing.packets, *read_runs(data).packets]:
        assert packet.end_ns >= packet.start_ns
        BANK.process([packet])


def frames(version: Version) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        framer = Framer(version)
        for begin in range(0, len(data), 97):
            for frame in framer.feed(data[begin : begin + 97]):
                decode_miniseed(frame.payload)

    return read


SL3 = b"".join(b"SL%06X" % number + record[:512] for number, record in enumerate(RECORDS))
SL4 = b"".join(
    b"SE2D" + len(one).to_bytes(4, "little") + n.to_bytes(8, "little") + b"\x04XX_A" + one
    for n, one in enumerate(RECORDS)
)


OPENEEW = json.dumps(
    {
        "device_id": "000a",
        "traces": [
            {"x": [0.1] * 31, "y": [0.2] * 31, "z": [0.3] * 31, "sr": 31.25, "t": 1.6e9 + n}
            for n in range(3)
        ],
    }
).encode()


# Station files and configuration

CHANNEL = """<Channel code="{code}" locationCode="">
<Latitude>30.1</Latitude><Longitude>103.2</Longitude>
<Elevation>400</Elevation><Depth>0</Depth><Dip>-90</Dip><SampleRate>100</SampleRate><Response>
<InstrumentSensitivity><Value>6.3e8</Value><Frequency>1</Frequency><InputUnits><Name>M/S</Name></InputUnits>
<OutputUnits><Name>COUNTS</Name></OutputUnits></InstrumentSensitivity></Response></Channel>"""
STATIONXML = f"""<?xml version="1.0" encoding="UTF-8"?>
<FDSNStationXML xmlns="http://www.fdsn.org/xml/station/1" schemaVersion="1.1"><Source>x</Source>
<Created>2020-01-01T00:00:00Z</Created>
<Network code="XX"><Station code="A" startDate="2010-01-01T00:00:00Z">
<Latitude>30.1</Latitude><Longitude>103.2</Longitude><Elevation>400</Elevation><Site><Name>A</Name></Site>
{CHANNEL.format(code="HHZ")}{CHANNEL.format(code="HHN")}</Station></Network></FDSNStationXML>""".encode()
ENTITIES = "".join(
    f'<!ENTITY {name} "{f"&{after};" * 10}">' for name, after in itertools.pairwise("abcdefghi")
)
BOMB = STATIONXML.replace(b"<FDSN", f'<!DOCTYPE x [{ENTITIES}<!ENTITY i "x">]><FDSN'.encode(), 1)
BOMB = BOMB.replace(b"<Source>x", b"<Source>&a;", 1)
CSV = b"""seed_id,latitude,longitude,elevation_m,gain,input_units
XX.A..HHZ,30.1,103.2,400,6.3e8,M/S
XX.B.00.HNZ,"30,2",103.5,,4e5,M/S**2
"""
SETTINGS = [
    as_toml(Config()).encode(),
    (
        b'[service]\nseedlink = [{ host = "h", select = ["XS_*:HHZ"] }]\n'
        b'[[policy.regions]]\nname = "x"\npolygon = [[30, 100], [31, 101], [30, 102]]\n'
        b"[[locate.layers]]\ntop_km = 0\nvp_km_s = 5.8\nvs_km_s = 3.4\n"
    ),
]


def settings(data: bytes) -> None:
    file = FOLDER / "ew.toml"
    file.write_bytes(data)
    load_config(file)


def resume(data: bytes) -> None:
    file = FOLDER / "ew.resume.json"
    file.write_bytes(data)
    load_resume(file)


# MQTT packets, and what is in them


def publish(version: int) -> bytes:
    head, tail = encode.publish_parts(version, "ew/v1/receipt/a", b"{}", 1, retain=False, items=[])
    return head + b"\x00\x07" + tail


def connect(version: int) -> bytes:
    properties = b"\x05\x11\x00\x00\x00\x3c" if version == V5 else b""
    head = encode.text("MQTT") + bytes([version, 0xC2]) + b"\x00\x3c" + properties
    words = b"".join(encode.text(word) for word in ("client", "user", "word"))
    return encode.packet(Type.CONNECT, 0, head + words)


def subscribe(version: int) -> bytes:
    properties = b"\x00" if version == V5 else b""
    filters = b"".join(encode.text(one) + b"\x01" for one in ("ew/v1/alert/#", "ew/v1/keys"))
    return encode.packet(Type.SUBSCRIBE, 2, b"\x00\x07" + properties + filters)


def mqtt(version: int) -> Target:
    def read(data: bytes) -> None:
        splitter = decode.Splitter(64 * 1024)
        for begin in range(0, len(data), 53):
            for kind, flags, body in splitter.feed(data[begin : begin + 53]):
                if kind == Type.CONNECT:
                    decode.parse_connect(body)
                elif kind == Type.PUBLISH:
                    decode.parse_publish(version, flags, body)
                elif kind == Type.SUBSCRIBE:
                    decode.parse_subscribe(version, flags, body)
                elif kind == Type.UNSUBSCRIBE:
                    decode.parse_unsubscribe(version, flags, body)
                elif kind == Type.DISCONNECT:
                    decode.parse_disconnect(version, body)
                elif kind in (Type.PUBACK, Type.PUBREC, Type.PUBREL, Type.PUBCOMP):
                    decode.parse_ack(version, Type(kind), body)

    whole = connect(version) + subscribe(version) + publish(version) * 2
    return Target([whole, connect(version), publish(version)], read, (ProtocolError,))


VECTORS = json.loads((ROOT / "docs" / "test-vectors.json").read_text(encoding="utf-8"))
PAYLOADS = [step["payload"].encode() for step in VECTORS["steps"] if step["accept"]]
PAYLOADS += [
    b'{"v":1,"event_id":"ew-1","version":1,"received_us":1560783349000000}',
    b'{"v":1,"detector":"north","ends_ns":{"XX.A..HHZ":1600000000000000000}}',
    (
        b'{"v":1,"detector":"north","seed_id":"XX.A..HHZ","time_ns":1600000000000000000,"trigger_ns":1,'
        b'"decided_ns":2,"snr":9.5,"period_s":null,"amplitude":3.0,"onset_error_s":0.1,"noise_ratio":1.1,'
        b'"noise_m":[1e-9,1e-9,1e-9],"peaks_m":[[1e-6],[1e-6],[1e-6]],"first_bin":2,"end_ns":3}'
    ),
]
READERS: list[Callable[[bytes], object]] = [
    parse_alert, parse_event, parse_heartbeat, parse_receipt, decode_report, decode_ends,
    Verifier([root_from_pem(VECTORS["root"].encode(), "root")]).update,
]  # fmt: skip


def messages(data: bytes) -> None:
    for read in READERS:
        try:
            read(data)
        except MessageError:
            continue


# Bodies of the API

BODIES = [
    b'{"device_id":"tv-1","kind":"tv","latitude":29.8,"longitude":103.8}',
    (
        b'{"source":"icl","event_id":"1","time":"2026-11-27T08:00:00Z","latitude":29.5,"longitude":103.5,'
        b'"depth_km":10,"magnitude":6.0,"version":1,"cancel":false}'
    ),
]


def bodies(data: bytes) -> None:
    for model in (DeviceIn, OriginIn):
        try:
            model.model_validate_json(data)
        except ValidationError as error:
            error.errors()


def targets() -> dict[str, Callable[[], Target]]:
    """By name, made when asked for."""
    return {
        "miniseed": lambda: Target([*RECORDS, b"".join(RECORDS)], miniseed),
        "seedlink3": lambda: Target([SL3], frames(3), (InputError,)),
        "seedlink4": lambda: Target([SL4], frames(4), (InputError,)),
        "stationxml": lambda: Target(
            [STATIONXML, BOMB], lambda data: parse_stationxml(data, "x.xml"), (InputError,)
        ),
        "shake": lambda: Target(
            [b"{'EHZ', 1582315130.292, 14168, 14927, -16112, 17537}"], shake.parse
        ),
        "openeew": lambda: Target([OPENEEW], openeew.parse, (MessageError,)),
        "csv": lambda: Target(
            [CSV, CSV.decode().encode("utf-16")],
            lambda data: parse_csv(data, "x.csv"),
            (InputError,),
        ),
        "config": lambda: Target(SETTINGS, settings, (ConfigError,)),
        "resume": lambda: Target(
            [b'{"v":1,"versions":[],"sequences":{"h:1":{"*":7}},"sequences_s":1e9,"mode":"test"}'],
            resume,
            (InputError,),
        ),
        "mqtt311": lambda: mqtt(V311),
        "mqtt5": lambda: mqtt(V5),
        "messages": lambda: Target(PAYLOADS, messages),
        "bodies": lambda: Target(BODIES, bodies),
    }
