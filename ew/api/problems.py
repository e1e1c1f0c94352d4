"""Errors as problem details (RFC 9457), documented at each route."""

import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ew.api.backend import DATABASE_ERRORS, ServiceGoneError
from ew.errors import MessageError
from ew.storage.database import reason_of

log = logging.getLogger("ew.web")

MEDIA_TYPE = "application/problem+json"


class Mistake(BaseModel):
    """One mistake in a request."""

    where: str = Field(description="the member, as in body.latitude")
    what: str = Field(description="what is wrong with it")


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = "about:blank"
    title: str = Field(description="the status in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="what went wrong, and, where known, how to mend it")
    errors: list[Mistake] = Field(default=[], description="mistakes in the request, one by one")


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Iterable[Mistake] = (),
) -> Response:
    """A response with problem details."""
    title = HTTPStatus(status).phrase
    body = Problem(title=title, status=status, detail=detail, errors=list(errors))
    return JSONResponse(body.model_dump(), status, headers, MEDIA_TYPE)


def documented(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that may answer with these statuses."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        code: {"description": HTTPStatus(code).phrase, "content": {MEDIA_TYPE: schema}}
        for code in codes
    }


def install(app: FastAPI) -> None:
    """Make an application answer all errors with problem details."""
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(ServiceGoneError, _gone)
    app.add_exception_handler(MessageError, _refused)
    app.add_exception_handler(Exception, _unforeseen)
    for kind in DATABASE_ERRORS:
        app.add_exception_handler(kind, _no_database)


async def _http(_: Request, error: Exception) -> Response:
    known = cast("HTTPException", error)
    return problem(known.status_code, str(known.detail), headers=known.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    mistakes = cast("RequestValidationError", error).errors()
    found = [
        Mistake(where=".".join(str(part) for part in one["loc"]), what=one["msg"])
        for one in mistakes
    ]
    return problem(422, "; ".join(f"{one.where}: {one.what}" for one in found[:5]), errors=found)


async def _gone(_: Request, error: Exception) -> Response:
    return problem(503, str(error))


async def _refused(_: Request, error: Exception) -> Response:
    return problem(422, str(error))


async def _no_database(_: Request, error: Exception) -> Response:
    """The database can't be used now: alerts do not need it, but this answer does."""
    return problem(503, f"the database can't be used: {reason_of(error)}")


async def _unforeseen(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "a mistake of ew's own; the log has more")
