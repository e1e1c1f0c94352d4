"""Settings of association, location and magnitude."""

from itertools import pairwise
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

LEAST_VP_VS, MOST_VP_VS = 1.4, 3.0
"""Bounds of Vp/Vs: a Poisson's ratio of 0 gives 1.41, wet sediments up to about 3 (Brocher
2005)."""


class Layer(BaseModel):
    """One layer of a regional velocity model, down to the top of the next; the last has no end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    top_km: float = Field(ge=0, le=300, description="depth of its top, km")
    vp_km_s: float = Field(gt=0.3, le=14, description="P velocity, km/s")
    vs_km_s: float = Field(gt=0.1, le=8, description="S velocity, km/s")

    @model_validator(mode="after")
    def _is_rock(self) -> Self:
        ratio = self.vp_km_s / self.vs_km_s
        if not LEAST_VP_VS <= ratio <= MOST_VP_VS:
            raise ValueError(
                f"vp_km_s / vs_km_s is {ratio:.2f}; rock has {LEAST_VP_VS} to {MOST_VP_VS}"
            )
        return self


class LocateConfig(BaseModel):
    """Association, location, magnitude and versions, by default of a crustal region."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_stations: int = Field(default=4, ge=3, le=20, description="stations a declaration needs")
    strong_motion: bool = Field(
        default=True,
        description="let three stations, or two near ones, declare an earthquake where two of "
        "them record "
        "motion that only a "
        "damaging one makes",
    )
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
        default=100.0,
        gt=0,
        le=120,
        description=(
            "picks this old can still form an event, s; between two stations no more time may pass "
            "than P takes"
        ),
    )
    reach_km: float = Field(
        default=200.0,
        gt=0,
        description="no epicentre farther than this from the nearest station that picked, km",
    )
    travel_time_model: Literal["ak135", "iasp91", "layers"] = Field(
        default="ak135",
        description="Earth model of travel times: ak135 (Kennett, Engdahl & Buland 1995), "
        "iasp91 (Kennett "
        "& "
        "Engdahl 1991), or layers: those given under locate.layers",
    )
    layers: tuple[Layer, ...] = Field(
        default=(),
        max_length=40,
        description="a regional velocity model, from the surface (top_km 0) down",
    )
    depth_km: float = Field(default=12.0, ge=0, le=100, description="usual depth in the region, km")
    depth_spread_km: float = Field(
        default=30.0, gt=0, description="how freely depth may leave the usual one, km"
    )
    max_depth_km: float = Field(
        default=700.0,
        gt=0,
        le=700,
        description="deepest trial depth, km; no earthquake is deeper than 700",
    )
    pd_relation: Literal["kuyuk-allen-2013", "wu-zhao-2006"] = Field(
        default="kuyuk-allen-2013",
        description="magnitude from peak displacement; see ew/locate/magnitude.py for the sources",
    )
    version_interval_s: float = Field(
        default=0.5, gt=0, description="least time between versions, s"
    )
    update_until_s: float = Field(
        default=60.0,
        gt=0,
        description="last version, s after the origin, and no sooner than 30 s after the first",
    )

    @model_validator(mode="after")
    def _has_its_layers(self) -> Self:
        if (self.travel_time_model == "layers") != bool(self.layers):
            raise ValueError('travel_time_model = "layers" and [[locate.layers]] go together')
        tops = [layer.top_km for layer in self.layers]
        if tops and tops[0] != 0:
            raise ValueError(f"layers.0.top_km is {tops[0]:g}; the first layer begins at 0")
        for number, (upper, lower) in enumerate(pairwise(tops), start=1):
            if not upper < lower:
                raise ValueError(
                    f"layers.{number}.top_km is {lower:g}, not below the layer before ({upper:g})"
                )
        if self.depth_km > self.max_depth_km:
            raise ValueError(
                f"depth_km ({self.depth_km:g}) must be at most max_depth_km ({self.max_depth_km:g})"
            )
        return self
