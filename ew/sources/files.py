"""SHELL: reads a directory with a recording (``EVENT_DIR``), to be replayed as if it were live.

``waveforms.mseed``, or files in other formats (``recordings``); ``stations.xml`` or
``stations.csv``, unless the waveforms' headers give coordinates and gains; optionally
``event.json`` (a catalogue origin) and ``picks.csv``, which only score.
"""

import csv
import heapq
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ew.components import verticals_of, without_vertical
from ew.errors import InputError
from ew.records import Channel, Origin, Packet
from ew.sources import inventory, miniseed
from ew.sources.recordings import Recording, read_files
from ew.times import NS_PER_S, ns_from_seconds, seconds_from_iso, seconds_from_ns

UNKNOWN = float("nan")


@dataclass(frozen=True, slots=True)
class CatalogueEvent:
    """The content of ``event.json``.

    ``origin`` is ``None`` where no earthquake is expected, its depth NaN where unknown.
    """

    name: str
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class AnalystPick:
    """One line of ``picks.csv``."""

    seed_id: str
    phase: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class EventDir:
    """A recording that can be replayed; ``notes`` name what was skipped."""

    path: Path
    channels: dict[str, Channel]
    runs: list[Packet]
    event: CatalogueEvent | None
    analyst_picks: list[AnalystPick]
    notes: list[str]

    @property
    def inventory(self) -> dict[str, Channel]:
        """The channels that have both data and metadata."""
        return self.channels

    @property
    def spans(self) -> dict[str, list[tuple[float, float]]]:
        """Begin and end (epoch seconds) of each run of samples, by channel."""
        spans: dict[str, list[tuple[float, float]]] = {}
        for run in self.runs:
            span = seconds_from_ns(run.start_ns), seconds_from_ns(run.end_ns)
            spans.setdefault(run.seed_id, []).append(span)
        return spans

    def packets(self, packet_s: float) -> Iterator[tuple[int, Packet]]:
        """Yield (arrival time in ns, packet) in order of arrival.

        Each run is cut into packets of ``packet_s`` seconds from its start; a packet arrives when
        its last sample has been taken.
        """
        streams = [_cut(run, packet_s) for run in self.runs]
        return heapq.merge(*streams, key=lambda item: (item[0], item[1].seed_id))


def _cut(run: Packet, packet_s: float) -> Iterator[tuple[int, Packet]]:
    count = max(1, round(packet_s * run.sampling_rate))
    for first in range(0, len(run.samples), count):
        samples = run.samples[first : first + count]
        start_ns = run.start_ns + round(first * NS_PER_S / run.sampling_rate)
        last_ns = start_ns + round((len(samples) - 1) * NS_PER_S / run.sampling_rate)
        yield last_ns, Packet(run.seed_id, start_ns, run.sampling_rate, samples)


def load_event_dir(path: Path) -> EventDir:
    """Read an ``EVENT_DIR``.

    Raises:
        InputError: it lacks waveforms or stations, or nothing in it can be used; the message names
            the file.
    """
    if not path.is_dir():
        raise InputError(f"{path}: no such directory")
    recording = _recording(path)
    stations = _stations(path, seconds_from_ns(recording.runs[0].start_ns), recording)
    event, picks = _event(path), _analyst_picks(path, recording.notes)
    return assembled(path, recording, stations, event, picks)


def _recording(path: Path) -> Recording:
    """The waveforms of a directory: ``waveforms.mseed``, else all files of any format."""
    waveforms = path / "waveforms.mseed"
    if waveforms.is_file():
        try:
            decoded = miniseed.read_runs(waveforms.read_bytes(), waveforms.name)
        except OSError as error:
            raise InputError(f"{waveforms}: can't read it: {error.strerror}") from error
        if not decoded.packets:
            raise InputError(f"{waveforms}: not one miniSEED record in it can be read")
        return Recording(decoded.packets, {}, decoded.notes)
    files = [file for file in sorted(path.iterdir()) if file.is_file() and not _is_beside(file)]
    recording = read_files(files)
    if not recording.runs:
        found = f" ({recording.notes[0]})" if recording.notes else ""
        raise InputError(
            f"{path}: no waveforms.mseed in it, nor waveforms in another format{found}; "
            "EVENT_DIR holds waveforms and stations.csv or .xml"
        )
    return recording


