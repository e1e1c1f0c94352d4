"""SHELL: reads the event versions that a broker retains, for a service that restarts.

The resume file may not have been written, or its disk may be full; the broker, where it outlives
the service, retains the newest version of each event until it expires.
"""

import asyncio
import logging
import time
from collections.abc import Callable

import aiomqtt

from ew.alerts.message import TOPIC_EVENT
from ew.broker_address import BrokerAddress
from ew.errors import MessageError
from ew.records import EventVersion
from ew.sources.listen import client_of

log = logging.getLogger("ew.service")

IDLE_S = 0.3
"""Brokers send retained messages at once; the last one has come when none follows for this long,
s."""
WITHIN_S = 3.0
EVENTS_MOST = 1000


async def retained_events(
    broker: BrokerAddress, check: Callable[[bytes], EventVersion]
) -> list[EventVersion]:
    """The retained versions on ``ew/v1/event/+`` that ``check`` accepts and that come in time.

    ``check`` parses and verifies a payload; it raises ``MessageError`` for one it refuses.
    """
    found: list[EventVersion] = []
    until_s = time.monotonic() + WITHIN_S
    try:
        async with asyncio.timeout(WITHIN_S), client_of(broker) as client:
            await client.subscribe(TOPIC_EVENT.format("+"), qos=1)
            while len(found) < EVENTS_MOST:
                async with asyncio.timeout(min(IDLE_S, until_s - time.monotonic())):
                    message = await anext(client.messages)
                payload = message.payload
                if message.retain and isinstance(payload, bytes) and payload:
                    try:
                        found.append(check(payload))
                    except MessageError as error:
                        log.warning("%s is not continued: %s", message.topic, error)
    except TimeoutError:
        pass  # no more came
    except aiomqtt.MqttError as error:
        log.warning("retained events can't be read: %s", error)
    return found
