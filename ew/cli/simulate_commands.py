"""Parses ``ew simulate …``.

Heavy imports are inside the commands, so that ``ew --help`` answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from ew.cli.options import CaOption, ConfigOption, PasswordOption

simulate = typer.Typer(
    help="Play what stands outside ew, each as its own process.", no_args_is_help=True
)


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
        float, typer.Option(min=0, metavar="SECONDS", help="Length of the wait, in data time.")
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
    from ew.broker_address import parse_url  # noqa: PLC0415
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
            help=(
                "Where they remember the newest document of keys over restarts, so that no older "
                "one is taken."
            ),
        ),
    ] = None,
) -> None:
    """Connect simulated devices to any broker and print their reactions."""
    from ew.broker_address import parse_url  # noqa: PLC0415
    from ew.cli.simulate import DeviceOptions, run_devices  # noqa: PLC0415

    roots = tuple(root or [Path("ew.root.pub.pem")])
    options = DeviceOptions(count, kind, seconds, moving, km_per_h, config, roots, state)
    run_devices(options, parse_url(broker, ca_file=ca, password_file=password_file))