def assembled(
    path: Path,
    recording: Recording,
    stations: inventory.Stations,
    event: CatalogueEvent | None = None,
    picks: Sequence[AnalystPick] = (),
) -> EventDir:
    """A recording whose coordinates and gains come from a stations file or from its headers.

    Raises:
        InputError: no vertical channel has both waveforms and metadata.
    """
    notes = stations.notes + recording.notes
    known = recording.channels | stations.channels
    runs = []
    for run in recording.runs:
        note = (
            f"{run.seed_id}: has waveforms, but neither a stations file nor its header tells what "
            "its counts are"
        )
        if run.seed_id in known:
            runs.append(run)
        elif note not in notes:
            notes.append(note)
    used = {run.seed_id for run in runs}
    channels = {seed_id: known[seed_id] for seed_id in sorted(used)}
    notes += _rate_notes(runs) + _deaf_notes(channels)
    if not verticals_of(channels):
        first = f": {notes[0]}" if notes else ""
        raise InputError(
            f"{path}: no vertical channel has both waveforms and usable metadata{first}"
        )
    return EventDir(path, channels, runs, event, list(picks), notes)


def _deaf_notes(channels: dict[str, Channel]) -> list[str]:
    """Notes of the sensors without a vertical channel, on which P can't be picked."""
    return [
        f"{sensor}?: no vertical channel (by dip, Z, or 3 beside 1 and 2), so P is not picked there"
        for sensor in without_vertical(channels)
    ]


def _rate_notes(runs: list[Packet]) -> list[str]:
    rates: dict[str, set[float]] = {}
    for run in runs:
        rates.setdefault(run.seed_id, set()).add(run.sampling_rate)
    return [
        f"{seed_id}: sampling rate changes between {min(found):g} and {max(found):g} Hz; "
        "its picker restarts there"
        for seed_id, found in rates.items()
        if max(found) > 1.02 * min(found)
    ]


def _stations(path: Path, at_s: float, recording: Recording) -> inventory.Stations:
    """The stations at a moment (epoch s); they may be missing where headers have the metadata."""
    file = stations_file(path)
    if file is None and recording.channels:
        return inventory.Stations()
    if file is None:
        raise InputError(f"{path}: neither stations.xml nor stations.csv in it")
    stations = inventory.read_inventory(file, at_s)
    if not stations.channels:
        first = f": {stations.notes[0]}" if stations.notes else ""
        raise InputError(f"{file}: no usable channel in it{first}")
    return stations


def stations_file(path: Path) -> Path | None:
    """The stations file of a directory."""
    files = [file for file in sorted(path.iterdir()) if _is_station_file(file)]
    # StationXML has dips and epochs, CSV has not
    return min(files, key=lambda one: one.suffix.lower() == ".csv", default=None)


def _is_beside(file: Path) -> bool:
    """Whether a file of an EVENT_DIR contains something else than waveforms."""
    return _is_station_file(file) or file.name in ("event.json", "picks.csv")


def _is_station_file(file: Path) -> bool:
    """Whether it is ``stations.xml`` or ``.csv`` in any case, or ends as StationXML."""
    name = file.name.lower()
    return file.is_file() and (
        name in ("stations.xml", "stations.csv", "stations.stationxml")
        or name.endswith(".stationxml")
    )


def _event(path: Path) -> CatalogueEvent | None:
    file = path / "event.json"
    if not file.is_file():
        return None
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        name = str(data.get("name", data.get("id", path.name)))
        if data.get("expect") == "no alert":
            return CatalogueEvent(name, None)
        return CatalogueEvent(
            name,
            Origin(
                time_s=seconds_from_iso(data["origin_time"]),
                latitude=float(data["latitude"]),
                longitude=float(data["longitude"]),
                depth_km=_number(data.get("depth_km")),
                magnitude=_number(data.get("magnitude")),
            ),
        )
    except KeyError as error:
        raise InputError(f"{file}: no {error} in it") from error
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{file}: can't read the catalogue origin: {error}") from error


def _number(value: object) -> float:
    return UNKNOWN if value is None else float(str(value))


def _analyst_picks(path: Path, notes: list[str]) -> list[AnalystPick]:
    file = path / "picks.csv"
    if not file.is_file():
        return []
    picks = []
    with file.open(encoding="utf-8-sig", newline="") as lines:
        for row in (reader := csv.DictReader(lines)):
            try:
                time_s = seconds_from_iso(row["time"])
                picks.append(AnalystPick(row["seed_id"], row["phase"], ns_from_seconds(time_s)))
            except (KeyError, ValueError, TypeError) as error:
                notes.append(f"{file.name} line {reader.line_num}: can't be read ({error})")
    return picks


def is_known(value: float) -> bool:
    """Whether a catalogue value was given."""
    return math.isfinite(value)
