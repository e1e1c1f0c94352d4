"""The ``ew`` command: parses, calls, prints. What a command does stands in its own file beside this one.

Heavy imports wait inside the commands, so that ``ew --help`` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ew import __version__
from ew.errors import ConfigError, EwError

app = typer.Typer(
    help="Earthquake early warning: live seismic streams in, signed MQTT alerts out before the S-wave.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
simulate = typer.Typer(
    help="Play what stands outside ew, each as its own process.", no_args_is_help=True
)
config_app = typer.Typer(help="Look at a configuration file.", no_args_is_help=True)
keys_app = typer.Typer(
    help="Make, rotate and revoke the keys that devices believe.", no_args_is_help=True
)
app.add_typer(simulate, name="simulate")
app.add_typer(config_app, name="config")
app.add_typer(keys_app, name="keys")
bridge_app = typer.Typer(
    help="Hand alerts on: to Home Assistant, to notification channels, as CAP files.",
    no_args_is_help=True,
)
app.add_typer(bridge_app, name="bridge")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML configuration.")
]
BrokerOption = Annotated[
    str,
    typer.Option(
        "--broker",
        metavar="embedded|mosquitto|mqtt://HOST:PORT",
        help="The MQTT broker; mqtts://USER@HOST:PORT over TLS with a login.",
    ),
]
CaOption = Annotated[
    Path | None,
    typer.Option("--ca", metavar="FILE", help="Certificates (PEM) to trust for mqtts://."),
]
PasswordOption = Annotated[
    Path | None,
    typer.Option(
        "--password-file",
        metavar="FILE",
        help="Password of the broker's USER; else from EW_BROKER_PASSWORD.",
    ),
]
ReportOption = Annotated[
    Path | None, typer.Option("--report", metavar="FILE", help="Write the report (JSON).")
]


def speed_value(text: str) -> float:
    """``max`` as infinity, else a rate above 0."""
    if text == "max":
        return float("inf")
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0 < rate < float("inf"):
        raise typer.BadParameter(
            f"--speed: {text!r} is neither 'max' nor a number above 0 (1 is real time)"
        )
    return rate


SpeedType = Annotated[
    str,
    typer.Option("--speed", metavar="max|X", help="Data seconds a second; max: no waiting."),
]


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
    """Play an earthquake: synthetic stations, the whole pipeline, a real broker, phones and TVs that count down."""
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
            help="waveforms.mseed, stations.xml or .csv, …; or an SDS archive, with --from and --to.",
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
    """Replay a recording as if it were live, and score it against the catalogue where there is one."""
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
    http_host: Annotated[str, typer.Option(help="Address of API and page.")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(min=0, max=65535)] = 8080,
) -> None:
    """Write a configuration, keys and a systemd unit that work together."""
    from ew.cli.init import InitOptions, run_init  # noqa: PLC0415

    if mode not in ("actual", "exercise", "test"):
        raise typer.BadParameter(f"{mode!r} is none of exercise, test, actual")
    servers = tuple(seedlink or ())
    run_init(InitOptions(directory, mode, inventory, servers, broker, http_host, http_port))  # type: ignore[arg-type]


@app.command()
def serve(config: ConfigOption = None) -> None:
    """Run the service: live streams in, alerts, HTTP API and live page out, until it is stopped."""
    from ew.cli.serve import run_serve  # noqa: PLC0415

    run_serve(config)


@app.command()
def doctor(
    config: ConfigOption = None,
    seconds: Annotated[
        float, typer.Option(min=0.5, max=600, help="How long to listen to the sources at most.")
    ] = 20.0,
) -> None:
    """Try clock, broker and sources of a configuration and say what is wrong; 1 if anything is."""
    from ew.cli.doctor import run_doctor  # noqa: PLC0415

    raise typer.Exit(run_doctor(config, seconds))


@app.command()
def web(
    config: ConfigOption = None,
    child: Annotated[  # the service that starts it speaks over standard input
        bool, typer.Option("--child", hidden=True)
    ] = False,
) -> None:
    """Run API, page and metrics alone, for a service that runs elsewhere on a broker both can reach."""
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


@simulate.command("network")
def simulate_network(
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="See `ew scenarios`.")
    ] = "changning",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="SeedLink port; 0: a free one.")
    ] = 18000,
    broker: Annotated[
        str | None,
        typer.Option(metavar="mqtt[s]://[USER@]HOST[:PORT]", help="Over MQTT instead."),
    ] = None,
    ca: CaOption = None,
    password_file: PasswordOption = None,
    packet: Annotated[float, typer.Option(min=0.1, max=10.0, metavar="SECONDS")] = 1.0,
    speed: Annotated[float, typer.Option(min=0.01, help="Data seconds a second.")] = 1.0,
    stations: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the stations (CSV) for the service and end."),
    ] = None,
    cut: Annotated[
        float, typer.Option(min=0, max=1, help="Chance a record that the connection ends.")
    ] = 0.0,
    delay: Annotated[
        float, typer.Option(min=0, max=1, help="Chance a record, and all behind it, waits.")
    ] = 0.0,
    delay_seconds: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="For so long, in data time.")
    ] = 2.0,
    duplicate: Annotated[
        float, typer.Option(min=0, max=1, help="Chance a record is sent twice.")
    ] = 0.0,
    reorder: Annotated[
        float, typer.Option(min=0, max=1, help="Chance a record swaps with the next.")
    ] = 0.0,
    garbage: Annotated[
        float, typer.Option(min=0, max=1, help="Chance of a record that is none.")
    ] = 0.0,
) -> None:
    """Play a scenario's stations as a SeedLink server, or over MQTT."""
    from ew.address import parse_url  # noqa: PLC0415
    from ew.cli.simulate import run_network, write_inventory  # noqa: PLC0415
    from simulators.faults import Faults  # noqa: PLC0415

    if stations is not None:
        write_inventory(scenario, stations)
        return
    faults = Faults(cut, delay, delay_seconds / speed, duplicate, reorder, garbage)
    address = broker and parse_url(broker, ca_file=ca, password_file=password_file)
    run_network(
        scenario, port=port, broker=address or None, packet_s=packet, speed=speed, faults=faults
    )


