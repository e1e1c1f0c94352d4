"""Commands from the web process to the service, over a real broker on which everybody may speak."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from ew.alerts.signing import Signer
from ew.api.backend import Backend, ServiceGoneError
from ew.broker_address import BrokerAddress
from ew.config import Config, ServiceConfig
from ew.delivery.publisher import Publisher
from ew.errors import MessageError
from ew.service.commands import Commands
from ew.service.link import TOPIC_COMMAND, Seal
from ew.service.live_updates import LiveUpdates
from ew.sources.listen import listen
from ew.storage.store import Store

SECRET = b"s" * 64


@dataclass
class Pair:
    """A service's end and a web process's end."""

    backend: Backend
    commands: Commands
    live: LiveUpdates
    carried_out: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
async def pair(embedded: BrokerAddress, tmp_path: Path) -> AsyncIterator[Pair]:
    config = Config(service=ServiceConfig(name="first", database=tmp_path / "ew.sqlite"))
    backend = Backend(config, Store(config.service.database), SECRET)
    async with Publisher(embedded, Signer.ephemeral("test", ("test",))) as publisher:

        async def echo(body: dict[str, Any]) -> dict[str, Any]:
            one.carried_out.append(body)
            return body

        async def refuse(_: dict[str, Any]) -> dict[str, Any]:
            raise MessageError("not today")

        commands = Commands("first", SECRET, publisher, {"echo": echo, "refuse": refuse})
        one = Pair(backend, commands, LiveUpdates("first", SECRET, publisher))
        is_subscribed = asyncio.Event()
        tasks = [
            asyncio.create_task(
                listen(embedded, commands.wanted, commands.take, "test", is_subscribed.set)
            ),
            asyncio.create_task(backend.listen(embedded)),
        ]
        async with asyncio.timeout(20):
            await is_subscribed.wait()
            while backend._client is None:
                await asyncio.sleep(0.01)
        yield one
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def test_a_command_is_carried_out_and_answered(pair: Pair) -> None:
    assert await pair.backend.command("echo", {"a": 1}) == {"a": 1}
    with pytest.raises(MessageError, match="not today"):
        await pair.backend.command("refuse", {})
    with pytest.raises(MessageError, match="no command"):
        await pair.backend.command("other", {})


async def test_status_and_what_happens_reach_the_web_process(pair: Pair) -> None:
    assert pair.backend.health.startswith("starting")
    with pair.backend.hub.subscribe() as updates:
        pair.live.publish("pick", seed_id="XS.A..HHZ")
        pair.live.publish_status({"health": "ok", "channels": 3})
        async with asyncio.timeout(10):
            assert await updates.get() == {"type": "pick", "seed_id": "XS.A..HHZ"}
            while pair.backend.health != "ok":
                await asyncio.sleep(0.01)
    assert pair.backend.status()["channels"] == 3


async def test_a_stranger_on_an_open_broker_can_neither_command_nor_replay(
    pair: Pair, embedded: BrokerAddress
) -> None:
    topic = TOPIC_COMMAND.format("first")
    async with aiomqtt.Client(embedded.host, embedded.port) as stranger:
        await stranger.subscribe(topic, qos=1)
        await pair.backend.command("echo", {"a": 1})
        async with asyncio.timeout(10):
            overheard = (await anext(stranger.messages)).payload
        body = {"kind": "echo", "from": "stranger", "body": {}}
        for forged in (
            overheard,
            b"{}",
            Seal(b"guess").close(topic, body, nonce="n", now_us=1_800_000_000_000_000),
        ):
            await stranger.publish(topic, forged, qos=1)
        async with asyncio.timeout(10):
            while pair.commands.refused < 3:
                await asyncio.sleep(0.01)
    assert pair.carried_out == [{"a": 1}]


async def test_without_a_service_a_command_says_so(pair: Pair) -> None:
    pair.backend._name = "another"
    with pytest.raises(ServiceGoneError):
        await pair.backend.command("echo", {}, within_s=0.2)
