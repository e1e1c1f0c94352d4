"""What goes in and out over HTTP; checked here and nowhere else."""

import time
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

ORIGIN_OLD_MOST_S = 600.0
ORIGIN_AHEAD_MOST_S = 60.0
"""A partner's origin is of now: what is older or lies ahead is a mistake or a test of somebody's."""


def _of_now(moment: AwareDatetime) -> AwareDatetime:
    age_s = time.time() - moment.timestamp()
    if not -ORIGIN_AHEAD_MOST_S <= age_s <= ORIGIN_OLD_MOST_S:
        raise ValueError(
            f"an origin lies at most {ORIGIN_OLD_MOST_S:.0f} s back and "
            f"{ORIGIN_AHEAD_MOST_S:.0f} s ahead"
        )
    return moment


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


Latitude = Annotated[float, Field(strict=True, ge=-90, le=90)]
Longitude = Annotated[float, Field(strict=True, ge=-180, le=180)]


class DeviceIn(_Body):
    """A device that registers for alerts at its own place."""

    device_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    kind: str
    latitude: Latitude
    longitude: Longitude


class OriginIn(_Body):
    """Another agency's origin."""

    source: str = Field(pattern=r"^[A-Za-z0-9._-]{1,32}$", description="the agency, not 'ew'")
    event_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,48}$")
    version: int = Field(default=1, strict=True, ge=1, le=1_000_000)
    time: Annotated[AwareDatetime, AfterValidator(_of_now)]
    latitude: Latitude
    longitude: Longitude
    depth_km: float = Field(default=10.0, strict=True, ge=0, le=700)
    magnitude: float = Field(strict=True, ge=0, le=10)
    cancel: bool = Field(default=False, strict=True)