@simulate.command("devices")
def simulate_devices(
    broker: Annotated[
        str, typer.Option(metavar="mqtt[s]://[USER@]HOST[:PORT]", help="A broker that runs.")
    ],
    ca: CaOption = None,
    password_file: PasswordOption = None,
    count: Annotated[int, typer.Option(min=0, help="How many.")] = 100,
    kind: Annotated[
        str,
        typer.Option(help="phone, tv, speaker, gas-valve, lift or one of the configuration's."),
    ] = "phone",
    config: ConfigOption = None,
    moving: Annotated[
        float, typer.Option(min=0, max=1, metavar="SHARE", help="Share of the phones that move.")
    ] = 0.0,
    km_per_h: Annotated[
        float, typer.Option("--km-per-h", min=0, max=10_000, help="How fast those move.")
    ] = 90.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to listen.")] = 3600.0,
    root: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Public root key (PEM) the devices believe; may be given more than once. "
            "Default: ew.root.pub.pem.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where they remember the newest document of keys over restarts, so that no older one is taken.",
        ),
    ] = None,
) -> None:
    """Connect simulated devices to any broker and print what they do."""
    from ew.address import parse_url  # noqa: PLC0415
    from ew.cli.simulate import DeviceOptions, run_devices  # noqa: PLC0415

    roots = tuple(root or [Path("ew.root.pub.pem")])
    options = DeviceOptions(count, kind, seconds, moving, km_per_h, config, roots, state)
    run_devices(options, parse_url(broker, ca_file=ca, password_file=password_file))


DirectoryArgument = Annotated[Path, typer.Argument(metavar="DIR", help="The keyring.")]


BridgeBrokerOption = Annotated[
    str, typer.Option(metavar="mqtt[s]://[USER@]HOST[:PORT]", help="The broker of `ew serve`.")
]
RootOption = Annotated[
    list[Path],
    typer.Option(metavar="FILE", help="Public root key (PEM) that is believed; may be repeated."),
]
PlaceOption = Annotated[
    list[str],
    typer.Option(metavar="NAME=LAT,LON", help="A place to watch; may be repeated."),
]


@bridge_app.command("home-assistant")
def bridge_home_assistant(
    broker: BridgeBrokerOption,
    root: RootOption,
    place: PlaceOption,
    to: Annotated[
        str,
        typer.Option(metavar="mqtt[s]://[USER@]HOST[:PORT]", help="The broker of Home Assistant."),
    ],
    to_password_file: PasswordOption = None,
    prefix: Annotated[str, typer.Option(help="Discovery prefix.")] = "homeassistant",
    ca: CaOption = None,
    config: ConfigOption = None,
) -> None:
    """Each place as a device of Home Assistant: seconds left, intensity, magnitude, a switch for automations."""
    from ew.address import parse_url  # noqa: PLC0415
    from ew.cli.bridge import Watched, home_assistant  # noqa: PLC0415

    watched = Watched.of(parse_url(broker, ca_file=ca), root, place, config)
    home_assistant(watched, parse_url(to, ca_file=ca, password_file=to_password_file), prefix)


