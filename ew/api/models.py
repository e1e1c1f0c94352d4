"""What goes in and out over HTTP; checked here and nowhere else."""

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DeviceIn(_Body):
    """A device that registers for alerts at its own place."""

    device_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    kind: str
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class OriginIn(_Body):
    """Another agency's origin."""

    source: str = Field(pattern=r"^[A-Za-z0-9._-]{1,32}$", description="the agency, not 'ew'")
    event_id: str = Field(pattern=r"^[A-Za-z0-9._-]{1,48}$")
    version: int = Field(default=1, ge=1)
    time: AwareDatetime
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    depth_km: float = Field(default=10.0, ge=0, le=700)
    magnitude: float = Field(ge=0, le=10)
    cancel: bool = False
