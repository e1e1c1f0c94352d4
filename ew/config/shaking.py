"""How strong an origin shakes a place."""

from pydantic import BaseModel, ConfigDict, Field


class ShakingConfig(BaseModel):
    """How strong an origin shakes a place."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    relation: str = Field(default="csis-sichuan", description="name of the intensity relation")
