"""SHELL: runs the sealed commands of web processes, each in a task of its own, and answers."""

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

from ew.delivery.publisher import Publisher
from ew.errors import EwError, MessageError
from ew.service.link import TOPIC_ANSWER, TOPIC_COMMAND, Seal

log = logging.getLogger("ew.commands")

UNDER_WAY_MOST = 256
"""Most commands carried out at a time; more are refused, so that a flood of them delays nothing."""
ANSWER_LIFE_S = 30.0

Handler: TypeAlias = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class Commands:
    """Runs the commands that are addressed to the service ``name``.

    ``handlers``: a coroutine for each command that takes the body and returns the answer's body; an
    ``EwError`` it raises is sent as the answer. ``refused`` counts messages without a valid seal.
    """

    def __init__(
        self, name: str, secret: bytes, publisher: Publisher, handlers: dict[str, Handler]
    ) -> None:
        self.done = 0
        self.refused = 0
        self._handlers = handlers
        self._publisher = publisher
        self._seal = Seal(secret, since_us=time.time_ns() // 1000)
        self._topic = TOPIC_COMMAND.format(name)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def wanted(self) -> list[tuple[str, int]]:
        """The topic to subscribe to, with its QoS."""
        return [(self._topic, 1)]

    def take(self, messages: Sequence[tuple[str, bytes]]) -> None:
        """Start a task for each valid command among these (topic, payload) messages."""
        for topic, payload in messages:
            try:
                nonce, message = self._seal.open(topic, payload, time.time_ns() // 1000)
                if len(self._tasks) >= UNDER_WAY_MOST:
                    raise MessageError("too many commands at a time")  # noqa: TRY301
            except MessageError as error:
                self.refused += 1
                log.warning("command refused: %s", error)
                continue
            task = asyncio.create_task(self._carry_out(nonce, message), name=f"command {nonce}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, nonce: str, message: dict[str, Any]) -> None:
        kind = message["kind"]
        answer: dict[str, Any] = {"to": nonce}
        try:
            handler = self._handlers.get(kind)
            if handler is None:
                raise MessageError(f"no command {kind!r}")  # noqa: TRY301
            answer["body"] = await handler(message["body"])
        except EwError as error:
            answer["error"] = str(error)
        except Exception as error:  # a task's top: sent to whoever asked, and logged
            log.exception("command %s failed", kind)
            answer["error"] = f"{type(error).__name__}: {error}"
        self.done += 1
        topic = TOPIC_ANSWER.format(message["from"])
        now_us = time.time_ns() // 1000
        sealed = self._seal.close(topic, answer, nonce=secrets.token_urlsafe(12), now_us=now_us)
        self._publisher.publish(topic, sealed, expires_s=time.time() + ANSWER_LIFE_S)
