"""How P-waves are found on one channel."""

from pydantic import BaseModel, ConfigDict, Field


class PickerConfig(BaseModel):
    """How P-waves are found on one channel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    band_low_hz: float = Field(default=1.0, gt=0, description="lower corner of the band-pass, Hz")
    band_high_hz: float = Field(default=12.0, gt=0, description="upper corner of the band-pass, Hz")
    sta_s: float = Field(default=0.3, gt=0, description="short-term average, s")
    lta_s: float = Field(default=10.0, gt=0, description="long-term average, s")
    on_ratio: float = Field(default=4.0, gt=1, description="STA/LTA at which a trigger starts")
    off_ratio: float = Field(default=1.5, gt=0, description="STA/LTA at which a trigger ends")
