"""A service that comes back without its resume file goes on from what the broker retains."""

import time
from pathlib import Path

import aiomqtt
import orjson

from ew.alerts.message import TOPIC_EVENT, event_body, signed, verified_event
from ew.alerts.signing import Signer
from ew.broker_address import BrokerAddress
from ew.records import EventVersion, Origin
from ew.service.resume_file import ResumeFile
from ew.service.retained_events import retained_events
from ew.storage.resume import Resume, save_resume
from tests.trust import trusting


def _version(event_id: str, number: int) -> EventVersion:
    now_s = round(time.time(), 3)
    return EventVersion(
        event_id, number, "update", now_s, Origin(now_s - 9, 30.0, 103.0, 10.0, 6.5), 7
    )


async def test_the_brokers_events_are_gone_on_from_where_they_are_ours_and_newer(
    broker: BrokerAddress, tmp_path: Path
) -> None:
    ours, stranger = Signer.ephemeral("ours", ("test",)), Signer.ephemeral("else", ("test",))
    verifier = trusting([ours])
    now_us = time.time_ns() // 1000
    path = tmp_path / "ew.resume.json"
    save_resume(path, Resume((_version("ew-old", 4), _version("ew-newer", 2)), {}, 0.0, "test"))
    told = [
        (_version("ew-lost", 3), ours),
        (_version("ew-old", 3), ours),
        (_version("ew-newer", 5), ours),
        (_version("ew-forged", 9), stranger),
    ]
    async with aiomqtt.Client(broker.host, broker.port) as client:
        for version, signer in told:
            body = event_body(version, "test", now_us + 300_000_000)
            topic = TOPIC_EVENT.format(version.event_id)
            await client.publish(topic, signed(body, signer, "test"), qos=1, retain=True)
        await client.publish(TOPIC_EVENT.format("no"), orjson.dumps({}), qos=1, retain=True)
    found = await retained_events(
        broker, lambda payload: verified_event(payload, verifier, "test", now_us)
    )
    resume_file = ResumeFile(path, dict, "test")
    resume_file.load(time.time())
    resume_file.add(found, time.time())
    newest = {v.event_id: v.version for v in resume_file.versions}
    assert newest == {"ew-old": 4, "ew-newer": 5, "ew-lost": 3}


async def test_a_broker_that_is_gone_holds_nobody_up() -> None:
    nobody = BrokerAddress("127.0.0.1", 9)
    assert await retained_events(nobody, lambda _: _version("x", 1)) == []
