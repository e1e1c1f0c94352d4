"""Devices registered in bulk over HTTP."""

import sys

import httpx
import pytest

from ew.api.models import DeviceIn
from ew.storage.device_files import COLUMNS
from tests.api.conftest import KEYS
from tests.storage.test_device_files import HEAD, csv_of, parquet_of

VENDOR = {"Authorization": f"Bearer {KEYS['vendor']}"}
CSV = {**VENDOR, "Content-Type": "text/csv; charset=utf-8"}
PARQUET = {**VENDOR, "Content-Type": "application/vnd.apache.parquet"}
MANY = [(f"tv-{n:05d}", "tv", 29.0, 103.0 + n / 1e4) for n in range(6_000)]


async def listed(client: httpx.AsyncClient) -> dict[str, float]:
    page = await client.get("/api/v1/devices?limit=10000", headers=VENDOR)
    return {one["device_id"]: one["longitude"] for one in page.json()}


async def test_a_file_is_registered_and_may_be_sent_again(client: httpx.AsyncClient) -> None:
    body = csv_of(MANY).getvalue()
    assert len(body) > 64 * 1024
    for _ in range(2):
        answer = await client.post("/api/v1/devices", content=body, headers=CSV)
        assert (answer.status_code, answer.json()) == (200, {"devices": 6000})
    assert await listed(client) == {row[0]: row[3] for row in MANY}
    moved = parquet_of([(name, kind, lat, -lon) for name, kind, lat, lon in MANY[:10]]).getvalue()
    answer = await client.post("/api/v1/devices", content=moved, headers=PARQUET)
    assert (answer.status_code, answer.json()) == (200, {"devices": 10})
    assert await listed(client) == {row[0]: row[3] for row in MANY} | {
        row[0]: -row[3] for row in MANY[:10]
    }


async def test_of_a_file_with_mistakes_nothing_is_registered(client: httpx.AsyncClient) -> None:
    rows = [*MANY[:5500], ("tv-x", "tv", 95.0, 103.0), ("tv-y", "toaster", 29.0, 103.0)]
    answer = await client.post("/api/v1/devices", content=csv_of(rows).getvalue(), headers=CSV)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [one["where"] for one in answer.json()["errors"]] == ["line 5502", "line 5503"]
    assert await listed(client) == {}


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({**VENDOR, "Content-Type": "text/plain"}, HEAD, 415),
        ({**VENDOR, "Content-Type": "text/csv"}, "device_id\n", 422),
        ({"Content-Type": "text/csv"}, HEAD, 401),
    ],
)
async def test_what_is_no_file_of_devices_is_a_problem(
    client: httpx.AsyncClient, headers: dict[str, str], body: str, status: int
) -> None:
    answer = await client.post("/api/v1/devices", content=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (status, status)


async def test_parquet_without_its_library_says_what_to_install(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = await client.post("/api/v1/devices", content=b"PAR1", headers=PARQUET)
    assert answer.status_code == 501
    assert "ew[parquet]" in answer.json()["detail"]


def test_the_columns_are_the_members_of_a_device() -> None:
    assert tuple(DeviceIn.model_fields) == COLUMNS
