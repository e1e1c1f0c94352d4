"""How alerts reach the broker."""

from pydantic import BaseModel, ConfigDict, Field


class DeliveryConfig(BaseModel):
    """How alerts reach the broker."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    qos: int = Field(default=1, ge=0, le=1, description="MQTT QoS of alerts")
    connections: int = Field(default=2, ge=1, le=64, description="publisher connections")
