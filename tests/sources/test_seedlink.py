"""The SeedLink client against a server that cuts, repeats, swaps and garbles."""

import asyncio
import contextlib

import numpy as np
import pytest

from ew import Packet
from ew.config.service import SeedLinkSource
from ew.sources.seedlink import SeedLinkClient
from simulators.seedlink import Faults, SeedLinkServer

START_NS = 1_600_000_000_000_000_000


def packets(count: int, seed_id: str = "XX.A..HHZ") -> list[Packet]:
    rng = np.random.default_rng(1)
    return [
        Packet(seed_id, START_NS + i * 10**9, 100.0, rng.integers(-500, 500, 100).astype(np.int32))
        for i in range(count)
    ]


async def read(
    server: SeedLinkServer, sent: list[Packet], wanted: int, select: tuple[str, ...] = ("XX_*",)
) -> tuple[list[Packet], SeedLinkClient]:
    """What a client takes while packets are put in, until it has ``wanted`` different ones."""
    taken: list[Packet] = []
    client = SeedLinkClient(
        SeedLinkSource(host="127.0.0.1", port=server.port, select=select), taken.append
    )
    running = asyncio.create_task(client.run())
    async with asyncio.timeout(40):
        while server.connections == 0 or not client.status.is_connected:
            await asyncio.sleep(0.01)
        for packet in sent:
            await server.put(packet)
        while len({(p.seed_id, p.start_ns) for p in taken}) < wanted:
            await asyncio.sleep(0.01)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    return taken, client


async def test_every_sample_arrives_as_it_was_sent() -> None:
    sent = packets(20)
    async with SeedLinkServer() as server:
        taken, _ = await read(server, sent, 20)
    for ours, theirs in zip(taken, sent, strict=True):
        assert ours.start_ns == theirs.start_ns
        np.testing.assert_array_equal(ours.samples, theirs.samples)


async def test_only_what_was_selected_comes() -> None:
    sent = (
        packets(3, "XX.A..HHZ")
        + packets(3, "XX.A..HHN")
        + packets(3, "YY.B..HHZ")
        + packets(3, "XX.C..BHZ")
    )
    async with SeedLinkServer() as server:
        taken, _ = await read(server, sent, 6, ("XX_?:??Z",))
    assert {p.seed_id for p in taken} == {"XX.A..HHZ", "XX.C..BHZ"}


async def test_no_packet_is_lost_across_reconnects_cuts_garbage_and_swaps() -> None:
    sent = packets(120)
    faults = Faults(cut=0.02, duplicate=0.1, reorder=0.1, garbage=0.05, seed=4)
    async with SeedLinkServer(faults=faults) as server:
        taken, client = await read(server, sent, 120)
        assert server.connections > 1
    assert {p.start_ns for p in taken} >= {p.start_ns for p in sent}
    assert client.status.records_refused > 0


async def test_restart_goes_on_where_it_left_off() -> None:
    sent = packets(30)
    async with SeedLinkServer() as server:
        _, first = await read(server, sent[:10], 10)
        for packet in sent[10:]:
            await server.put(packet)  # while nobody listens
        taken: list[Packet] = []
        source = SeedLinkSource(host="127.0.0.1", port=server.port, select=("XX_*",))
        second = SeedLinkClient(source, taken.append, sequences=first.status.sequences)
        running = asyncio.create_task(second.run())
        async with asyncio.timeout(20):
            while len(taken) < 20:
                await asyncio.sleep(0.01)
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
    assert [p.start_ns for p in taken] == [p.start_ns for p in sent[10:]]


def test_selection_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is not NET_STA"):
        SeedLinkSource(host="x", select=("nonsense",))
