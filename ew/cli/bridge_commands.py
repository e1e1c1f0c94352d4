"""Parses ``ew bridge …``.

Heavy imports are inside the commands, so that ``ew --help`` answers at once.
"""

from pathlib import Path
from typing import Annotated

import typer

from ew.cli.options import CaOption, ConfigOption, PasswordOption

bridge_app = typer.Typer(
    help=(
        "Hand alerts on: to Home Assistant, to notification channels, to a URL, as CAP or QuakeML."
    ),
    no_args_is_help=True,
)
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


MinIntensityOption = Annotated[float, typer.Option(min=0, max=12, help="At the place.")]
MinMagnitudeOption = Annotated[float, typer.Option(min=0, max=10)]
WithinKmOption = Annotated[float, typer.Option(min=0, help="Of the epicentre.")]
DrillsOption = Annotated[bool, typer.Option(help="Exercises and tests too, marked.")]


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
    """Show each place in Home Assistant as a device: seconds left, intensity and a switch."""
    from ew.broker_address import parse_url  # noqa: PLC0415
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
    min_intensity: MinIntensityOption = 3.0,
    min_magnitude: MinMagnitudeOption = 0.0,
    within_km: WithinKmOption = 20_000.0,
    drills: DrillsOption = False,
    ca: CaOption = None,
    config: ConfigOption = None,
) -> None:
    """Send one message for each earthquake by ntfy, Telegram, e-mail and a hundred other channels.

    Such channels may take many seconds.
    """
    from ew.bridges.notify import Filter  # noqa: PLC0415
    from ew.broker_address import parse_url  # noqa: PLC0415
    from ew.cli.bridge import Watched, notify  # noqa: PLC0415

    watched = Watched.of(parse_url(broker, ca_file=ca), root, place, config)
    notify(watched, to, Filter(min_intensity, min_magnitude, within_km, drills))


@bridge_app.command("webhook")
def bridge_webhook(
    broker: BridgeBrokerOption,
    root: RootOption,
    place: PlaceOption,
    to: Annotated[str, typer.Option(metavar="URL", help="Where requests are posted.")],
    secret_file: Annotated[
        Path, typer.Option(metavar="FILE", help="The secret they are signed with: whsec_….")
    ],
    min_intensity: MinIntensityOption = 3.0,
    min_magnitude: MinMagnitudeOption = 0.0,
    within_km: WithinKmOption = 20_000.0,
    drills: DrillsOption = False,
    ca: CaOption = None,
    config: ConfigOption = None,
) -> None:
    """Post each alert, update and cancel for the places to a URL, signed (Standard Webhooks)."""
    from ew.bridges.notify import Filter  # noqa: PLC0415
    from ew.broker_address import parse_url  # noqa: PLC0415
    from ew.cli.bridge import Watched, webhook  # noqa: PLC0415

    watched = Watched.of(parse_url(broker, ca_file=ca), root, place, config)
    webhook(watched, to, secret_file, Filter(min_intensity, min_magnitude, within_km, drills))


@bridge_app.command("cap")
def bridge_cap(
    directory: Annotated[Path, typer.Argument(help="Where the files go.")],
    broker: BridgeBrokerOption,
    root: RootOption,
    sender: Annotated[str, typer.Option(help="Who sends, in each message.")] = "ew",
    ca: CaOption = None,
    config: ConfigOption = None,
) -> None:
    """Write each event version as a CAP 1.2 file, with an Atom feed of the newest."""
    from ew.broker_address import parse_url  # noqa: PLC0415
    from ew.cli.bridge import Watched, cap  # noqa: PLC0415

    cap(Watched.of(parse_url(broker, ca_file=ca), root, [], config), directory, sender)


@bridge_app.command("quakeml")
def bridge_quakeml(
    directory: Annotated[Path, typer.Argument(help="Where the files go.")],
    broker: BridgeBrokerOption,
    root: RootOption,
    drills: DrillsOption = False,
    ca: CaOption = None,
    config: ConfigOption = None,
) -> None:
    """Write each event version as a QuakeML 1.2 file, for seismologists' systems."""
    from ew.broker_address import parse_url  # noqa: PLC0415
    from ew.cli.bridge import Watched, quakeml  # noqa: PLC0415

    quakeml(Watched.of(parse_url(broker, ca_file=ca), root, [], config), directory, drills=drills)
