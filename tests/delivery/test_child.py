"""A broker that dies or hangs is started again on its port, and holds what its topics retained."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE

import aiomqtt
import pytest

from ew.alerts.signing import Signer
from ew.config import DeliveryConfig
from ew.delivery import child
from ew.delivery.broker import find_program, open_broker
from ew.delivery.outbox import Outbox, Outgoing
from ew.delivery.publisher import Publisher
from ew.service.tasks import Watch

QUICK = DeliveryConfig(retry_first_s=0.05, retry_most_s=0.2)
OWNER = """
import asyncio
from ew.delivery.broker import open_broker
async def run():
    async with open_broker("mosquitto") as broker:
        print(broker.port, flush=True)
        await asyncio.Event().wait()
asyncio.run(run())
"""
SPECS = [
    "embedded",
    pytest.param(
        "mosquitto",
        marks=pytest.mark.skipif(find_program("mosquitto") is None, reason="no mosquitto"),
    ),
]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
async def test_a_broker_of_ours_comes_back_with_what_was_retained(
    spec: str, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "ASKED_EVERY_S", 0.1)
    monkeypatch.setattr(child, "ANSWERS_WITHIN_S", 1.0)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        watch = Watch(group)
        async with (
            open_broker(spec, keep=watch.keep) as broker,
            Publisher(broker, Signer.ephemeral("test"), QUICK) as publisher,
        ):
            publisher.publish("ew/v1/keys", b"document", retain=True)
            await publisher.drain()
            assert broker.pid is not None
            os.kill(broker.pid, number)
            while not watch.tasks["broker"].failures or not publisher.status.connected:
                await asyncio.sleep(0.02)
            async with aiomqtt.Client(broker.host, broker.port) as device:
                await device.subscribe("ew/v1/keys", qos=1)
                assert (await anext(device.messages)).payload == b"document"
            expected = "did not answer" if number == signal.SIGSTOP else "ended with code"
            assert expected in watch.tasks["broker"].reason
        watch.stop()


@pytest.mark.skipif(find_program("mosquitto") is None, reason="no mosquitto")
async def test_a_mosquitto_of_ours_ends_when_we_are_killed() -> None:
    ours = await asyncio.create_subprocess_exec(sys.executable, "-c", OWNER, stdout=PIPE)
    assert ours.stdout is not None
    async with asyncio.timeout(30):
        port = int(await ours.stdout.readline())
    ours.kill()
    await ours.wait()
    async with asyncio.timeout(10):
        while await is_open(port):
            await asyncio.sleep(0.02)


async def is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _message(topic: str, *, qos: int = 1, retain: bool = False, payload: bytes = b"x") -> Outgoing:
    return Outgoing(topic, payload, qos, retain)


def test_other_messages_are_bounded_and_the_oldest_go() -> None:
    outbox = Outbox(most=3)
    for number in range(5):
        outbox.put(_message(str(number)), 0.0, is_connected=False)
    outbox.put(_message("heartbeat", qos=0), 0.0, is_connected=False)
    assert outbox.dropped == 3
    assert [one.topic for one in iter(outbox.pop, None)] == ["2", "3", "4"]


def test_the_newest_of_each_retaining_topic_is_said_again_until_it_expires() -> None:
    outbox = Outbox()
    for payload in (b"1", b"2"):
        outbox.put(_message("keys", retain=True, payload=payload), 0.0, is_connected=True)
    outbox.put(Outgoing("event", b"e", 1, retain=True, expires_s=9.0), 0.0, is_connected=True)
    outbox.put(_message("gone", retain=True), 0.0, is_connected=True)
    outbox.put(_message("gone", retain=True, payload=b""), 0.0, is_connected=True)
    while outbox.pop() is not None:
        pass
    assert outbox.send_again(8.0) == 2
    assert [one.payload for one in iter(outbox.pop, None)] == [b"2", b"e"]
    assert outbox.send_again(10.0) == 1