@bridge_app.command("notify")
def bridge_notify(
    broker: BridgeBrokerOption,
    root: RootOption,
    place: PlaceOption,
    to: Annotated[
        list[str],
        typer.Option(
            metavar="URL", help="A channel in Apprise's form (ntfy://…); may be repeated."
        ),
    ],
    min_intensity: Annotated[float, typer.Option(min=0, max=12, help="At the place.")] = 3.0,
    min_magnitude: Annotated[float, typer.Option(min=0, max=10)] = 0.0,
    within_km: Annotated[float, typer.Option(min=0, help="Of the epicentre.")] = 20_000.0,
    drills: Annotated[bool, typer.Option(help="Exercises and tests too, marked.")] = False,
    ca: CaOption = None,
    config: ConfigOption = None,
) -> None:
    """One message an earthquake by ntfy, Telegram, e-mail and a hundred more. Such channels may take many seconds."""
    from ew.address import parse_url  # noqa: PLC0415
    from ew.bridges.notify import Filter  # noqa: PLC0415
    from ew.cli.bridge import Watched, notify  # noqa: PLC0415

    watched = Watched.of(parse_url(broker, ca_file=ca), root, place, config)
    notify(watched, to, Filter(min_intensity, min_magnitude, within_km, drills))


@bridge_app.command("cap")
def bridge_cap(
    directory: Annotated[Path, typer.Argument(help="Where the files go.")],
    broker: BridgeBrokerOption,
    root: RootOption,
    sender: Annotated[str, typer.Option(help="Who sends, in each message.")] = "ew",
    ca: CaOption = None,
    config: ConfigOption = None,
) -> None:
    """Each event version as a CAP 1.2 file, with an Atom feed of the newest."""
    from ew.address import parse_url  # noqa: PLC0415
    from ew.cli.bridge import Watched, cap  # noqa: PLC0415

    cap(Watched.of(parse_url(broker, ca_file=ca), root, [], config), directory, sender)


@keys_app.command("init")
def keys_init(directory: DirectoryArgument) -> None:
    """Make a root, a key for real alerts and one for drills, and the document devices read."""
    from ew.cli.keys import init  # noqa: PLC0415

    init(directory)


@keys_app.command("rotate")
def keys_rotate(directory: DirectoryArgument) -> None:
    """Add new keys; the old ones stay valid for a week, so that every device hears of the new."""
    from ew.cli.keys import rotate  # noqa: PLC0415

    rotate(directory)


@keys_app.command("revoke")
def keys_revoke(
    directory: DirectoryArgument, key_id: Annotated[str, typer.Argument(metavar="KEY_ID")]
) -> None:
    """Take a key out of the document; devices forget it when they see the new document."""
    from ew.cli.keys import revoke  # noqa: PLC0415

    revoke(directory, key_id)


@keys_app.command("api")
def keys_api(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    scope: Annotated[
        list[str], typer.Option(help="viewer, vendor, partner or operator; may be given again.")
    ],
) -> None:
    """Make a key of the HTTP API: printed once, with the lines of the configuration that know its hash."""
    from ew.cli.keys import api  # noqa: PLC0415

    api(name, scope)


@keys_app.command("show")
def keys_show(directory: DirectoryArgument) -> None:
    """Print the document's serial and time, and each key with what it may sign."""
    from ew.cli.keys import show  # noqa: PLC0415

    show(directory)


@config_app.command("check")
def config_check(file: Annotated[Path, typer.Argument(metavar="FILE")]) -> None:
    """Explain each mistake of a configuration file with its key and the allowed values."""
    from ew.cli.check import check_regions  # noqa: PLC0415
    from ew.config import load_config  # noqa: PLC0415

    check_regions(load_config(file), file)
    typer.echo(f"{file}: no mistake found")


@config_app.command("default")
def config_default() -> None:
    """Print the default configuration, each key explained: a file to start from."""
    from ew.config import Config  # noqa: PLC0415
    from ew.config.explain import as_toml  # noqa: PLC0415

    typer.echo(as_toml(Config()), nl=False)


def main() -> None:
    """Run the command line: exit code 2 for wrong usage, 1 for a failed run, one clear line for either."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except EwError as error:
        print(f"ew: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, ConfigError) else 1)
