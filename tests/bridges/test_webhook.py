"""The webhook between a real broker and a real HTTP server, checked by another's library."""

import asyncio
import base64
import contextlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from ew.bridges.webhook import Delivery, secret_from_text
from ew.broker_address import BrokerAddress
from ew.errors import ConfigError
from tests.bridges.test_bridges import PLACE, Region, bridge, broker, region  # noqa: F401

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()


class Receiver:
    """Refuses the first requests with 503, and keeps those it accepts."""

    def __init__(self, refusals: int) -> None:
        self.refused: list[dict[str, str]] = []
        self.accepted: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                if len(receiver.refused) < refusals:
                    receiver.refused.append(headers)
                    self.send_response(503)
                else:
                    found = dict(Webhook(SECRET).verify(body, headers))
                    receiver.accepted.append({**found, "id": headers["webhook-id"]})
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook"


@contextlib.contextmanager
def receiving(refusals: int) -> Iterator[Receiver]:
    receiver = Receiver(refusals)
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    try:
        yield receiver
    finally:
        receiver.server.shutdown()
        receiver.server.server_close()
        thread.join()


async def test_alert_update_and_cancel_are_posted_once_each_and_tried_again_when_refused(
    broker: BrokerAddress,  # noqa: F811
    region: Region,  # noqa: F811
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    with receiving(refusals=1) as receiver:
        words = ("webhook", "--place", PLACE, "--to", receiver.url, "--secret-file", str(secret))
        async with bridge(broker, tmp_path, *words, "--drills"):
            for number, kind in enumerate(("alert", "update", "cancel"), start=1):
                region.tell(number, kind, magnitude=6.5 + number)
                async with asyncio.timeout(30):
                    while len(receiver.accepted) < number:
                        await asyncio.sleep(0.02)
                region.tell(number, kind, magnitude=6.5 + number)  # a repeat is no news
    assert [one["type"] for one in receiver.accepted] == [
        "earthquake.alert", "earthquake.update", "earthquake.cancel",
    ]  # fmt: skip
    ids = [one["id"] for one in receiver.accepted]
    assert ids == ["ew-1.1.home", "ew-1.2.home", "ew-1.3.home"]
    assert receiver.refused[0]["webhook-id"] == ids[0]
    first = receiver.accepted[0]["data"]
    assert first["status"] == "exercise"
    assert first["place"]["name"] == "home"
    assert 140 < first["distance_km"] < 150
    assert first["origin"]["magnitude"] == 7.5


async def test_without_drills_asked_for_none_is_posted(
    broker: BrokerAddress,  # noqa: F811
    region: Region,  # noqa: F811
    tmp_path: Path,
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with receiving(refusals=0) as receiver:
        common = ("webhook", "--place", PLACE, "--to", receiver.url, "--secret-file", str(secret))
        other = ("webhook", "--place", PLACE.replace("home", "drills"), *common[3:], "--drills")
        async with bridge(broker, tmp_path, *common), bridge(broker, tmp_path, *other):
            region.tell(1)
            async with asyncio.timeout(30):
                while not receiver.accepted:
                    await asyncio.sleep(0.02)
    assert {one["data"]["place"]["name"] for one in receiver.accepted} == {"drills"}


def test_a_changed_body_or_another_secret_does_not_verify() -> None:
    delivery = Delivery("ew-1.1.home", b'{"type":"earthquake.alert"}', 0)
    headers = dict(delivery.headers(secret_from_text(SECRET), time.time()))
    Webhook(SECRET).verify(delivery.body, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(delivery.body.replace(b"alert", b"all"), headers)
    other = "whsec_" + base64.b64encode(b"o" * 32).decode()
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(delivery.body, headers)


@pytest.mark.parametrize("text", ["whsec_äöü", "whsec_" + base64.b64encode(b"short").decode()])
def test_a_secret_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="secret"):
        secret_from_text(text)
