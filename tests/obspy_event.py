"""A small real recording that comes with obspy: the Unterhaching earthquakes of 2010-05-27 on four
stations.

M about 2, three stations within 10 km, felt; obspy uses them to show coincidence triggers.
Coordinates are those of obspy's tutorial; the gains are nominal (the amplitudes are not judged).
"""

from pathlib import Path

import obspy

COORDINATES = {
    "UH1": (48.081493, 11.636093),
    "UH2": (48.043930, 11.641700),
    "UH3": (48.086500, 11.700400),
    "UH4": (48.077300, 11.543500),
}


def write_event_dir(folder: Path) -> Path:
    """Write it as an EVENT_DIR; returns the folder."""
    data = Path(obspy.__file__).parent / "signal" / "tests" / "data"
    stream = obspy.Stream()
    for path in sorted(data.glob("BW.UH*._.[ES]HZ.D.2010.147.cut.slist.gz")):
        stream += obspy.read(str(path))
    lines = ["seed_id,latitude,longitude,elevation_m,gain,input_units"]
    for trace in stream:
        trace.data = trace.data.round().astype("int32")
        latitude, longitude = COORDINATES[trace.stats.station]
        lines.append(f"{trace.id},{latitude},{longitude},500,1e9,M/S")
    folder.mkdir(parents=True, exist_ok=True)
    stream.write(str(folder / "waveforms.mseed"), format="MSEED", encoding="STEIM2", reclen=512)
    (folder / "stations.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder
