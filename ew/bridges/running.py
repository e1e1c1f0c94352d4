"""SHELL: runs the bridges: from the broker's messages to the systems they are for."""

import asyncio
import itertools
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import aiomqtt

from ew.alerts.message import TOPIC_EVENT, TOPIC_KEYS
from ew.bridges.histories import FileWriter, Histories
from ew.bridges.home_assistant import AVAILABLE, TEST, TEST_S, PlaceState, discovery
from ew.bridges.notify import Notice, Notices
from ew.bridges.watcher import PlaceAlert, Watcher
from ew.bridges.webhook import Deliveries, Delivery
from ew.broker_address import BrokerAddress
from ew.errors import MessageError
from ew.sources.listen import listen

log = logging.getLogger("ew.bridge")

RETRY_S = 1.0
POST_AGAIN_FIRST_S, POST_AGAIN_MOST_S = 0.5, 8.0
"""Pauses between attempts to deliver one webhook, s."""
STATES_EVERY_S = 0.25
BIRTH = "homeassistant/status"
"""Home Assistant publishes here that it has started; discovery is then sent again (its
documentation, "Birth")."""


class Send(Protocol):
    """Sends a notification; returns whether a channel accepted it. It blocks."""

    def __call__(self, notice: Notice, /) -> bool: ...


class Post(Protocol):
    """Makes the request of a delivery; returns why it was not accepted, if so. It blocks."""

    def __call__(self, delivery: Delivery, /) -> str | None: ...


def _clock_us() -> int:
    return time.time_ns() // 1000


async def watch(
    broker: BrokerAddress,
    watcher: Watcher,
    on_alert: Callable[[PlaceAlert], None],
    on_subscribed: Callable[[], None],
) -> None:
    """Pass what concerns the watched places to ``on_alert``, until cancelled."""

    def take(messages: Sequence[tuple[str, bytes]]) -> None:
        for topic, payload in messages:
            for received in watcher.take(topic, payload, _clock_us()):
                on_alert(received)

    await listen(broker, watcher.topics(_clock_us()), take, "bridge", on_subscribed)


async def home_assistant(
    broker: BrokerAddress,
    watcher: Watcher,
    states: Sequence[PlaceState],
    to: BrokerAddress,
    prefix: str,
    on_subscribed: Callable[[], None],
) -> None:
    """Keep the places' entities in Home Assistant up to date, until cancelled."""
    by_place = {state.place: state for state in states}

    def on_alert(received: PlaceAlert) -> None:
        by_place[received.place].on_alert(received)

    async with asyncio.TaskGroup() as group:
        group.create_task(watch(broker, watcher, on_alert, on_subscribed))
        group.create_task(_keep_states(states, to, prefix))


async def _keep_states(states: Sequence[PlaceState], to: BrokerAddress, prefix: str) -> None:
    will = aiomqtt.Will(AVAILABLE, b"offline", qos=1, retain=True)
    for node in itertools.count():
        host, port = to.nodes[node % len(to.nodes)]
        try:
            async with aiomqtt.Client(
                host,
                port,
                username=to.username,
                password=to.password,
                tls_context=to.tls_context(),
                will=will,
            ) as client:
                await client.subscribe(BIRTH)
                for state in states:
                    await client.subscribe(TEST.format(state.place.name), qos=1)
                await _introduce(client, states, prefix)
                async with asyncio.TaskGroup() as group:
                    group.create_task(_take_commands(client, states, prefix))
                    group.create_task(_publish_states(client, states))
        except* aiomqtt.MqttError as errors:
            log.warning("bridge: %s: %s; trying again", to.url, errors.exceptions[0])
        await asyncio.sleep(RETRY_S)


async def _introduce(client: aiomqtt.Client, states: Sequence[PlaceState], prefix: str) -> None:
    for state in states:
        for topic, payload, retain in discovery(state.place, prefix):
            await client.publish(topic, payload, qos=1, retain=retain)
        state.forget_last()
    await client.publish(AVAILABLE, b"online", qos=1, retain=True)


