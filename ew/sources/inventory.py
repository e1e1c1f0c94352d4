"""SHELL: reads station coordinates and gains from StationXML or CSV.

A channel without coordinates, without a gain, or in a unit that is neither velocity nor
acceleration is named and left out. Files come in many forms: CSV from spreadsheets (semicolons,
decimal commas, capitals, UTF-16), StationXML under any name, gains by stages alone, cm and nm for
m. The kind of a file is read from its content and not from its name.
"""

import cmath
import csv
import io
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ew.errors import InputError
from ew.records import Channel, InputUnits, Inventory

COLUMNS = ("seed_id", "latitude", "longitude", "elevation_m", "gain", "input_units")
LENGTHS_M: dict[str, float] = {"M": 1.0, "CM": 1e-2, "MM": 1e-3, "UM": 1e-6, "NM": 1e-9}
"""Units of length in metres (SI)."""
ZERO_RAD_S = 1e-6
FLAT_TO_HZ = 0.05
"""Poles below this frequency do not change the band that is used (from 0.075 Hz), Hz."""
USUAL_DAMPING = 0.7
SHORT_PERIOD_BANDS = "ESDG"
"""Band codes of SEED for sensors with a corner above 0.1 Hz."""
GAL_M_S2 = 0.01
G_M_S2 = 9.80665
"""Standard gravity (CGPM 1901)."""


@dataclass(slots=True)
class Stations:
    """The usable channels, and a line for each that can't be used."""

    channels: dict[str, Channel] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def stations_of(inventory: Inventory) -> list[str]:
    """The stations of an inventory as ``NET_STA``, in order."""
    return sorted({"_".join(seed_id.split(".")[:2]) for seed_id in inventory})


def read_inventory(path: Path, at_s: float | None = None) -> Stations:
    """Channels of a StationXML or CSV file, by its content; epochs as in ``read_stationxml``.

    Raises:
        InputError: the file can't be read; the message says what it looks like.
    """
    data = _read(path)
    start = data.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:200]
    if start.startswith(b"<"):
        return parse_stationxml(data, str(path), at_s)
    return parse_csv(data, str(path))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't read the stations: {error.strerror}") from error


def read_csv(path: Path) -> Stations:
    """Channels of a ``stations.csv``.

    Raises:
        InputError: the file can't be read or lacks a column.
    """
    return parse_csv(_read(path), str(path))


def parse_csv(data: bytes, where: str) -> Stations:
    """Channels of a CSV document; commas, semicolons or tabs, decimal points or commas.

    Raises:
        InputError: it is no text or lacks a column.
    """
    stations = Stations()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        lines = data.decode(encoding).splitlines()
        separator = max(",;\t", key=(lines[0] if lines else "").count)
        rows = csv.DictReader(lines, delimiter=separator)
        names = {name: name.strip().lower() for name in rows.fieldnames or ()}
        missing = set(COLUMNS) - set(names.values())
        if missing:
            raise InputError(f"{where}: no column {', '.join(sorted(missing))} in its first line")
        for row in rows:
            plain = {names[name]: value for name, value in row.items() if name in names}
            _add_row(plain, f"{where.rpartition('/')[2]} line {rows.line_num}", stations)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{where}: can't read the stations: {error}") from error
    return stations


def _add_row(row: dict[str, str | None], where: str, stations: Stations) -> None:
    seed_id = _seed_id((row["seed_id"] or "").strip())
    if seed_id.count(".") != 3:
        stations.notes.append(f"{where}: seed_id {seed_id!r} is not NET.STA.LOC.CHA")
        return
    numbers: dict[str, float] = {}
    for name in ("latitude", "longitude", "elevation_m", "gain"):
        text = (row[name] or ("0" if name == "elevation_m" else "")).strip()
        try:
            numbers[name] = float(text.replace(",", "."))
        except ValueError:
            stations.notes.append(
                f"{where}: {seed_id} has no {name} ({row[name]!r} is not a number)"
            )
            return
    try:
        poles = _corner(row)
    except ValueError:
        stations.notes.append(f"{where}: {seed_id} has a corner_hz or damping that cannot be")
        return
    _add(stations, where, seed_id, units=row["input_units"] or "", poles=poles, **numbers)


def _seed_id(text: str) -> str:
    """A SEED id with an empty location for ``--``, which many programs write."""
    parts = text.split(".")
    if len(parts) == 4 and parts[2].strip() in ("--", ""):
        parts[2] = ""
    return ".".join(part.strip() for part in parts)


