"""SHELL: checks a configuration's sources, broker and clock by trying them (``ew doctor``).

It reads the sources for some seconds; nothing is picked, published or stored. A finding is a line
for people: what was tried, whether it works, and what was seen.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass

import aiomqtt

from ew.broker_address import BrokerAddress, parse_url
from ew.components import without_vertical
from ew.config import Config
from ew.errors import ConfigError
from ew.records import Inventory
from ew.service.acquisition import Acquisition
from ew.service.health import GRACE_S, StationHealth
from ew.service.hostclock import ClockState, read_clock
from ew.service.tasks import Watch
from ew.sources.inventory import stations_of
from ew.sources.listen import client_of

LOOK_EVERY_S = 0.2
BROKER_WITHIN_S = 5.0
NAMED = 5
"""Most stations or channels that a finding names; the others are counted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was tried, whether it works, and what was seen of it."""

    where: str
    is_well: bool
    what: str


async def examine(config: Config, inventory: Inventory, seconds: float) -> list[Finding]:
    """Try the clock, the broker and the sources, and return a finding for each.

    The sources are read for ``seconds``, or until all stations have sent data.
    """
    findings = [_clock(await asyncio.to_thread(read_clock)), _inventory(inventory)]
    address, found = await _broker(config)
    findings.append(found)
    if address is None:  # it can't be asked for data
        service = config.service.model_copy(update={"mqtt_waveforms": False})
        config = config.model_copy(update={"service": service})
    if not config.service.has_sources:
        return findings
    return findings + await _sources(config, inventory, address, seconds)


def _clock(state: ClockState) -> Finding:
    if state.is_synchronized is None:
        return Finding("clock", True, "nobody here can tell whether it is synchronized")
    offset = "" if state.offset_s is None else f", {state.offset_s:+.3f} s off"
    by = f"by {state.by}{offset}"
    if state.is_synchronized:
        return Finding("clock", True, f"synchronized, {by}")
    return Finding("clock", False, f"not synchronized, {by}: run chrony or another NTP client")


def _inventory(inventory: Inventory) -> Finding:
    deaf = without_vertical(inventory)
    what = f"{len(inventory)} channels of {len(stations_of(inventory))} stations"
    if not deaf:
        return Finding("inventory", bool(inventory), what)
    return Finding("inventory", False, f"{what}; no vertical channel: {_named(deaf)}")


async def _broker(config: Config) -> tuple[BrokerAddress | None, Finding]:
    """The configured broker's address if it runs outside ``ew``, and how it answers."""
    spec, delivery = config.delivery.broker, config.delivery
    if "://" not in spec:
        what = f"{spec}, started with the service"
        if config.service.mqtt_waveforms:
            what += "; what sensors publish there can't be tried before"
        return None, Finding("broker", True, what)
    try:
        address = parse_url(spec, ca_file=delivery.ca_file, password_file=delivery.password_file)
        async with asyncio.timeout(BROKER_WITHIN_S), client_of(address):
            return address, Finding("broker", True, f"{address.url} lets us in")
    except ConfigError as error:
        return None, Finding("broker", False, str(error))
    except (aiomqtt.MqttError, TimeoutError) as error:
        why = str(error) or f"no answer within {BROKER_WITHIN_S:.0f} s"
        return None, Finding("broker", False, f"{spec}: {why}")


async def _sources(
    config: Config, inventory: Inventory, address: BrokerAddress | None, seconds: float
) -> list[Finding]:
    nowhere = address or BrokerAddress("127.0.0.1", 0)  # never read from
    acquisition = Acquisition(config, nowhere, stations_of(inventory))
    acquisition.stations = stations = StationHealth(inventory, config.locate.min_stations)
    unknown: set[str] = set()
    until_s = time.monotonic() + seconds
    async with asyncio.TaskGroup() as group:
        watch = Watch(group)
        acquisition.start(watch)
        while time.monotonic() < until_s:
            await asyncio.sleep(LOOK_EVERY_S)
            unknown |= {p.seed_id for p in acquisition.hand_over() if p.seed_id not in inventory}
            states = stations.judge(time.time(), time.time()).states
            if all(state == "live" for state in states.values()):
                break
        failing = watch.failing(time.time())
        watch.stop()
    findings = [Finding("sources", False, reason) for reason in failing]
    findings += [*_seedlink(acquisition), *_others(acquisition, config)]
    now_s = time.time()
    judged = stations.judge(now_s, now_s - 2 * GRACE_S, acquisition.refused)
    live = sum(state == "live" for state in judged.states.values())
    others = [f"{name} {state}" for name, state in judged.states.items() if state != "live"]
    what = f"{live} of {len(judged.states)} live" + (f"; {_named(others)}" if others else "")
    findings.append(Finding("stations", not others, what))
    findings += [Finding("stations", False, reason) for reason in judged.reasons]
    if unknown:
        what = f"data of channels the inventory does not hold: {_named(sorted(unknown))}"
        findings.append(Finding("inventory", False, what))
    return findings


def _seedlink(acquisition: Acquisition) -> Iterator[Finding]:
    for client in acquisition.seedlink:
        status, where = client.status, f"seedlink {client.name}"
        if status.packets:
            what = f"SeedLink {status.protocol} at {status.server}, {status.packets} packets"
            yield Finding(where, True, what)
        elif status.is_connected:
            yield Finding(
                where, False, f"lets us in (SeedLink {status.protocol}) and sends nothing"
            )
        else:
            yield Finding(where, False, status.last_error or "no answer")
        if status.refused:
            yield Finding(where, False, f"refused: {_named(list(status.refused.values()))}")


def _others(acquisition: Acquisition, config: Config) -> Iterator[Finding]:
    folder = acquisition.folder
    if folder is not None:
        what = f"{folder.files} files, {folder.packets} packets"
        yield Finding(f"watch {folder.folder}", True, what)
        for name, reason in list(folder.left_aside.items())[:NAMED]:
            yield Finding(f"watch {folder.folder}", False, f"{name} left aside: {reason}")
    for source in config.service.shakes:
        status = acquisition.shakes.status[source.station]
        what = f"{status.packets} packets from {source.sender} on UDP port {source.port}"
        yield Finding(f"shake {source.station}", status.packets > 0, what)
    if acquisition.shakes.strangers.refused:
        sender = acquisition.shakes.strangers.refused_from
        yield Finding("shakes", False, f"packets from {sender}, which is no configured sender")
    for reading in acquisition.openeew:
        what = f"{reading.packets} packets, {reading.refused} messages refused"
        if reading.unknown:
            what += f", devices not configured: {_named(sorted(reading.unknown))}"
        is_well = reading.packets > 0 and not reading.refused
        yield Finding(f"openeew {reading.address.url}", is_well, what)


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
