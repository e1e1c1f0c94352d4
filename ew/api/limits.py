"""Limits for one client: requests a second, and bytes of a request."""

import time
from collections import OrderedDict
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ew.api.problems import problem

BODY_MOST_BYTES = 64 * 1024
BULK_MOST_BYTES = 512 * 1024 * 1024
"""Ten million devices in CSV; they are received into a file."""
BULK = ("/api/v1/devices", "/devices")
BULK_TYPES = (b"text/csv", b"application/vnd.apache.parquet")
CLIENTS_KEPT = 10_000
BURST_S = 2.0
"""A client may send the requests of this many seconds at once: a page needs a dozen files."""


@dataclass(slots=True)
class _Bucket:
    left: float
    at_s: float


class Limits:
    """ASGI middleware: 429 beyond ``requests_per_s`` of one address, 413 for large bodies.

    ``requests_per_s`` 0: no limit.
    """

    def __init__(self, app: ASGIApp, requests_per_s: float) -> None:
        self._app = app
        self._rate = requests_per_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else ""
        if self._rate and not self._has_left(client, time.monotonic()):
            refusal = problem(429, "too many requests", headers={"Retry-After": "1"})
            await refusal(scope, receive, send)
            return
        headers = dict(scope["headers"])
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        is_bulk = scope["path"] in BULK and kind in BULK_TYPES
        most = BULK_MOST_BYTES if is_bulk else BODY_MOST_BYTES
        detail = f"a body may have {most} bytes"
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > most:
            refusal = problem(413, detail, headers={"Connection": "close"})
            await refusal(scope, receive, send)
            return
        taken = 0

        async def take() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > most:  # sent without a length, in pieces
                raise HTTPException(413, detail)
            return message

        await self._app(scope, take, send)

    def _has_left(self, client: str, now_s: float) -> bool:
        bucket = self._buckets.pop(client, None) or _Bucket(self._rate * BURST_S, now_s)
        self._buckets[client] = bucket
        if len(self._buckets) > CLIENTS_KEPT:
            self._buckets.popitem(last=False)
        bucket.left = min(self._rate * BURST_S, bucket.left + (now_s - bucket.at_s) * self._rate)
        bucket.at_s = now_s
        if bucket.left < 1.0:
            return False
        bucket.left -= 1.0
        return True
