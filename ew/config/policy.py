"""Settings of who is alerted, at what level, and how."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class KindPolicy(BaseModel):
    """Thresholds and actions of one kind of device; kinds are data, so a new one needs no code."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    address: Literal["cell", "device"] = Field(
        default="device",
        description="cell: alerted by its H3 cell; device: registered, by its own topic",
    )
    min_intensity: float = Field(
        default=2.0, ge=1, le=12, description="no alert below this local intensity"
    )
    min_magnitude: float = Field(default=4.0, description="no alert below this magnitude")
    full_intensity: float = Field(
        default=3.0, ge=1, le=12, description="from here full screen and sound; below it a notice"
    )
    action: str = Field(
        default="show",
        min_length=1,
        description=(
            "what the device does at full, in its maker's words: ring, announce, close, stop …"
        ),
    )
    sound: bool = Field(default=True, description="it makes a sound, once an earthquake")

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.full_intensity < self.min_intensity:
            raise ValueError("full_intensity can't be below min_intensity")
        return self


class Region(BaseModel):
    """A region in which alerts are sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    polygon: list[tuple[float, float]] = Field(
        min_length=3,
        description=(
            "corners as (latitude, longitude), degrees; an edge is the shorter way between two"
        ),
    )

    @model_validator(mode="after")
    def _encloses_something(self) -> Self:
        for number, (latitude, longitude) in enumerate(self.polygon, 1):
            if not (abs(latitude) <= 90 and abs(longitude) <= 360):
                hint = "; GeoJSON has [lon, lat]" if abs(longitude) <= 90 else ""
                raise ValueError(
                    f"corner {number} of region {self.name!r}: latitude {latitude:g}, longitude "
                    f"{longitude:g} is no place: corners are [latitude, longitude]{hint}"
                )
        latitudes = [latitude for latitude, _ in self.polygon]
        if max(latitudes) < -60 or min(latitudes) > 79:
            raise ValueError(
                f"region {self.name!r} lies where nobody lives: corners are [latitude, longitude]; "
                "GeoJSON has [lon, lat]"
            )
        if len({(lat, lon % 360) for lat, lon in self.polygon}) < 3:
            raise ValueError(f"region {self.name!r} has no area: give three different corners")
        return self


def _default_kinds() -> dict[str, KindPolicy]:
    return {
        "phone": KindPolicy(address="cell", action="ring through silent mode"),
        "tv": KindPolicy(action="interrupt the programme"),
        "speaker": KindPolicy(action="announce"),
        "gas-valve": KindPolicy(min_intensity=5, full_intensity=5, action="close", sound=False),
        "lift": KindPolicy(
            min_intensity=4, full_intensity=4, action="stop at the next floor", sound=False
        ),
    }


class PolicyConfig(BaseModel):
    """Mode, regions, thresholds by kind of device, lanes, and when an update is sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: Literal["actual", "exercise", "test"] = Field(
        default="test", description="status of the alerts; actual needs a key that may sign it"
    )
    regions: tuple[Region, ...] = Field(
        default=(), description="where alerts are sent; empty: everywhere"
    )
    kinds: dict[str, KindPolicy] = Field(
        default_factory=_default_kinds, description="policy by kind of device"
    )
    lanes: tuple[float, ...] = Field(
        default=(6.0, 4.5, 3.0, 1.0),
        min_length=1,
        max_length=4,
        description=(
            "least intensity of each priority lane, most urgent first (CSIS 6: damage begins)"
        ),
    )
    update_intensity: float = Field(
        default=0.5, gt=0, description="an update is sent when the intensity changed by this"
    )
    update_arrival_s: float = Field(default=2.0, gt=0, description="or its S arrival by this, s")
    cells_within_km: float = Field(
        default=100.0, gt=0, description="cells this near to a station can be alerted, km"
    )
    expire_s: float = Field(
        default=60.0,
        gt=0,
        description="an alert expires this long after S arrives (or after issue), s",
    )

    data_age_s: float = Field(
        default=30.0,
        gt=0,
        le=120,
        description="in mode actual: a pick of data older than this bears no alert out, s",
    )

    @model_validator(mode="after")
    def _sane(self) -> Self:
        if list(self.lanes) != sorted(self.lanes, reverse=True):
            raise ValueError("lanes must fall from the most urgent on")
        if not self.kinds:
            raise ValueError("kinds must name at least one kind of device")
        return self

    @property
    def least_intensity(self) -> float:
        """The lowest local intensity at which a device of any kind is alerted."""
        return min(kind.min_intensity for kind in self.kinds.values())
