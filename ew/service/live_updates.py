"""SHELL: what the service tells its web processes over the broker: its status, and what happens now."""

import secrets
import time
from typing import Any

from ew.delivery.publisher import Publisher
from ew.service.link import TOPIC_LIVE, TOPIC_STATUS, Seal


class LiveUpdates:
    """Seals and publishes, after all alerts that wait. Picks of a tick go in one message."""

    def __init__(self, name: str, secret: bytes, publisher: Publisher) -> None:
        self._publisher = publisher
        self._seal = Seal(secret)
        self._status_topic = TOPIC_STATUS.format(name)
        self._live_topic = TOPIC_LIVE.format(name)

    def publish(self, kind: str, /, **what: Any) -> None:  # noqa: ANN401 - plain JSON values
        """Tell of one thing that has happened."""
        self.publish_all([{"type": kind, **what}])

    def publish_all(self, happenings: list[dict[str, Any]]) -> None:
        """Tell of several at once, each with its ``type``."""
        if happenings:
            payload = self._sealed(self._live_topic, {"happenings": happenings})
            self._publisher.publish(self._live_topic, payload, qos=0)

    def publish_status(self, status: dict[str, Any]) -> None:
        """Tell the whole status, kept by the broker for web processes that come."""
        payload = self._sealed(self._status_topic, status)
        self._publisher.publish(self._status_topic, payload, qos=0, retain=True)

    def _sealed(self, topic: str, body: dict[str, Any]) -> bytes:
        now_us = time.time_ns() // 1000
        return self._seal.close(topic, body, nonce=secrets.token_urlsafe(12), now_us=now_us)
