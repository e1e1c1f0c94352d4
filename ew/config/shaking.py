"""Settings of the intensity relation."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ShakingConfig(BaseModel):
    """The relation of intensity with magnitude and distance."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    relation: Literal["csis-sichuan", "csis-west", "mmi-allen-2012"] = Field(
        default="csis-sichuan",
        description="intensity relation; see ew/shaking/relations.py for the sources",
    )
