"""SHELL: reads part of an SDS archive, chosen by time and place, for a replay.

SDS is the SeisComP Data Structure, as slarchive and ringserver write it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ew.errors import InputError
from ew.geo import distance_km
from ew.records import Channel
from ew.sources import fdsn, inventory, miniseed
from ew.sources.files import EventDir, assembled, stations_file
from ew.sources.recordings import Recording, add_trace

SCHEME = "sds:"
DAY_S = 86_400
MOST_SAMPLES = 300_000_000
"""Most samples of a selection, which is held in memory: half a day of 20 stations with three
channels at 100 Hz."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A selection from an archive: from ``begin_s`` to ``end_s`` (epoch s).

    ``place``: latitude, longitude and radius in km, or everything; ``stations``: a file or an FDSN
    query, else ``stations.xml`` or ``.csv`` in the archive, else ``otherwise``.
    """

    begin_s: float
    end_s: float
    place: tuple[float, float, float] | None = None
    stations: str | None = None
    otherwise: str | None = None


def load_sds(root: Path, wanted: Wanted) -> EventDir:
    """The selected waveforms of an archive, with their stations.

    Raises:
        InputError: there is no such archive, no stations, nothing that fits, or too much.
    """
    if not root.is_dir():
        raise InputError(f"{root}: no such directory; an SDS archive holds YEAR/NET/STA/CHA.D/…")
    if not wanted.begin_s < wanted.end_s:
        raise InputError(f"{SCHEME}{root}: --to must be later than --from")
    stations = _stations(root, wanted)
    near = {seed_id for seed_id, channel in stations.channels.items() if _is_near(channel, wanted)}
    if not near:
        raise InputError(f"{SCHEME}{root}: no station lies within --place")
    recording = _recording(root, wanted, near, set(stations.channels))
    if not recording.runs:
        raise InputError(
            f"{SCHEME}{root}: no data of {len(near)} channels in this time "
            f"(looked for as {root}/YEAR/NET/STA/CHA.D/NET.STA.LOC.CHA.D.YEAR.DAY)"
        )
    return assembled(root, recording, stations)


def _stations(root: Path, wanted: Wanted) -> inventory.Stations:
    where = wanted.stations or stations_file(root) or wanted.otherwise
    if where is None:
        raise InputError(
            f"{root}: neither stations.xml nor stations.csv in it; name one by --stations"
        )
    if fdsn.is_url(str(where)):
        data = fdsn.fetch(str(where), timeout_s=fdsn.TIMEOUT_S, most_bytes=fdsn.MOST_BYTES)
        stations = inventory.parse_stationxml(data, str(where), wanted.begin_s)
    else:
        stations = inventory.read_inventory(Path(where), wanted.begin_s)
    if not stations.channels:
        raise InputError(
            f"{where}: no usable channel in it{''.join(f': {n}' for n in stations.notes[:1])}"
        )
    return stations


def _is_near(channel: Channel, wanted: Wanted) -> bool:
    if wanted.place is None:
        return True
    latitude, longitude, radius_km = wanted.place
    away_km = distance_km(latitude, longitude, channel.latitude, channel.longitude)
    return bool(away_km <= radius_km)


def _recording(root: Path, wanted: Wanted, near: set[str], known: set[str]) -> Recording:
    from obspy import UTCDateTime  # noqa: PLC0415 - slow to load, and only needed for archives
    from obspy.clients.filesystem.sds import Client  # noqa: PLC0415

    client, recording = Client(str(root)), Recording()
    begin, end = UTCDateTime(wanted.begin_s), UTCDateTime(wanted.end_s)
    samples = 0
    for nslc in sorted(_channels(client, begin, end)):
        seed_id = ".".join(nslc)
        if seed_id not in known:
            recording.notes.append(f"{seed_id}: in the archive, but no stations file tells of it")
        if seed_id not in near:
            continue
        for trace in client.get_waveforms(*nslc, begin, end, merge=-1):
            samples += len(trace.data)
            if samples > MOST_SAMPLES:
                raise InputError(
                    f"{SCHEME}{root}: more than {MOST_SAMPLES:,} samples; ask for less time "
                    "or a smaller --place"
                )
            add_trace(trace, seed_id, recording)
    recording.runs = miniseed.joined(recording.runs)
    return recording


def _channels(client: Any, begin: Any, end: Any) -> set[tuple[str, str, str, str]]:  # noqa: ANN401
    """The channels (NET, STA, LOC, CHA) with files on the selected days."""
    found: set[tuple[str, str, str, str]] = set()
    day = begin
    while day.date <= end.date:
        found.update(client.get_all_nslc(datetime=day))
        day += DAY_S
    return found
