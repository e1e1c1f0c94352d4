"""The SeedLink client against a server that cuts, repeats, swaps and garbles, in both versions of the protocol."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obspy.clients.seedlink.slclient import SLClient

from ew import Packet
from ew.config.service import SeedLinkSource
from ew.errors import ConfigError
from ew.sources import miniseed, seedlink
from ew.sources.seedlink import SeedLinkClient
from simulators.faults import Faults
from simulators.seedlink import SeedLinkServer
from simulators.slinfo import About
from simulators.slring import Record
from simulators.slsession import Session
from tests.tls import make_certificate

START_NS = 1_600_000_000_000_000_000
KINDS: dict[str, dict[str, Any]] = {
    "version 3": {"protocols": (3,)},
    "version 4": {"protocols": (4,)},
    "both": {"protocols": (3, 4)},
    "version 4, miniSEED 3": {"protocols": (4,), "payload": 3},
    "version 3, about to wrap": {"protocols": (3,), "first_sequence": 2**24 - 7},
    "version 4, beyond 32 bits": {"protocols": (4,), "first_sequence": 2**40},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def packets(count: int, seed_id: str = "XX.A..HHZ") -> list[Packet]:
    rng = np.random.default_rng(1)
    return [
        Packet(seed_id, START_NS + i * 10**9, 100.0, rng.integers(-500, 500, 100).astype(np.int32))
        for i in range(count)
    ]


class Reading:
    """A client that runs, and what it has taken."""

    def __init__(self, client: SeedLinkClient, taken: list[Packet]) -> None:
        self.client, self.taken = client, taken

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(40):
            while not condition():
                await asyncio.sleep(0.01)

    async def different(self, wanted: int) -> None:
        await self.until(lambda: len({(p.seed_id, p.start_ns) for p in self.taken}) >= wanted)


@contextlib.asynccontextmanager
async def reading(port: int, *select: str, **options: Any) -> AsyncIterator[Reading]:
    """A client that reads from ``port``; ``sequences`` are where it goes on."""
    taken: list[Packet] = []
    sequences, stations = options.pop("sequences", None), options.pop("stations", ())
    source = SeedLinkSource(host="127.0.0.1", port=port, select=select or ("XX_*",), **options)
    client = SeedLinkClient(source, taken.append, sequences=sequences, stations=stations)
    running = asyncio.create_task(client.run())
    try:
        yield Reading(client, taken)
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


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


async def test_server_that_swallows_the_handshake_is_left_for_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seedlink, "CONNECT_S", 0.2)
    monkeypatch.setattr(seedlink, "RETRY_FIRST_S", 0.05)
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    held: list[asyncio.StreamWriter] = []
    async with reading(silent.sockets[0].getsockname()[1], tls=True) as at:
        await at.until(lambda: "not reached" in (at.client.status.last_error or ""))
    silent.close()
    for writer in held:
        writer.close()


async def test_versions_can_be_pinned() -> None:
    async with SeedLinkServer() as server, reading(server.port, protocol=3) as at:
        await at.until(lambda: at.client.status.is_connected)
        assert at.client.status.protocol == 3
    async with SeedLinkServer(protocols=(3,)) as server, reading(server.port, protocol=4) as at:
        await at.until(lambda: at.client.status.last_error is not None)
        assert "set protocol = 3" in (at.client.status.last_error or "")
        assert not at.client.status.is_connected


@contextlib.asynccontextmanager
async def scripted(
    answers: dict[str, bytes], after_end: bytes, heard: list[str] | None = None
) -> AsyncIterator[int]:
    """A server that says what it is told to: OK to all commands but those in ``answers``; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        with contextlib.suppress(ConnectionError):
            while line := (await reader.readline()).decode().strip():
                (heard if heard is not None else []).append(line)
                if line == "END":
                    writer.write(after_end)
                    break
                writer.write(answers.get(line, b"OK\r\n"))
            await reader.read()  # until the client has gone
            writer.close()
            await writer.wait_closed()

    tasks: list[Any] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
    await asyncio.gather(*tasks)


V4 = b"SeedLink v4.0 (other/1) :: SLPROTO:3.1 SLPROTO:4.0\r\nsomebody\r\n"
V3 = b"SeedLink v3.1 (other)\r\nsomebody\r\n"


def frames(version: int, *wanted: Packet) -> bytes:
    session = Session((3, 4))
    if version == 4:
        session.answer("SLPROTO 4.0", About())
    records = [miniseed.encode(p) for p in wanted]
    return b"".join(
        session.packet(Record(k, p.seed_id, data, data))
        for k, (p, data) in enumerate(zip(wanted, records, strict=True))
    )


async def test_station_that_has_gone_does_not_keep_the_others_away() -> None:
    refused = b"ERROR ARGUMENTS no such station\r\n"
    answers = {"HELLO": V4, "STATION XX_GONE": refused, "DATA 6": refused}
    heard: list[str] = []
    kept = {"v4 XX_GONE": 5, "v4 YY_B": 9, "XX_A": 7}
    async with scripted(answers, frames(4, packets(1)[0]), heard) as port:
        async with reading(port, "XX_*", sequences=kept) as at:
            await at.different(1)
    assert heard[-5:] == ["STATION XX_GONE", "DATA 6", "STATION XX_*", "DATA", "END"]