def _add(
    stations: Stations,
    where: str,
    seed_id: str,
    *,
    latitude: float,
    longitude: float,
    elevation_m: float,
    gain: float,
    units: str,
    dip_deg: float | None = None,
    poles: tuple[complex, ...] | None = None,
    until_s: float = math.inf,
) -> None:
    scale, known = input_units(units)
    gain /= scale
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        stations.notes.append(f"{where}: {seed_id} lies nowhere ({latitude}, {longitude})")
    elif not (math.isfinite(gain) and gain != 0):
        stations.notes.append(f"{where}: {seed_id} has no gain ({gain})")
    elif known is None:
        allowed = " or ".join(get_args(InputUnits))
        stations.notes.append(f"{where}: {seed_id} is in {units!r}, not {allowed}")
    else:
        # A negative gain is a sensor of reversed polarity; peaks and ratios do not depend on it
        stations.channels[seed_id] = Channel(
            seed_id,
            latitude,
            longitude,
            elevation_m,
            abs(gain),
            known,
            dip_deg,
            (poles or ()) if known == "M/S" else (),
            until_s,
        )
        if known == "M/S" and poles is None and _is_short_period(seed_id):
            stations.notes.append(
                f"{where}: {seed_id} is a short-period sensor by its name, of a corner that is "
                "not known: it makes earthquakes of M 5 and more too small; give corner_hz, or "
                "its poles in StationXML"
            )


def _is_short_period(seed_id: str) -> bool:
    channel = seed_id.rpartition(".")[2]
    return channel[:1] in SHORT_PERIOD_BANDS and channel[1:2] in ("H", "L", "P")


def input_units(text: str) -> tuple[float, InputUnits | None]:
    """A unit in any usual spelling: its size in ours (m/s or m/s²), and which of the two.

    ``None`` where it is neither velocity nor acceleration.
    """
    word = text.strip().upper().replace(" ", "").replace("\u00b2", "**2").replace("\u00b5", "U")
    if word in ("GAL", "GALS"):
        return GAL_M_S2, "M/S**2"
    if word in ("G", "MG"):
        return G_M_S2 * (1.0 if word == "G" else 1e-3), "M/S**2"
    length, _, rate = word.partition("/")
    found = RATES.get(rate)
    return LENGTHS_M.get(length, 1.0), found if length in LENGTHS_M else None


RATES: dict[str, InputUnits] = {
    "S": "M/S",
    "SEC": "M/S",
    "S**2": "M/S**2",
    "S^2": "M/S**2",
    "S2": "M/S**2",
    "S/S": "M/S**2",
    "SEC**2": "M/S**2",
    "SEC/SEC": "M/S**2",
    "(S**2)": "M/S**2",
}
"""The unit by what follows the length: divided by time once is velocity, twice acceleration."""


def read_stationxml(path: Path, at_s: float | None = None) -> Stations:
    """Channels of a StationXML file, with the overall sensitivity of each response as its gain.

    Of several epochs of one channel the one that contains ``at_s`` (epoch s, the time of the data)
    counts. A channel without such an epoch is left out; ``None`` takes the last that has begun.

    Raises:
        InputError: the file can't be read.
    """
    return parse_stationxml(_read(path), str(path), at_s)


def parse_stationxml(data: bytes, where: str, at_s: float | None = None) -> Stations:
    """Channels of a StationXML document, as ``read_stationxml``; messages call it ``where``.

    Raises:
        InputError: it is no StationXML.
    """
    from obspy import read_inventory  # noqa: PLC0415 - slow to load, and only needed for StationXML

    try:
        inventory = read_inventory(io.BytesIO(data), format="STATIONXML")
    except Exception as error:
        raise InputError(f"{where}: can't read it as StationXML: {error}") from error
    return from_obspy(inventory, where.rpartition("/")[2] or where, at_s)


