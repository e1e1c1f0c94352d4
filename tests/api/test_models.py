"""What the API takes for an origin, and what it refuses at the door."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from ew.api.models import OriginIn


def origin(**change: Any) -> str:
    return json.dumps(
        {
            "source": "icl",
            "event_id": "1",
            "version": 1,
            "time": datetime.now(UTC).isoformat(),
            "latitude": 29.5,
            "longitude": 103.5,
            "magnitude": 6.0,
            **change,
        }
    )


@pytest.mark.parametrize("change", [{}, {"depth_km": 650}, {"version": 1_000_000}])
def test_origin_of_now_is_taken(change: dict[str, Any]) -> None:
    assert OriginIn.model_validate_json(origin(**change)).latitude == 29.5


@pytest.mark.parametrize(
    "change",
    [
        {"version": 0},
        {"version": 1_000_001},
        {"version": True},
        {"version": "1"},
        {"magnitude": 10.1},
        {"magnitude": None},
        {"magnitude": "6"},
        {"depth_km": 701},
        {"depth_km": -1},
        {"latitude": 90.1},
        {"longitude": 183.0},
        {"event_id": "a/b"},
        {"source": ""},
        {"cancel": "yes"},
        {"other": 1},
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OriginIn.model_validate_json(origin(**change))


def test_time_without_a_zone_is_refused() -> None:
    naive = datetime.now(UTC).replace(tzinfo=None).isoformat()
    with pytest.raises(ValidationError, match="timezone"):
        OriginIn.model_validate_json(origin(time=naive))
