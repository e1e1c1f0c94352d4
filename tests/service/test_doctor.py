"""What ``ew doctor`` finds, with real sources: what is well, and each thing that is not."""

import asyncio
import socket
import time
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from ew.cli.main import app
from ew.config import Config
from ew.records import Channel, Inventory, Packet
from ew.service.doctor import Finding, examine
from simulators.seedlink import SeedLinkServer
from tests.casts import free_udp_port
from tests.serving import write_inventory

IDS = ("XX.A..HHZ", "XX.B..HHZ", "XX.C..HHZ", "XX.D..HHZ")
INVENTORY: Inventory = {
    seed_id: Channel(seed_id, 29.0 + 0.2 * n, 103.0, 0.0, 1e6, "M/S")
    for n, seed_id in enumerate(IDS)
}


def packet(seed_id: str) -> Packet:
    """A second that has just ended."""
    samples = np.arange(100, dtype=np.int32)
    return Packet(seed_id, time.time_ns() - 10**9, 100.0, samples)


async def found(service: dict[str, object], sent: tuple[str, ...], port: int) -> list[Finding]:
    """The findings of 2 s at most, while a SeedLink server sends data of some channels."""
    config = Config.model_validate({"service": service})
    async with SeedLinkServer(port=port) as server:

        async def send() -> None:
            while True:
                for seed_id in sent:
                    await server.put(packet(seed_id))
                await asyncio.sleep(0.2)

        sending = asyncio.create_task(send())
        findings = await examine(config, INVENTORY, 2.0)
        sending.cancel()
    return findings


def of(findings: list[Finding], where: str) -> list[Finding]:
    return [finding for finding in findings if finding.where.startswith(where)]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        return int(one.getsockname()[1])


async def test_sources_that_are_well_are_told_and_all_stations_heard_end_the_wait() -> None:
    port = free_port()
    findings = await found({"seedlink": [{"host": "127.0.0.1", "port": port}]}, IDS, port)
    (seedlink,) = of(findings, "seedlink")
    assert seedlink.is_well
    assert "SeedLink 4" in seedlink.what
    assert of(findings, "stations") == [Finding("stations", True, "4 of 4 live")]
    assert of(findings, "inventory") == [Finding("inventory", True, "4 channels of 4 stations")]


async def test_each_thing_that_is_wrong_is_named(tmp_path: Path) -> None:
    port, deaf = free_port(), free_port()
    (tmp_path / "notes.txt").write_text("calibrated in May")
    service = {
        "seedlink": [
            {"host": "127.0.0.1", "port": port},
            {"host": "127.0.0.1", "port": deaf},
        ],
        "watch": str(tmp_path),
        "shakes": [{"station": "AM.R3BCF.00", "sender": "127.0.0.9", "port": free_udp_port()}],
    }
    findings = await found(service, ("XX.A..HHZ", "XX.NEW..HHZ"), port)
    wrong = {f"{finding.where}: {finding.what}" for finding in findings if not finding.is_well}
    for expected in (
        f"seedlink 127.0.0.1:{deaf}: [Errno 111]",
        f"watch {tmp_path}: notes.txt left aside: no miniSEED record in it",
        "shake AM.R3BCF.00: 0 packets from 127.0.0.9",
        "stations: 1 of 4 live; XX.B silent",
        "inventory: data of channels the inventory does not hold: XX.NEW..HHZ",
    ):
        assert any(line.startswith(expected) for line in wrong), (expected, wrong)
    assert of(findings, f"seedlink 127.0.0.1:{port}")[0].is_well


async def test_broker_that_is_not_there_is_told() -> None:
    broker = f"mqtt://127.0.0.1:{free_port()}"
    config = Config.model_validate(
        {"delivery": {"broker": broker}, "service": {"mqtt_waveforms": True}}
    )
    findings = await examine(config, INVENTORY, 1.0)
    (told,) = of(findings, "broker")
    assert not told.is_well
    assert broker in told.what


def test_command_prints_the_findings_and_tells_by_its_exit_code(tmp_path: Path) -> None:
    write_inventory(tmp_path / "stations.csv", INVENTORY.values())
    (tmp_path / "in").mkdir()
    config = tmp_path / "ew.toml"
    config.write_text(
        f'[service]\ninventory = "{tmp_path}/stations.csv"\nwatch = "{tmp_path}/in"\n'
    )
    result = CliRunner().invoke(app, ["doctor", "--config", str(config), "--seconds", "0.5"])
    assert result.exit_code == 1
    assert f"ok    watch {tmp_path}/in: 0 files, 0 packets" in result.output
    assert "wrong stations: 0 of 4 live" in result.output
