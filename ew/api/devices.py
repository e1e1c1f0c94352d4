"""Registered devices over HTTP: one by one as JSON, or many at once as CSV or Parquet."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO, Annotated, cast

from fastapi import APIRouter, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException

from ew.api.access import backend_of, needing
from ew.api.backend import NAMED_MOST
from ew.api.models import DeviceId, DeviceIn
from ew.api.problems import Mistake, problem
from ew.errors import InputError
from ew.storage.device_files import (
    COLUMNS,
    DEVICE_ID,
    DevicesError,
    Form,
    MissingParquetError,
    batches,
    check,
)
from ew.storage.store import RegisteredDevice

router = APIRouter()

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
FORMS: dict[str, Form] = {CSV: "csv", PARQUET: "parquet"}


class Registered(BaseModel):
    """What has been registered of a file: all of it, new or known before."""

    devices: int = Field(description="the number of its lines")


_LINE = (
    rf"{DEVICE_ID.pattern},(phone|tv),"
    r"-?[1-8]?[0-9](\.[0-9]{1,6})?,-?(1[0-7]|[1-9])?[0-9](\.[0-9]{1,6})?"
)
REGISTER = needing("vendor", 415, 501)
REGISTER["responses"] |= {
    200: {"model": Registered, "description": "All devices of the file are registered"},
    201: {"model": DeviceIn, "description": "The device is registered"},
}
REGISTER["openapi_extra"] = {
    **REGISTER["openapi_extra"],
    "requestBody": {
        "required": True,
        "content": {
            JSON: {"schema": {"$ref": "#/components/schemas/DeviceIn"}},
            CSV: {
                "schema": {
                    "type": "string",
                    "pattern": f"^{','.join(COLUMNS)}\n({_LINE}\n){{1,9}}$",
                }
            },
            PARQUET: {"schema": {"type": "string", "format": "binary"}},
        },
    },
}


@router.post("/devices", status_code=201, **REGISTER)
async def register(request: Request) -> Response:
    """Register a device, or many from a file; those known before are moved.

    A file has the columns device_id, kind, latitude and longitude, as CSV with their names in the
    first line, or as Parquet. It is taken as a whole: where a line is wrong nothing is registered,
    and the answer names the lines. The same file may be sent again.
    """
    kind = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if kind in FORMS:
        return await _register_file(request, FORMS[kind])
    if kind != JSON:
        raise HTTPException(415, f"{kind!r} is none of {JSON}, {CSV}, {PARQUET}")
    return await _register_one(request)


async def _register_one(request: Request) -> Response:
    backend = backend_of(request)
    try:
        device = DeviceIn.model_validate(json.loads(await request.body()))
    except UnicodeDecodeError as error:
        raise HTTPException(400, "the body is not UTF-8") from error
    except json.JSONDecodeError as error:
        found = {"loc": ("body", error.pos), "msg": f"JSON: {error.msg}"}
        raise RequestValidationError([found]) from error
    except ValidationError as error:
        mistakes = [{**one, "loc": ("body", *one["loc"])} for one in error.errors()]
        raise RequestValidationError(mistakes) from error
    kinds = backend.config.policy.kinds
    if device.kind not in kinds:
        raise HTTPException(422, f"kind {device.kind!r} is none of {', '.join(kinds)}")
    await backend.register(RegisteredDevice(**device.model_dump()))
    return JSONResponse(device.model_dump(), 201)


async def _register_file(request: Request, form: Form) -> Response:
    backend = backend_of(request)
    kinds = list(backend.config.policy.kinds)
    async with _received(request) as file:
        try:
            count = await asyncio.to_thread(check, file, form, kinds)
        except MissingParquetError as error:
            return problem(501, str(error))
        except DevicesError as error:
            mistakes = [Mistake(where=f"line {one.line}", what=one.what) for one in error.mistakes]
            return problem(422, str(error), errors=mistakes)
        except InputError as error:
            return problem(422, str(error))
        named: list[str] = []
        found = batches(file, form, kinds)
        try:
            while batch := await asyncio.to_thread(next, found, None):
                await backend.store.register(*batch)
                if count <= NAMED_MOST:
                    named += [device.device_id for device in batch]
        finally:
            # Of a database that fails midway, what is in it already
            await backend.devices_changed(named if count <= NAMED_MOST else None)
    return JSONResponse(Registered(devices=count).model_dump(), 200)


@asynccontextmanager
async def _received(request: Request) -> AsyncIterator[IO[bytes]]:
    """The body in a file without a name, as it comes: it may be larger than memory."""
    file = await asyncio.to_thread(tempfile.TemporaryFile)
    with cast("IO[bytes]", file):
        async for chunk in request.stream():
            await asyncio.to_thread(file.write, chunk)
        yield file


@router.get("/devices", **needing("vendor"))
async def devices(
    request: Request,
    after: Annotated[str, Query(max_length=64)] = "",
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> list[DeviceIn]:
    """List registered devices by their ids; ``after``: the last id of the page before."""
    found = await backend_of(request).store.listed(after, limit)
    return [_device(one) for one in found]


@router.get("/devices/{device_id}", **needing("vendor", 404))
async def registered(request: Request, device_id: DeviceId) -> DeviceIn:
    """Return one registered device."""
    device = await backend_of(request).store.device(device_id)
    if device is None:
        raise HTTPException(404, f"no device {device_id!r}")
    return _device(device)


def _device(device: RegisteredDevice) -> DeviceIn:
    return DeviceIn(
        device_id=device.device_id,
        kind=device.kind,
        latitude=device.latitude,
        longitude=device.longitude,
    )


@router.delete("/devices/{device_id}", status_code=204, **needing("vendor", 404))
async def unregister(request: Request, device_id: DeviceId) -> None:
    """Remove a device."""
    if not await backend_of(request).unregister(device_id):
        raise HTTPException(404, f"no device {device_id!r}")
