"""Actions of an operator that a second one has to confirm: drills, and cancels by hand.

Both reach everybody and can't be taken back, so one person's slip must not be enough. Requests that
wait for confirmation are kept in this process, for ten minutes.
"""

import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from ew.api.access import backend_of, needing
from ew.components import station_of
from ew.records import EventVersion, Origin
from ew.seeds import seed_path
from ew.times import iso_from_seconds

router = APIRouter()

WAITS_S = 600.0
WAITING_MOST = 32
SOURCE = "drill"

RequestId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,32}$")]
EventId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,96}$")]
StationName = Annotated[str, Path(pattern=r"^[A-Z0-9]{1,8}\.[A-Z0-9]{1,8}$")]
Why = Annotated[str, Field(max_length=400, description="for the audit trail")]
Act = Callable[[], Awaitable[EventVersion | None]]


class DrillIn(BaseModel):
    """A drill: a scenario of seeds/, published by its origin as if it began now."""

    model_config = ConfigDict(extra="forbid")

    scenario: str = Field(pattern=r"^[a-z0-9-]{1,32}$", description="see GET /scenarios")
    why: Why = ""


class Reason(BaseModel):
    """Why an operator does something."""

    model_config = ConfigDict(extra="forbid")

    why: Why = ""


class ActionOut(BaseModel):
    """What an operator did."""

    number: int = Field(description="counts up; ``before`` of the next page")
    time: str = Field(description="ISO 8601")
    who: str = Field(description="name of the operator's key")
    what: str = Field(description="drill asked, drill confirmed, cancel asked, …")
    subject: str = Field(description="the scenario, the event or the station")
    why: str


class RequestOut(BaseModel):
    """An operator's request."""

    request_id: str
    what: str
    asked_by: str
    state: Literal["waits for a second operator", "done"]
    event_id: str | None = None
    version: int | None = None


@dataclass(slots=True)
class _Asked:
    out: RequestOut
    until_s: float
    act: Act


class Requests:
    """The operators' requests and their state."""

    def __init__(self) -> None:
        self._asked: dict[str, _Asked] = {}

    def listed(self) -> list[RequestOut]:
        """All requests that are not over, oldest first."""
        self._forget()
        return [asked.out for asked in self._asked.values()]

    def ask(self, what: str, operator: str, act: Act) -> RequestOut:
        """Add a request that waits for a second operator.

        Raises:
            HTTPException: too many wait.
        """
        self._forget()
        if len(self._asked) >= WAITING_MOST:
            raise HTTPException(429, "too many requests wait for a second operator")
        out = RequestOut(
            request_id=secrets.token_urlsafe(9),
            what=what,
            asked_by=operator,
            state="waits for a second operator",
        )
        self._asked[out.request_id] = _Asked(out, time.monotonic() + WAITS_S, act)
        return out

    async def confirm(self, request_id: str, operator: str) -> RequestOut:
        """Carry out another operator's request.

        Raises:
            HTTPException: there is no such request, it is done, or it is the operator's own.
        """
        self._forget()
        asked = self._asked.get(request_id)
        if asked is None:
            raise HTTPException(404, f"no request {request_id!r}: it may have waited too long")
        if asked.out.state == "done":
            raise HTTPException(409, "it has been done")
        if asked.out.asked_by == operator:
            raise HTTPException(409, "a second operator has to confirm it, with a key of their own")
        asked.out.state = "done"  # before it is awaited: two confirmations act once
        published = await asked.act()
        if published is not None:
            asked.out.event_id, asked.out.version = published.event_id, published.version
        return asked.out

    def _forget(self) -> None:
        now_s = time.monotonic()
        self._asked = {i: asked for i, asked in self._asked.items() if asked.until_s > now_s}


def _requests(request: Request) -> Requests:
    found: Requests = request.app.state.requests
    return found


def _operator(request: Request) -> str:
    return str(request.state.key.name)


def scenario_list() -> list[dict[str, Any]]:
    """The scenarios of seeds/ that have an earthquake: name, title and origin."""
    found = []
    for path in sorted(seed_path("scenarios").glob("*.json")):
        scenario = json.loads(path.read_text(encoding="utf-8"))
        if scenario.get("origin") is not None:
            found.append(
                {"name": path.stem, "title": scenario["title"], "origin": scenario["origin"]}
            )
    return found


