"""SHELL: the service, in another process, as the API uses it over the broker.

Its status and live updates come on sealed topics (``ew.service.link``); partners' origins and
notices of changed devices go out as commands, each of which is answered. Devices and past events
are in the database, which both share.
"""

import asyncio
import itertools
import logging
import math
import secrets
import time
from typing import TYPE_CHECKING, Any

import aiomqtt
from sqlalchemy.exc import SQLAlchemyError

from ew.broker_address import BrokerAddress
from ew.config import Config
from ew.errors import InputError, MessageError
from ew.records import Channel, EventVersion
from ew.service import command_handlers
from ew.service.hub import Hub
from ew.service.link import TOPIC_ANSWER, TOPIC_COMMAND, TOPIC_LIVE, TOPIC_STATUS, Seal
from ew.sources.listen import client_of
from ew.storage.store import RegisteredDevice, Store
from ew.storage.versions import version_body, version_of

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger("ew.web")

GONE_S = 2.5
"""A service whose status is older than this, s, has ended or hangs, or the broker between does; it
is sent each second."""
ANSWER_WITHIN_S = 5.0
NOTICE_WITHIN_S = 1.0
NAMED_MOST = 1000
"""With more changed devices than this the service reads all of them again."""
RETRY_S = 1.0
WAITING_MOST = 10_000
"""Most messages from the broker that wait; beyond it new ones are dropped, and the next status
makes up for it."""


class ServiceGoneError(MessageError):
    """The service does not answer."""


