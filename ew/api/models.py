"""Bodies of HTTP requests and answers; validated here and nowhere else."""

import time
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from ew.storage.device_files import DEVICE_ID

ORIGIN_OLD_MOST_S = 600.0
ORIGIN_AHEAD_MOST_S = 60.0
"""Most that a partner's origin may lie ahead, s; an older one, or one farther ahead, is a mistake
or a test."""


def is_of_now(moment: datetime) -> bool:
    """Whether an origin's time is recent."""
    return -ORIGIN_AHEAD_MOST_S <= time.time() - moment.timestamp() <= ORIGIN_OLD_MOST_S


def _whole(value: object) -> object:
    """An integer written as 5.0, which JSON does not tell from 5."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


DeviceId = Annotated[str, Field(pattern=f"^{DEVICE_ID.pattern}$")]
Latitude = Annotated[float, Field(strict=True, ge=-90, le=90)]
Longitude = Annotated[float, Field(strict=True, ge=-180, le=180)]


class DeviceIn(_Body):
    """A device to be alerted for its own place."""

    device_id: DeviceId
    kind: str
    latitude: Latitude
    longitude: Longitude


class OriginIn(_Body):
    """Another agency's origin."""

    source: str = Field(pattern=r"^[A-Za-z0-9._-]{1,32}$", description="the agency, not 'ew'")
    event_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,48}$")
    version: Annotated[int, Field(strict=True, ge=1, le=1_000_000), BeforeValidator(_whole)] = 1
    time: AwareDatetime
    latitude: Latitude
    longitude: Longitude
    depth_km: float = Field(default=10.0, strict=True, ge=0, le=700)
    magnitude: float = Field(strict=True, ge=0, le=10)
    cancel: bool = Field(default=False, strict=True)


class OriginOut(BaseModel):
    """The version published for an origin; ``unchanged``: none was."""

    event_id: str
    version: int
    kind: Literal["alert", "update", "cancel", "unchanged"]
