"""Two detectors and two associators, or two services of all the stations, on one broker: any may
die in mid-event."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import aiomqtt
import pytest

from ew import Channel
from ew.alerts.message import parse_event
from ew.alerts.trust import Verifier, root_from_pem
from ew.broker_address import BrokerAddress
from ew.delivery.roles import LIMITS
from ew.storage.keyring import Keyring
from ew.traveltimes import TravelTimes
from mqtt_broker.server import Server
from simulators.device import DeviceMachine, check_with
from simulators.network import shifted
from simulators.population import Device
from simulators.seedlink import SeedLinkServer
from tests import asyncapi
from tests.serving import play, serving, write_inventory


def write_role(
    folder: Path,
    role: str,
    name: str,
    channels: Sequence[Channel],
    broker: BrokerAddress,
    source: str = "",
) -> Path:
    write_inventory(folder / f"{name}.csv", channels)
    path = folder / f"{name}.toml"
    path.write_text(
        f"""
[service]
role = "{role}"
name = "{name}"
inventory = "{folder}/{name}.csv"
database = "{folder}/{name}.sqlite"
key_file = "{folder}/keys/signing/drill-1.pem"
key_id = "drill-1"
keys_document = "{folder}/keys/keys.json"
http_port = 0
{source}
[delivery]
broker = "{broker.url}"
[policy]
mode = "exercise"
"""
    )
    return path


@dataclass
class Witness:
    """A phone in each cell that is alerted: what they heard and how they acted, and what the
    services told."""

    verifier: Verifier
    machines: dict[str, DeviceMachine] = field(default_factory=dict)
    versions: dict[str, set[int]] = field(default_factory=dict)
    told: list[tuple[str, int]] = field(default_factory=list)
    reporters: set[str] = field(default_factory=set)
    full: set[str] = field(default_factory=set)
    sounds: list[str] = field(default_factory=list)

    def take(self, topic: str, payload: bytes, table: TravelTimes) -> None:
        if topic == "ew/v1/keys":
            self.verifier.update(payload)
        elif topic.startswith("ew/v1/pick/"):
            self.reporters.add(json.loads(payload)["detector"])
        elif topic.startswith("ew/v1/event/"):
            version, _ = parse_event(payload)
            self.told.append((version.event_id, version.version))
        elif topic.startswith("ew/v1/alert/cell/"):
            machine = self.machines.setdefault(
                topic,
                DeviceMachine(
                    Device(topic, "phone", 29.6, 103.6, ""), check_with(self.verifier), table
                ),
            )
            reaction = machine.on_alert(payload, time.time_ns() // 1000)
            if reaction is not None:
                self.versions.setdefault(topic, set()).add(reaction.version)
                if reaction.level == "full":
                    self.full.add(topic)
                if reaction.sounds:
                    self.sounds.append(topic)


@pytest.fixture
def verifier(tmp_path: Path) -> Verifier:
    """What believes the keyring that both associators share."""
    Keyring.init(tmp_path / "keys", time.time_ns() // 1000)
    root = root_from_pem((tmp_path / "keys" / "root.pub.pem").read_bytes(), "root")
    return Verifier([root])


VICTIMS = {"associator": "first", "detector": "north", "service": "first"}


@pytest.mark.parametrize("victim", VICTIMS)
async def test_killing_either_in_mid_event_loses_nothing_and_devices_act_once(
    victim: str, tmp_path: Path, travel_times: TravelTimes, verifier: Verifier
) -> None:
    chosen = play()
    vertical = [c for c in chosen.inventory.values() if c.seed_id.endswith("Z")]
    async with AsyncExitStack() as stack:
        server = Server(LIMITS)  # lets everybody speak: who may is the subject of other tests
        await server.start()
        stack.push_async_callback(server.stop)
        broker = BrokerAddress("127.0.0.1", server.port)
        seedlink = await stack.enter_async_context(SeedLinkServer())
        paths = {}
        is_split = victim != "service"
        if is_split:
            for name, share in (("north", vertical[::2]), ("south", vertical[1::2])):
                select = ", ".join('"XS_' + c.seed_id.split(".")[1] + '"' for c in share)
                address = f'host = "127.0.0.1", port = {seedlink.port}'
                source = f"seedlink = [{{ {address}, select = [{select}] }}]"
                paths[name] = write_role(tmp_path, "detect", name, share, broker, source)
        for name in ("first", "second"):
            source = f'seedlink = [{{ host = "127.0.0.1", port = {seedlink.port} }}]'
            paths[name] = (
                write_role(tmp_path, "associate", name, vertical, broker)
                if is_split
                else write_role(tmp_path, "all", name, vertical, broker, source)
            )
        started = await asyncio.gather(
            *(stack.enter_async_context(serving(path)) for path in paths.values())
        )
        processes = dict(zip(paths, started, strict=True))
        async with asyncio.timeout(20):
            while seedlink.connections < 2:
                await asyncio.sleep(0.02)
        witness = Witness(verifier)
        client = await stack.enter_async_context(aiomqtt.Client(broker.host, broker.port))
        for topic in ("alert/#", "event/+", "heartbeat", "keys", "pick/+", "detector/+"):
            await client.subscribe(f"ew/v1/{topic}", qos=1)
        packets = shifted(chosen.packets(0.5), time.time_ns())
        playing = asyncio.create_task(seedlink.play(packets, speed=1.0))
        killed_at: int | None = None
        channels: set[str] = set()
        async with asyncio.timeout(60):
            async for message in client.messages:
                assert isinstance(message.payload, bytes)
                channels.add(asyncapi.check(str(message.topic), message.payload))
                witness.take(str(message.topic), message.payload, travel_times)
                if killed_at is None and witness.told:
                    os.kill(processes[VICTIMS[victim]].pid, signal.SIGKILL)
                    killed_at = witness.told[-1][1]
                acted = [version for versions in witness.versions.values() for version in versions]
                if killed_at is not None and max(acted, default=0) > killed_at:
                    break  # who is left has told devices how the event grew
        playing.cancel()
        # Should they have named it before they heard each other, they agree on one name
        assert witness.told[-1][0] == min(event_id for event_id, _ in witness.told)
        assert witness.reporters == ({"north", "south"} if is_split else set())
        assert {"event", "cellAlert", "heartbeat", "keys"} <= channels
        assert {"pick", "detector"} <= channels or not is_split
        assert witness.full
        assert sorted(witness.sounds) == sorted(witness.full)