async def _take_commands(client: aiomqtt.Client, states: Sequence[PlaceState], prefix: str) -> None:
    async for message in client.messages:
        if str(message.topic) == BIRTH:
            await _introduce(client, states, prefix)
        for state in states:
            if str(message.topic) == TEST.format(state.place.name):
                state.test_until_us = _clock_us() + round(TEST_S * 1e6)


async def _publish_states(client: aiomqtt.Client, states: Sequence[PlaceState]) -> None:
    while True:
        for state in states:
            message = state.message(_clock_us())
            if message is not None:
                topic, payload, retain = message
                await client.publish(topic, payload, qos=1, retain=retain)
        await asyncio.sleep(STATES_EVERY_S)


async def notify(
    broker: BrokerAddress,
    watcher: Watcher,
    notices: Notices,
    send: Send,
    on_subscribed: Callable[[], None],
) -> None:
    """Send notifications until cancelled; the log says how late each was."""
    waiting: asyncio.Queue[tuple[Notice, int]] = asyncio.Queue(1000)

    def on_alert(received: PlaceAlert) -> None:
        notice = notices.on_alert(received)
        if notice is not None:
            waiting.put_nowait((notice, received.alert.issued_us))

    async def send_all() -> None:
        while True:
            notice, issued_us = await waiting.get()
            is_sent = await asyncio.to_thread(send, notice)
            late_s = (_clock_us() - issued_us) / 1e6
            if is_sent:
                log.info("sent %.1f s after the alert was issued: %s", late_s, notice.title)
            else:
                log.error("no channel took it, or one refused: %s", notice.title)

    async with asyncio.TaskGroup() as group:
        group.create_task(watch(broker, watcher, on_alert, on_subscribed))
        group.create_task(send_all())


async def webhook(
    broker: BrokerAddress,
    watcher: Watcher,
    deliveries: Deliveries,
    post: Post,
    on_subscribed: Callable[[], None],
) -> None:
    """Deliver alerts by HTTP until cancelled, each tried again until it is accepted or over."""
    async with asyncio.TaskGroup() as group:

        def on_alert(received: PlaceAlert) -> None:
            delivery = deliveries.on_alert(received)
            if delivery is not None:  # one that is tried again must not hold up the next
                group.create_task(deliver(delivery, post))

        group.create_task(watch(broker, watcher, on_alert, on_subscribed))


async def deliver(delivery: Delivery, post: Post) -> None:
    """Try until the receiver accepts it; what it has not accepted in time is logged as lost."""
    wait_s = POST_AGAIN_FIRST_S
    while True:
        problem = await asyncio.to_thread(post, delivery)
        if problem is None:
            log.info("%s: delivered", delivery.message_id)
            return
        if _clock_us() + wait_s * 1e6 > delivery.expires_us:
            log.error("%s: lost, its time is over: %s", delivery.message_id, problem)
            return
        log.warning("%s: %s; trying again in %.1f s", delivery.message_id, problem, wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, POST_AGAIN_MOST_S)


async def files(
    broker: BrokerAddress,
    histories: Histories,
    writer: FileWriter,
    folder: Path,
    on_subscribed: Callable[[], None],
) -> None:
    """Write the files of each event version until cancelled."""

    def take(messages: Sequence[tuple[str, bytes]]) -> None:
        for topic, payload in messages:
            try:
                if topic == TOPIC_KEYS:
                    histories.verifier.update(payload)
                    continue
                found = histories.take(payload, _clock_us()) if payload else None
            except MessageError as error:
                log.warning("refused: %s", error)
                continue
            for name, data in (writer.files(*found) if found is not None else {}).items():
                part = folder / f".{name}.part"  # readers of the folder see whole files only
                part.write_bytes(data)
                part.replace(folder / name)

    wanted = [(TOPIC_KEYS, 1), (TOPIC_EVENT.format("+"), 1)]
    await listen(broker, wanted, take, "bridge", on_subscribed)
