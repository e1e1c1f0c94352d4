"""Settings of the P-wave picker."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PickerConfig(BaseModel):
    """Band-pass, STA/LTA, trigger and quality of the picker.

    The corners and averages are those in use for local early warning (Allen 1978; Withers et al.
    1998); the thresholds are on energy, so 4 would mean twice the amplitude.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    band_low_hz: float = Field(default=1.0, gt=0, description="lower corner of the band-pass, Hz")
    band_high_hz: float = Field(default=12.0, gt=0, description="upper corner of the band-pass, Hz")
    sta_s: float = Field(default=0.3, gt=0, le=10, description="short-term average, s")
    lta_s: float = Field(default=10.0, gt=0, le=30, description="long-term average, s")
    on_ratio: float = Field(
        default=4.0, gt=1, description="STA/LTA (energy) at which a trigger starts"
    )
    off_ratio: float = Field(default=1.5, gt=0, description="STA/LTA at which a trigger ends")
    decision_s: float = Field(
        default=0.2,
        gt=0,
        le=2,
        description="data after the trigger that the pick's quality rests on, s",
    )
    patience_s: float = Field(
        default=2.0,
        ge=0,
        le=5,
        description="an onset still too weak is checked again for this long, s",
    )
    min_snr: float = Field(
        default=2.5, ge=0, description="least ratio of RMS after and before the onset"
    )
    max_sparsity: float = Field(
        default=0.9,
        gt=0,
        le=1,
        description=(
            "largest share of the steepest quarter in the slope's energy; above it a glitch"
        ),
    )
    gap_hold_s: float = Field(
        default=1.0, ge=0, description="no trigger for this long after a bridged gap, s"
    )
    dead_s: float = Field(
        default=2.0, gt=0, description="equal samples for this long are no signal, s"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        for low, high in (
            ("band_low_hz", "band_high_hz"),
            ("sta_s", "lta_s"),
            ("off_ratio", "on_ratio"),
        ):
            if not getattr(self, low) < getattr(self, high):
                raise ValueError(f"{low} must be below {high}")
        return self