def from_obspy(inventory: Any, where: str, at_s: float | None = None) -> Stations:  # noqa: ANN401
    """Channels of an ``obspy.core.inventory.Inventory``; epochs as in ``read_stationxml``."""
    stations = Stations()
    epochs: dict[str, list[Any]] = {}
    for network in inventory:
        for station in network:
            if not station.channels:
                stations.notes.append(f"{where}: {network.code}.{station.code} lists no channel")
            for channel in station:
                seed_id = f"{network.code}.{station.code}.{channel.location_code}.{channel.code}"
                epochs.setdefault(seed_id, []).append(channel)
    for seed_id, found in epochs.items():
        channel = _epoch(found, at_s)
        if channel is None:
            stations.notes.append(f"{where}: {seed_id} has no epoch at the time of the data")
            continue
        gain, units = _sensitivity(channel.response)
        if not gain:
            stations.notes.append(f"{where}: {seed_id} has no response")
            continue
        _add(
            stations,
            where,
            seed_id,
            latitude=float(channel.latitude),
            longitude=float(channel.longitude),
            elevation_m=float(channel.elevation or 0.0),
            gain=gain,
            units=units,
            dip_deg=None if channel.dip is None else float(channel.dip),
            poles=_poles(channel.response),
            until_s=_until_s(found, channel),
        )
    return stations


def _until_s(epochs: list[Any], epoch: Any) -> float:  # noqa: ANN401 - obspy is untyped
    """The end of an epoch, or the begin of a later one of its channel (epoch s)."""
    begin_s = epoch.start_date.timestamp if epoch.start_date else -math.inf
    starts = [float(one.start_date.timestamp) for one in epochs if one.start_date]
    ends = [float(epoch.end_date.timestamp)] if epoch.end_date else []
    return min([*ends, *(start_s for start_s in starts if start_s > begin_s)], default=math.inf)


def _sensitivity(response: Any) -> tuple[float, str]:  # noqa: ANN401 - obspy is untyped
    """Overall gain and input units: as stated, or of all stages; 0 where there is none."""
    if response is None:
        return 0.0, ""
    stated = response.instrument_sensitivity
    if stated and stated.value:
        return float(stated.value), str(stated.input_units)
    gains = [stage.stage_gain for stage in response.response_stages if stage.stage_gain]
    if not gains:
        return 0.0, ""
    return math.prod(gains), str(response.response_stages[0].input_units or "")


def _poles(response: Any) -> tuple[complex, ...] | None:  # noqa: ANN401 - obspy is untyped
    """The poles (rad/s) at which a velocity sensor falls off to long periods.

    There are as many as it has zeros at 0; ``None`` where the response does not say.
    """
    from obspy.core.inventory.response import PolesZerosResponseStage  # noqa: PLC0415 - slow

    stages = response.response_stages if response is not None else []
    sensor = next((s for s in stages if isinstance(s, PolesZerosResponseStage)), None)
    if sensor is None or "LAPLACE" not in sensor.pz_transfer_function_type:
        return None
    scale = 2 * math.pi if "HERTZ" in sensor.pz_transfer_function_type else 1.0
    zeros = sum(abs(zero) < ZERO_RAD_S for zero in sensor.zeros)
    poles = sorted((scale * complex(pole) for pole in sensor.poles), key=abs)[:zeros]
    return _falling(poles)


def _falling(poles: list[complex]) -> tuple[complex, ...]:
    """The poles that change the band that is used."""
    return tuple(pole for pole in poles if abs(pole) > 2 * math.pi * FLAT_TO_HZ)


def _corner(row: dict[str, str | None]) -> tuple[complex, ...] | None:
    """The poles of a seismometer with ``corner_hz`` (and ``damping``, a share of the critical).

    ``None`` where the row's ``corner_hz`` is empty.

    Raises:
        ValueError: one of them is no number.
    """
    corner_text, damping_text = (
        (row.get(name) or "").strip().replace(",", ".") for name in ("corner_hz", "damping")
    )
    if not corner_text:
        return None
    corner_hz = float(corner_text)
    damping = float(damping_text or f"{USUAL_DAMPING}")
    if not (math.isfinite(corner_hz) and corner_hz >= 0 and 0 < damping <= 10):
        raise ValueError(corner_text)
    root = cmath.sqrt(damping**2 - 1)
    return _falling([2 * math.pi * corner_hz * (-damping + sign * root) for sign in (1, -1)])


def _epoch(epochs: list[Any], at_s: float | None) -> Any | None:  # noqa: ANN401 - obspy is untyped
    """The epoch of a channel that contains a moment (``None``: now), the latest if several do."""
    ordered = sorted(epochs, key=lambda item: item.start_date.timestamp if item.start_date else 0.0)
    if at_s is None:
        at_s = time.time()
    begun = [e for e in ordered if e.start_date is None or e.start_date.timestamp <= at_s]
    holding = [e for e in begun if e.end_date is None or at_s <= e.end_date.timestamp]
    return holding[-1] if holding else None
