"""How picks become located, sized events."""

from pydantic import BaseModel, ConfigDict, Field


class LocateConfig(BaseModel):
    """How picks become located, sized events."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_stations: int = Field(default=4, ge=3, description="stations a declaration needs")
    travel_time_model: str = Field(
        default="ak135", description="TauP model the table was made with"
    )
    version_interval_s: float = Field(
        default=0.5, gt=0, description="least time between versions, s"
    )
    update_until_s: float = Field(
        default=60.0, gt=0, description="last version, s after the origin"
    )