@router.get("/scenarios", **needing("viewer"))
async def scenarios() -> list[dict[str, Any]]:
    """List earthquakes that can be played as drills."""
    return scenario_list()


@router.get("/drills", **needing("viewer"))
async def drills(request: Request) -> list[RequestOut]:
    """List drills and cancels that wait for a second operator, and those of the last minutes."""
    return _requests(request).listed()


@router.post("/drills", status_code=202, **needing("operator", 404, 409))
async def ask_for_drill(request: Request, drill: DrillIn) -> RequestOut:
    """Request a drill; ``POST /drills/{request_id}/confirm`` by another operator begins it.

    Only a service whose mode is exercise or test plays drills: its key can't sign anything else.
    """
    backend = backend_of(request)
    mode = backend.config.policy.mode
    if mode == "actual":
        raise HTTPException(409, "mode is actual: play drills on a service with mode exercise")
    scenario = next((one for one in scenario_list() if one["name"] == drill.scenario), None)
    if scenario is None:
        raise HTTPException(404, f"no scenario {drill.scenario!r}")
    origin = scenario["origin"]

    async def begin() -> EventVersion | None:
        version = EventVersion(
            f"{SOURCE}-{secrets.token_hex(6)}",
            1,
            "alert",
            0.0,
            Origin(
                time.time(),
                origin["latitude"],
                origin["longitude"],
                origin["depth_km"],
                origin["magnitude"],
            ),
            0,
            source=SOURCE,
        )
        return await backend.partner_origin(version)

    who = _operator(request)
    asked = _requests(request).ask(f"drill: {scenario['title']}", who, begin)
    await backend.note_action(who, "drill asked", drill.scenario, drill.why)
    return asked


@router.post("/events/{event_id}/cancel", status_code=202, **needing("operator", 404, 409))
async def ask_for_cancel(
    request: Request, event_id: EventId, reason: Reason | None = None
) -> RequestOut:
    """Request to cancel an event by hand; it is confirmed as a drill is."""
    backend = backend_of(request)
    if not await backend.store.history(event_id):
        raise HTTPException(404, f"no event {event_id!r}")
    who = _operator(request)
    asked = _requests(request).ask(f"cancel: {event_id}", who, lambda: backend.cancel(event_id))
    await backend.note_action(who, "cancel asked", event_id, reason.why if reason else "")
    return asked


@router.post("/drills/{request_id}/confirm", **needing("operator", 404, 409))
async def confirm(request: Request, request_id: RequestId) -> RequestOut:
    """Confirm a drill or a cancel, as the second operator."""
    who = _operator(request)
    done = await _requests(request).confirm(request_id, who)
    what, _, subject = done.what.partition(": ")
    await backend_of(request).note_action(
        who, f"{what} confirmed", done.event_id or subject, f"asked by {done.asked_by}"
    )
    return done


@router.post("/stations/{station}/silence", status_code=204, **needing("operator", 404))
async def silence(request: Request, station: StationName, reason: Reason) -> None:
    """Leave out a station that misleads, until it is heard again; one operator is enough."""
    backend, who = backend_of(request), _operator(request)
    if station not in {station_of(seed_id) for seed_id in backend.inventory}:
        raise HTTPException(404, f"no station {station!r}")
    await backend.store.silence(station, who, reason.why)
    await backend.note_action(who, "station silenced", station, reason.why)
    await backend.silenced_changed()


@router.delete("/stations/{station}/silence", status_code=204, **needing("operator", 404))
async def hear_again(request: Request, station: StationName) -> None:
    """Take a silenced station in again."""
    backend, who = backend_of(request), _operator(request)
    if not await backend.store.hear_again(station):
        raise HTTPException(404, f"station {station!r} is not silenced")
    await backend.note_action(who, "station heard again", station, "")
    await backend.silenced_changed()


@router.get("/actions", **needing("operator"))
async def actions(
    request: Request,
    before: Annotated[int, Query(ge=1, le=2**31 - 1)] = 2**31 - 1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ActionOut]:
    """List what operators did, the newest first: drills, cancels, silenced stations."""
    found = await backend_of(request).store.actions(before, limit)
    return [
        ActionOut(
            number=one.number,
            time=iso_from_seconds(one.time_s),
            who=one.who,
            what=one.what,
            subject=one.subject,
            why=one.why,
        )
        for one in found
    ]
