"""SHELL: reads recordings in the formats of archives, with the metadata of their headers.

miniSEED, COSMOS (``cosmos``), and what obspy knows by a file's content: SAC, GSE2, K-NET, KiK-net
and more. Headers of K-NET, KiK-net and COSMOS contain coordinates and gain; those of SAC contain
coordinates and, where the analyst has set it, the unit (nm/s or nm/s²). A stations file, where
there is one, has precedence.
"""

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ew.records import Channel, InputUnits, Packet
from ew.sources import cosmos, miniseed
from ew.times import ns_from_seconds

INT32 = np.iinfo(np.int32)
SAC_UNITS: dict[int, InputUnits] = {7: "M/S", 8: "M/S**2"}
"""SAC's ``idep``: velocity in nm/s, acceleration in nm/s² (SAC manual, header variables)."""
NM_A_M = 1e9
KIKNET_LOCATIONS = {"": "", "1": "BH", "2": "SF"}
"""Location codes of KiK-net's sensors: 1 in the borehole, 2 at the surface."""
KNET_CHANNELS = {"UD": "HNZ", "NS": "HNN", "EW": "HNE"}
"""SEED's names of damped accelerometers at 100 Hz; the axis is the last letter, as in all channel
codes here."""


@dataclass(slots=True)
class Recording:
    """The runs of some files, the channels of their headers, and a line for what can't be used."""

    runs: list[Packet] = field(default_factory=list)
    channels: dict[str, Channel] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_files(paths: Iterable[Path]) -> Recording:
    """Read all of these files that can be read; others are named."""
    recording = Recording()
    for path in paths:
        try:
            data = path.read_bytes()
        except OSError as error:
            recording.notes.append(f"{path.name}: can't read it: {error.strerror}")
            continue
        _read_one(data, path.name, recording)
    recording.runs = miniseed.joined(recording.runs)
    return recording


def _read_one(data: bytes, name: str, recording: Recording) -> None:
    if miniseed.begins(data):
        decoded = miniseed.read_runs(data, name)
        recording.runs += decoded.packets
        recording.notes += decoded.notes
        return
    if cosmos.begins(data):
        parts, notes = cosmos.parse(data, name)
        recording.runs += [part.packet for part in parts]
        recording.channels |= {part.channel.seed_id: part.channel for part in parts}
        recording.notes += notes
        return
    import obspy  # noqa: PLC0415 - slow to load, and only needed for other formats

    try:
        stream = obspy.read(io.BytesIO(data))
    except Exception as error:  # noqa: BLE001 - its readers raise what they like
        recording.notes.append(f"{name}: in no format that obspy reads ({type(error).__name__})")
        return
    for trace in stream:
        add_trace(trace, name, recording)


def add_trace(trace: Any, name: str, recording: Recording) -> None:  # noqa: ANN401 - obspy's
    """Add one of obspy's traces, and the channel its header describes."""
    seed_id, samples = _seed_id(trace), _samples(trace.data)
    if samples is None or not len(samples) or not trace.stats.sampling_rate > 0:
        recording.notes.append(f"{name}: {seed_id} has no samples that can be used")
        return
    start_ns = ns_from_seconds(trace.stats.starttime.timestamp)
    recording.runs.append(Packet(seed_id, start_ns, float(trace.stats.sampling_rate), samples))
    channel = _channel(trace, seed_id)
    if channel is not None:
        recording.channels[seed_id] = channel


def _samples(data: Any) -> np.ndarray[Any, Any] | None:  # noqa: ANN401
    if isinstance(data, np.ma.MaskedArray):  # whoever merges cuts filled gaps
        return None
    if data.dtype.kind in "iu":
        fits = not len(data) or (data.min() >= INT32.min and data.max() <= INT32.max)
        return np.ascontiguousarray(data, np.int32 if fits else np.float64)
    if data.dtype.kind != "f":
        return None
    return np.ascontiguousarray(data, np.float32 if data.dtype.itemsize == 4 else np.float64)


def _seed_id(trace: Any) -> str:  # noqa: ANN401
    stats = trace.stats
    if "knet" in stats:
        axis, sensor = stats.channel[:2], stats.channel[2:]
        if axis in KNET_CHANNELS and sensor in KIKNET_LOCATIONS:
            location = KIKNET_LOCATIONS[sensor]
            return f"{stats.network}.{stats.station}.{location}.{KNET_CHANNELS[axis]}"
    return str(trace.id)


def _channel(trace: Any, seed_id: str) -> Channel | None:  # noqa: ANN401
    """The channel of a header; ``None`` where coordinates or gain are missing."""
    stats = trace.stats
    if "knet" in stats:
        place = (float(stats.knet.stla), float(stats.knet.stlo))
        dip_deg = -90.0 if seed_id.endswith("Z") else 0.0
        # calib is m/s² for each count
        gain = 1.0 / float(stats.calib)
        return Channel(seed_id, *place, float(stats.knet.stel), gain, "M/S**2", dip_deg)
    header = stats.get("sac", {})
    units = SAC_UNITS.get(int(header.get("idep", 5)))
    place = (float(header.get("stla", math.nan)), float(header.get("stlo", math.nan)))
    if units is None or not (abs(place[0]) <= 90 and abs(place[1]) <= 180):
        return None
    incidence = float(header.get("cmpinc", math.nan))  # from the vertical, up
    up_deg = incidence - 90.0 if math.isfinite(incidence) else None
    elevation_m = float(header.get("stel", 0.0))
    return Channel(seed_id, *place, elevation_m, NM_A_M, units, up_deg)
