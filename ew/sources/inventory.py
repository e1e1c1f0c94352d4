"""Station coordinates and gains from StationXML or CSV.

A channel without coordinates, without a gain, or in a unit that is neither velocity nor acceleration is named and left
out; the rest serves.
"""

import csv
import io
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ew.errors import InputError
from ew.records import Channel, InputUnits

COLUMNS = ("seed_id", "latitude", "longitude", "elevation_m", "gain", "input_units")
UNITS: dict[str, InputUnits] = {
    "M/S": "M/S",
    "M/SEC": "M/S",
    "M/S**2": "M/S**2",
    "M/S^2": "M/S**2",
    "M/S/S": "M/S**2",
    "M/SEC**2": "M/S**2",
}


@dataclass(slots=True)
class Stations:
    """The channels that can be used, and a line for each that can't."""

    channels: dict[str, Channel] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_csv(path: Path) -> Stations:
    """Channels of a ``stations.csv``.

    Raises:
        InputError: the file can't be read or lacks a column.
    """
    stations = Stations()
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = set(COLUMNS) - set(rows.fieldnames or ())
            if missing:
                raise InputError(
                    f"{path}: no column {', '.join(sorted(missing))} in its first line"
                )
            for row in rows:
                _add_row(row, f"{path.name} line {rows.line_num}", stations)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: can't read the stations: {error}") from error
    return stations


def _add_row(row: dict[str, str | None], where: str, stations: Stations) -> None:
    seed_id = (row["seed_id"] or "").strip()
    if seed_id.count(".") != 3:
        stations.notes.append(f"{where}: seed_id {seed_id!r} is not NET.STA.LOC.CHA")
        return
    numbers: dict[str, float] = {}
    for name in ("latitude", "longitude", "elevation_m", "gain"):
        try:
            numbers[name] = float(row[name] or ("0" if name == "elevation_m" else ""))
        except ValueError:
            stations.notes.append(
                f"{where}: {seed_id} has no {name} ({row[name]!r} is not a number)"
            )
            return
    _add(stations, where, seed_id, units=row["input_units"] or "", **numbers)


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
) -> None:
    known = UNITS.get(units.strip().upper())
    if not (abs(latitude) <= 90 and abs(longitude) <= 180):
        stations.notes.append(f"{where}: {seed_id} lies nowhere ({latitude}, {longitude})")
    elif not (math.isfinite(gain) and gain != 0):
        stations.notes.append(f"{where}: {seed_id} has no gain ({gain})")
    elif known is None:
        allowed = " or ".join(get_args(InputUnits))
        stations.notes.append(f"{where}: {seed_id} is in {units!r}, not {allowed}")
    else:
        # A negative gain is a sensor wired the other way round; peaks and ratios don't mind
        stations.channels[seed_id] = Channel(
            seed_id, latitude, longitude, elevation_m, abs(gain), known
        )


def read_stationxml(path: Path, at_s: float | None = None) -> Stations:
    """Channels of a StationXML file, with the overall sensitivity of each response as its gain.

    Of several epochs of one channel that which holds ``at_s`` (epoch s) counts, or else the last.

    Raises:
        InputError: the file can't be read.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: can't read the stations: {error.strerror}") from error
    return parse_stationxml(data, str(path), at_s)


def parse_stationxml(data: bytes, where: str, at_s: float | None = None) -> Stations:
    """The same from a document's bytes; ``where`` is what messages call it.

    Raises:
        InputError: it is no StationXML.
    """
    from obspy import read_inventory  # noqa: PLC0415 - slow to load, and only needed for StationXML

    try:
        inventory = read_inventory(io.BytesIO(data), format="STATIONXML")
    except Exception as error:
        raise InputError(f"{where}: can't read it as StationXML: {error}") from error
    return from_obspy(inventory, where.rpartition("/")[2] or where, at_s)


def from_obspy(inventory: Any, where: str, at_s: float | None = None) -> Stations:  # noqa: ANN401 - obspy is untyped
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
        sensitivity = channel.response and channel.response.instrument_sensitivity
        if not sensitivity or not sensitivity.value:
            stations.notes.append(f"{where}: {seed_id} has no response")
            continue
        _add(
            stations,
            where,
            seed_id,
            latitude=float(channel.latitude),
            longitude=float(channel.longitude),
            elevation_m=float(channel.elevation or 0.0),
            gain=float(sensitivity.value),
            units=str(sensitivity.input_units),
        )
    return stations


def _epoch(epochs: list[Any], at_s: float | None) -> Any:  # noqa: ANN401 - obspy is untyped
    """The epoch of a channel that holds a moment, or else the last."""
    ordered = sorted(epochs, key=lambda item: item.start_date.timestamp if item.start_date else 0.0)
    for epoch in reversed(ordered):
        begins = epoch.start_date is None or at_s is None or epoch.start_date.timestamp <= at_s
        ends = epoch.end_date is not None and at_s is not None and epoch.end_date.timestamp < at_s
        if begins and not ends:
            return epoch
    return ordered[-1]
