"""The ``ew`` command: it parses, calls and prints; each command's work is in a file of its own.

Heavy imports are inside the commands, so that ``ew --help`` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ew import __version__
from ew.cli.bridge_commands import bridge_app
from ew.cli.devices_commands import devices_app
from ew.cli.keys_commands import keys_app
from ew.cli.options import (
    BrokerOption,
    CaOption,
    ConfigOption,
    PasswordOption,
    ReportOption,
    SpeedType,
    speed_value,
)
from ew.cli.simulate_commands import simulate
from ew.errors import ConfigError, EwError

app = typer.Typer(
    help=(
        "Earthquake early warning: live seismic streams in, signed MQTT alerts out before the "
        "S-wave."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
config_app = typer.Typer(help="Look at a configuration file.", no_args_is_help=True)
app.add_typer(simulate, name="simulate")
app.add_typer(config_app, name="config")
app.add_typer(keys_app, name="keys")
app.add_typer(bridge_app, name="bridge")
app.add_typer(devices_app, name="devices")
region_app = typer.Typer(help="Begin with a region of your own.", no_args_is_help=True)
app.add_typer(region_app, name="region")


@app.callback(invoke_without_command=True)
def _root(
    *, version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False
) -> None:
    if version:
        typer.echo(f"ew {__version__}")
        raise typer.Exit


@app.command()
def demo(
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="See `ew scenarios`.")
    ] = "changning",
    phones: Annotated[int, typer.Option(min=0, help="Simulated phones.")] = 1000,
    tvs: Annotated[int, typer.Option(min=0, help="Simulated TVs.")] = 200,
    speed: SpeedType = "1",
    broker: BrokerOption = "embedded",
    ca: CaOption = None,
    password_file: PasswordOption = None,
    report: ReportOption = None,
    web: Annotated[
        bool, typer.Option("--web/--no-web", help="Serve a live page while it runs.")
    ] = True,
) -> None:
    """Play an earthquake: synthetic stations, the pipeline, a real broker, phones and TVs."""
    from ew.cli.demo import run_demo  # noqa: PLC0415 - see the module docstring
    from ew.cli.summary import DemoOptions  # noqa: PLC0415

    options = DemoOptions(
        scenario, phones, tvs, speed_value(speed), broker, ca, password_file, report, web
    )
    raise typer.Exit(run_demo(options))


@app.command()
def replay(
    event_dir: Annotated[
        str,
        typer.Argument(
            metavar="EVENT_DIR|sds:ARCHIVE",
            help=(
                "waveforms.mseed, stations.xml or .csv, …; or an SDS archive, with --from and --to."
            ),
        ),
    ],
    packet: Annotated[
        float, typer.Option(min=0.01, max=60.0, metavar="SECONDS", help="Length of a packet.")
    ] = 1.0,
    speed: SpeedType = "max",
    report: ReportOption = None,
    config: ConfigOption = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the replay (PNG, SVG or PDF).")
    ] = None,
    quakeml: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the events as QuakeML 1.2.")
    ] = None,
    begin: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="Of an archive: ISO 8601, UTC.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Of an archive: ISO 8601, UTC.")
    ] = None,
    place: Annotated[
        str | None,
        typer.Option(metavar="LAT,LON,KM", help="Of an archive: stations within this radius."),
    ] = None,
    stations: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|URL", help="Of an archive: StationXML, CSV or an FDSN query's URL."
        ),
    ] = None,
    web: Annotated[
        bool, typer.Option("--web", help="Then serve its page, with playback, until Ctrl-C.")
    ] = False,
) -> None:
    """Replay a recording as if it were live, and score it against the catalogue, if any."""
    from ew.cli.replay import ReplayOptions, run_replay  # noqa: PLC0415

    run_replay(
        ReplayOptions(
            event_dir,
            packet,
            speed_value(speed),
            report,
            config,
            plot,
            quakeml,
            begin,
            end,
            place,
            stations,
            web,
        )
    )


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Made if it is not there.")],
    inventory: Annotated[
        str, typer.Option(metavar="FILE|URL", help="StationXML, stations.csv or an FDSN query.")
    ],
    mode: Annotated[
        str, typer.Option(metavar="exercise|test|actual", help="What its alerts are.")
    ] = "exercise",
    seedlink: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST[:PORT]", help="A SeedLink server; may be repeated."),
    ] = None,
    broker: Annotated[
        str, typer.Option(metavar="embedded|mosquitto|URL", help="Where alerts go.")
    ] = "embedded",
    database: Annotated[
        str | None,
        typer.Option(metavar="FILE|URL", help="SQLite, or postgresql://; default: in DIR/data."),
    ] = None,
    http_host: Annotated[str, typer.Option(help="Address of API and page.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
) -> None:
    """Write a configuration, keys and a systemd unit that work together."""
    from ew.cli.init import InitOptions, run_init  # noqa: PLC0415

    if mode not in ("actual", "exercise", "test"):
        raise typer.BadParameter(f"{mode!r} is none of exercise, test, actual")
    servers = tuple(seedlink or ())
    options = InitOptions(
        directory,
        mode,  # type: ignore[arg-type]
        inventory,
        servers,
        broker,
        database,
        http_host,
        http_port,
    )
    run_init(options)


@region_app.command("new")
def region_new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the region is called.")],
    inventory: Annotated[Path, typer.Option(metavar="FILE", help="StationXML or stations.csv.")],
    polygon: Annotated[
        Path, typer.Option(metavar="FILE", help="GeoJSON: where people are alerted.")
    ],
    output: Annotated[Path, typer.Option(metavar="FILE", help="Must not be there yet.")],
    relation: Annotated[
        str, typer.Option(help="Intensity relation: see shaking.relation.")
    ] = "mmi-allen-2012",
) -> None:
    """Write a configuration for a region, and say what its network can do and what to measure."""
    from ew.cli.region import RegionOptions, run_region_new  # noqa: PLC0415

    run_region_new(RegionOptions(name, inventory, polygon, relation, output))


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run the service until it is stopped: live streams in; alerts, HTTP API and live page out."""
    from ew.cli.serve import run_serve  # noqa: PLC0415

    run_serve(config)


