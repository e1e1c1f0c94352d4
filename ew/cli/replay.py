"""``ew replay``: runs a recording through the pipeline as if it were live, and scores it."""

import math
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from ew.config import Config, load_config
from ew.errors import ConfigError, InputError
from ew.locate.gains import GainSuspect
from ew.locate.suspects import Suspect
from ew.pipeline import Output, Pipeline
from ew.records import EventVersion, Origin, Pick
from ew.report import Score, by_event, physical_limit_s, report, score
from ew.sources.archive import SCHEME, Wanted, load_sds
from ew.sources.files import EventDir, load_event_dir
from ew.times import NS_PER_S, iso_from_ns, iso_from_seconds, seconds_from_iso
from ew.traveltimes import TravelTimes


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The values given on the command line; ``speed``: rate of data time, infinity for no waits.

    ``begin``, ``end``, ``place`` and ``stations`` select from an SDS archive.
    """

    source: str
    packet_s: float
    speed: float
    report: Path | None
    config: Path | None
    plot: Path | None
    quakeml: Path | None
    begin: str | None = None
    end: str | None = None
    place: str | None = None
    stations: str | None = None
    web: bool = False


@dataclass(slots=True)
class Run:
    """The results of a replay."""

    picks: list[Pick] = field(default_factory=list)
    versions: list[EventVersion] = field(default_factory=list)
    suspects: tuple[Suspect, ...] = ()
    gains: tuple[GainSuspect, ...] = ()
    useless: tuple[str, ...] = ()
    """Channels that were left out since their counts are too coarse."""

    def add(self, output: Output) -> None:
        """Add the results of one call of the pipeline."""
        self.picks.extend(output.picks)
        self.versions.extend(output.versions)


def run_replay(options: ReplayOptions) -> None:
    """Replay, print, and write the requested files.

    Raises:
        ConfigError: the directory or the configuration does not exist or is wrong.
        InputError: the directory's files can't be used, or an output file can't be written.
    """
    wanted = wanted_of(options)
    config = load_config(options.config)
    travel_times = TravelTimes.of(config.locate)
    if wanted is not None:
        wanted = replace(wanted, otherwise=config.service.inventory)
    event_dir = _loaded(options.source, wanted)
    console = Console(soft_wrap=True, highlight=False, width=None if sys.stdout.isatty() else 120)
    for note in event_dir.notes:
        console.print(f"[yellow]note[/] {note}")
    run = replay(event_dir, config, travel_times, options, console)
    result = score_run(run.versions, event_dir, config, travel_times)
    print_summary(run, result, console)
    if options.report is not None:
        data = report(run.picks, run.versions, result, run.suspects, run.gains)
        write(options.report, orjson.dumps(data, option=orjson.OPT_INDENT_2) + b"\n")
    if options.quakeml is not None:
        from ew.quakeml import write_quakeml  # noqa: PLC0415 - obspy is slow to load

        write_quakeml(options.quakeml, run.versions)
    if options.plot is not None:
        from ew.plot import plot_replay  # noqa: PLC0415 - matplotlib is slow to load

        plot_replay(options.plot, event_dir, run.picks, run.versions, travel_times)
    if options.web:
        from ew.cli.replay_page import serve_replay  # noqa: PLC0415 - FastAPI is slow to load

        serve_replay(run.versions, event_dir.inventory.values(), config, console)


def wanted_of(options: ReplayOptions) -> Wanted | None:
    """The selection from an archive; ``None`` for an EVENT_DIR.

    Raises:
        ConfigError: options do not fit the source or can't be read, or there is no such directory.
    """
    given = {
        "--from": options.begin,
        "--to": options.end,
        "--place": options.place,
        "--stations": options.stations,
    }
    if not options.source.startswith(SCHEME):
        if any(value is not None for value in given.values()):
            names = ", ".join(name for name, value in given.items() if value is not None)
            raise ConfigError(f"{names}: for an archive only, {SCHEME}DIRECTORY")
        if not Path(options.source).is_dir():
            raise ConfigError(
                f"{options.source}: no such directory; EVENT_DIR holds waveforms.mseed"
            )
        return None
    if options.begin is None or options.end is None:
        raise ConfigError(f"{options.source}: needs --from TIME --to TIME")
    try:
        begin_s, end_s = seconds_from_iso(options.begin), seconds_from_iso(options.end)
    except ValueError as error:
        raise ConfigError(f"--from, --to: {error}; give ISO 8601, 2020-06-23T15:29:00") from error
    return Wanted(begin_s, end_s, _place(options.place), options.stations)


def _place(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        latitude, longitude, radius_km = (float(part) for part in text.split(","))
    except ValueError:
        latitude = longitude = radius_km = math.nan
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and radius_km > 0):
        raise ConfigError(f"--place {text!r}: give latitude,longitude,radius in km: 16.0,-97.5,200")
    return latitude, longitude, radius_km


def _loaded(source: str, wanted: Wanted | None) -> EventDir:
    if wanted is None:
        return load_event_dir(Path(source))
    return load_sds(Path(source.removeprefix(SCHEME)), wanted)


def replay(
    event_dir: EventDir,
    config: Config,
    travel_times: TravelTimes,
    options: ReplayOptions,
    console: Console,
) -> Run:
    """Run the recording through a new pipeline in data time: equal input gives equal output."""
    pipeline = Pipeline(config, event_dir.inventory, travel_times)
    run = Run()
    start_ns = 0
    wall_s = time.monotonic()
    for now_ns, packets in pipeline.moments(event_dir.packets(options.packet_s)):
        start_ns = start_ns or now_ns
        if not math.isinf(options.speed):
            due_s = wall_s + (now_ns - start_ns) / NS_PER_S / options.speed
            time.sleep(max(0.0, due_s - time.monotonic()))
        output = pipeline.feed(packets, now_ns)
        run.add(output)
        if not math.isinf(options.speed):
            print_live(output, console)
    pipeline.timing.finish()
    run.suspects = pipeline.timing.suspects
    pipeline.gains.finish()
    run.gains = pipeline.gains.suspects
    run.useless = tuple(sorted(pipeline.coarse.useless))
    return run


def score_run(
    versions: list[EventVersion], event_dir: EventDir, config: Config, travel_times: TravelTimes
) -> Score | None:
    """The score against ``event.json``; ``None`` without one."""
    event = event_dir.event
    if event is None:
        return None
    origin = event.origin
    limit_s = None
    if origin is not None:
        limit_s = physical_limit_s(
            origin, event_dir.spans, event_dir.inventory, travel_times, config.locate.min_stations
        )
    return score(versions, origin, limit_s)


def print_live(output: Output, console: Console) -> None:
    """Print picks and versions as they come, for a replay at a finite speed."""
    for pick in output.picks:
        console.print(f"{iso_from_ns(pick.time_ns)}  pick   {pick.seed_id}  SNR {pick.snr:.1f}")
    for version in output.versions:
        console.print(
            f"{iso_from_seconds(version.issued_s)}  {version.kind:6} {describe(version.origin)}"
        )


def describe(origin: Origin) -> str:
    """One origin in one line."""
    return (
        f"M {origin.magnitude:.1f} at {origin.latitude:.2f}, {origin.longitude:.2f}, "
        f"{origin.depth_km:.0f} km deep, {iso_from_seconds(origin.time_s)}"
    )


def print_summary(run: Run, result: Score | None, console: Console) -> None:
    """Print the events by version, and the score."""
    console.print(f"{len(run.picks)} picks, {len(by_event(run.versions))} events")
    for event_id, history in by_event(run.versions).items():
        table = Table(title=event_id, title_justify="left")
        for heading in (
            "version",
            "kind",
            "issued",
            "origin time",
            "lat",
            "lon",
            "km",
            "M",
            "stations",
        ):
            table.add_column(heading, justify="right")
        for version in _first_and_last(history):
            origin = version.origin
            table.add_row(
                str(version.version),
                version.kind,
                iso_from_seconds(version.issued_s)[11:23],
                iso_from_seconds(origin.time_s)[11:23],
                f"{origin.latitude:.3f}",
                f"{origin.longitude:.3f}",
                f"{origin.depth_km:.0f}",
                f"{origin.magnitude:.1f}",
                str(version.stations),
            )
        console.print(table)
    for suspect in run.suspects:
        console.print(
            f"[yellow]suspect[/] {suspect.station}: P off by {suspect.residual_s:+.1f} s in "
            f"{suspect.events} "
            "event(s); look at its clock and its coordinates"
        )
    for gain in run.gains:
        console.print(
            f"[yellow]suspect[/] {gain.station}: amplitude {gain.factor:.3g} times that of the "
            "others in "
            f"{gain.events} events; look at its gain"
        )
    for seed_id in run.useless:
        console.print(
            f"[yellow]unfit[/] {seed_id}: a count is more than P of most damaging earthquakes; "
            "left out"
        )
    if result is not None:
        console.print(score_line(result))


def _first_and_last(history: list[EventVersion], shown: int = 10) -> list[EventVersion]:
    """At most ``shown`` versions: the first ones, which alert people, and the last."""
    return history if len(history) <= shown else [*history[: shown - 1], history[-1]]


def score_line(result: Score) -> str:
    """The score in words."""
    if result.missed:
        return f"score: MISSED, {result.false_events} false events"
    if result.first_alert_s is None:
        return f"score: no earthquake expected, {result.false_events} false events"
    limit = "unknown" if result.limit_s is None else f"{result.limit_s:.1f} s"
    return (
        f"score: first alert {result.first_alert_s:.1f} s after origin (physical limit {limit}); "
        f"epicentre off by {result.epicentre_error_km:.0f} km at first, "
        f"{result.final_epicentre_error_km:.0f} km "
        f"at last; magnitude by {_signed(result.magnitude_error)} and "
        f"{_signed(result.final_magnitude_error)}; "
        f"{result.false_events} false events"
    )


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.1f}"


def write(path: Path, content: bytes) -> None:
    """Write an output file.

    Raises:
        InputError: it can't be written; the message names it.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"{path}: can't write it: {error.strerror}") from error