class Backend:
    """A service as its web process knows it; ``inventory`` is empty until it has been loaded.

    ``broker`` is ``None`` until the service's broker is known.
    """

    def __init__(self, config: Config, store: Store, secret: bytes) -> None:
        self.config = config
        self.store = store
        self.hub = Hub()
        self.inventory: Mapping[str, Channel] = {}
        self.trouble: dict[str, str] = {}
        """What is wrong in this process, by what it concerns."""
        self.started_s = time.time()
        self.broker: BrokerAddress | None = None
        self.refused = 0
        self._status: dict[str, Any] | None = None
        self._status_at_s = -math.inf  # by the monotonic clock: the wall's may be set
        self._name = config.service.name
        self._me = f"{self._name}-{secrets.token_hex(6)}"
        self._seal = Seal(secret)
        self._client: aiomqtt.Client | None = None
        self._answers: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._has_changed_devices = asyncio.Event()

    # The service's state

    @property
    def health(self) -> str:
        """``ok``, or what is wrong in a few words."""
        return str(self.status()["health"])

    def status(self) -> dict[str, Any]:
        """The newest status of the service; if it is too old, its ``health`` says so."""
        silent_s = time.monotonic() - self._status_at_s
        if self._status is None:
            return {"health": "starting: no status of the service yet", **self._own()}
        if silent_s > GONE_S:
            health = f"service or broker silent: last status {silent_s:.0f} s ago"
            return {**self._status, "health": health, **self._own()}
        reasons = [reason for reason in [self._status["health"]] if reason != "ok"]
        reasons += [f"web: {what}: {why}" for what, why in self.trouble.items()]
        return {**self._status, "health": "; ".join(reasons) or "ok", **self._own()}

    def _own(self) -> dict[str, Any]:
        return {
            "web": {
                "uptime_s": round(time.time() - self.started_s, 1),
                "messages_refused": self.refused,
                "trouble": dict(self.trouble),
            }
        }

    def take_status(self, status: dict[str, Any]) -> None:
        """Take a status of the service."""
        self._status, self._status_at_s = status, time.monotonic()

    # Tasks

    async def listen(self, broker: BrokerAddress) -> None:
        """Receive from the service's broker until cancelled; retry a lost one each second."""
        self.broker = broker
        for node in itertools.count():
            try:
                async with client_of(broker, node, most_waiting=WAITING_MOST) as client:
                    for form, name in (
                        (TOPIC_STATUS, self._name),
                        (TOPIC_LIVE, self._name),
                        (TOPIC_ANSWER, self._me),
                    ):
                        await client.subscribe(form.format(name), qos=1)
                    self._client = client
                    self.trouble.pop("broker", None)
                    async for message in client.messages:
                        if isinstance(message.payload, bytes):
                            self._take(str(message.topic), message.payload)
            except aiomqtt.MqttError as error:
                self.trouble["broker"] = str(error)
                log.warning("web: broker %s: %s; trying again", broker.url, error)
            finally:
                self._client = None
            await asyncio.sleep(RETRY_S)

    async def keep_store(self) -> None:
        """Open the database, trying again for as long as it can't be used."""
        while True:
            try:
                await self.store.__aenter__()
            except InputError as error:
                self.trouble["database"] = str(error)
            else:
                self.trouble.pop("database", None)
                return
            await asyncio.sleep(RETRY_S)

    async def repeat_notices(self) -> None:
        """Notify the service of changed devices until it answers, for as long as it is away."""
        while True:
            await self._has_changed_devices.wait()
            try:
                await self.command(command_handlers.DEVICES, {})
                self._has_changed_devices.clear()
            except MessageError:
                await asyncio.sleep(RETRY_S)

    def _take(self, topic: str, payload: bytes) -> None:
        try:
            _, body = self._seal.open(topic, payload, time.time_ns() // 1000)
        except MessageError:
            self.refused += 1  # a stranger's, or the status retained from an earlier run
            return
        if topic.startswith(TOPIC_STATUS.format("")):
            self.take_status(body)
        elif topic.startswith(TOPIC_LIVE.format("")):
            for update in body["updates"]:
                self.hub.forward(update)
        else:
            waiting = self._answers.get(body["to"])
            if waiting is not None and not waiting.done():
                waiting.set_result(body)

    # Commands

    async def command(
        self, kind: str, body: dict[str, Any], within_s: float = ANSWER_WITHIN_S
    ) -> dict[str, Any]:
        """Send a command to the service; returns the body of its answer.

        Raises:
            ServiceGoneError: it can't be reached or does not answer in time.
            MessageError: it refuses; the message says why.
        """
        client, nonce = self._client, secrets.token_urlsafe(16)
        if client is None:
            raise ServiceGoneError("the service can't be reached: no connection to the broker")
        topic = TOPIC_COMMAND.format(self._name)
        sealed = self._seal.close(
            topic,
            {"kind": kind, "from": self._me, "body": body},
            nonce=nonce,
            now_us=time.time_ns() // 1000,
        )
        self._answers[nonce] = waiting = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(within_s):
                await client.publish(topic, sealed, qos=1)
                answer = await waiting
        except (TimeoutError, aiomqtt.MqttError) as error:
            raise ServiceGoneError(
                f"the service does not answer within {within_s:.0f} s"
            ) from error
        finally:
            del self._answers[nonce]
        if "error" in answer:
            raise MessageError(answer["error"])
        found: dict[str, Any] = answer["body"]
        return found

    async def partner_origin(self, version: EventVersion) -> EventVersion | None:
        """Have the service take another agency's origin; returns the published version, if any.

        Raises:
            MessageError: the service refuses it, or can't be reached.
        """
        answer = await self.command(command_handlers.ORIGIN, version_body(version))
        return version_of(answer) if answer else None

    async def cancel(self, event_id: str) -> EventVersion | None:
        """Have the service cancel an event; returns the published cancel, if any.

        Raises:
            MessageError: the service refuses it, or can't be reached.
        """
        answer = await self.command(command_handlers.CANCEL, {"event_id": event_id})
        return version_of(answer) if answer else None

    async def silenced_changed(self) -> None:
        """Have the service read the silenced stations again.

        Raises:
            MessageError: it can't be reached; it reads them at its next start.
        """
        await self.command(command_handlers.SILENCED, {})

    async def note_action(self, who: str, what: str, subject: str, why: str) -> None:
        """Keep what an operator did; a database that can't be written holds nobody up."""
        log.warning("operator %s: %s %s: %s", who, what, subject, why or "no reason given")
        try:
            await self.store.note_action(who, what, subject, why)
        except SQLAlchemyError as error:
            log.error("operator's action not in the database: %s", error)  # noqa: TRY400

    async def use_cells(self, cells: set[str]) -> None:
        """Have the service alert these cells as well.

        Raises:
            MessageError: the service refuses them, or can't be reached.
        """
        await self.command(command_handlers.CELLS, {"cells": sorted(cells)})

    async def register(self, device: RegisteredDevice) -> None:
        """Add or move a device; the service has it on return, or once it can be reached."""
        await self.store.register(device)
        await self.devices_changed([device.device_id])

    async def unregister(self, device_id: str) -> bool:
        """Remove a device; returns whether it was there."""
        was_there = await self.store.unregister(device_id)
        if was_there:
            await self.devices_changed([device_id])
        return was_there

    async def devices_changed(self, ids: list[str] | None = None) -> None:
        """Have the service read these devices, or all, again; call it after any change of them."""
        body = {} if ids is None or len(ids) > NAMED_MOST else {"ids": ids}
        try:
            await self.command(command_handlers.DEVICES, body, NOTICE_WITHIN_S)
        except MessageError:
            self._has_changed_devices.set()


DATABASE_ERRORS = (SQLAlchemyError,)
"""Errors of a request while the database can't be used; it is answered with 503."""
