"""Over real MQTT: what a stranger can make of real messages moves no device."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt

from ew.alerts.message import TOPIC_DEVICE, TOPIC_HEARTBEAT, TOPIC_KEYS, heartbeat, signed
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from simulators.fleet import Fleet
from simulators.population import Device
from tests import trust
from tests.delivery.conftest import PlanMaker

TOPIC = TOPIC_DEVICE.format("tv-1")


def changed(payload: bytes) -> Iterator[bytes]:
    """One bit of each position, each member gone, and each number another."""
    for position in range(len(payload)):
        for bit in range(8):
            other = bytearray(payload)
            other[position] ^= 1 << bit
            yield bytes(other)
    body: dict[str, Any] = json.loads(payload)
    for name, value in body.items():
        yield json.dumps({key: body[key] for key in body if key != name}).encode()
        if isinstance(value, int):
            yield json.dumps({**body, name: value + 1}).encode()


async def test_device_acts_on_none_of_ten_thousand_messages_a_stranger_can_make(
    embedded: BrokerAddress, signer: Signer, make_plan: PlanMaker
) -> None:
    plan = make_plan(["tv-1"])
    real, foreign = plan.message(0, signer), Signer.ephemeral(signer.key_id)
    older = trust.document([foreign], serial=1)
    forged = [*changed(real), plan.message(0, foreign)]
    while len(forged) < 10_000:
        forged += changed(make_plan(["tv-1"], version=2).message(0, signer))
    tv = Device("tv-1", "tv", 30.3, 103.0, "here")
    async with (
        aiomqtt.Client(
            embedded.host, embedded.port, username=embedded.username, password=embedded.password
        ) as stranger,
        Fleet([tv], embedded, roots=[trust.ROOT_PUBLIC]) as fleet,
    ):
        await stranger.publish(TOPIC_KEYS, trust.document([signer], serial=2), qos=1, retain=True)
        now_us = plan_us(plan.version.issued_s)
        await stranger.publish(TOPIC_HEARTBEAT, beat(now_us, signer), qos=1)
        await stranger.publish(TOPIC_KEYS, older, qos=1)
        for payload in forged:
            await stranger.publish(TOPIC, payload, qos=0)
        await stranger.publish(TOPIC, real, qos=1)  # by which all before it have been judged
        async with asyncio.timeout(60):
            while not fleet.reactions:
                await asyncio.sleep(0.02)
    assert [(r["event_id"], r["version"]) for r in fleet.reactions] == [("round-001", 1)]
    assert len(forged) >= 10_000
    assert sum(fleet.refused.values()) == len(forged) + 1  # and the document that goes back


async def test_device_acts_on_nothing_expired_replayed_revoked_or_rolled_back(
    embedded: BrokerAddress, signer: Signer, make_plan: PlanMaker
) -> None:
    """All of it was signed rightly once, so that the signature alone does not refuse it."""
    new = Signer.ephemeral("test", ("test",))  # another key of the same name
    first, second = make_plan(["tv-1"], version=1), make_plan(["tv-1"], version=2)
    past = make_plan(["tv-1"], version=9, before_s=3600.0).message(0, signer)
    by_old = [make_plan(["tv-1"], version=n).message(0, signer) for n in range(3, 40)]
    documents = [trust.document([one], serial=n) for n, one in enumerate((signer, new), start=1)]
    tv = Device("tv-1", "tv", 30.3, 103.0, "here")
    now_us = plan_us(first.version.issued_s)
    async with (
        aiomqtt.Client(
            embedded.host, embedded.port, username=embedded.username, password=embedded.password
        ) as stranger,
        Fleet([tv], embedded, roots=[trust.ROOT_PUBLIC]) as fleet,
    ):

        async def say(topic: str, *payloads: bytes) -> None:
            for payload in payloads:
                await stranger.publish(topic, payload, qos=1)

        await say(TOPIC_KEYS, documents[0])
        await say(TOPIC_HEARTBEAT, beat(now_us, signer))
        await say(TOPIC, past, first.message(0, signer))
        await say(TOPIC, *[first.message(0, signer)] * 20)
        await say(TOPIC_HEARTBEAT, beat(now_us - 30_000_000, signer))  # to set the clock back
        await say(TOPIC, past)
        await say(TOPIC_KEYS, documents[1], documents[0])  # revoked, and rolled back
        await say(TOPIC, *by_old)
        await say(TOPIC, second.message(0, new))  # by which all before it have been judged
        async with asyncio.timeout(60):
            while len(fleet.reactions) < 2:
                await asyncio.sleep(0.02)
    assert [r["version"] for r in fleet.reactions] == [1, 2]
    assert fleet.refused["old heartbeat"] == 1
    assert fleet.refused["expired"] == 2
    assert fleet.refused["old version"] == 20
    assert fleet.refused["the signature is wrong"] == len(by_old)
    assert fleet.refused["keys document: serial 1 goes back from 2"] == 1


def devices(broker: BrokerAddress, folder: Path) -> str:
    """What devices that listen for a second say at their end."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "ew",
            "simulate",
            "devices",
            "--broker",
            broker.url,
            "--count",
            "1",
            "--seconds",
            "1",
            "--root",
            str(trust.root_file(folder)),
            "--state",
            str(folder / "serial"),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stderr.replace("\n", " ")


async def test_devices_that_are_started_again_take_no_older_document(
    embedded: BrokerAddress, signer: Signer, tmp_path: Path
) -> None:
    async with aiomqtt.Client(embedded.host, embedded.port) as stranger:
        for serial in (5, 4):
            document = trust.document([signer], serial=serial)
            await stranger.publish(TOPIC_KEYS, document, qos=1, retain=True)
            said = await asyncio.to_thread(devices, embedded, tmp_path)
            assert (tmp_path / "serial").read_text() == "5\n"
    assert "keys document: serial 4 goes back from 5" in said


def beat(time_us: int, by: Signer) -> bytes:
    body = heartbeat(now_us=time_us, version="1", mode="test", last_event_id=None, health="ok")
    return signed(body, by, "test")


def plan_us(moment_s: float) -> int:
    return round(moment_s * 1e6)
