"""``ew simulate``: the network and the devices, each as a process of its own, over the real protocols."""

import asyncio
import csv
import sys
from pathlib import Path

from rich.console import Console

from ew.delivery.broker import parse_url
from ew.errors import InputError
from simulators import population, scenario
from simulators.faults import Faults
from simulators.fleet import Fleet
from simulators.network import over_mqtt, over_seedlink


def run_network(
    name: str, *, port: int, broker: str | None, packet_s: float, speed: float, faults: Faults
) -> None:
    """Play a scenario's stations: over MQTT if a broker is given, else as a SeedLink server.

    Raises:
        ConfigError: no such scenario or broker URL.
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
            address = parse_url(broker)
            asyncio.run(over_mqtt(chosen, address, packet_s=packet_s, speed=speed, faults=faults))
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


def run_devices(count: int, kind: str, broker: str, seconds: float) -> None:
    """Connect simulated devices to a broker and print what they do, a line of JSON each.

    Raises:
        ConfigError: a negative count or no broker URL.
        BrokerError: not all could connect.
    """
    phones, others = (count, 0) if kind == "phone" else (0, count)
    devices = population.draw(phones, others, kind=kind)
    asyncio.run(_devices(devices, broker, seconds))


async def _devices(devices: list[population.Device], broker: str, seconds: float) -> None:
    import orjson  # noqa: PLC0415

    console = Console(file=sys.stderr, highlight=False)
    async with Fleet(devices, parse_url(broker)) as fleet:
        console.print(
            f"{len(devices)} devices connected to {broker}; listening for {seconds:.0f} s"
        )
        shown = 0
        deadline = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.1)
            for reaction in fleet.reactions[shown:]:
                print(orjson.dumps(reaction).decode(), flush=True)
            shown = len(fleet.reactions)
    console.print(f"{shown} alerts received, refused: {fleet.refused}")
