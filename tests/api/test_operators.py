"""What needs a second operator's word: drills and cancels by hand."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import pytest
from fastapi import FastAPI

from ew.config.service import hash_of
from tests.api.conftest import KEYS
from tests.serving import play, serving, write_inventory

FIRST, SECOND = "the-long-key-of-the-first", "the-long-key-of-the-second"


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


def two_operators() -> list[dict[str, Any]]:
    named = {"first": FIRST, "second": SECOND}
    return [
        {"name": name, "sha256": hash_of(secret), "scopes": ["operator"]}
        for name, secret in named.items()
    ]


async def test_drill_begins_with_the_second_word_and_a_cancel_ends_it(tmp_path: Path) -> None:
    write_inventory(tmp_path / "stations.csv", play().inventory.values())
    keys = "\n".join(
        f'[[service.api_keys]]\nname = "{k["name"]}"\nsha256 = "{k["sha256"]}"\nscopes = '
        '["operator"]'
        for k in two_operators()
    )
    config = tmp_path / "ew.toml"
    config.write_text(
        f"""
[delivery]
broker_port = 0
[service]
inventory = "{tmp_path}/stations.csv"
database = "{tmp_path}/ew.sqlite"
http_port = 0
{keys}
[policy]
mode = "exercise"
"""
    )
    async with (
        serving(config) as served,
        httpx.AsyncClient(base_url=f"{served.http}/api/v1") as web,
        aiomqtt.Client(served.host, served.port) as phone,
    ):
        await phone.subscribe("ew/v1/event/+", qos=1)
        names = {one["name"] for one in (await web.get("/scenarios")).json()}
        assert "changning" in names
        asked = await confirm(web, "/drills", {"scenario": "changning"})
        assert asked["event_id"].startswith("drill-")
        async with asyncio.timeout(20):
            told = (await anext(phone.messages)).payload
        assert b'"kind":"alert"' in told
        assert b'"status":"exercise"' in told
        await confirm(web, f"/events/{asked['event_id']}/cancel", {})
        async with asyncio.timeout(20):
            told = (await anext(phone.messages)).payload
        assert b'"kind":"cancel"' in told
        assert (await web.get("/actions")).status_code == 401
        done = (await web.get("/actions", headers=bearer(SECOND))).json()
        assert [(one["who"], one["what"], one["subject"]) for one in done] == [
            ("second", "cancel confirmed", asked["event_id"]),
            ("first", "cancel asked", asked["event_id"]),
            ("second", "drill confirmed", asked["event_id"]),
            ("first", "drill asked", "changning"),
        ]
        rest = await web.get(f"/actions?before={done[1]['number']}", headers=bearer(SECOND))
        assert rest.json() == done[2:]
        await silence_and_hear_again(web)


async def silence_and_hear_again(web: httpx.AsyncClient) -> None:
    """One operator silences a station, which is told with who and why, and takes it in again."""
    name = (await web.get("/stations")).json()[0]["station"]
    path, why = f"/stations/{name}/silence", {"why": "a mast shakes it"}
    assert (await web.post(path, json=why)).status_code == 401
    assert (await web.post(path, json=why, headers=bearer(FIRST))).status_code == 204
    async with asyncio.timeout(20):  # told with the next status
        while not (found := (await web.get("/stations")).json()[0])["silenced"]:
            await asyncio.sleep(0.05)
    assert found["state"] == "silent"
    assert found["why"] == "silenced by first: a mast shakes it"
    assert (await web.delete(path, headers=bearer(FIRST))).status_code == 204
    assert (await web.delete(path, headers=bearer(FIRST))).status_code == 404
    async with asyncio.timeout(20):
        while (await web.get("/stations")).json()[0]["silenced"]:
            await asyncio.sleep(0.05)
    newest = (await web.get("/actions?limit=2", headers=bearer(FIRST))).json()
    assert [one["what"] for one in newest] == ["station heard again", "station silenced"]
    assert newest[1]["why"] == "a mast shakes it"


async def confirm(web: httpx.AsyncClient, path: str, body: dict[str, str]) -> dict[str, Any]:
    """Ask as the first operator, be refused as the same, confirm as the second, and be refused
    again."""
    async with asyncio.timeout(20):  # the journal follows what was told
        while (asked := await web.post(path, json=body, headers=bearer(FIRST))).status_code == 404:
            await asyncio.sleep(0.05)
    assert asked.status_code == 202
    one = f"/drills/{asked.json()['request_id']}/confirm"
    assert (await web.post(one, headers=bearer(FIRST))).status_code == 409
    done = await web.post(one, headers=bearer(SECOND))
    assert (done.status_code, done.json()["state"]) == (200, "done")
    assert (await web.post(one, headers=bearer(SECOND))).status_code == 409
    listed = (await web.get("/drills")).json()
    assert done.json() in listed
    return dict(done.json())


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/drills", {"scenario": "nowhere"}, 404),
        ("/drills", {"scenario": "../etc"}, 422),
        ("/drills", {}, 422),
        ("/events/none/cancel", {}, 404),
        ("/drills/none/confirm", {}, 404),
        ("/stations/XS.NONE/silence", {"why": "gone"}, 404),
        ("/stations/none/silence", {"why": "gone"}, 422),
    ],
)
async def test_what_cannot_be_asked_for_is_a_problem(
    client: httpx.AsyncClient, path: str, body: dict[str, str], status: int
) -> None:
    answer = await client.post(f"/api/v1{path}", json=body, headers=bearer(KEYS["operator"]))
    assert answer.status_code == status
    assert (await client.post(f"/api/v1{path}", json=body)).status_code == 401


async def test_service_in_mode_actual_plays_no_drill(make_app: Callable[..., FastAPI]) -> None:
    app = make_app()
    backend = app.state.service
    policy = backend.config.policy.model_copy(update={"mode": "actual"})
    backend.config = backend.config.model_copy(update={"policy": policy})
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://ew/api/v1"
    ) as web:
        drill = {"scenario": "changning"}
        answer = await web.post("/drills", json=drill, headers=bearer(KEYS["operator"]))
        assert answer.status_code == 409
