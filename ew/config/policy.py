"""Who is alerted, at what level, and how."""

from pydantic import BaseModel, ConfigDict, Field


class PolicyConfig(BaseModel):
    """Who is alerted, at what level, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: str = Field(default="test", description="actual, exercise or test")
    min_magnitude: float = Field(default=4.0, description="no alert below this magnitude")
