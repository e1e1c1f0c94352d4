"""SHELL: publishes the service's status and live updates for its web processes over the broker."""

import secrets
import time
from typing import Any

from ew.delivery.publisher import Publisher
from ew.service.link import TOPIC_LIVE, TOPIC_STATUS, Seal


class LiveUpdates:
    """Seals and publishes messages, after all alerts that wait; picks of a tick share a message."""

    def __init__(self, name: str, secret: bytes, publisher: Publisher) -> None:
        self._publisher = publisher
        self._seal = Seal(secret)
        self._status_topic = TOPIC_STATUS.format(name)
        self._live_topic = TOPIC_LIVE.format(name)

    def publish(self, kind: str, /, **what: Any) -> None:  # noqa: ANN401 - plain JSON values
        """Publish one update of type ``kind`` with these members."""
        self.publish_all([{"type": kind, **what}])

    def publish_all(self, updates: list[dict[str, Any]]) -> None:
        """Publish several updates in one message, each with its member ``type``."""
        if updates:
            payload = self._sealed(self._live_topic, {"updates": updates})
            self._publisher.publish(self._live_topic, payload, qos=0)

    def publish_status(self, status: dict[str, Any]) -> None:
        """Publish the whole status, retained for web processes that start later."""
        payload = self._sealed(self._status_topic, status)
        self._publisher.publish(self._status_topic, payload, qos=0, retain=True)

    def _sealed(self, topic: str, body: dict[str, Any]) -> bytes:
        now_us = time.time_ns() // 1000
        return self._seal.close(topic, body, nonce=secrets.token_urlsafe(12), now_us=now_us)