async def test_selection_that_the_server_refuses_is_told() -> None:
    answers = {"HELLO": V4, "SELECT *_H_H_Z": b"ERROR LIMIT too many\r\n"}
    async with scripted(answers, b"") as port, reading(port, "XX_A:HHZ") as at:
        await at.until(lambda: at.client.status.last_error is not None)
    assert "SELECT *_H_H_Z" in (at.client.status.last_error or "")
    assert "too many" in (at.client.status.last_error or "")


async def test_one_unknown_station_does_not_stop_the_others() -> None:
    answers = {"HELLO": V3, "STATION GONE XX": b"ERROR\r\n"}
    heard: list[str] = []
    async with scripted(answers, frames(3, packets(1)[0]), heard) as port:
        async with reading(port, "XX_GONE:HHZ", "XX_A:HHZ") as at:
            await at.different(1)
    assert heard[1:] == ["STATION GONE XX", "STATION A XX", "SELECT HHZ", "DATA", "END"]
    assert list(at.client.status.refused) == ["XX_GONE"]


async def test_server_without_wildcards_is_asked_for_the_stations_of_the_inventory() -> None:
    answers = {"HELLO": V3, "STATION * *": b"ERROR\r\n", "STATION C XX": b"ERROR\r\n"}
    heard: list[str] = []
    async with scripted(answers, frames(3, packets(1)[0]), heard) as port:
        async with reading(port, "*_*", stations=["XX_A", "XX_C", "YY_B"]) as at:
            await at.different(1)
    assert heard[1:] == [
        "STATION * *", "STATION A XX", "DATA", "STATION C XX", "STATION B YY", "DATA", "END",
    ]  # fmt: skip
    assert list(at.client.status.refused) == ["XX_C"]


async def test_silent_server_is_left_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seedlink, "KEEP_ALIVE_S", 0.2)
    monkeypatch.setattr(seedlink, "ALIVE_WITHIN_S", 0.2)
    monkeypatch.setattr(seedlink, "RETRY_FIRST_S", 0.05)
    async with scripted({"HELLO": V3}, b"") as silent:
        async with scripted({"HELLO": V3}, frames(3, packets(1)[0])) as speaking:
            async with reading(silent, others=(f"127.0.0.1:{speaking}",)) as at:
                await at.different(1)
    assert at.client.status.server == f"127.0.0.1:{speaking}"
    assert "silent" in (at.client.status.last_error or "")


async def test_server_that_offers_version_4_but_refuses_it_is_read_in_version_3() -> None:
    answers = {"HELLO": V4, "SLPROTO 4.0": b"ERROR UNSUPPORTED\r\n"}
    async with scripted(answers, frames(3, packets(1)[0])) as port, reading(port) as at:
        await at.different(1)
        assert at.client.status.protocol == 3


async def test_packets_that_hold_no_miniseed_are_passed_over() -> None:
    said = json.dumps({"software": "other/1"}).encode()
    info = b"SEJI" + len(said).to_bytes(4, "little") + bytes(8) + b"\0" + said
    async with scripted({"HELLO": V4}, info + frames(4, packets(1)[0])) as port:
        async with reading(port) as at:
            await at.different(1)
    assert at.client.status.records_refused == 0


@pytest.mark.parametrize(
    ("greeting", "after_end", "complaint"),
    [
        (V3, frames(3, packets(1)[0])[:520] + b"XX000001" + bytes(512), "no packet where one must"),
        (V4, frames(4, packets(1)[0]) + b"SL000001" + bytes(512), "no packet where one must"),
        (V4, b"SE2D" + (2**31).to_bytes(4, "little") + bytes(9), "a packet of 2147483648 bytes"),
        (b"220 mail.example.org ESMTP\r\nhello\r\n", b"", "no SeedLink server"),
        (b"x" * 70_000, b"", "no answer where one must come"),
    ],
)
async def test_what_is_no_seedlink_is_told_and_tried_again(
    greeting: bytes, after_end: bytes, complaint: str
) -> None:
    heard: list[str] = []
    async with scripted({"HELLO": greeting}, after_end, heard) as port, reading(port) as at:
        await at.until(lambda: heard.count("HELLO") > 1)
        assert complaint in (at.client.status.last_error or "")


async def test_record_shorter_than_it_says_takes_nothing_from_the_next() -> None:
    first, second = packets(2)
    whole = miniseed.encode(first)
    session = Session((4,))
    session.answer("SLPROTO 4.0", About())
    cut_short = session.packet(Record(1, first.seed_id, b"", whole[:256]))
    async with scripted({"HELLO": V4}, cut_short + frames(4, second)) as port:
        async with reading(port) as at:
            await at.different(1)
    assert [p.start_ns for p in at.taken] == [second.start_ns]
    assert at.client.status.records_refused == 1


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