@app.command()
def doctor(
    config: ConfigOption = None,
    seconds: Annotated[
        float, typer.Option(min=0.5, max=600, help="How long to listen to the sources at most.")
    ] = 20.0,
) -> None:
    """Check clock, broker and sources of a configuration; exit code 1 if anything is wrong."""
    from ew.cli.doctor import run_doctor  # noqa: PLC0415

    raise typer.Exit(run_doctor(config, seconds))


@app.command()
def web(
    config: ConfigOption = None,
    child: Annotated[  # the service that starts it writes to its standard input
        bool, typer.Option("--child", hidden=True)
    ] = False,
) -> None:
    """Run API, page and metrics alone, for a service elsewhere on a broker both can reach."""
    from ew.service.parent import Parent  # noqa: PLC0415

    parent = None
    if child:
        parent = Parent()
        parent.start()  # before all heavy imports: it must end with its parent
    from ew.cli.web import run_web  # noqa: PLC0415

    run_web(config, parent)


@app.command()
def scenarios() -> None:
    """List the scenarios in seeds/."""
    from ew.cli.demo import print_scenarios  # noqa: PLC0415

    print_scenarios()


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Explain each mistake of a configuration file with its key and the allowed values."""
    from ew.cli.check import check_regions, region_doubts  # noqa: PLC0415
    from ew.config import load_config  # noqa: PLC0415

    config = load_config(file)
    check_regions(config, file)
    doubts = region_doubts(config)
    for doubt in doubts:
        typer.echo(f"{file}: warning: {doubt}", err=True)
    typer.echo(f"{file}: no {'other ' if doubts else ''}mistake found")


@config_app.command("default")
def config_default() -> None:
    """Print the default configuration, each key explained, as a file to start from."""
    from ew.config import Config  # noqa: PLC0415
    from ew.config.explain import as_toml  # noqa: PLC0415

    typer.echo(as_toml(Config()), nl=False)


def main() -> None:
    """Run the command line: exit code 2 for wrong usage, 1 for a failed run, with a clear line."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except EwError as error:
        print(f"ew: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
