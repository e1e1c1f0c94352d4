"""How picks become located, sized events."""

from pydantic import BaseModel, ConfigDict, Field


class LocateConfig(BaseModel):
    """Association, location, magnitude and versions; the defaults suit a crustal region like Sichuan-Yunnan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_stations: int = Field(default=4, ge=3, le=20, description="stations a declaration needs")
    min_share: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="least share of the stations in reach that must have picked",
    )
    min_explained: float = Field(
        default=0.55,
        ge=0,
        le=1,
        description="least share of recent picks in reach the event must explain",
    )
    window_s: float = Field(
        default=45.0, gt=0, le=120, description="picks this old can still form an event, s"
    )
    reach_km: float = Field(
        default=200.0,
        gt=0,
        description="no epicentre farther than this from the nearest station that picked, km",
    )
    travel_time_model: str = Field(
        default="ak135", description="TauP model of the table in seeds/tables"
    )
    depth_km: float = Field(default=12.0, ge=0, le=100, description="usual depth in the region, km")
    depth_spread_km: float = Field(
        default=30.0, gt=0, description="how freely depth may leave the usual one, km"
    )
    max_depth_km: float = Field(default=60.0, gt=0, le=100, description="deepest trial depth, km")
    pd_relation: str = Field(
        default="kuyuk-allen-2013", description="Pd relation: kuyuk-allen-2013 or wu-zhao-2006"
    )
    version_interval_s: float = Field(
        default=0.5, gt=0, description="least time between versions, s"
    )
    update_until_s: float = Field(
        default=60.0, gt=0, description="last version, s after the origin"
    )
