"""PURE: an event version as plain JSON values and back, for the resume file and for commands.

Arrivals and station magnitudes are left out; the stations' shaking is kept, because the alerted
targets depend on it.
"""

import math
from dataclasses import asdict
from typing import Any

from ew.records import EventVersion, Origin, StationMotion


def version_body(version: EventVersion) -> dict[str, Any]:
    """The plain form; an unknown number (NaN) is ``None``."""
    return {
        "event_id": version.event_id,
        "version": version.version,
        "kind": version.kind,
        "issued_s": version.issued_s,
        "origin": {k: None if math.isnan(v) else v for k, v in asdict(version.origin).items()},
        "stations": version.stations,
        "source": version.source,
        "motions": [asdict(motion) for motion in version.motions],
    }


def version_of(body: dict[str, Any]) -> EventVersion:
    """The event version of a plain form.

    Raises:
        KeyError, TypeError: it has another form.
    """
    numbers = {k: math.nan if v is None else v for k, v in body["origin"].items()}
    motions = tuple(StationMotion(**motion) for motion in body["motions"])
    return EventVersion(**{**body, "origin": Origin(**numbers), "motions": motions})
