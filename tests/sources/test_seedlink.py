"""The SeedLink client against a server that cuts, repeats, swaps and garbles, in both versions of
the protocol."""

import asyncio
import ssl
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obspy.clients.seedlink.slclient import SLClient

from ew import Packet
from ew.config.service import SeedLinkSource
from ew.errors import ConfigError
from ew.sources.seedlink import SeedLinkClient
from simulators.faults import Faults
from simulators.seedlink import SeedLinkServer
from tests.seedlink import packets, reading
from tests.tls import make_certificate

KINDS: dict[str, dict[str, Any]] = {
    "version 3": {"protocols": (3,)},
    "version 4": {"protocols": (4,)},
    "both": {"protocols": (3, 4)},
    "version 4, miniSEED 3": {"protocols": (4,), "payload": 3},
    "version 3, about to wrap": {"protocols": (3,), "first_sequence": 2**24 - 7},
    "version 4, beyond 32 bits": {"protocols": (4,), "first_sequence": 2**40},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


async def read(
    server: SeedLinkServer, sent: list[Packet], wanted: int, *select: str
) -> tuple[list[Packet], SeedLinkClient]:
    """What a client takes while packets are put in, until it has ``wanted`` different ones."""
    async with reading(server.port, *select) as at:
        await at.until(lambda: at.client.status.is_connected)
        await at.until(lambda: any(session.is_streaming for session in server.sessions))
        for packet in sent:
            await server.put(packet)
        await at.different(wanted)
    return at.taken, at.client


@every_kind
async def test_every_sample_arrives_as_it_was_sent(kind: str) -> None:
    sent = packets(20)
    async with SeedLinkServer(**KINDS[kind]) as server:
        taken, client = await read(server, sent, 20)
    assert client.status.protocol == (3 if kind.startswith("version 3") else 4)
    for ours, theirs in zip(taken, sent, strict=True):
        assert ours.start_ns == theirs.start_ns
        np.testing.assert_array_equal(ours.samples, theirs.samples)


@pytest.mark.parametrize("protocols", [(3,), (4,)])
@pytest.mark.parametrize(
    ("select", "expected"),
    [
        ("XX_?:??Z", {"XX.A..HHZ", "XX.C.00.BHZ"}),
        ("XX_?:*_?_?_Z", {"XX.A..HHZ", "XX.C.00.BHZ"}),
        ("XX_*:--HH?", {"XX.A..HHZ", "XX.A..HHN"}),
        ("XX_*:_H_H_?", {"XX.A..HHZ", "XX.A..HHN"}),
        ("XX_*:00BHZ", {"XX.C.00.BHZ"}),
        ("XX_*:HHZ BHZ", {"XX.A..HHZ", "XX.C.00.BHZ"}),
        ("XX_*:!HHN", {"XX.A..HHZ", "XX.C.00.BHZ"}),
    ],
)
async def test_only_what_was_selected_comes(
    protocols: Any, select: str, expected: set[str]
) -> None:
    sent = [
        packet
        for seed_id in ("XX.A..HHZ", "XX.A..HHN", "YY.B..HHZ", "XX.C.00.BHZ")
        for packet in packets(3, seed_id)
    ]
    async with SeedLinkServer(protocols=protocols) as server:
        taken, _ = await read(server, sent, 3 * len(expected), select)
    assert {p.seed_id for p in taken} == expected


@every_kind
async def test_no_packet_is_lost_across_reconnects_cuts_waits_garbage_and_swaps(kind: str) -> None:
    sent = packets(120)
    faults = Faults(
        cut=0.02, delay=0.05, delay_s=0.02, duplicate=0.1, reorder=0.1, garbage=0.05, seed=4
    )
    async with SeedLinkServer(faults=faults, **KINDS[kind]) as server:
        taken, client = await read(server, sent, 120)
        assert server.connections > 1
    assert {p.start_ns for p in taken} >= {p.start_ns for p in sent}
    assert client.status.records_refused > 0


@every_kind
@pytest.mark.parametrize("select", [("XX_*",), ("XX_A", "XX_B")])
async def test_restart_goes_on_where_it_left_off(kind: str, select: tuple[str, ...]) -> None:
    sent = [p for pair in zip(packets(15), packets(15, "XX.B..HHZ"), strict=True) for p in pair]
    async with SeedLinkServer(**KINDS[kind]) as server:
        _, first = await read(server, sent[:10], 10, *select)
        for packet in sent[10:]:
            await server.put(packet)  # while nobody listens
        async with reading(server.port, *select, sequences=first.status.sequences) as second:
            await second.different(20)
            await server.put(packets(1, "XX.NEW..HHZ")[0])
            if select == ("XX_*",):  # a station that has come since
                await second.different(21)
    taken = [(p.seed_id, p.start_ns) for p in second.taken]
    assert taken[:20] == [(p.seed_id, p.start_ns) for p in sent[10:]]


@pytest.mark.parametrize("protocols", [(3,), (4,)])
@pytest.mark.parametrize("before", [3, 40])
async def test_nothing_is_lost_when_a_ringserver_began_anew(protocols: Any, before: int) -> None:
    # Its ring was lost with the machine: old numbers are none of the new ring's, or other packets'
    options: dict[str, Any] = {"protocols": protocols, "software": "RingServer/4.5.3"}
    sent = packets(60)
    async with SeedLinkServer(**options) as first:
        port = first.port
        async with reading(port) as at:
            await at.until(lambda: any(session.is_streaming for session in first.sessions))
            for packet in sent[:before]:
                await first.put(packet)
            await at.different(before)
            await first.__aexit__()
            async with SeedLinkServer(port=port, first_sequence=1, **options) as second:
                for packet in sent[before:]:
                    await second.put(packet)  # before the client is back
                await at.different(60)
    assert [p.start_ns for p in at.taken] == [p.start_ns for p in sent]


async def test_versions_can_be_pinned() -> None:
    async with SeedLinkServer() as server, reading(server.port, protocol=3) as at:
        await at.until(lambda: at.client.status.is_connected)
        assert at.client.status.protocol == 3
    async with SeedLinkServer(protocols=(3,)) as server, reading(server.port, protocol=4) as at:
        await at.until(lambda: at.client.status.last_error is not None)
        assert "set protocol = 3" in (at.client.status.last_error or "")
        assert not at.client.status.is_connected


@pytest.mark.parametrize("select", ["nonsense", "XX_A:HH", "XX_A:H*Z", "XX_A:00_HHZ"])
def test_selection_that_is_none_is_refused(select: str) -> None:
    with pytest.raises(ValueError, match=r"is not NET_STA|is no selector"):
        SeedLinkSource(host="x", select=(select,))


async def test_obspys_client_reads_the_simulated_server() -> None:
    sent = packets(5)
    taken: list[Any] = []

    def take(_: int, packet: Any) -> bool:
        taken.append(packet.get_trace())
        return len(taken) == 5  # and obspy ends

    async with SeedLinkServer() as server:
        client = SLClient(timeout=20)
        client.slconn.set_sl_address(f"127.0.0.1:{server.port}")
        client.multiselect = "XX_A:HHZ"
        client.initialize()
        running = asyncio.create_task(asyncio.to_thread(client.run, take))
        async with asyncio.timeout(60):
            while not any(session.is_streaming for session in server.sessions):
                await asyncio.sleep(0.01)
            for packet in sent:
                await server.put(packet)
            await running
    for trace, packet in zip(taken, sent, strict=True):
        np.testing.assert_array_equal(trace.data, packet.samples)


async def test_over_tls_packets_come_and_a_stranger_is_refused(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.crt", tmp_path / "server.key")
    async with SeedLinkServer(tls=tls) as server:
        sent = packets(20)
        async with reading(server.port, tls=True, ca_file=tmp_path / "server.crt") as at:
            await at.until(lambda: any(session.is_streaming for session in server.sessions))
            for packet in sent[:10]:
                await server.put(packet)
            await at.different(10)
            server.cut()
            for packet in sent[10:]:
                await server.put(packet)
            await at.different(20)
            assert at.client.status.reconnects == 1
        # Not signed by anyone the system knows
        async with reading(server.port, tls=True) as at:
            await at.until(lambda: at.client.status.last_error is not None)
            assert "certificate" in str(at.client.status.last_error)
            assert not at.taken
        # And a client that does not speak TLS gets nothing
        async with reading(server.port) as at:
            await at.until(lambda: at.client.status.reconnects > 0)
            assert not at.taken


def test_certificates_that_can_not_be_read_are_named(tmp_path: Path) -> None:
    source = SeedLinkSource(host="127.0.0.1", tls=True, ca_file=tmp_path / "none.pem")
    with pytest.raises(ConfigError, match=r"none\.pem"):
        SeedLinkClient(source, print)
    with pytest.raises(ValueError, match="ca_file is for tls"):
        SeedLinkSource(host="127.0.0.1", ca_file=tmp_path / "none.pem")
