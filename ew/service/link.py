"""PURE: messages between a service and its web process over the broker, sealed with a secret.

The service publishes its status and live updates; the web process sends commands and gets an answer
to each. On a broker where anybody may publish, a message counts only with a valid seal
(HMAC-SHA256, RFC 2104, over topic and body), within a time window, and once (nonce).
"""

import hashlib
import hmac
from collections import OrderedDict
from typing import Any

import orjson

from ew.errors import MessageError
from ew.times import US_PER_S

TOPIC_STATUS = "ew/v1/status/{}"
TOPIC_LIVE = "ew/v1/live/{}"
TOPIC_COMMAND = "ew/v1/command/{}"
TOPIC_ANSWER = "ew/v1/answer/{}"

WINDOW_US = 30 * US_PER_S
"""Most that a message's time may differ from the receiver's, µs: the two may run on machines whose
clocks differ by some seconds."""
NONCES_KEPT = 10_000
MESSAGE_MOST_BYTES = 4 << 20
MAC_BYTES = 64


class Seal:
    """Seals and opens messages with one secret.

    ``since_us``: messages sealed before it are refused. A receiver sets it to its own start,
    because it no longer knows what it opened before.
    """

    def __init__(self, secret: bytes, *, since_us: int = 0) -> None:
        self._secret = secret
        self._since_us = since_us
        self._seen: OrderedDict[str, None] = OrderedDict()

    def close(self, topic: str, body: dict[str, Any], *, nonce: str, now_us: int) -> bytes:
        """The sealed message for a topic."""
        inner = orjson.dumps({"nonce": nonce, "time_us": now_us, "body": body})
        return self._mac(topic, inner).encode() + inner

    def open(self, topic: str, payload: bytes, now_us: int) -> tuple[str, dict[str, Any]]:
        """Nonce and body of a sealed message that came on a topic; each message opens once.

        Raises:
            MessageError: the seal is wrong, the message too old or too large, or seen before.
        """
        if len(payload) > MESSAGE_MOST_BYTES:
            raise MessageError("sealed message is too large")
        mac, inner = payload[:MAC_BYTES], payload[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(topic, inner).encode()):
            raise MessageError("the seal is wrong")
        message = orjson.loads(inner)  # whoever knows the secret writes JSON
        time_us = message["time_us"]
        if abs(now_us - time_us) > WINDOW_US or time_us < self._since_us:
            raise MessageError("sealed message is out of its time")
        nonce = message["nonce"]
        if nonce in self._seen:
            raise MessageError("sealed message was seen before")
        self._seen[nonce] = None
        while len(self._seen) > NONCES_KEPT:
            self._seen.popitem(last=False)
        return nonce, message["body"]

    def _mac(self, topic: str, inner: bytes) -> str:
        whole = b"%b\x00%b" % (topic.encode(), inner)
        return hmac.new(self._secret, whole, hashlib.sha256).hexdigest()
