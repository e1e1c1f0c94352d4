"""SHELL: subscribes to topics of a broker: waveforms, picks, receipts, commands."""

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence

import aiomqtt

from ew.broker_address import BrokerAddress

log = logging.getLogger("ew.listen")

RETRY_S = 1.0
MOST_AT_ONCE = 256
"""Most messages that are handed over together."""
REFUSED = 0x80


def client_of(address: BrokerAddress, node: int = 0, *, most_waiting: int = 0) -> aiomqtt.Client:
    """An MQTT client for a node of a broker, with its login, and over TLS for an mqtts address.

    ``most_waiting``: messages that may wait, beyond which new ones are dropped; 0: any number.
    """
    host, port = address.nodes[node % len(address.nodes)]
    return aiomqtt.Client(
        host,
        port,
        protocol=aiomqtt.ProtocolVersion.V311,  # every broker speaks it
        username=address.username,
        password=address.password,
        tls_context=address.tls_context(),
        max_queued_incoming_messages=most_waiting,
    )


async def listen(
    address: BrokerAddress,
    wanted: Sequence[tuple[str, int]],
    take: Callable[[Sequence[tuple[str, bytes]]], None],
    what: str,
    on_subscribed: Callable[[], None] = lambda: None,
) -> None:
    """Pass messages as (topic, payload) to ``take`` until cancelled.

    A lost broker is tried again each second, in a cluster at the next node. ``wanted`` are topic
    filters with their QoS; ``what`` names the subscription in the log, where a refused one is
    reported.
    """
    for node in itertools.count():
        try:
            async with client_of(address, node) as client:
                for topic, qos in wanted:
                    granted = await client.subscribe(topic, qos=qos)
                    if any(code >= REFUSED for code in granted):
                        log.error(
                            "%s: broker %s refuses a subscription to %s", what, address.url, topic
                        )
                on_subscribed()
                async for message in client.messages:
                    batch = [message]
                    while len(client.messages) and len(batch) < MOST_AT_ONCE:
                        batch.append(await anext(client.messages))
                    take([(str(one.topic), _bytes(one)) for one in batch])
        except aiomqtt.MqttError as error:
            log.warning("%s: broker %s: %s; trying again", what, address.url, error)
            await asyncio.sleep(RETRY_S)


def _bytes(message: aiomqtt.Message) -> bytes:
    return message.payload if isinstance(message.payload, bytes) else b""
