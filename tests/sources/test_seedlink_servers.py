"""The SeedLink client at servers that refuse, fall silent, or are none."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ew import Packet
from ew.sources import miniseed, seedlink
from simulators.slinfo import About
from simulators.slring import Record
from simulators.slsession import Session
from tests.seedlink import packets, reading


@contextlib.asynccontextmanager
async def scripted(
    answers: dict[str, bytes], after_end: bytes, heard: list[str] | None = None
) -> AsyncIterator[int]:
    """A server that says what it is told to: OK to all commands but those in ``answers``; its
    port."""

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
