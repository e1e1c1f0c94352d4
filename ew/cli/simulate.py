"""``ew simulate``: runs the network and the devices, each as a process of its own."""

import asyncio
import csv
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ew.alerts.trust import root_from_pem
from ew.broker_address import BrokerAddress
from ew.config import load_config
from ew.errors import ConfigError, InputError
from ew.storage.keyring import read_file, write_public
from simulators import population, scenario
from simulators.faults import Faults
from simulators.fleet import Fleet
from simulators.network import over_mqtt, over_seedlink


def run_network(
    name: str,
    *,
    port: int,
    broker: BrokerAddress | None,
    packet_s: float,
    speed: float,
    faults: Faults,
) -> None:
    """Play a scenario's stations: over MQTT if a broker is given, else as a SeedLink server.

    Raises:
        ConfigError: there is no such scenario.
        BrokerError: the broker is lost.
        InputError: the port is in use.
    """
    chosen = scenario.load(name)
    try:
        if broker is None:
            asyncio.run(
                over_seedlink(chosen, port=port, packet_s=packet_s, speed=speed, faults=faults)
            )
        else:
            asyncio.run(over_mqtt(chosen, broker, packet_s=packet_s, speed=speed, faults=faults))
    except OSError as error:
        raise InputError(f"--port {port}: {error.strerror}") from error


def write_inventory(name: str, path: Path) -> None:
    """Write a scenario's stations as ``stations.csv``, for a service that is to read them.

    Raises:
        InputError: the file can't be written.
    """
    inventory = scenario.load(name).play().inventory
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(
                ["seed_id", "latitude", "longitude", "elevation_m", "gain", "input_units"]
            )
            for c in inventory.values():
                rows.writerow(
                    [c.seed_id, c.latitude, c.longitude, c.elevation_m, c.gain, c.input_units]
                )
    except OSError as error:
        raise InputError(f"{path}: can't write it: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class DeviceOptions:
    """The devices to simulate; a share ``moving`` of them moves, at ``km_per_h``.

    ``state``: the file in which they store the serial of the newest document of keys.
    """

    count: int
    kind: str
    seconds: float
    moving: float
    km_per_h: float
    config: Path | None
    roots: tuple[Path, ...]
    state: Path | None = None


def run_devices(options: DeviceOptions, broker: BrokerAddress) -> None:
    """Connect simulated devices to a broker and print their reactions, a line of JSON each.

    Raises:
        ConfigError: a kind is not in the configuration, or has no cell and is to move.
        BrokerError: not all could connect.
    """
    kinds = load_config(options.config).policy.kinds
    if options.kind not in kinds:
        raise ConfigError(
            f"--kind {options.kind!r}: there are {', '.join(kinds)}; a new one is a table "
            f"[policy.kinds.{options.kind}] in the file of --config"
        )
    if options.moving and kinds[options.kind].address != "cell":
        raise ConfigError(f"--moving: a {options.kind} is registered at one place")
    devices = population.draw(0, options.count, kind=options.kind)
    roots = [root_from_pem(read_file(path), str(path)) for path in options.roots]
    fleet = Fleet(
        devices,
        broker,
        roots=roots,
        kinds=kinds,
        moving=options.moving,
        km_per_h=options.km_per_h,
        serial=_remembered(options.state),
    )
    asyncio.run(_devices(fleet, len(devices), broker, options))


def _remembered(state: Path | None) -> int:
    """The serial in a file; 0: the devices are new."""
    if state is None or not state.exists():
        return 0
    text = read_file(state).decode("ascii", "replace").strip()
    if not text.isdecimal():
        raise ConfigError(f"{state}: no serial of a document of keys")
    return int(text)


def _remember(state: Path | None, serial: int, kept: int) -> int:
    """Write a serial to a file if it is newer than ``kept``; returns the newer one."""
    if state is None or serial <= kept:
        return kept
    write_public(state, b"%d\n" % serial)
    return serial


async def _devices(fleet: Fleet, count: int, broker: BrokerAddress, options: DeviceOptions) -> None:
    import orjson  # noqa: PLC0415

    console = Console(file=sys.stderr, highlight=False)
    shown, kept, seconds = 0, fleet.serial, options.seconds
    async with fleet:
        console.print(f"{count} devices connected to {broker.url}; listening for {seconds:.0f} s")
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.1)
            for reaction in fleet.reactions[shown:]:
                print(orjson.dumps(reaction).decode(), flush=True)
            shown = len(fleet.reactions)
            kept = _remember(options.state, fleet.serial, kept)
    _remember(options.state, fleet.serial, kept)  # received at the very end
    console.print(
        f"{shown} alerts received, {fleet.receipts} receipts sent, refused: {fleet.refused}"
    )
