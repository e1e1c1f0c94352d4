"""The stations over HTTP: place, state, and the reason of it."""

import time
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from ew.api.access import backend_of, needing
from ew.components import station_of
from ew.records import Channel
from ew.times import iso_from_us, seconds_from_iso

router = APIRouter()

PICKED_FOR_S = 30.0
"""A station counts as picked for this long after its P, s."""


class Station(BaseModel):
    """A station of the inventory, in its present state."""

    station: str = Field(description="NET.STA")
    seed_id: str = Field(description="its first channel")
    channels: list[str] = Field(description="all its channels")
    latitude: float
    longitude: float
    elevation_m: float
    input_units: str
    state: Literal[
        "live",
        "late",
        "silent",
        "suspect",
        "picked",
        "backlog",
        "future",
        "refused",
        "unknown",
    ] = Field(description="unknown: the service has not sent its status yet")
    silenced: bool = Field(description="an operator has had it left out: it counts as silent")
    latency_s: float | None = Field(description="age of its newest data when they came, s")
    last_data: str | None = Field(description="the end of its newest data (ISO 8601)")
    why: str | None = Field(description="what a state other than live rests on")


def station_rows(
    channels: Iterable[Channel],
    status: Mapping[str, Any],
    picks: Iterable[Mapping[str, Any]] = (),
    now_s: float = 0.0,
) -> list[Station]:
    """The stations of these channels, with what the service's ``status`` and newest picks say.

    ``picks``: live updates of the type pick; ``now_s``: epoch seconds.
    """
    reported = status.get("stations", {})
    delays, ends = reported.get("delays_s", {}), reported.get("last_data_us", {})
    whys = {**_refused(status), **_suspects(status)}
    picked, silenced = _picked(picks, now_s), status.get("silenced", {})
    found: dict[str, Station] = {}
    for channel in channels:
        name = station_of(channel.seed_id)
        known = found.get(name)
        if known is not None:
            known.channels.append(channel.seed_id)
            continue
        end_us = ends.get(name)
        last_data = None if end_us is None else iso_from_us(end_us)
        state, why = reported.get("states", {}).get(name, "unknown"), whys.get(name)
        if name in silenced:
            state, why = "silent", silenced[name]
        elif state in ("live", "late"):
            state = "picked" if name in picked else "suspect" if why is not None else state
        if state == "picked":
            why = f"P at {picked[name]}" + (f"; {why}" if why else "")
        found[name] = Station(
            station=name,
            seed_id=channel.seed_id,
            channels=[channel.seed_id],
            latitude=channel.latitude,
            longitude=channel.longitude,
            elevation_m=channel.elevation_m,
            input_units=channel.input_units,
            state=state,
            silenced=name in silenced,
            latency_s=delays.get(name),
            last_data=last_data,
            why=why or _why(state, delays.get(name), last_data),
        )
    return list(found.values())


def _why(state: str, delay_s: float | None, last_data: str | None) -> str | None:
    if state == "silent":
        return (
            "no data since the service started"
            if last_data is None
            else f"no data after {last_data}"
        )
    if delay_s is not None and state in ("late", "backlog"):
        return f"data are {delay_s:.0f} s old when they come"
    if delay_s is not None and state == "future":
        return f"data are {-delay_s:.0f} s ahead of this host's clock"
    return None


def _refused(status: Mapping[str, Any]) -> dict[str, str]:
    return {
        station.replace("_", ".", 1): f"the server says: {text}"
        for server in status.get("seedlink", {}).values()
        for station, text in server["refused"].items()
    }


def _suspects(status: Mapping[str, Any]) -> dict[str, str]:
    whys: dict[str, str] = {}
    for name, one in status.get("suspect_stations", {}).items():
        text = f"P is {one['residual_s']:+.2f} s off in most of {one['events']} events"
        whys[name] = f"{text}: its clock or its coordinates"
    for name, one in status.get("suspect_gains", {}).items():
        text = f"amplitudes are {one['factor']:g} times those of others in most of {one['events']}"
        whys[name] = f"{text} events: its gain"
    return whys


def _picked(picks: Iterable[Mapping[str, Any]], now_s: float) -> dict[str, str]:
    """The time of the newest P of the stations that picked just now."""
    return {
        station_of(pick["seed_id"]): pick["time"]
        for pick in picks
        if now_s - seconds_from_iso(pick["time"]) <= PICKED_FOR_S
    }


@router.get("/stations", **needing("viewer"))
async def stations(request: Request) -> list[Station]:
    """List the stations of the inventory with their state: live, late, silent, suspect, picked."""
    backend = backend_of(request)
    picks = backend.hub.recent("pick")
    return station_rows(backend.inventory.values(), backend.status(), picks, time.time())
