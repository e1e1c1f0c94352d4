"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
