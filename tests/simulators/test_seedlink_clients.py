"""The simulated SeedLink server, asked by other people's clients: obspy, EarthScope's
seedlink-client, slinktool."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from obspy import UTCDateTime
from obspy.clients.seedlink import Client
from obspy.clients.seedlink.easyseedlink import EasySeedLinkClient
from seedlink_client import AsyncSeedLink

from ew import Packet
from simulators.seedlink import SeedLinkServer

START_NS = 1_600_000_000_000_000_000
STREAMS = ("XX.A..HHZ", "XX.A.00.HHN", "YY.B..HNZ")
LEVELS = ("ID", "CAPABILITIES", "STATIONS", "STREAMS", "CONNECTIONS", "GAPS", "ALL")
SLINKTOOL = shutil.which("slinktool")


def packet(seed_id: str, second: int) -> Packet:
    samples = np.random.default_rng(second).integers(-500, 500, 100).astype(np.int32)
    return Packet(seed_id, START_NS + second * 10**9, 100.0, samples)


@pytest.fixture
async def server() -> AsyncIterator[SeedLinkServer]:
    """20 s of three streams, with a gap of 2 s."""
    async with SeedLinkServer() as server:
        for second in range(20):
            for seed_id in STREAMS if second not in (7, 8) else ():
                await server.put(packet(seed_id, second))
        yield server


class Easy(EasySeedLinkClient):  # type: ignore[misc] - obspy has no types
    """Obspy's client, with a time-out: without one, obspy 1.5.1 compares it with a number and
    connects to no server."""

    def __init__(self, server: SeedLinkServer) -> None:
        super().__init__(f"127.0.0.1:{server.port}", autoconnect=False)
        self.conn.timeout = 20.0
        self.connect()
        self.taken: list[Any] = []

    def on_data(self, trace: Any) -> None:
        self.taken.append(trace)
        self.close()
        raise StopAsyncIteration  # obspy's loop knows no other way out


async def in_thread(work: Any, *arguments: Any) -> Any:
    async with asyncio.timeout(30):
        return await asyncio.to_thread(work, *arguments)


@pytest.mark.parametrize("level", LEVELS)
async def test_obspys_easy_client_gets_every_level_of_info(
    server: SeedLinkServer, level: str
) -> None:
    def ask() -> str:
        client = Easy(server)
        try:
            return str(client.get_info(level))
        finally:
            client.close()

    root = ET.fromstring(await in_thread(ask))  # noqa: S314 - of our own server
    assert root.tag == "seedlink"
    stations = {f"{s.get('network')}_{s.get('name')}" for s in root.iter("station")}
    streams = {s.get("seedname") for s in root.iter("stream")}
    gaps = [g.get("begin_time") for g in root.iter("gap")]
    has = {"STATIONS", "STREAMS", "GAPS", "ALL"}
    assert (stations >= {"XX_A", "YY_B"}) == (level in has)
    assert streams == ({"HHZ", "HHN", "HNZ"} if level in has - {"STATIONS"} else set())
    assert gaps == (["2020/09/13 12:26:47.0000"] * 3 if level in {"GAPS", "ALL"} else [])
    assert (len(list(root.iter("connection"))) == 1) == (level in {"CONNECTIONS", "ALL"})
    capabilities = {c.get("name") for c in root.iter("capability")}
    assert ("multistation" in capabilities) == (level in {"CAPABILITIES", "ALL"})


async def test_obspys_easy_client_streams(server: SeedLinkServer) -> None:
    def run() -> list[Any]:
        client = Easy(server)
        assert client.has_info_capability("STREAMS")
        client.select_stream("XX", "A", "HHZ")
        with pytest.raises(StopAsyncIteration):
            client.run()
        return client.taken

    running = asyncio.create_task(in_thread(run))
    async with asyncio.timeout(30):
        while not any(session.is_streaming for session in server.sessions):
            await asyncio.sleep(0.01)
    await server.put(packet("YY.B..HNZ", 20))
    await server.put(packet("XX.A..HHZ", 20))
    (trace,) = await running
    assert trace.id == "XX.A..HHZ"
    np.testing.assert_array_equal(trace.data, packet("XX.A..HHZ", 20).samples)


async def test_obspys_request_client_gets_a_time_window(server: SeedLinkServer) -> None:
    begin = UTCDateTime(START_NS / 1e9)

    def ask() -> Any:
        client = Client("127.0.0.1", server.port, timeout=20)
        return client.get_waveforms("XX", "A", "*", "HH?", begin + 3, begin + 6)

    stream = await in_thread(ask)
    assert sorted(trace.id for trace in stream) == ["XX.A..HHZ", "XX.A.00.HHN"]
    for trace in stream:
        assert trace.stats.starttime == begin + 3
        assert trace.stats.endtime == begin + 6


@pytest.mark.parametrize("protocol", ["3.1", "4.0"])
async def test_seedlink_client_asks_and_streams_and_asks_again(
    server: SeedLinkServer, protocol: str
) -> None:
    async with asyncio.timeout(30):
        for level in LEVELS:
            async with AsyncSeedLink("127.0.0.1", server.port, protocol=protocol) as client:
                told = repr(await client.info_dict(level))
                assert "ew simulator" in told
                assert ("YY" in told) == (level in {"STATIONS", "STREAMS", "GAPS", "ALL"})
        async with AsyncSeedLink(
            "127.0.0.1", server.port, protocol=protocol, keepalive=0.2
        ) as client:
            client.add_stream("XX_A", "HHZ", seqnum=5)
            await client.negotiate()
            seconds = []
            async for one in client.collect():
                seconds.append(round(float(one.record().starttime) / 1e9 - START_NS / 1e9))
                if len(seconds) == 16:
                    break
    assert seconds == [2, 3, 4, 5, 6, *range(9, 20)]


@pytest.mark.skipif(SLINKTOOL is None, reason="slinktool is not installed")
@pytest.mark.parametrize("version", ["-3", "-4"])
@pytest.mark.parametrize("level", LEVELS)
async def test_slinktool_prints_every_level_of_info(
    server: SeedLinkServer, version: str, level: str
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(str(SLINKTOOL), version, "-F", level, f"127.0.0.1:{server.port}"),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(30):
        told = (await process.communicate())[0].decode()
    assert process.returncode == 0
    assert "error" not in told
    assert ("XX_A" in told) == (level in {"STATIONS", "STREAMS", "GAPS", "ALL"})
