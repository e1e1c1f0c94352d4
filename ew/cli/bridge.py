"""``ew bridge``: runs the bridges to Home Assistant, notification channels and CAP files."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from ew.alerts.trust import Verifier, root_from_pem
from ew.bridges import running
from ew.bridges.cap import CapWriter
from ew.bridges.histories import FileWriter, Histories
from ew.bridges.home_assistant import PlaceState
from ew.bridges.notify import Filter, Notice, Notices
from ew.bridges.quakeml import QuakemlWriter
from ew.bridges.watcher import Place, Watcher
from ew.bridges.webhook import Deliveries, Delivery, secret_from_text
from ew.broker_address import BrokerAddress
from ew.cli import logs
from ew.config import Config, load_config
from ew.errors import ConfigError, InputError
from ew.storage.keyring import read_file
from ew.traveltimes import TravelTimes
from simulators.device import DeviceMachine, check_with
from simulators.population import Device

POST_WITHIN_S = 5.0
"""A receiver that has not answered by then is tried again, s."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The broker, the trusted roots, and the watched places."""

    broker: BrokerAddress
    roots: Sequence[Path]
    places: Sequence[Place]
    config: Config

    @classmethod
    def of(
        cls,
        broker: BrokerAddress,
        roots: Sequence[Path],
        places: Sequence[str],
        config: Path | None,
    ) -> "Watched":
        """Make one from the command line's values.

        Raises:
            ConfigError: a place or the configuration is wrong.
        """
        read = [Place.parse(text) for text in places]
        if len({place.name for place in read}) < len(read):
            raise ConfigError("two places have one name")
        return cls(broker, roots, read, load_config(config))

    def verifier(self) -> Verifier:
        """A verifier that trusts these roots alone.

        Raises:
            ConfigError, InputError: a root can't be read.
        """
        return Verifier([root_from_pem(read_file(path), str(path)) for path in self.roots])

    def watcher(self) -> Watcher:
        """A watcher of the places, with the thresholds of a phone in the configuration."""
        verifier, table = self.verifier(), TravelTimes.of(self.config.locate)
        check, kinds = check_with(verifier), self.config.policy.kinds
        if "phone" not in kinds:
            raise ConfigError("policy.kinds: a bridge watches as a phone does, and there is none")
        machines = {
            place: DeviceMachine(
                Device(place.name, "phone", place.latitude, place.longitude, place.name),
                check,
                table,
                kinds=kinds,
            )
            for place in self.places
        }
        return Watcher(verifier, machines)


def home_assistant(watched: Watched, to: BrokerAddress, prefix: str) -> None:
    """Run the bridge to Home Assistant until interrupted."""
    states = [PlaceState(place) for place in watched.places]
    announce = _announcement(watched, f"{len(states)} places to {to.url}")
    _run(running.home_assistant(watched.broker, watched.watcher(), states, to, prefix, announce))


def notify(watched: Watched, urls: Sequence[str], wanted: Filter) -> None:
    """Run the bridge to notification channels until interrupted.

    Raises:
        ConfigError: Apprise is not installed, or does not know a channel.
    """
    try:
        import apprise  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError("`ew bridge notify` needs Apprise: pip install 'ew[notify]'") from error
    channels = apprise.Apprise()
    for number, url in enumerate(urls, 1):
        if not channels.add(url):
            # Such an address contains a password or a token
            raise ConfigError(f"Apprise does not know channel {number}: {url.partition(':')[0]}:…")

    def send(notice: Notice) -> bool:
        kind = apprise.NotifyType.INFO if notice.is_over else apprise.NotifyType.FAILURE
        return bool(channels.notify(title=notice.title, body=notice.body, notify_type=kind))

    announce = _announcement(watched, f"{len(urls)} channels")
    _run(running.notify(watched.broker, watched.watcher(), Notices(wanted), send, announce))


def webhook(watched: Watched, url: str, secret_file: Path, wanted: Filter) -> None:
    """Run the webhook until interrupted.

    Raises:
        ConfigError: the URL or the secret can't be used.
        InputError: the secret's file can't be read.
    """
    secret = secret_from_text(read_file(secret_file).decode("utf-8", "replace"))
    if urlsplit(url).scheme not in ("http", "https"):
        raise ConfigError(f"{url!r} is no http(s) URL")

    def post(delivery: Delivery) -> str | None:
        request = Request(url, delivery.body, dict(delivery.headers(secret, time.time())))  # noqa: S310 - http(s), checked above
        try:
            with urlopen(request, timeout=POST_WITHIN_S) as answer:  # noqa: S310
                answer.read(0)
        except HTTPError as error:
            return f"answered {error.code}"
        except (OSError, HTTPException) as error:  # URLError is an OSError
            return str(getattr(error, "reason", None) or error)
        return None

    announce = _announcement(watched, f"webhook to {urlsplit(url).hostname}")
    deliveries = Deliveries(wanted)
    _run(running.webhook(watched.broker, watched.watcher(), deliveries, post, announce))


def cap(watched: Watched, folder: Path, sender: str) -> None:
    """Write CAP files until interrupted.

    Raises:
        InputError: the folder can't be made.
    """
    table = TravelTimes.of(watched.config.locate)
    _write_files(watched, CapWriter(watched.config, table, sender), folder, "CAP")


def quakeml(watched: Watched, folder: Path, *, drills: bool) -> None:
    """Write QuakeML files until interrupted.

    Raises:
        InputError: the folder can't be made.
    """
    _write_files(watched, QuakemlWriter(drills), folder, "QuakeML")


def _write_files(watched: Watched, writer: FileWriter, folder: Path, what: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: can't make the folder: {error.strerror}") from error
    announce = _announcement(watched, f"{what} files in {folder}")
    histories = Histories(watched.verifier())
    _run(running.files(watched.broker, histories, writer, folder, announce))


def _announcement(watched: Watched, what: str) -> Callable[[], None]:
    """A callback that prints, once the broker has taken the subscriptions, that the bridge runs."""
    lines = iter([f"ew bridge: {watched.broker.url}  {what}"])

    def announce() -> None:
        for line in lines:
            print(line, flush=True)

    return announce


def _run(work: Coroutine[Any, Any, None]) -> None:
    logs.set_up("info")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(work)
